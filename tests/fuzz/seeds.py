"""What the fuzzers begin with: a few small files of every kind, each of which is read."""

import gzip
import io
import json
import pickle
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastnet as fn
import keras_data
from fastnet.files.safetensors import write
from fastnet.interchange.state_dict import save_state_dict
from fuzz.readers import CHECKPOINT, SHAPE, read_checkpoint
from keras_archives import SMALL, members_of
from models_of_all_layers import build
from record_interchange_keras import DATA
from whole_models import whole_model, whole_models


def file_of(write_to: Callable[[Path], Any], name: str = "file") -> bytes:
    """Return the bytes that a function writes to a path."""
    with tempfile.TemporaryDirectory() as folder:
        write_to(Path(folder, name))
        return Path(folder, name).read_bytes()


def idx() -> list[bytes]:
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (2, 2, 3))
    return [header + bytes(range(12)), gzip.compress(header + bytes(12), mtime=0)]


def csv() -> list[bytes]:
    texts = ["label,a,b\n1,0.5,2\n0,-1e3,.25\n", '"a","label"\n1,"x y"\n2,"y"\n', "1,2,3\n0,255,7\n"]
    return [
        *(text.encode() for text in texts),
        gzip.compress(texts[0].encode(), mtime=0),
        b"\xef\xbb\xbflabel,a\r\n1,2\r\n",
    ]


def npy() -> list[bytes]:
    arrays = [np.arange(6.0).reshape(2, 3), np.ones((2, 2, 2), ">f2"), np.asfortranarray(np.ones((3, 2), np.uint8))]
    return [file_of(lambda path, array=array: np.save(path, array), "a.npy") for array in arrays]


def npz() -> list[bytes]:
    x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 2])
    parts = [file_of(lambda path, array=array: np.save(path, array), "a.npy") for array in (x, y)]
    archives = [
        file_of(lambda path, save=save: save(path, x_train=x, y_train=y, x_test=x), "a.npz")
        for save in (np.savez, np.savez_compressed)
    ]
    return [b"".join(parts), *archives]


def pickled_texts(protocols: Iterable[int]) -> list[bytes]:
    texts = np.empty(2, object)
    texts[:] = [[1, 300, 70_000], [2]]
    return [pickle.dumps(texts, protocol=protocol) for protocol in protocols]


def parquet() -> list[bytes]:
    table = pa.table({"a": [1.0, 2.5], "b": [1, 0], "label": ["x", "y"]})
    options: list[dict[str, Any]] = [{"compression": "none"}, {"compression": "zstd", "use_dictionary": False}]
    return [file_of(lambda path, given=given: pq.write_table(table, path, **given)) for given in options]


def model() -> list[bytes]:
    return [file_of(one.save) for one in whole_models()]


def quantized() -> list[bytes]:
    inputs = np.linspace(-1.0, 1.0, 24).reshape(4, 6)
    return [file_of(whole_model(0).quantize(inputs).save)]


def receipt() -> list[bytes]:
    given = {"hidden": [4], "activation": "relu", "epochs": 2, "batch_size": 8, "seed": 0, "optimizer": "adam"}
    fingerprint = {"shape": [2, 2], "dtype": "float32", "sha256": "0", "rows_hashed": 2, "every": 1}
    run = {
        "data": {"x": fingerprint, "y": fingerprint},
        "fit": {"epochs": 2},
        "compile": {},
        "epochs": 2,
        "steps": 4,
        "ended": "completed",
        "fastnet": "0.1.0",
        "numpy": "2",
        "python": "3",
        "isa": "avx2",
    }
    command = {"name": "train", "arguments": given, "data": {"name": "digits", "x": fingerprint}}
    whole = {"seed": 0, "initial_weights": "0", "weights": "0", "runs": [run], "command": command}
    return [json.dumps({**whole, "earlier": {"runs": 3, "epochs": 9, "steps": 90}}).encode()]


def checkpoint() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, CHECKPOINT)
        path.parent.mkdir()
        x = np.arange(16.0).reshape(8, 2)
        net = fn.Sequential([fn.Dense(3, "relu", input_shape=(2,)), fn.Dropout(0.5), fn.Dense(2)], seed=0)
        net.compile(fn.optimizers.Adam(0.01), "mse", metrics=["mae"])
        backup = fn.callbacks.BackupAndRestore(path.parent, delete_checkpoint=False)
        stopping = fn.callbacks.EarlyStopping("loss", patience=5)
        net.fit(x, x, epochs=1, batch_size=4, verbose=0, callbacks=[backup, stopping])
        content = path.read_bytes()
        read_checkpoint(path)
    return [content]


