"""Small files of the form of Keras's data sets."""

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = 40
CASES: list[tuple[str, dict[str, Any]]] = [
    ("imdb", {}),
    ("imdb", {"num_words": 30}),
    ("imdb", {"num_words": 30, "oov_char": None, "skip_top": 5}),
    ("imdb", {"maxlen": 12, "seed": 5}),
    ("imdb", {"start_char": None, "index_from": 0, "num_words": 60}),
    ("imdb", {"start_char": None, "index_from": 2}),
    ("reuters", {}),
    ("reuters", {"num_words": 40, "test_split": 0.3}),
    ("reuters", {"maxlen": 10, "seed": 1, "skip_top": 3}),
    ("california_housing", {}),
    ("california_housing", {"version": "small", "test_split": 0.1, "seed": 4}),
    ("boston_housing", {}),
    ("boston_housing", {"test_split": 0.0}),
]


def texts(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    result = np.empty(TEXTS, object)
    result[:] = [(1 + rng.zipf(1.3, size) % 300).tolist() for size in rng.integers(1, 30, TEXTS)]
    return result


def images(count: int) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, 3072)).astype(np.uint8), rng.integers(0, 10, count).tolist()


def write_members(path: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray], protocol: int) -> None:
    """Write an .npz file as NumPy does, with lists in pickles of a protocol."""
    members = {}
    for name, array in arrays.items():
        stream = io.BytesIO()
        if array.dtype.hasobject:
            header = {"descr": "|O", "fortran_order": False, "shape": array.shape}
            np.lib.format.write_array_header_1_0(stream, header)
            pickle.dump(array, stream, protocol=protocol)
        else:
            np.lib.format.write_array(stream, array)
        members[name] = stream.getvalue()
    write_members(path, members)


def write_texts(path: Path, keys: tuple[str, ...], protocol: int = 3) -> None:
    arrays = {}
    for seed in range(0, len(keys), 2):
        arrays[keys[seed]] = texts(seed)
        arrays[keys[seed + 1]] = np.random.default_rng(seed).integers(0, 46 if len(keys) == 2 else 2, TEXTS)
    write_npz(path, arrays, protocol)


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def batch(labels: Mapping[bytes, int]) -> bytes:
    """Return a pickle as CIFAR's are, with bytes for the strings of Python 2."""
    pixels, classes = images(4)
    entries = {name: [factor * value for value in classes] for name, factor in labels.items()}
    return pickle.dumps({b"data": pixels, **entries, b"filenames": [b"a.png"] * 4}, protocol=2)


def write(folder: Path) -> None:
    """Write the files of all data sets to the subfolders of a folder."""
    for name in ("imdb", "reuters", "california_housing", "boston_housing", "cifar10", "cifar100"):
        (folder / name).mkdir(parents=True)
    write_texts(folder / "imdb" / "imdb.npz", ("x_train", "y_train", "x_test", "y_test"))
    write_texts(folder / "reuters" / "reuters.npz", ("x", "y"))
    for name in ("imdb", "reuters"):
        index = {f"word{number}": number for number in range(1, 10)}
        (folder / name / f"{name}_word_index.json").write_text(json.dumps(index))
    for name, columns, rows in (("california_housing", 8, 700), ("boston_housing", 13, 50)):
        rng = np.random.default_rng(columns)
        x, y = rng.integers(0, 99, (rows, columns)).astype(float), rng.integers(0, 99, rows).astype(float)
        np.savez(folder / name / f"{name}.npz", x=x, y=y)
    with tarfile.open(folder / "cifar10" / "cifar-10-python.tar.gz", "w:gz") as archive:
        for part in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
            add_member(archive, f"cifar-10-batches-py/{part}", batch({b"labels": 1}))
    with tarfile.open(folder / "cifar100" / "cifar-100-python.tar.gz", "w:gz") as archive:
        for part in ("meta", "test", "train"):
            add_member(archive, f"cifar-100-python/{part}", batch({b"fine_labels": 1, b"coarse_labels": 2}))
