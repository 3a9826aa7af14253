"""The data sets of Keras with Keras's calls, on small files of the same form; what Keras makes of them is recorded."""

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import keras_data
from fastnet.datasets import boston_housing, california_housing, cifar10, cifar100, imdb, reuters

RECORDED = json.loads((Path(__file__).parent / "data" / "keras_datasets.json").read_text(encoding="utf-8"))
MODULES = {"imdb": imdb, "reuters": reuters, "california_housing": california_housing, "boston_housing": boston_housing}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small files, which FASTNET_DATA names; nothing is downloaded."""
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FASTNET_OFFLINE", "1")
    keras_data.write(tmp_path / "data")
    return tmp_path / "data"


def plain(value: Any) -> Any:
    return [part.tolist() for pair in value for part in pair]


@pytest.mark.parametrize("case", keras_data.CASES, ids=lambda case: f"{case[0]}-{'-'.join(case[1]) or 'defaults'}")
def test_data_are_those_of_keras(case: tuple[str, dict[str, Any]], data: Path) -> None:
    name, arguments = case
    result = MODULES[name].load_data(**arguments)
    expected = next(one["result"] for one in RECORDED if [one["name"], one["arguments"]] == [name, arguments])
    assert plain(result) == expected


def test_texts_are_lists_of_numbers_in_an_array(data: Path) -> None:
    (x_train, y_train), _ = imdb.load_data(num_words=50)
    assert x_train.dtype == object
    assert type(x_train[0]) is list
    assert x_train.shape == y_train.shape == (keras_data.TEXTS,)
    assert max(map(max, x_train)) < 50
    assert imdb.get_word_index()["word3"] == 3
    assert reuters.get_word_index()["word5"] == 5
    assert len(reuters.get_label_names()) == 46


def test_images_of_cifar_have_their_channels_last(data: Path) -> None:
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    pixels, labels = keras_data.images(4)
    assert (x_train.shape, x_test.shape, y_train.shape) == ((20, 32, 32, 3), (4, 32, 32, 3), (20, 1))
    assert x_train.dtype == y_train.dtype == np.uint8
    assert_array_equal(x_test[1, :, :, 2], pixels[1, 2048:].reshape(32, 32))
    assert y_test[:, 0].tolist() == labels
    for mode, factor in {"fine": 1, "coarse": 2}.items():
        (_, y_train), _ = cifar100.load_data(label_mode=mode)
        assert y_train[:, 0].tolist() == [factor * label for label in labels]


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_pickle_is_read(protocol: int, data: Path) -> None:
    expected = imdb.load_data()
    keras_data.write_texts(data / "imdb" / "other.npz", ("x_train", "y_train", "x_test", "y_test"), protocol)
    assert plain(imdb.load_data("other.npz")) == plain(expected)
    assert plain(imdb.load_data(data / "imdb" / "other.npz")) == plain(expected)


# ---- What is refused ------------------------------------------------------------------------------------------------


class Harmful:
    def __reduce__(self) -> Any:
        return Path.mkdir, (Path("harmed"),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(
    protocol: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = np.empty(2, object)
    texts[:] = [[1, 2], Harmful()]
    keras_data.write_npz(data / "imdb" / "bad.npz", {"x_train": texts}, protocol)
    with pytest.raises(ValueError, match=r"bad\.npz is damaged or not such a data set: it has no array 'y_train'"):
        imdb.load_data("bad.npz")
    numbers = np.arange(2)
    keras_data.write_npz(
        data / "imdb" / "bad.npz", {"x_train": texts, "y_train": numbers, "x_test": texts, "y_test": numbers}, protocol
    )
    with pytest.raises(ValueError, match=r"bad\.npz .*it names '.*', which is not plain data: nothing in a file"):
        imdb.load_data("bad.npz")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("items", [["a", "b"], [[1.5], [2]], [[True], [1]], [None, [1]]])
def test_other_things_than_lists_of_integers_are_refused(items: list[Any], data: Path) -> None:
    texts = np.empty(2, object)
    texts[:] = items
    keras_data.write_npz(data / "reuters" / "bad.npz", {"x": texts, "y": np.arange(2)}, 3)
    with pytest.raises(
        ValueError, match=r"bad\.npz is not a data set of texts: a text in it is not a list of integers"
    ):
        reuters.load_data("bad.npz")


LISTS = keras_data.texts(0)
NUMBERS = np.arange(keras_data.TEXTS)


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (LISTS, NUMBERS[:-1], r"its labels are not a number for each of 40 texts: dtype int64 and shape \(39,\)"),
        (LISTS, np.arange(50), r"its labels are not a number for each of 40 texts: dtype int64 and shape \(50,\)"),
        (LISTS, np.zeros((40, 2)), r"its labels are not a number for each of 40 texts: dtype float64 and shape"),
        (LISTS, LISTS, "its labels are not a number for each of 40 texts: dtype object"),
        (LISTS, NUMBERS > 3, "its labels are not a number for each of 40 texts: dtype bool"),
        (LISTS, NUMBERS.astype(str), r"array 'y.*\.npy' has dtype <U21; only numbers and lists of them are read"),
        (np.zeros((40, 2)), NUMBERS, r"its texts are an array of dtype float64 and shape \(40, 2\), not of lists"),
        (LISTS.reshape(20, 2), NUMBERS, r"its texts are an array of dtype object and shape \(20, 2\), not of lists"),
        (np.zeros((40, 0)), NUMBERS, r"array 'x.*\.npy' has rows without values: shape \(40, 0\)"),
        (np.zeros(40, "V0"), NUMBERS, r"array 'x.*\.npy' has dtype \|V0; only numbers"),
        (np.zeros(40, [("a", object)]), NUMBERS, r"array 'x.*\.npy' has dtype .*; only numbers"),
    ],
)
def test_texts_and_labels_that_do_not_belong_together_are_refused(
    texts: np.ndarray, labels: np.ndarray, message: str, data: Path
) -> None:
    good = {"x_train": LISTS, "y_train": NUMBERS, "x_test": LISTS, "y_test": NUMBERS}
    write_arrays(data / "imdb" / "bad.npz", {**good, "x_test": texts, "y_test": labels})
    with pytest.raises(ValueError, match=rf"bad\.npz .*{message}"):
        imdb.load_data("bad.npz")
    write_arrays(data / "reuters" / "bad.npz", {"x": texts, "y": labels})
    with pytest.raises(ValueError, match=rf"bad\.npz .*{message}"):
        reuters.load_data("bad.npz")


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz file with the dtypes of the arrays in the headers."""
    members = {}
    for name, array in arrays.items():
        stream = io.BytesIO()
        np.lib.format.write_array(stream, array)
        members[name] = stream.getvalue()
    keras_data.write_members(path, members)