def keras() -> list[bytes]:
    members = members_of(SMALL)
    letters = {"config.json": b"c", "metadata.json": b"m", "model.weights.h5": b"w"}
    blocks = file_of(build("residual").save, "m.keras")
    whole = [SMALL.read_bytes(), blocks, (DATA / "keras_resnet.keras").read_bytes()]
    return [*whole, *(letter + members[name] for name, letter in letters.items())]


def hdf5() -> list[bytes]:
    return [(DATA / "keras_small.h5").read_bytes()]


def onnx() -> list[bytes]:
    names = ["residual", "layer_normalization", "shapes", "normalization", "activation_gelu", "prelu"]
    return [file_of(build(name, "float32").to_onnx, "m.onnx") for name in names]


def state_dict() -> list[bytes]:
    arrays = {"0.weight": np.ones((2, 3), "f4"), "0.bias": np.ones(2, "f4"), "2.weight": np.ones((1, 2), "f4")}
    return [file_of(lambda path: write(path, arrays, {}))]


def torch_code() -> list[bytes]:
    layers = [
        fn.Conv2D(3, 2, padding="same", activation="relu"),
        fn.MaxPooling2D(2, 1, padding="same"),
        fn.BatchNormalization(),
    ]
    more = [
        fn.AveragePooling2D(2, padding="same"),
        fn.Flatten(),
        fn.LayerNormalization(),
        fn.Dense(4),
        fn.Reshape((2, 2, 1)),
    ]
    block = [fn.Conv2D(3, 1), fn.LayerNormalization(), fn.Residual([fn.Conv2D(3, 3, padding="same")])]
    blocks = [fn.Residual(block, [fn.Conv2D(3, 1)]), fn.Permute((2, 1, 3)), fn.Flatten()]
    models = [
        fn.Sequential([fn.Input((6, 5, 2)), *row], seed=0)
        for row in ([*layers, *more, fn.Conv2DTranspose(1, 2)], blocks)
    ]
    return [file_of(lambda path, model=model: save_state_dict(model, path)) for model in models]


def toml() -> list[bytes]:
    return [
        b'data = "digits"\nepochs = 3\nlr = 0.5\nhidden = [4, 2]\n[train]\nquiet = true\n[evaluate]\nmodel = "m"\n',
        b'[train]\ndata = \'a.csv\' # text\ntarget = -1\nactivation = """relu"""\nbatch-size=0x10\n',
    ]


def sample_submission() -> list[bytes]:
    return [b"Id,kind\n1,rose\n2,lily\n", '\ufeff"Id",lily,rose\n"a, b",0,1\n'.encode()]


def json_options() -> list[bytes]:
    return [json.dumps({"data": "digits", "train": {"hidden": [], "target": -1, "json": True, "lr": 0.1}}).encode()]


def json_body() -> list[bytes]:
    nested = np.ones(SHAPE).tolist()
    return [
        json.dumps(body).encode() for body in ({"instances": [nested, [1, 2, 3, 4.5, 5e-3, -6]]}, {"instance": nested})
    ]


def npy_body() -> list[bytes]:
    bodies = []
    for array in (np.ones((2, *SHAPE)), np.ones(SHAPE, ">i4"), np.asfortranarray(np.ones((2, *SHAPE), bool))):
        body = io.BytesIO()
        np.save(body, array)
        bodies.append(body.getvalue())
    return bodies


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "idx": idx,
    "csv": csv,
    "npz": npz,
    "texts": lambda: pickled_texts(range(2, 5)),
    "pickled": lambda: [*pickled_texts(range(5)), keras_data.batch({b"labels": 1})],
    "npy": npy,
    "npy_open": lambda: npy()[:2],
    "parquet_open": parquet,
    "parquet": parquet,
    "model": model,
    "quantized": quantized,
    "receipt": receipt,
    "checkpoint": checkpoint,
    "keras": keras,
    "hdf5": hdf5,
    "onnx": onnx,
    "state_dict": state_dict,
    "torch_code": torch_code,
    "sample": sample_submission,
    "toml": toml,
    "json": json_options,
    "json_body": json_body,
    "npy_body": npy_body,
}
