"""Training on data that stay on the disk: every row once, the same bits however it is run, and what is refused."""

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import BackupAndRestore, Callback, LambdaCallback
from fastnet.exceptions import NonFiniteLossWarning
from fastnet.files.rows import FileRows, rows_of
from fastnet.inputs import windows
from fastnet.inputs.windows import Reading, stored_samples
from stored import CLASSES, FEATURES, ROWS, X, Y, in_small_blocks, model, outcome, train, written  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


def opened(folder: Path, **arguments: Any) -> fn.datasets.StoredDataset:
    return fn.datasets.open(written(folder), **arguments)


def fitted(data: Any, y: Any = None, *, made: fn.Sequential | None = None, **arguments: Any) -> Any:
    made = made or model()
    return outcome(made, made.fit(data, y, **{"batch_size": 7, "epochs": 2, "verbose": 0, **arguments}))


# --- The order -------------------------------------------------------------------------------------------------------


def numbered(folder: Path, rows: int) -> fn.datasets.StoredDataset:
    """Rows that hold their own numbers."""
    return fn.datasets.open(
        written(folder, np.repeat(np.arange(rows, dtype="f4")[:, None], 6, 1), np.zeros(rows, "u1"))
    )


def rows_read(data: Any, batch_size: int, key: int | None, step: int = 0) -> list[int]:
    """The numbers of the rows that the steps from `step` on see."""
    form = (6,), (3,), fn.losses.SparseCategoricalCrossentropy(), "float32"
    samples, seen = stored_samples(data, None, "", *form), []
    reading = Reading(samples, batch_size, key, step)
    while step * batch_size < len(data):
        window = reading.at(step)
        every = np.arange(len(window.samples)) if window.order is None else window.order
        seen += window.samples.x[every[(step - window.first) * batch_size :], 0].astype(int).tolist()
        step = window.last
    reading.close()
    return seen


@pytest.mark.parametrize("batch_size", [1, 7, 64, 300, 5000])
@pytest.mark.parametrize("rows", [1, 59, 60, 1000])
def test_an_epoch_has_every_row_once(rows: int, batch_size: int, tmp_path: Path) -> None:
    data = numbered(tmp_path, rows)
    seen = rows_read(data, batch_size, 5)
    assert sorted(seen) == list(range(rows))
    assert rows_read(data, batch_size, None) == list(range(rows))
    for step in range(0, -(-rows // batch_size), max(rows // batch_size // 40, 1)):
        assert rows_read(data, batch_size, 5, step) == seen[step * batch_size :]


def test_the_order_depends_on_the_key_and_mixes_all_blocks(tmp_path: Path) -> None:
    data = numbered(tmp_path, 1000)
    one, other = rows_read(data, 10, 1), rows_read(data, 10, 2)
    assert one != other
    assert np.ptp(one[:100]) > 300  # of blocks that lie apart
    assert max(abs(np.diff(one[:50]))) > 1


def test_every_window_has_an_order_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW_BYTES", 1)  # a block each
    data = numbered(tmp_path, 1000)
    rows = int(data.blocks[0, 1])
    seen = rows_read(data, rows, 5)
    orders = {tuple(row % rows for row in seen[start : start + rows]) for start in range(0, len(seen) - rows, rows)}
    assert len(orders) == len(data.blocks) - 1  # but for the short one, which is somewhere between the others


def test_rows_in_order_give_the_bits_of_arrays_in_memory(tmp_path: Path) -> None:
    stored = fitted(opened(tmp_path), shuffle=False)
    assert stored == fitted(X, Y, shuffle=False)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sample_weight": np.linspace(0, 2, ROWS)},
        {"class_weight": {0: 2.0, 2: 0.5}},
        {"validation_split": 0.21, "validation_freq": 2},
        {"steps_per_epoch": 11, "epochs": 15},
        {"callbacks": [LambdaCallback(on_train_batch_end=lambda batch, logs: None)]},
        {"debug": True},
        {"batch_size": 700},
        {"batch_size": 5000},
    ],
    ids=lambda arguments: "-".join([*arguments, str(arguments.get("batch_size", ""))]),
)
def test_everything_that_fit_takes_gives_the_bits_of_arrays_in_memory(arguments: Any, tmp_path: Path) -> None:
    arguments = {"shuffle": False, **arguments}
    (weights, figures), (expected, expected_figures) = fitted(opened(tmp_path), **arguments), fitted(X, Y, **arguments)
    assert weights == expected
    assert figures.keys() == expected_figures.keys()
    for name, values in figures.items():
        np.testing.assert_allclose(values, expected_figures[name], rtol=1e-12)