def test_the_words_of_both_parts_are_counted_before_they_are_copied(data: Path) -> None:
    texts = np.empty(160, object)
    texts[:] = [[0] * 100_000] * 160  # one list, named 160 times
    keras_data.write_npz(
        data / "imdb" / "big.npz",
        {"x_train": texts, "y_train": np.zeros(160), "x_test": texts, "y_test": np.zeros(160)},
        3,
    )
    with pytest.raises(ValueError, match=r"big\.npz .*more than 30,000,000 words together"):
        imdb.load_data("big.npz")


def test_damaged_files_are_refused_with_their_name(data: Path) -> None:
    whole = (data / "imdb" / "imdb.npz").read_bytes()
    for size in range(0, len(whole), len(whole) // 50):
        (data / "imdb" / "cut.npz").write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"cut\.npz is damaged or not such a data set"):
            imdb.load_data("cut.npz")
    content = pickle.dumps(np.array([[1, 2], [3]], object), protocol=3)
    for size in range(len(content)):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (2,)})
        keras_data.write_members(data / "reuters" / "cut.npz", {"x": stream.getvalue() + content[:size], "y": b""})
        with pytest.raises(ValueError, match=r"cut\.npz"):
            reuters.load_data("cut.npz")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: imdb.load_data(num_words=-1), ValueError, "num_words must be at least 0"),
        (lambda: imdb.load_data(num_words="9"), TypeError, "num_words must be an integer"),
        (lambda: imdb.load_data(skip_top=-1), ValueError, "skip_top"),
        (lambda: imdb.load_data(maxlen=1), ValueError, "no text is shorter than maxlen=1"),
        (lambda: imdb.load_data(start_char="x"), TypeError, "start_char must be an integer"),
        (lambda: imdb.load_data("/nowhere/imdb.npz"), FileNotFoundError, "there is no such file of imdb"),
        (lambda: imdb.load_data(3), TypeError, "path must be the name of a file"),
        (lambda: imdb.load_data("other.npz"), ConnectionError, r"FASTNET_OFFLINE is set.*put the file other\.npz into"),
        (lambda: reuters.load_data(test_split=1), ValueError, "test_split must be .*below 1"),
        (lambda: california_housing.load_data(version="huge"), ValueError, "version must be one of 'large', 'small'"),
        (lambda: boston_housing.load_data(test_split="x"), TypeError, "test_split must be a number"),
        (lambda: cifar100.load_data("both"), ValueError, "label_mode must be one of 'fine', 'coarse'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(call: Any, error: type[Exception], message: str, data: Path) -> None:
    with pytest.raises(error, match=message):
        call()


def cifar_pickle(value: Any) -> bytes:
    """Return a pickle of the protocol that CIFAR's have, in which arrays are plain data."""
    return pickle.dumps(value, protocol=2)


def test_an_archive_of_cifar_with_something_else_is_refused(data: Path) -> None:
    path = data / "cifar100" / "cifar-100-python.tar.gz"
    for content, message in {
        cifar_pickle({"data": 3}): "has no images of 32 x 32 pixels",
        cifar_pickle(
            {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [1]}
        ): "has no 'fine_labels' for every image",
        **{
            cifar_pickle(
                {"data": np.zeros((2, 3072), np.uint8), "fine_labels": labels}
            ): "has 'fine_labels' that are not integers from 0 to 255"
            for labels in ([1, 256], [-1, 1], [1, 2.0], [1, True], ["1", 2], [1, [2]], [1, None])
        },
        cifar_pickle(Harmful()): "which is not plain data",
        b"": "ends at byte 0",
    }.items():
        with tarfile.open(path, "w:gz") as archive:
            keras_data.add_member(archive, "cifar-100-python/train", content)
        with pytest.raises(
            ValueError, match=rf"cifar-100-python\.tar\.gz is damaged or not an archive of CIFAR: .*{message}"
        ):
            cifar100.load_data()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match="damaged or not an archive of CIFAR"):
        cifar100.load_data()
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged or not an archive of CIFAR"):
        cifar100.load_data()


