"""Nothing is written under the name of another format, and the error says what to call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from command import Run, run
from fastnet.files.names import format_of
from fastnet.interchange.state_dict import save_state_dict

__all__ = ["run"]

FOREIGN = [
    *["m.h5", "m.hdf5", "m.npz", "m.npy", "m.pt", "m.pth", "m.ckpt", "m.bin", "m.pkl"],
    *["m.joblib", "m.tflite", "m.pb", "m.json", "m.csv", "m.parquet", "m.zip", "m.safetensors.gz", "m.H5", "m.PT"],
]
OWN = ["model", "m.safetensors", "m.SafeTensors", "m.1", "m.v2", "m.bak", "m.fastnet", ".hidden", "m.keras.old"]


def small() -> fn.Sequential:
    model = fn.Sequential([fn.Dense(3, "softmax", input_shape=(4,))], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def quantized() -> Any:
    return small().quantize(np.linspace(-1.0, 1.0, 40).reshape(10, 4))


WRITERS: dict[str, Callable[[Path], Any]] = {
    "save": lambda path: small().save(path),
    "save_weights": lambda path: small().save_weights(path),
    "save of a quantized model": lambda path: quantized().save(path),
    "save_state_dict": lambda path: save_state_dict(small(), path),
    "ModelCheckpoint": fn.callbacks.ModelCheckpoint,
    "ModelCheckpoint of weights": lambda path: fn.callbacks.ModelCheckpoint(path, save_weights_only=True),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", FOREIGN)
def test_the_name_of_another_format_is_refused_and_nothing_is_written(writer: str, name: str, tmp_path: Path) -> None:
    promised, method = format_of(name), writer.partition(" ")[0]
    with pytest.raises(
        ValueError, match=rf"^{method} writes safetensors .*, not {promised} files such as .*{name}: use "
    ) as caught:
        WRITERS[writer](tmp_path / name)
    assert "\n" not in str(caught.value)
    assert f": use {Path(name).stem}.safetensors" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("writer", "name"),
    [
        ("save", "m.weights.h5"),
        ("ModelCheckpoint", "m.weights.h5"),
        ("save_weights", "M.KERAS"),
        ("ModelCheckpoint of weights", "m.keras"),
        ("save_state_dict", "m.keras"),
        ("save_state_dict", "m.weights.h5"),
        ("save of a quantized model", "m.keras"),
    ],
)
def test_models_and_weights_of_keras_have_their_own_names(writer: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=rf"^{writer.partition(' ')[0]} writes safetensors .*files such as .*{name}: use "
    ):
        WRITERS[writer](tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OWN)
def test_other_names_are_names_of_model_files(name: str, tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / name)
    assert (fn.load_model(tmp_path / name).get_weights()[0] == model.get_weights()[0]).all()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("m.npz", r"numpy\.savez"),
        ("m.pt", r"torch\.save takes what to_state_dict returns"),
        ("m.pkl", r"pickle\.dump"),
        ("m.json", "get_config"),
        ("m.h5", r"save writes \*\.keras, and save_weights \*\.weights\.h5, for Keras"),
    ],
)
def test_the_error_says_what_writes_the_format(name: str, call: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=call):
        small().save(tmp_path / name)


@pytest.mark.parametrize("name", ["m.onnx", "m.ONNX"])
def test_save_writes_onnx_under_its_name(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = small()
    model.save(tmp_path / name)
    assert (fn.from_onnx(tmp_path / name).get_weights()[0] == model.get_weights()[0]).all()
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        model.save(tmp_path / name, overwrite=False)
    with pytest.raises(ValueError, match=r"cannot load .*: it is not a safetensors file; fastnet.from_onnx reads ONNX"):
        fn.load_model(tmp_path / name)


def test_save_writes_c_under_its_name(tmp_path: Path) -> None:
    small().save(tmp_path / "m.c")
    assert "model_classify(const float *input)" in (tmp_path / "m.c").read_text()


@pytest.mark.parametrize("name", ["m.onnx", "m.c"])
@pytest.mark.parametrize("writer", ["save_weights", "save_state_dict"])
def test_weights_alone_are_not_exported(writer: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"use m\.safetensors, or to_(onnx writes ONNX|c writes C)$"):
        WRITERS[writer](tmp_path / name)


def test_a_quantized_model_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"save writes safetensors files, not ONNX .*: use m\.safetensors$"):
        quantized().save(tmp_path / "m.onnx")


def test_exports_are_not_written_under_the_names_of_others(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"to_onnx writes ONNX files, not safetensors .*use m\.onnx, or save writes a model"
    ):
        small().to_onnx(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"to_c writes C files, not ONNX .*use m\.c$"):
        small().to_c(tmp_path / "m.onnx")
    small().to_c(tmp_path / "m.txt", check=False)  # which C is
    small().to_c(tmp_path / "m.h", check=False)
    with pytest.raises(ValueError, match=r"CSVLogger writes CSV files, not JSON .*use log\.csv"):
        fn.callbacks.CSVLogger(tmp_path / "log.json")
    with pytest.raises(ValueError, match=r"write_report writes HTML files, not PDF .*use r\.html"):
        fn.reports.write_report(tmp_path / "r.pdf", small(), np.ones((3, 4)), [0, 1, 2])


def test_the_command_line_says_so_before_it_works(run: Run, tmp_path: Path) -> None:
    small().save("m.safetensors")
    Path("x.csv").write_text("label,a,b,c,d\n0,1,2,3,4\n1,2,3,4,5\n2,3,4,5,6\n")
    for arguments, message in {
        "train x.csv --out m.h5": "--out writes safetensors or ONNX or C or Keras files, not HDF5 files such as m.h5: use m.safetensors",
        "predict m.safetensors x.csv --out p.parquet": "--out writes CSV files, not Parquet files such as p.parquet: use p.csv",
        "predict m.safetensors x.csv --out p.json --format csv": "--out writes CSV files, not JSON",
        "export m.safetensors --to c --out m.onnx": "--out writes C files, not ONNX files such as m.onnx: use m.c",
        "export m.safetensors --to state-dict --out m.pt": "--out writes safetensors files, not PyTorch files such as m.pt",
        "evaluate m.safetensors x.csv --report r.pdf": "--report writes HTML files, not PDF files such as r.pdf: use r.html",
    }.items():
        done = run(*arguments.split())
        assert (done.status, message in done.err, done.err.count("\n")) == (1, True, 1), done


def test_predictions_are_json_under_such_a_name(run: Run) -> None:
    small().save("m.safetensors")
    Path("x.csv").write_text("label,a,b,c,d\n0,1,2,3,4\n1,2,3,4,5\n")
    assert run("predict", "m.safetensors", "x.csv", "--out", "p.json").status == 0
    assert Path("p.json").read_text().startswith("{")
