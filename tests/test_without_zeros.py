"""Rows of float64 that are mostly zeros are copied without them, and nothing but the time tells."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet import _core
from fastnet.inputs import repacking as _repacking


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, teams_of_any_size: None) -> int:
    fn.set_num_threads(request.param)
    return int(request.param)


def mostly_zeros(rows: int, columns: int, share: float = 0.1, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, columns)) * (random.random((rows, columns)) < share)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("columns", [0, 1, 7, 64])
@pytest.mark.parametrize("rows", [1, 7, 33, 1000])
@pytest.mark.usefixtures("threads")
def test_rows_without_their_zeros_hold_the_same_numbers(rows: int, columns: int, share: float) -> None:
    for dtype in (np.float64, np.float32):
        x = mostly_zeros(rows, columns, share, seed=rows).astype(dtype)
        x[:1, :1], x[-1:, -1:] = np.nan, -0.0
        count = np.count_nonzero(x)
        parts = _core.nonzeros(x, count)
        assert parts is not None
        values, places, starts = parts
        row, column = np.nonzero(x)
        assert values.tobytes() == x[row, column].tobytes()
        assert places.tolist() == column.tolist()
        assert starts.tolist() == [0, *np.cumsum(np.count_nonzero(x, axis=1))]
        assert count == 0 or _core.nonzeros(x, count - 1) is None


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.zeros(3), ValueError),
        (np.zeros((0, 3)), ValueError),
        (np.zeros((4, 4))[:, ::2], ValueError),
        (np.zeros(33, np.uint8)[1:].view(np.float64).reshape(2, 2), ValueError),
        (np.zeros((2, 2), np.int64), TypeError),
    ],
)
def test_rows_that_cannot_be_read_without_their_zeros_are_refused(x: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        _core.nonzeros(x, 9)


def test_which_rows_are_copied_without_their_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = mostly_zeros(1024, 1024)
    copy = _repacking.without_zeros(x, 4.0)
    assert isinstance(copy, _core.SparseRows)
    assert copy.shape == x.shape
    sorted_rows = mostly_zeros(1024, 1024, 1.0)
    sorted_rows[::4] = 0.0  # the rows that are looked at
    np.save(tmp_path / "x.npy", x)
    others = {
        "three passes": (x, 3.0),
        "float32": (x.astype(np.float32), 100.0),
        "few values": (x[:512], 100.0),
        "Fortran order": (np.asfortranarray(x), 100.0),
        "other numbers": (mostly_zeros(1024, 1024, 0.3), 100.0),
        "other numbers in rows that were not looked at": (sorted_rows, 100.0),
        "rows in a file": (np.load(tmp_path / "x.npy", mmap_mode="r"), 100.0),
        "rows that are sparse": (copy, 100.0),
    }
    for name, (rows, passes) in others.items():
        assert _repacking.without_zeros(rows, passes) is rows, name
    monkeypatch.setattr(_repacking, "_memory", lambda: 4.0 * 12 * 100_000)
    assert _repacking.without_zeros(x, 100.0) is x


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"batch_size": 7, "max_iter": 5}])
def test_estimators_give_the_same_bits_without_zeros(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    estimators = pytest.importorskip("fastnet.sklearn")
    monkeypatch.setattr(_repacking, "_MANY_VALUES", 1000)
    x, numbers, copies = mostly_zeros(400, 50), np.arange(400) % 3, []
    real = _repacking.nonzeros
    monkeypatch.setattr(_repacking, "nonzeros", lambda *given: (copies.append(1), real(*given))[1])

    def bits(kind: str) -> list[bytes]:
        model = getattr(estimators, kind)(hidden_layer_sizes=64, **{"max_iter": 4, "random_state": 0, **options}).fit(
            x, numbers
        )
        return [array.tobytes() for array in (*model.coefs_, *model.intercepts_, model.predict(x))]

    for kind in ("MLPClassifier", "MLPRegressor"):
        copied = bits(kind)
        assert copies.pop() == 1
        with monkeypatch.context() as patch:
            patch.setattr(_repacking, "_MANY_VALUES", 1 << 60)
            assert bits(kind) == copied
        assert not copies
