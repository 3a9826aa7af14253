"""IDX files: what is read, and that a damaged one is refused before memory is taken for what it promises."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastnet.datasets import idx, load

IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
LABELS = np.array([3, 1, 3, 0], dtype=np.uint8)


def encode(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(path: Path, array: NDArray[np.uint8]) -> Path:
    content = encode(array)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


# ---- One file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_an_array_comes_back_compressed_or_not(tmp_path: Path, name: str) -> None:
    array = idx.read(write(tmp_path / name, IMAGES))
    assert array.dtype == np.uint8
    assert np.array_equal(array, IMAGES)


def test_compression_is_seen_from_the_content_not_from_the_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(encode(IMAGES))
    (tmp_path / "compressed").write_bytes(gzip.compress(encode(IMAGES)))
    assert np.array_equal(idx.read(tmp_path / "plain.gz"), idx.read(tmp_path / "compressed"))


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 100))
def test_any_shape_comes_back(tmp_path_factory: pytest.TempPathFactory, shape: list[int], seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path = write(tmp_path_factory.getbasetemp() / "any", array)
    assert np.array_equal(idx.read(path), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encode(IMAGES)[:-1], r"a is truncated: header promises 24 bytes, 23 found$"),
        (encode(IMAGES)[:16], r"a is truncated: header promises 24 bytes, 0 found$"),
        (encode(IMAGES)[:11], r"a is truncated: its header ends after 11 bytes$"),
        (encode(IMAGES)[:3], r"a is truncated: 3 bytes are too few for an IDX header$"),
        (b"", r"a is truncated: 0 bytes"),
        (encode(IMAGES) + b"x", r"a is too long: header promises 24 bytes, more found$"),
        (b"\0\0\x0d\1" + b"\0" * 8, r"a holds float32 values; expected unsigned bytes"),
        (b"\0\0\x07\1" + b"\0" * 8, r"a is not an IDX file.*0x00000701"),
        (b"\1\0\x08\1" + b"\0" * 8, r"a is not an IDX file.*0x01000801"),
        (b"\0\0\x08\0", r"a is not an IDX file of 1 to 4 dimensions"),
        (b"\0\0\x08\xff" + b"\0" * 1020, r"a is not an IDX file of 1 to 4 dimensions"),
        (struct.pack(">HBB3I", 0, 8, 3, 0, 28, 28), r"a holds no data: its header states the shape \(0, 28, 28\)"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_named_with_what_is_wrong(
    tmp_path: Path, content: bytes, message: str, compressed: bool
) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(ValueError, match=message):
        idx.read(path)


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    content = gzip.compress(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes())
    path.write_bytes(content[:-30])
    with pytest.raises(ValueError, match=r"a\.gz"):
        idx.read(path)
    whole = bytearray(gzip.compress(encode(IMAGES)))
    whole[-6] ^= 1  # the checksum
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"a\.gz: the gzip data is damaged or cut short"):
        idx.read(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_no_memory_is_taken_for_what_a_header_merely_promises(tmp_path: Path, compressed: bool) -> None:
    content = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**31, 2**31) + b"\0" * 100
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(content) if compressed else content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"promises \d{29} bytes, 100 found"):
        idx.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


# ---- Files that belong together -------------------------------------------------------------------------------------


def write_folder(folder: Path, *, test: bool = True, suffix: str = "") -> Path:
    write(folder / f"train-images-idx3-ubyte{suffix}", IMAGES)
    write(folder / f"train-labels-idx1-ubyte{suffix}", LABELS)
    if test:
        write(folder / f"t10k-images-idx3-ubyte{suffix}", IMAGES[:2])
        write(folder / f"t10k-labels-idx1-ubyte{suffix}", LABELS[:2])
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_is_the_training_part_with_the_test_part(tmp_path: Path, suffix: str) -> None:
    data = load(write_folder(tmp_path, suffix=suffix))
    assert data.x.tolist() == IMAGES.reshape(4, 6).tolist()
    assert data.x.dtype == np.uint8
    assert data.image_shape == (3, 2)
    assert data.classes == ["0", "1", "3"]
    assert data.y is not None
    assert data.y.tolist() == [2, 1, 2, 0]
    assert data.test is not None
    assert data.test.y is not None
    assert data.test.y.tolist() == [2, 1]
    assert data.test.classes == data.classes
    assert data.name == tmp_path.name


def test_a_folder_without_a_test_part_has_none(tmp_path: Path) -> None:
    assert load(write_folder(tmp_path, test=False)).test is None


def test_the_spelling_with_a_dot_is_found(tmp_path: Path) -> None:
    write(tmp_path / "train-images.idx3-ubyte", IMAGES)
    write(tmp_path / "train-labels.idx1-ubyte", LABELS)
    assert len(load(tmp_path)) == 4
    assert load(tmp_path / "train-images.idx3-ubyte").y is not None


def test_a_missing_file_of_a_folder_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path).joinpath("t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte\.gz"):
        load(tmp_path)


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none of MNIST's IDX files, such as train-images-idx3-ubyte\.gz"):
        load(tmp_path)


def test_images_find_the_labels_beside_them(tmp_path: Path) -> None:
    images = write(tmp_path / "my-images-idx3-ubyte.gz", IMAGES)
    assert load(images).y is None
    write(tmp_path / "my-labels-idx1-ubyte", LABELS)
    data = load(images, require_labels=True)
    assert data.class_names == ["0", "1", "3"]
    assert data.name == "my-images-idx3-ubyte.gz"


def test_labels_that_do_not_fit_the_images_are_refused(tmp_path: Path) -> None:
    images = write(tmp_path / "images", IMAGES)
    write(tmp_path / "labels", LABELS[:3])
    with pytest.raises(ValueError, match=r"labels holds 3 labels for the 4 images of .*images"):
        load(images)
    write(tmp_path / "labels", IMAGES)
    with pytest.raises(ValueError, match=r"labels holds an array of shape \(4, 3, 2\); expected labels"):
        load(images)


def test_a_file_of_labels_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds labels; give the file of the images"):
        load(write(tmp_path / "labels", LABELS))


def test_images_without_labels_are_refused_where_labels_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no labels"):
        load(write(tmp_path / "images", IMAGES), require_labels=True)