@pytest.mark.parametrize(
    "made",
    [
        lambda: model(fn.optimizers.Adam(fn.schedules.CosineDecay(0.01, 200))),
        lambda: model(fn.optimizers.SGD(fn.schedules.ExponentialDecay(0.1, 100, 0.5), gradient_accumulation_steps=3)),
        lambda: model(metrics=["accuracy", "AUC"]),
    ],
)
def test_schedules_and_metrics_of_python_give_the_bits_of_arrays_in_memory(made: Any, tmp_path: Path) -> None:
    assert fitted(opened(tmp_path), made=made(), shuffle=False) == fitted(X, Y, made=made(), shuffle=False)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", ">f4", "float16", "bool"])
def test_samples_of_any_dtype_give_the_bits_of_arrays_in_memory(dtype: str, tmp_path: Path) -> None:
    x = (np.abs(X) * 3).astype(dtype)
    data = fn.datasets.open(written(tmp_path, x))
    assert data.dtype == dtype
    assert fitted(data, shuffle=False) == fitted(x, Y, shuffle=False)


def test_numbers_are_targets_too(tmp_path: Path) -> None:
    targets = (X @ X[:2].T).astype("f8")
    data = fn.datasets.open(written(tmp_path, X, targets), encode=False)

    def regression() -> fn.Sequential:
        made = fn.Sequential([fn.Dense(2, input_shape=(FEATURES,))], seed=0)
        made.compile("sgd", "mse")
        return made

    assert fitted(data, made=regression(), shuffle=False) == fitted(X, targets, made=regression(), shuffle=False)


def test_a_part_is_the_same_rows_in_memory(tmp_path: Path) -> None:
    data = opened(tmp_path)
    arguments = {"sample_weight": np.linspace(0, 2, 600), "validation_split": 0.2, "shuffle": False}
    found = fitted(data.part(150, 900).part(50, 650), **arguments)
    expected = fitted(X[200:800], Y[200:800], **arguments)
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1]["val_loss"], expected[1]["val_loss"], rtol=1e-12)
    weights = np.linspace(0, 2, 1000)
    blocks = data.blocks[::-1]
    rows = np.concatenate([np.arange(*block) for block in blocks])
    arguments = {"sample_weight": weights, "shuffle": False}
    assert fitted(data.with_blocks(blocks), **arguments) == fitted(X[rows], Y[rows], **arguments)


def test_the_steps_of_an_epoch_are_counted_over_all_windows(tmp_path: Path) -> None:
    x = X.copy()
    x[741] = 1e30
    made = model("sgd", dropout=False)
    steps: set[int] = set()
    count = LambdaCallback(on_train_progress=lambda step, all_steps, logs: steps.add(all_steps))
    data = fn.datasets.open(written(tmp_path, x))
    with pytest.warns(NonFiniteLossWarning, match="not finite from epoch 1, batch 107 of 143"):
        made.fit(data, batch_size=7, shuffle=False, verbose=0, max_time=1e9, callbacks=[count])
    assert steps <= {143}


@pytest.mark.parametrize(
    ("window", "done"),
    [((0, 11), None), ((2, 14), None), ((1, 12), (0, 0.0, 0.0, -1)), ((3, 10), (3, 0.0, 0.0, -1)), ((0, 0), None)],
)
def test_a_window_that_lacks_rows_of_its_steps_is_refused(window: Any, done: Any) -> None:
    made = model("sgd", dropout=False)
    network = made._trainable_network("fit", X)
    whole = network.train_epoch(X[:10], Y[:10].astype("i8"), None, 4, None, None, window=(-1, 6))
    assert whole[0] == 2  # the first step is before the epoch
    with pytest.raises(ValueError, match="window must be a step and the samples of an epoch that has 10 from there on"):
        network.train_epoch(X[:10], Y[:10].astype("i8"), None, 4, None, None, done=done, window=window)


# --- The same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("teams_of_any_size")
def test_the_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    data, results = opened(tmp_path), []
    for threads in (1, 2, 3, 8):
        fn.set_num_threads(threads)
        results.append(fitted(data))
    assert results == results[:1] * 4
    assert results[0] != fitted(data, made=model(dropout=False))