def test_a_word_index_is_words_with_numbers(data: Path) -> None:
    for text in ("[1]", "{", '{"a": "b"}', '{"a": 1.5}'):
        (data / "imdb" / "w.json").write_text(text)
        with pytest.raises(ValueError, match=r"w\.json is damaged or not a word index"):
            imdb.get_word_index("w.json")


# ---- Downloads ------------------------------------------------------------------------------------------------------


def test_a_download_is_verified_before_it_is_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.datasets import download

    monkeypatch.delenv("FASTNET_OFFLINE")
    asked = []

    def transfer(url: str, file: Any) -> None:
        asked.append(url)
        file.write(b"something else")

    monkeypatch.setattr(download, "_transfer", transfer)
    (data / "imdb" / "imdb.npz").unlink()
    (data / "imdb" / "imdb_word_index.json").unlink()
    with pytest.raises(ConnectionError, match=r"the checksum is wrong: sha256 .*, expected 69664113be75"):
        imdb.load_data()
    with pytest.raises(ConnectionError, match=r"the checksum is wrong: md5 .*, expected bfafd718b763"):
        imdb.get_word_index()
    assert asked == [
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb.npz",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb_word_index.json",
    ]
    assert not list((tmp_path / "cache" / "imdb").iterdir())


def test_checksums_and_addresses_are_those_of_keras() -> None:
    for module in (imdb, reuters, california_housing, boston_housing, cifar10, cifar100):
        file = module.FILE
        assert len(file.digest) == 64
        recorded = next(one for one in RECORDED if one["name"] == f"{file.collection} file")
        assert recorded["arguments"] == {"origin": file.origin + file.name, "file_hash": file.digest}
