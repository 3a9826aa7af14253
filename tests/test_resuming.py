"""Training that is killed at every step and goes on from checkpoints ends as training that is not: the same bits."""

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from runs import BATCH, EPOCHS, LABELS, LAYERS, OPTIMIZERS, ROWS, Run, X

THREADS = (1, 2, 3)
STEPS = EPOCHS * 5


def assert_goes_on(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, kills: int | None = STEPS) -> None:
    whole = run()
    pieces, killed = run.in_pieces(folder, monkeypatch, itertools.cycle(THREADS))
    assert pieces == whole
    if kills is not None:
        assert killed == kills
    assert not folder.exists()  # training is complete


@pytest.mark.parametrize("layers", LAYERS)
def test_with_every_kind_of_layer(layers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_goes_on(Run(layers), tmp_path / "backup", monkeypatch)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_with_every_optimizer(optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_goes_on(Run("dropout", optimizer), tmp_path / "backup", monkeypatch)


def mean_of_largest(y_true: Any, y_pred: Any) -> Any:
    return y_pred.max(axis=1)


def squares(y_true: Any, y_pred: Any) -> Any:
    error = y_pred - np.eye(3)[y_true.reshape(-1).astype(int)]
    return np.mean(error**2), 2 * error / error.size


def watching() -> fn.callbacks.Callback:
    return fn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)


class Wandering(fn.callbacks.Callback):
    """A callback of one's own that remembers something."""

    state_names = ("seen",)

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append(np.float32(logs["loss"]))
        logs["seen"] = float(np.sum(self.seen))


METRICS: list[Any] = ["accuracy", "AUC", "r2_score", fn.metrics.F1Score("macro"), mean_of_largest, "acc"]
CASES: dict[str, Run] = {
    "float64": Run(dtype="float64"),
    "bfloat16": Run(dtype="mixed_bfloat16"),
    "batches in parts": Run(  # that the last one of an epoch, which is short, is computed in, too
        "dropout", data=lambda: (np.tile(X, (200, 1)), np.tile(LABELS, 200)), batch_size=4096
    ),
    "looking for what is wrong": Run("dropout", debug=True),
    "no validation": Run(validation=None),
    "no shuffling": Run(shuffle=False),
    "part of the data": Run(steps_per_epoch=2, epochs=8),
    "part of the data, no shuffling": Run(steps_per_epoch=2, epochs=7, initial_epoch=1, shuffle=False),
    "part of the data, batch by batch": Run(steps_per_epoch=3, epochs=5, callbacks=lambda: [watching()]),
    "validation now and then": Run(validation_freq=2),
    "an epoch of one step": Run(batch_size=100),
    "weights": Run(sample_weight=np.linspace(0.1, 2.0, ROWS), class_weight={0: 2.0}),
    "metrics in Python": Run(metrics=lambda: METRICS),
    "a loss in Python": Run(loss=squares, metrics=lambda: ["accuracy", "mse"]),
    "batch by batch": Run("dropout", callbacks=lambda: [watching()]),
    "batch by batch, metrics": Run(metrics=lambda: METRICS, callbacks=lambda: [watching()]),
    "batch by batch, schedule": Run(optimizer="schedule", callbacks=lambda: [watching()]),
    "early stopping": Run(
        optimizer="schedule",
        callbacks=lambda: [
            fn.callbacks.EarlyStopping("val_accuracy", min_delta=0.4, patience=2, restore_best_weights=True)
        ],
        epochs=9,
    ),
    "plateau": Run(
        optimizer="momentum",
        callbacks=lambda: [fn.callbacks.ReduceLROnPlateau(min_delta=0.1, patience=1, cooldown=1)],
        epochs=6,
    ),
    "rate by epoch": Run(callbacks=lambda: [fn.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)]),
    "a callback of one's own": Run(callbacks=lambda: [Wandering()]),
    "not finite": Run("penalties", lambda: fn.optimizers.SGD(1e30), validation=None),
}


