"""The readers of fastnet, and what each may do with any bytes: read them, or refuse them with an error that names the file."""

import io
import json
import re
import warnings
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastnet as fn
from fastnet import _core
from fastnet.cli import info, verify
from fastnet.cli._arguments import config, parse_arguments
from fastnet.cli._origin import arguments_again
from fastnet.cli._sample_submission import read_sample
from fastnet.files.pickled import plain_data
from fastnet.serialization import read_metadata
from fastnet.serve.bodies import RequestError, Rows
from keras_archives import SMALL, members_of

LONGEST_MESSAGE = 1000
MOST_VALUES = 10_000  # of a model that predicts
SHAPE = (2, 3)  # of the instances of a request


@dataclass(frozen=True)
class Reader:
    """One way into the package."""

    read: Callable[[Path], object]
    file: str = "input"  # its name, perhaps with its folder
    refusals: tuple[type[BaseException], ...] = (ValueError,)
    prepare: Callable[[bytes], bytes] = bytes  # makes a file of what a fuzzer changes


def outcome(reader: Reader, content: bytes, folder: Path) -> str:
    """Let a reader read these bytes; return "read" or "refused". Whatever else comes is a fault."""
    path = folder / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(reader.prepare(content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader.read(path)
        except reader.refusals as error:
            message = str(error)
            whole = path.name in message or isinstance(error, RequestError)
            if not whole or "\n" in message or len(message) > LONGEST_MESSAGE:
                raise AssertionError(f"a message that says too little or too much: {message:.2000}") from error
            return "refused"
    return "read"


# ---- Data -----------------------------------------------------------------------------------------------------------


def read_data(path: Path) -> None:
    data = fn.datasets.load(path)
    if data.y is not None:
        assert len(data.y) == len(data.x)


def read_stored(path: Path) -> None:
    data = fn.datasets.open(path)
    x, y = data.read(0, min(len(data), 1000))
    assert len(x) == min(len(data), 1000)
    assert y is None or len(y) == len(x)


# ---- Models ---------------------------------------------------------------------------------------------------------


def predicting(model: Any) -> None:
    sizes = [layer.output_shape for layer in getattr(model, "layers", [])]
    if max(map(np.prod, [model.input_shape, *sizes])) < MOST_VALUES:
        model.predict(np.ones((2, *model.input_shape)), verbose=0)


def read_model(path: Path) -> None:
    model = fn.load_model(path)
    info._as_text({"file": path.name, "bytes": 0, "sha256": ""}, read_metadata(path), model)
    predicting(model)
    if isinstance(model, fn.Sequential):
        model.load_weights(path)


def read_receipt(path: Path) -> None:
    """Load a model with this receipt, and take the arguments of `fastnet verify` from it."""
    model = fn.load_model(path)
    info._as_text({"file": path.name, "bytes": 0, "sha256": ""}, read_metadata(path), model)
    receipt = verify._receipt_of(model, path.name)
    try:
        arguments_again(receipt["command"], "digits")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_checkpoint(path: Path) -> None:
    """Go on training from a checkpoint."""
    model = fn.Sequential([fn.Dense(3, "relu", input_shape=(2,)), fn.Dropout(0.5), fn.Dense(2)], seed=0)
    model.compile(fn.optimizers.Adam(0.01), "mse", metrics=["mae"])
    callbacks = [
        fn.callbacks.BackupAndRestore(path.parent, delete_checkpoint=False),
        fn.callbacks.EarlyStopping("loss", patience=5),
    ]
    others = [other for other in path.parent.iterdir() if other != path]
    x = np.arange(16.0).reshape(8, 2)
    try:
        model.fit(x, x, epochs=2, batch_size=4, verbose=0, callbacks=callbacks)
    finally:
        for other in {*path.parent.iterdir()} - {path, *others}:
            other.unlink()


def read_keras_weights(path: Path) -> None:
    layers = [fn.Input((3,)), fn.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]), fn.Dense(4, "tanh")]
    model = fn.Sequential([*layers, fn.BatchNormalization(center=False), fn.Dense(2)])
    try:
        model.load_weights(path)
    finally:
        fn.load_model(path)


def read_keras(path: Path) -> None:
    predicting(fn.load_model(path))


def read_onnx(path: Path) -> None:
    predicting(fn.from_onnx(path))


def read_state_dict(path: Path) -> None:
    predicting(fn.from_state_dict(path, "relu"))


def read_torch_code(path: Path) -> None:
    predicting(fn.from_state_dict(path, input_shape=(6, 5, 2)))


# ---- Options and requests -------------------------------------------------------------------------------------------


def read_sample_submission(path: Path) -> None:
    read_sample(str(path)).layout(["rose", "lily"], 2)


