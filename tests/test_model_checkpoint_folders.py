"""The folders of the files that `ModelCheckpoint` writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.callbacks import ModelCheckpoint

X, Y = np.ones((8, 3)), np.ones((8, 1))


def train(callback: ModelCheckpoint, **arguments: Any) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(1, input_shape=(3,))], seed=0)
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callback], **arguments)
    return model


def test_missing_folders_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/b/{epoch}.safetensors", str(tmp_path / "c" / "{epoch}" / "m.safetensors"), "{epoch}.safetensors"):
        model = train(ModelCheckpoint(name))
        saved = fn.load_model(name.format(epoch=2))
        assert np.array_equal(saved.predict(X), model.predict(X))
        assert Path(name.format(epoch=1)).is_file()
    train(ModelCheckpoint("d/w.safetensors", save_weights_only=True, save_freq=1))
    assert Path("d/w.safetensors").is_file()


def test_no_folder_is_made_before_a_file_is_written(tmp_path: Path) -> None:
    train(ModelCheckpoint(tmp_path / "a" / "m.safetensors", "loss", save_best_only=True, initial_value_threshold=-1.0))
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises((FileExistsError, NotADirectoryError), match="a"):
        train(ModelCheckpoint(tmp_path / "a" / "m.safetensors"))
