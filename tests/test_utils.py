"""One-hot labels as Keras makes them, the global seed, and files that appear only when they are complete."""

import os
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet import utils
from fastnet.files.atomic import atomic_write
from fastnet.utils import make_generator, set_random_seed, to_categorical

# ---- to_categorical -------------------------------------------------------------------------------------------------


def test_labels_become_float64_rows_of_zeros_and_a_one() -> None:
    rows = to_categorical([0, 1, 2, 3], num_classes=4)
    assert rows.dtype == np.float64
    assert np.array_equal(rows, np.eye(4))


@pytest.mark.parametrize(
    ("shape", "expected"), [((6,), (6, 3)), ((6, 1), (6, 3)), ((2, 3), (2, 3, 3)), ((2, 3, 1), (2, 3, 3)), ((), (3,))]
)
def test_classes_are_a_new_last_axis_as_in_keras(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert to_categorical(np.full(shape, 2)).shape == expected


def test_a_column_of_one_label_keeps_its_row() -> None:
    assert to_categorical(np.array([[1]])).tolist() == [[0.0, 1.0]]
    assert to_categorical(np.array([1])).tolist() == [[0.0, 1.0]]


def test_whole_floats_bools_and_unsigned_labels_are_accepted() -> None:
    for labels in (np.array([1.0, 0.0]), np.array([True, False]), np.array([1, 0], dtype=np.uint8)):
        assert to_categorical(labels).tolist() == [[0.0, 1.0], [1.0, 0.0]]


@given(st.lists(st.integers(0, 20), min_size=1))
def test_the_largest_column_is_the_label_and_rows_sum_to_one(labels: list[int]) -> None:
    rows = to_categorical(labels)
    assert rows.shape == (len(labels), max(labels) + 1)
    assert rows.argmax(axis=1).tolist() == labels
    assert (rows.sum(axis=1) == 1).all()
    assert set(np.unique(rows)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("labels", "classes", "error", "message"),
    [
        ([0, 3], 3, ValueError, r"from 0 to 2 \(num_classes=3\); got 3"),
        ([0, -1], None, ValueError, r"got -1"),
        ([0, 0.5], None, ValueError, r"whole numbers; got 0\.5"),
        ([0, float("nan")], None, ValueError, r"whole numbers; got nan"),
        ([0, float("inf")], None, ValueError, r"whole numbers; got inf"),
        ([], None, ValueError, r"x is empty"),
        ([0], 0, ValueError, r"num_classes must be at least 1; got 0"),
        ([0], 2.0, TypeError, r"num_classes must be an integer; got 2\.0"),
        (["a"], None, TypeError, r"x must hold integer labels"),
        (np.array([2**64 - 1], dtype=np.uint64), None, ValueError, r"got"),
        ([1e300], None, ValueError, r"too large"),
    ],
)
def test_wrong_labels_are_refused(labels: object, classes: int | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        to_categorical(labels, classes)  # type: ignore[arg-type]


def test_no_labels_make_no_rows_when_the_classes_are_given() -> None:
    assert to_categorical([], num_classes=3).shape == (0, 3)


# ---- Seeds ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept_seed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the state of the global generators back after the test."""
    monkeypatch.setattr(utils, "_global_seed", None)
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002


@pytest.mark.usefixtures("kept_seed")
def test_the_global_seed_repeats_python_numpy_and_fastnet() -> None:
    def draw() -> list[float]:
        set_random_seed(7)
        return [random.random(), np.random.rand(), make_generator().random(), make_generator().random()]  # noqa: NPY002

    first = draw()
    assert draw() == first
    assert len(set(first)) == 4


@pytest.mark.usefixtures("kept_seed")
def test_without_a_global_seed_generators_differ() -> None:
    assert make_generator().random() != make_generator().random()


def test_a_seed_gives_the_same_generator_whatever_the_global_seed_is() -> None:
    assert make_generator(3).random() == make_generator(np.int64(3)).random() == np.random.default_rng(3).random()


@pytest.mark.parametrize("seed", [1.0, "1", None])
def test_a_global_seed_that_is_no_integer_is_refused(seed: object) -> None:
    with pytest.raises(TypeError, match="seed must be an integer"):
        set_random_seed(seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_global_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        set_random_seed(seed)


def test_a_wrong_seed_of_a_generator_is_refused() -> None:
    with pytest.raises(TypeError, match=r"seed must be an integer; got 0\.5"):
        make_generator(0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed must not be negative; got -1"):
        make_generator(-1)


# ---- Atomic files ---------------------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_body_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt", "w") as file:
        file.write("é\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "real", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as file:
        file.write(b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_a_device_is_written_to_and_not_replaced() -> None:
    with atomic_write("/dev/null") as file:
        file.write(b"x")
    assert not Path("/dev/null").is_file()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    message = r"cannot write .*a\.bin: the folder .*none does not exist$"
    with pytest.raises(FileNotFoundError, match=message), atomic_write(tmp_path / "none" / "a.bin"):
        pass


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*folder: it is a folder$"), atomic_write(tmp_path / "folder"):
        pass
    assert names(tmp_path) == ["folder"]


def test_a_full_disk_is_named() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with (
        pytest.raises(OSError, match="cannot write /dev/full: no space left on device"),
        atomic_write("/dev/full") as f,
    ):
        f.write(b"x")


def test_an_error_about_another_file_keeps_its_message(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic_write(tmp_path / "a.bin"):
        (tmp_path / "other").read_bytes()
    assert names(tmp_path) == []


def test_another_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode must be 'wb' or 'w'; got 'ab'"), atomic_write(tmp_path / "a", "ab"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    program = (
        "import os, sys; from fastnet.files.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half' * 10000); file.flush(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode == -9
    assert path.read_bytes() == b"old"
