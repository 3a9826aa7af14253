"""What is frozen is kept: in copies, files, checkpoints, receipts and what is made of a model."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.sklearn import FastnetClassifier
from test_trainable import X, Y, small


def frozen_model() -> fn.Sequential:
    model = fn.Sequential(
        [
            fn.Dense(6, "tanh", input_shape=(6,)),
            layers.Residual([layers.BatchNormalization(trainable=False), fn.Dense(6)]),
            layers.Dropout(0.2),
            fn.Dense(3, trainable=False),
        ],
        seed=0,
    )
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def switches(model: fn.Sequential) -> list[bool]:
    return [layer.trainable for layer in [model, *model.layers, *model.layers[1].layers]]


COPIES: dict[str, Callable[[fn.Sequential, Path], fn.Sequential]] = {
    "copy": lambda model, _: copy.copy(model),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "config": lambda model, _: fn.Sequential.from_config(model.get_config()),
    "file": lambda model, folder: (model.save(folder / "m.safetensors"), fn.load_model(folder / "m.safetensors"))[1],
}


@pytest.mark.parametrize("whole", [False, True], ids=["layers", "model"])
@pytest.mark.parametrize("how", COPIES)
def test_copies_and_files_keep_it(how: str, whole: bool, tmp_path: Path) -> None:
    model = frozen_model()
    if whole:
        model._trainable = False  # the layers keep their own, as when one is set after the model
    other = COPIES[how](model, tmp_path)
    assert switches(other) == switches(model)
    assert other.get_config() == model.get_config()
    assert len(other.trainable_weights) == len(model.trainable_weights)
    if how in ("copy", "deepcopy", "pickle") and not whole:
        for one in (model, other):
            one.fit(X, Y, epochs=2, verbose=0)
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            assert_array_equal(a, b)


def test_a_block_that_is_frozen_comes_back_with_layers_that_are_not() -> None:
    block = layers.Residual([fn.Dense(6), fn.Dense(6)])
    block.trainable = False
    block.layers[0].trainable = True
    again = layers.Residual.from_config(block.get_config())
    assert again.trainable is False
    assert [layer.trainable for layer in again.layers] == [True, False]


class Thaw(fn.callbacks.Callback):
    """Unfreezes the first layer in the third epoch, and drops less from then on."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            self.model.layers[0].trainable = True
            self.model.layers[2].rate = 0.125


class Lights(fn.callbacks.Callback):
    def __init__(self, batch: int) -> None:
        super().__init__()
        self.left = batch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the lights go out")


@pytest.mark.parametrize("batches", [4, 7, 8, 11])
@pytest.mark.parametrize("same_model", [False, True], ids=["script", "notebook"])
def test_training_goes_on_from_a_checkpoint_with_what_was_frozen_then(
    batches: int, same_model: bool, tmp_path: Path
) -> None:
    def made() -> fn.Sequential:
        model = fn.Sequential(
            [fn.Dense(6, "tanh", input_shape=(6,), trainable=False), fn.Dense(6), layers.Dropout(0.5), fn.Dense(3)],
            seed=0,
        )
        model.compile(fn.optimizers.Adam(0.01, use_ema=True), "mse")
        return model

    def train(model: fn.Sequential, *more: fn.callbacks.Callback) -> list[np.ndarray]:
        model.fit(X, Y, epochs=5, batch_size=16, verbose=0, callbacks=[Thaw(), *more])
        return model.get_weights()

    expected = train(made())
    model = made()
    backup = fn.callbacks.BackupAndRestore(tmp_path, save_freq=1)
    with pytest.raises(RuntimeError, match="the lights go out"):
        train(model, backup, Lights(batches))
    for now, then in zip(train(model if same_model else made(), backup), expected, strict=True):
        assert_array_equal(now, then)


def test_a_checkpoint_of_other_switches_is_one_of_another_run(tmp_path: Path) -> None:
    model = small()
    model.compile("adam", "mse")
    with pytest.raises(RuntimeError, match="the lights go out"):
        model.fit(
            X, Y, epochs=3, verbose=0, callbacks=[fn.callbacks.BackupAndRestore(tmp_path, save_freq=1), Lights(3)]
        )
    model.layers[0].trainable = False
    with pytest.raises(
        ValueError, match=r"another run: model\.layers\[0\]\.config\.trainable was null, now it is false"
    ):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[fn.callbacks.BackupAndRestore(tmp_path, save_freq=1)])


def test_a_receipt_says_what_was_frozen_and_verify_trains_so_again(tmp_path: Path) -> None:
    model = frozen_model()
    assert model.receipt is not None
    expected = {
        "residual.0.batch_normalization": {"trainable": False},
        "dropout": {"rate": 0.2},
        "dense_1": {"trainable": False},
    }
    assert model.receipt["runs"][0]["layers"] == expected
    assert fn.verify(model, X, Y).identical
    # What is changed afterwards is not what it was trained with.
    model.trainable = True
    model.layers[2].rate = 0.7
    assert model.receipt["runs"][0]["layers"] == expected
    assert fn.verify(model, X, Y).identical
    model.save(tmp_path / "m.safetensors")
    loaded = fn.load_model(tmp_path / "m.safetensors")
    loaded.layers[0].trainable = False
    assert fn.verify(loaded, X, Y).identical


def test_verify_takes_weights_that_were_given_to_frozen_layers() -> None:
    model = small()
    model.layers[0].set_weights([np.full((6, 5), 0.25), np.zeros(5)])
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    found = fn.verify(model, X, Y)
    assert found.identical
    assert not found.differences


def test_a_classifier_keeps_the_frozen_layers_of_its_model() -> None:
    base = fn.Sequential([layers.Normalization(), fn.Dense(8, "relu"), fn.Dense(2, "softmax")], seed=0)
    base.layers[0].adapt(3.0 * X + 1.0)
    base.build((6,))
    base.layers[1].trainable = False
    labels = (X[:, 0] > 0).astype(int)
    classifier = FastnetClassifier(base, epochs=5, random_state=1).fit(X, labels)
    for index, same in enumerate([True, True, False]):
        for array, other in zip(classifier.model_.layers[index].weights, base.layers[index].weights, strict=True):
            assert (array == other).all() == same
    assert not classifier.model_.layers[1].trainable


def test_frozen_models_are_quantized_and_exported_as_others(tmp_path: Path) -> None:
    model, other = small(), small()
    model.trainable = False
    assert_array_equal(model.quantize(X).predict(X), other.quantize(X).predict(X))
    assert model.to_c(tmp_path / "m.c", check=False) == other.to_c(tmp_path / "o.c", check=False)