class StopAt(Callback):
    """Ends training after a step, as a process that is killed does."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._left = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._left -= 1
        if not self._left:
            raise ZeroDivisionError


@pytest.mark.parametrize("arguments", [{}, {"steps_per_epoch": 5, "epochs": 6}, {"shuffle": False}], ids=str)
def test_training_resumes_at_every_step(arguments: dict[str, Any], tmp_path: Path) -> None:
    data, arguments = opened(tmp_path), {"batch_size": 60, "validation_split": 0.1, **arguments}
    expected = fitted(data, **arguments)
    for step in range(1, 2 * 15):
        backup = tmp_path / str(step)
        with pytest.raises(ZeroDivisionError):
            fitted(data, callbacks=[BackupAndRestore(backup, save_freq=step), StopAt(step + 1)], **arguments)
        again = BackupAndRestore(backup, save_freq=1000)
        assert fitted(data, callbacks=[again], **arguments) == expected
        assert again.resumed_from is not None


def test_a_run_on_other_data_is_not_resumed(tmp_path: Path) -> None:
    data, backup = opened(tmp_path), tmp_path / "backup"
    with pytest.raises(ZeroDivisionError):
        fitted(data, callbacks=[BackupAndRestore(backup, save_freq=1), StopAt(3)])
    np.save(tmp_path / "x.npy", X[::-1])
    with pytest.raises(ValueError, match=r"another run: data\.x\.sha256"):
        fitted(data, callbacks=[BackupAndRestore(backup)])


def test_killed_runs_resume_with_the_same_bits(tmp_path: Path) -> None:
    written(tmp_path)
    context = multiprocessing.get_context("spawn")
    results = []
    for kills in (0, 2):
        folder = tmp_path / str(kills)
        folder.mkdir()
        written(folder)
        for attempt in range(kills + 1):
            receive, send = context.Pipe(duplex=False)
            process = context.Process(target=train, args=(folder, 1 + attempt % 2, send))
            process.start()
            receive.recv()
            if attempt < kills:
                while not any((folder / "backup").glob("*")):
                    time.sleep(0.001)
                process.kill()
            process.join()
        results.append((folder / "result").read_text())
    assert results[0] == results[1]


# --- Maps of files ---------------------------------------------------------------------------------------------------


def test_a_large_map_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    expected = fitted(fn.datasets.open(path))
    monkeypatch.setattr(windows, "LARGE_MAP", X.nbytes - 1)
    mapped = np.load(path, mmap_mode="r")
    assert isinstance(rows_of(mapped), FileRows)
    assert fitted(mapped, Y) == expected
    assert fitted(mapped, np.load(tmp_path / "y.npy", mmap_mode="r"), sample_weight=np.ones(ROWS)) == expected
    monkeypatch.setattr(windows, "LARGE_MAP", X.nbytes)
    assert fitted(mapped, Y) != expected


@pytest.mark.parametrize("part", [slice(None), slice(17, 300), slice(5, 900, 7)])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_the_rows_of_a_map_are_those_of_its_file(part: slice, mode: Any, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", mode="w+", dtype="f4", shape=(ROWS, FEATURES), offset=12345)
    mapped[:] = X
    mapped = np.memmap(tmp_path / "x", mode=mode, dtype="f4", shape=(ROWS, FEATURES), offset=12345)
    if mode != "r":
        mapped[40] = 7.0
    rows = rows_of(mapped[part])
    assert isinstance(rows, FileRows) == (mode != "c" and part.step is None)
    out = np.empty((9, FEATURES), "f4")
    rows.read_into(11, out)
    assert_array_equal(out, mapped[part][11:20])


def test_a_map_whose_file_is_another_one_by_now_is_read_as_a_map(tmp_path: Path) -> None:
    path = written(tmp_path)
    mapped = np.load(path, mmap_mode="r")
    path.unlink()
    assert not isinstance(rows_of(mapped), FileRows)
    np.save(path, X + 1)
    assert not isinstance(rows_of(mapped), FileRows)


# --- Evaluation, prediction, receipts --------------------------------------------------------------------------------


def test_evaluate_and_predict_take_data_on_the_disk(tmp_path: Path) -> None:
    data, made = opened(tmp_path), model(metrics=["accuracy", "AUC"])
    np.testing.assert_allclose(made.evaluate(data, verbose=0), made.evaluate(X, Y, verbose=0), rtol=1e-12)
    weights = np.linspace(0, 2, ROWS)
    found = made.evaluate(data, sample_weight=weights, verbose=0, steps=9, batch_size=10)
    expected = made.evaluate(X[:90], Y[:90], sample_weight=weights[:90], verbose=0, batch_size=10)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert_array_equal(made.predict(data), made.predict(X))
    assert_array_equal(made.predict(data, steps=3, batch_size=50), made.predict(X[:150]))
    assert fitted(X, Y, validation_data=data)[1]["val_loss"] == pytest.approx(
        fitted(X, Y, validation_data=(X, Y))[1]["val_loss"], rel=1e-12
    )


def test_a_model_that_is_not_built_takes_its_shape_from_the_data(tmp_path: Path) -> None:
    made = fn.Sequential([fn.Dense(CLASSES, "softmax")], seed=0)
    made.compile("sgd", "sparse_categorical_crossentropy")
    made.fit(opened(tmp_path), verbose=0)
    assert made.input_shape == (FEATURES,)


def test_training_is_verified(tmp_path: Path) -> None:
    data, made = opened(tmp_path), model()
    made.fit(data, epochs=2, verbose=0)
    described = made.receipt["runs"][0]["data"]
    assert described["x"]["shape"] == [ROWS, FEATURES]
    assert described["x"]["places"] == 8
    assert fn.verify(made, data).identical
    np.save(tmp_path / "y.npy", Y[::-1])
    assert list(fn.verify(made, fn.datasets.open(tmp_path / "x.npy")).differences) == ["y"]


# --- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_a_nan_is_found_when_its_row_is_read(threads: int, tmp_path: Path) -> None:
    x = X.copy()
    x[741, 2] = np.nan
    made, before = model(), fn.get_num_threads()
    fn.set_num_threads(threads)
    with pytest.raises(ValueError, match="x has a NaN or an infinity in row 741"):
        made.fit(fn.datasets.open(written(tmp_path, x)), batch_size=7, shuffle=False, verbose=0)
    fn.set_num_threads(before)
    assert (made.get_weights()[0] != model().get_weights()[0]).any()  # the rows before were trained on


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(np.arange(ROWS) == 841, 3, Y), "y has label 3 at row 841; the output layer has 3 units"),
        (np.where(np.arange(ROWS) == 841, 0.5, Y), "y has label 0.5 at row 841; labels must be whole numbers"),
        (np.where(np.arange(ROWS) == 841, np.nan, Y), "y has a NaN or an infinity in row 841"),
        (np.zeros((ROWS, 2)), r"y must have shape \(\d+, 3\)"),
    ],
)
def test_wrong_targets_are_refused_with_their_row(y: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(fn.datasets.open(written(tmp_path, X, y), encode=False))


def test_other_wrong_arguments_are_refused(tmp_path: Path) -> None:
    data = opened(tmp_path)
    for arguments, message in (
        ({"y": Y}, "y must be None if x is a StoredDataset"),
        ({"sample_weight": np.ones(7)}, r"sample_weight must have shape \(1000,\)"),
        (
            {"sample_weight": np.where(np.arange(ROWS) == 7, np.inf, 1)},
            "sample_weight has a NaN or an infinity in row 7",
        ),
        ({"class_weight": {5: 1.0}}, "class_weight has labels that no sample can have: 5"),
        ({"validation_split": 0.99999}, "validation_split=0.99999 of 1000 samples"),
    ):
        with pytest.raises(ValueError, match=message):
            model().fit(data, verbose=0, **arguments)
    with pytest.raises(ValueError, match=r"x must have shape \(samples, 6\); got \(1000, 5\)"):
        model().fit(fn.datasets.open(written(tmp_path, X[:, :5].copy())), verbose=0)
    (tmp_path / "y.npy").unlink()
    with pytest.raises(ValueError, match="x must have targets"):
        model().fit(fn.datasets.open(tmp_path / "x.npy"), verbose=0)


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    data = opened(tmp_path)
    with (tmp_path / "x.npy").open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(ValueError, match=r"x\.npy became shorter"):
        fitted(data)


# --- Time and memory -------------------------------------------------------------------------------------------------


def test_a_first_epoch_that_the_time_limit_cuts_is_in_the_history(tmp_path: Path) -> None:
    waits = LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.01))
    data = opened(tmp_path)
    for given in ((data,), (X, Y), (([X, Y] for _ in range(1000)),)):
        made = model(fn.optimizers.Adam(fn.schedules.CosineDecay(0.01, 200)))
        history = made.fit(*given, batch_size=5, epochs=3, verbose=0, max_time=0.03, callbacks=[waits])
        assert history.out_of_time
        assert history.epoch == [0]
        assert {name: len(values) for name, values in history.history.items()} == {
            "loss": 1,
            "accuracy": 1,
            "learning_rate": 1,
        }
        assert 0 < history.history["loss"][0] < 3


PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
import fastnet as fn

def peak():  # that of getrusage includes the program that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

x = np.load(sys.argv[1], mmap_mode="r")
model = fn.Sequential([fn.Rescaling(1 / 255), fn.Dense(16, "relu"), fn.Dense(10, "softmax")], seed=0)
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(np.zeros((256, 784), "u1"), np.zeros(256), verbose=0)
before = peak()
history = model.fit(x, np.load(sys.argv[2], mmap_mode="r"), batch_size=128, verbose=0, max_time=1.0)
print((peak() - before) >> 10, len(history.history["loss"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files and kilobytes of resident memory")
def test_memory_does_not_depend_on_the_size_of_the_data(tmp_path: Path) -> None:
    rows = 5_000_000  # 4 GB
    for name, shape in (("x.npy", (rows, 784)), ("y.npy", (rows,))):
        np.lib.format.open_memmap(tmp_path / name, "w+", "uint8", shape)
    assert (tmp_path / "x.npy").stat().st_blocks < 1000
    command = [sys.executable, "-c", PROGRAM, tmp_path / "x.npy", tmp_path / "y.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, epochs = map(int, done.stdout.split())
    assert megabytes < 200
    assert epochs == 1