def read_config(path: Path) -> None:
    try:
        config._read(str(path))  # first, since it is fast and most inputs end here
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    message = io.StringIO()
    try:
        with redirect_stderr(message):
            parse_arguments(["train", "--config", str(path)])
    except SystemExit as error:
        raise ValueError(message.getvalue().strip().splitlines()[-1]) from error


def read_json_body(path: Path) -> None:
    body = path.read_bytes()
    rows = Rows(SHAPE, "float32", 8)
    array = rows.one_from_json(body) if body.startswith(b'{"instance":') else rows.from_json(body)
    assert array.shape[1:] == SHAPE
    assert np.isfinite(array).all()


def read_npy_body(path: Path) -> None:
    array = Rows(SHAPE, "float32", 8).from_npy(path.read_bytes())
    assert array.shape[1:] == SHAPE
    assert np.isfinite(array).all()


# ---- What makes files of what a fuzzer changes ----------------------------------------------------------------------


def with_checksum(content: bytes) -> bytes:
    """Return a safetensors file with the checksum that is right for it, where it has one: else nothing gets past it."""
    found = re.search(b'"checksum":"([0-9a-f]{16})"', content)
    if not found:
        return content
    zeros = content[: found.start(1)] + b"0" * 16 + content[found.end(1) :]
    checksum = _core.Checksum()
    checksum.update(zeros)
    return zeros[: found.start(1)] + checksum.hexdigest().encode() + zeros[found.end(1) :]


def in_archive(content: bytes) -> bytes:
    """Return a ``.keras`` file with one member in the place of the right one, as the first byte says; else nothing gets past the CRC."""
    members = members_of(SMALL)
    name = {b"c": "config.json", b"m": "metadata.json", b"w": "model.weights.h5"}.get(content[:1])
    if name is None:
        return content
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for member, own in {**members, name: content[1:]}.items():
            file.writestr(member, own)
    return archive.getvalue()


def in_texts(content: bytes) -> bytes:
    """Return an ``.npz`` file of texts whose pickle these bytes are, or the bytes where they are an archive."""
    if content.startswith(b"PK"):
        return content
    stream, labels, file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (2,)})
    np.lib.format.write_array(labels, np.arange(2))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", stream.getvalue() + content)
        archive.writestr("y.npy", labels.getvalue())
    return file.getvalue()


def read_pickled(path: Path) -> None:
    try:
        plain_data(path.read_bytes())
    except ValueError as error:  # whose callers name the file
        raise ValueError(f"{path}: {error}") from error


def in_npz(content: bytes) -> bytes:
    """Return an ``.npz`` file of two arrays that these bytes are, one after the other, or the bytes where they are an archive."""
    if content.startswith(b"PK"):
        return content
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, part in zip(("x.npy", "y.npy"), content.split(b"\x93NUMPY")[1:], strict=False):
            file.writestr(name, b"\x93NUMPY" + part)
    return archive.getvalue()


def in_model(content: bytes) -> bytes:
    """Return a model file with a receipt."""
    header = {
        "__metadata__": {
            "format": "fastnet",
            "format_version": "1",
            "fastnet_version": "0",
            "receipt": content.decode("latin1"),
            "config": json.dumps(fn.Sequential([fn.ReLU(input_shape=(2,), name="r")], name="m").get_config()),
        }
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


CHECKPOINT = "backup/checkpoint-000001-000000000.safetensors"
READERS: dict[str, Reader] = {
    "idx": Reader(read_data),
    "csv": Reader(read_data, "input.csv"),
    "npz": Reader(read_data, prepare=in_npz),
    "texts": Reader(fn.datasets.reuters.load_data, prepare=in_texts),
    "pickled": Reader(read_pickled),
    "npy": Reader(read_data),
    "npy_open": Reader(read_stored),
    "parquet_open": Reader(read_stored),
    "parquet": Reader(fn.datasets.parquet.read_parquet),
    "model": Reader(read_model, prepare=with_checksum),
    "quantized": Reader(read_model, prepare=with_checksum),
    "receipt": Reader(read_receipt, prepare=in_model),
    "checkpoint": Reader(read_checkpoint, CHECKPOINT, prepare=with_checksum),
    "keras": Reader(read_keras, prepare=in_archive),
    "hdf5": Reader(read_keras_weights),
    "onnx": Reader(read_onnx, "input.onnx", (ValueError, NotImplementedError)),
    "state_dict": Reader(read_state_dict),
    "torch_code": Reader(read_torch_code),
    "sample": Reader(read_sample_submission),
    "toml": Reader(read_config, "input.toml"),
    "json": Reader(read_config, "input.json"),
    "json_body": Reader(read_json_body, refusals=(RequestError,)),
    "npy_body": Reader(read_npy_body, refusals=(RequestError,)),
}