@pytest.mark.filterwarnings("ignore::fastnet.exceptions.NonFiniteLossWarning")
@pytest.mark.filterwarnings("ignore::fastnet.exceptions.DoctorWarning")
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("case", CASES)
def test_with_everything_that_fit_can_do(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_goes_on(CASES[case], tmp_path / "backup", monkeypatch, kills=None)


# --- Sources of batches ----------------------------------------------------------------------------------------------


def generated() -> Iterator[Any]:
    rng = np.random.default_rng(1)
    while True:
        rows = rng.integers(ROWS, size=7)
        yield X[rows], LABELS[rows]


class Loader:
    """Yields other batches in every epoch."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(2)

    def __iter__(self) -> Iterator[Any]:
        for rows in np.array_split(self._rng.permutation(ROWS), 4):
            yield X[rows], LABELS[rows]


class Items:
    """Batches by their numbers, shuffled after every epoch."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(3)
        self._order = np.arange(ROWS)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> Any:
        rows = np.array_split(self._order, 4)[number]
        return X[rows], LABELS[rows]

    def on_epoch_end(self) -> None:
        self._order = self._rng.permutation(ROWS)


class Single:
    """Samples by their numbers."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, number: int) -> Any:
        return X[number], LABELS[number]


SOURCES: dict[str, Callable[[], Any]] = {"generator": generated, "loader": Loader, "items": Items, "samples": Single}


def test_with_sparse_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(X > 0.8, X, 0)
    run = Run(data=lambda: (sparse.csr_array(x), LABELS), validation=None)
    assert_goes_on(run, tmp_path / "backup", monkeypatch)


@pytest.mark.parametrize("source", SOURCES)
def test_with_sources_of_batches(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 3 if source == "generator" else None
    run = Run(
        data=lambda: (SOURCES[source](), None),
        validation=SOURCES[source],
        steps_per_epoch=steps,
        validation_steps=steps,
        metrics=lambda: ["accuracy", "mae"],
    )
    assert_goes_on(run, tmp_path / "backup", monkeypatch, kills=None)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("source", SOURCES)
def test_with_part_of_a_source_an_epoch(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(
        data=lambda: (SOURCES[source](), None),
        validation=SOURCES[source],
        epochs=5,
        steps_per_epoch=3,  # of 4, or of 5
        validation_steps=2,
    )
    assert_goes_on(run, tmp_path / "backup", monkeypatch, kills=None)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize(
    ("source", "steps"), [*((source, 3) for source in SOURCES), *((source, None) for source in list(SOURCES)[1:])]
)
def test_with_sources_when_ctrl_c_ends_every_validation_once(source: str, steps: int | None, tmp_path: Path) -> None:
    pressed: set[int] = set()

    class Press(fn.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1 and self.epoch not in pressed:
                pressed.add(self.epoch)
                signal.raise_signal(signal.SIGINT)

    run = Run(
        data=lambda: (SOURCES[source](), None),
        validation=SOURCES[source],
        steps_per_epoch=steps,
        validation_steps=2,
        callbacks=lambda: [Press()],
    )
    for epoch in range(EPOCHS):
        run(fn.callbacks.BackupAndRestore(tmp_path))
        assert pressed == set(range(epoch + 1))
    assert run(fn.callbacks.BackupAndRestore(tmp_path)) == run()


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_with_a_generator_that_ends_too_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(data=lambda: (itertools.islice(generated(), 8), None), epochs=5, steps_per_epoch=3)
    assert_goes_on(run, tmp_path / "backup", monkeypatch, kills=None)


# --- When ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "kills"),
    [
        ({"save_freq": "epoch"}, 3),
        ({"save_freq": 2}, 7),
        ({"save_freq": 7}, 2),
        ({"save_freq": 100}, 0),
        ({"seconds": 1e9}, 0),
    ],
)
def test_checkpoints_come_when_they_are_asked_for(
    when: dict[str, Any], kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("dropout")
    pieces, killed = run.in_pieces(
        tmp_path / "backup", monkeypatch, itertools.cycle(THREADS), **{"save_freq": "epoch", **when}
    )
    assert (pieces, killed) == (run(), kills)


# --- The core --------------------------------------------------------------------------------------------------------


def test_an_epoch_of_the_core_may_be_cut_anywhere() -> None:
    def network() -> Any:
        model = Run("dropout").model()
        model._trainable_network("fit", X)
        return model._network

    order = np.random.default_rng(4).permutation(ROWS)
    arguments = (X, LABELS, order, BATCH, None, None, np.linspace(0.1, 0.01, 5), 0.05, None)
    whole, cut = network(), network()
    result = whole.train_epoch(*arguments)
    steps, bad, sums = 0, -1, (0.0, 0.0)
    for end in (1, 1, 3, 99, 99):
        steps, loss, metric, bad, sums = cut.train_epoch(*arguments, (steps, *sums, bad), end)
        assert steps == cut.finished_steps == min(end, 5)
    assert (steps, loss, metric, bad, sums) == result
    assert_array_equal(cut.get_parameters(), whole.get_parameters())
    with pytest.raises(ValueError, match=r"done must have 0\.\.5 steps, got 6"):
        cut.train_epoch(*arguments, (6, 0.0, 0.0, -1))


def test_seeds_are_as_many_as_the_layers_that_have_one() -> None:
    network = Run("dropout").model()._network
    assert network is not None
    network.set_seeds([3, 2**64 - 1])
    assert network.get_seeds() == [3, 2**64 - 1]
    with pytest.raises(ValueError, match="seeds must have 2 values, got 1"):
        network.set_seeds([1])
