"""The order in which data on the disk are read: every row once, all blocks mixed, from any step on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.callbacks import LambdaCallback
from fastnet.exceptions import NonFiniteLossWarning
from fastnet.inputs import windows
from fastnet.inputs.windows import Reading, stored_samples
from stored import X, Y, in_small_blocks, model, written  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


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
