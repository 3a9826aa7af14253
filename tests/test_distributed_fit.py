"""`fit` on several ranks, in threads of one process: the same bits on any number of them."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
import stored
from fastnet.callbacks import LambdaCallback
from fastnet.distributed import exchange as exchanges
from fastnet.distributed.distribution import current
from fastnet.distributed.division import Division
from ranks import RUNS, SHARDS, Ranks, on
from runs import BATCH, LABELS, ROWS, Run, X
from stored import in_small_blocks  # noqa: F401

SIZES = (2, 3, 5, 8)


@pytest.mark.parametrize("case", RUNS)
def test_the_same_bits_on_any_number_of_ranks(case: str) -> None:
    alone = on(1, RUNS[case])
    for size in SIZES:
        assert on(size, RUNS[case]) == alone, size


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 9, 100])
def test_the_same_bits_with_any_number_of_shards(shards: int) -> None:
    run = Run("batch-norm", metrics=lambda: ["AUC"])
    alone = on(1, run, shards)
    for size in range(2, min(shards, 9) + 1):
        assert on(size, run, shards) == alone, size


def test_debugging_gives_the_same_bits() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the doctor finds
        assert on(3, Run(debug=True)) == on(1, Run())


def test_gradients_in_pieces_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = on(1, RUNS["metrics"])
    monkeypatch.setattr(exchanges, "PIECES_FROM", 0)
    for size in SIZES:
        assert on(size, RUNS["metrics"]) == alone, size


def test_convolutions(teams_of_any_size: None) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1)).astype(np.uint8)

    def train(rank: int) -> list[bytes]:
        layers = [
            fn.Rescaling(1 / 255, input_shape=(8, 8, 1)),
            fn.Conv2D(4, 3, activation="relu"),
            fn.BatchNormalization(),
            fn.MaxPooling2D(2),
            fn.Flatten(),
            fn.Dense(3, "softmax"),
        ]
        model = fn.Sequential(layers, seed=1)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, np.arange(60) % 3, batch_size=25, epochs=2, verbose=0)
        return [array.tobytes() for array in model.get_weights()]

    alone, before = Ranks(1, 6, train).result, fn.get_num_threads()
    for threads in (1, 2):
        fn.set_num_threads(threads)
        for size in (1, 2, 4, 6):
            assert Ranks(size, 6, train).result == alone, (threads, size)
    fn.set_num_threads(before)


def test_sums_of_subnormal_size_give_the_same_bits() -> None:
    """The core takes them for zero, whether it adds up shards itself or ranks do."""
    rng = np.random.default_rng(0)
    y = rng.uniform(1.2, 3.0, ROWS) * rng.choice([-1.0, 1.0], ROWS)

    def loss(y_true: Any, y_pred: Any) -> Any:
        return 0.0, (1e-37 * y_true.reshape(y_pred.shape)).astype(y_pred.dtype)

    def train(rank: int) -> bytes:
        model = fn.Sequential([fn.Dense(1, input_shape=(6,))], seed=0)
        model.compile(fn.optimizers.SGD(1e37), loss=loss)
        model.fit(X, y, batch_size=16, verbose=0)
        return b"".join(array.tobytes() for array in model.get_weights())

    alone = Ranks(1, SHARDS, train).result
    for size in SIZES:
        assert Ranks(size, SHARDS, train).result == alone, size


def test_shards_change_nothing_but_the_rounding() -> None:
    run = Run(epochs=1, metrics=lambda: ["accuracy", "AUC", "mse"])
    (weights, figures), (plain, expected) = on(3, run), run()
    for array, other in zip(weights, plain, strict=True):
        np.testing.assert_allclose(np.frombuffer(array, "f4"), np.frombuffer(other, "f4"), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(*([v[0] for v in eval(text).values()] for text in (figures, expected)), rtol=1e-4)


def test_sources_of_batches() -> None:
    def batches(rank: int) -> Iterator[Any]:
        rng = np.random.default_rng(0)
        while True:
            yield X[(rows := rng.integers(0, ROWS, rng.integers(1, 12)))], LABELS[rows]

    def train(rank: int) -> Any:
        model = Run(seed=0).model()
        return repr(model.fit(batches(rank), steps_per_epoch=5, epochs=2, verbose=0).history), repr(model.get_weights())

    alone = Ranks(1, SHARDS, train).result
    for size in SIZES:
        assert Ranks(size, SHARDS, train).result == alone, size


def test_a_model_without_a_seed_is_that_of_rank_0() -> None:
    assert on(3, Run("dropout", seed=None))


# ---- What the receipt says -------------------------------------------------------------------------------------------


def test_the_receipt_has_the_shards_and_one_process_verifies_it() -> None:
    def train(rank: int) -> fn.Sequential:
        model = Run("batch-norm").model()
        model.fit(X, LABELS, batch_size=BATCH, epochs=2, verbose=0)
        return model

    ranks = Ranks(3, SHARDS, train)
    for model in ranks.results:
        receipt = model.receipt
        assert receipt["runs"][0]["fit"]["shards"] == SHARDS
        assert fn.verify(model, X, LABELS).identical
    with fn.distribute(shards=3):  # the receipt decides
        assert fn.verify(ranks.results[0], X, LABELS).identical
        assert current() is not None
    plain = Run("batch-norm").model()
    plain.fit(X, LABELS, batch_size=BATCH, epochs=2, verbose=0)
    assert "shards" not in plain.receipt["runs"][0]["fit"]
    assert plain.receipt["weights"] != receipt["weights"]


def test_files_do_not_depend_on_the_number_of_ranks(tmp_path: Path) -> None:
    def save(size: int, path: Path) -> bytes:
        def train(rank: int) -> None:
            model = Run("batch-norm").model()
            model.fit(X, LABELS, verbose=0)
            if rank == 0:
                model.save(path)

        assert Ranks(size, SHARDS, train).result is None
        return path.read_bytes()

    assert save(1, tmp_path / "1") == save(4, tmp_path / "4")


# ---- Data on the disk ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_small_blocks")
@pytest.mark.parametrize("shuffle", [False, True])
def test_ranks_read_data_on_the_disk(shuffle: bool, tmp_path: Path) -> None:
    path = stored.written(tmp_path)

    def train(data: Any, *targets: Any) -> Any:
        made = stored.model(metrics=("accuracy", "AUC"))
        arguments = {"batch_size": 23, "epochs": 2, "shuffle": shuffle, "verbose": 0}
        return stored.outcome(made, made.fit(data, *targets, **arguments))

    alone = Ranks(1, 5, lambda rank: train(fn.datasets.open(path))).result
    assert Ranks(3, 5, lambda rank: train(fn.datasets.open(path))).result == alone
    if not shuffle:
        assert Ranks(1, 5, lambda rank: train(stored.X, stored.Y)).result == alone


# ---- Validation ------------------------------------------------------------------------------------------------------


def unlike(y_true: Any, y_pred: Any) -> Any:
    error = y_pred - np.eye(3)[y_true]
    return np.mean(error**2), 2 * error / error.size


VALIDATIONS = {
    "loss alone": {},
    "metric of the core": {"metrics": ["accuracy"]},
    "metrics in Python": {"metrics": ["mse", "AUC"]},
    "custom loss": {"loss": unlike, "metrics": ["accuracy"]},
    "weights": {"metrics": ["accuracy"], "weighted": True},
    "two rows": {"metrics": ["accuracy", "AUC"], "rows": 2},
    "many rows": {"metrics": ["accuracy", "AUC"], "rows": 9001},  # more than are predicted at a time
    "in batches": {"metrics": ["accuracy", "AUC"], "fit": {"validation_steps": 3, "validation_batch_size": 7}},
    "a penalty": {"layers": "penalties"},
}


@pytest.mark.parametrize("case", VALIDATIONS)
def test_a_validation_has_the_figures_of_one_process(case: str) -> None:
    given: dict[str, Any] = VALIDATIONS[case]
    rng = np.random.default_rng(0)
    rows = given.get("rows", 43)
    x, y = rng.normal(size=(rows, 6)).astype(np.float32), rng.integers(0, 3, rows)
    data: Any = (x, y, rng.uniform(0, 2, rows)) if given.get("weighted") else (x, y)

    def train(rank: int) -> Any:
        model = Run(given.get("layers", "dense")).model()
        loss = given.get("loss", "sparse_categorical_crossentropy")
        model.compile(fn.optimizers.SGD(0.1), loss, metrics=given.get("metrics"))
        history = model.fit(
            X, LABELS, batch_size=BATCH, epochs=2, verbose=0, validation_data=data, **given.get("fit", {})
        )
        return {name: [value.hex() for value in values] for name, values in history.history.items()}

    alone = Ranks(1, SHARDS, train).result
    for size in SIZES:
        assert Ranks(size, SHARDS, train).result == alone, size


@pytest.mark.usefixtures("in_small_blocks")
def test_a_validation_on_the_disk_has_the_figures_of_one_process(tmp_path: Path) -> None:
    path = stored.written(tmp_path)

    def train(rank: int) -> Any:
        made = stored.model(metrics=("accuracy", "AUC"))
        return repr(made.fit(stored.X, stored.Y, verbose=0, validation_data=fn.datasets.open(path)).history)

    assert Ranks(3, SHARDS, train).result == Ranks(1, SHARDS, train).result


def test_hooks_of_one_rank_for_batches_of_a_validation_are_called() -> None:
    def train(rank: int) -> Any:
        seen: list[int] = []
        hook = LambdaCallback(on_test_batch_end=lambda batch, logs: seen.append(batch))
        outcome = Run(callbacks=lambda: [hook] * (rank == 1), metrics=lambda: ["AUC"])()
        assert bool(seen) == (rank == 1)
        return outcome

    assert Ranks(3, SHARDS, train).result == on(1, Run(metrics=lambda: ["AUC"]))


@pytest.mark.parametrize("rows", [0, 1, 3, 10])
def test_every_row_is_computed_on_one_rank(rows: int) -> None:
    x = np.arange(2.0 * rows).reshape(rows, 2)
    computed: list[float] = []

    def divide(rank: int) -> Any:
        distribution = current()
        assert distribution is not None
        division = Division(distribution.communicator)

        def square(part: Any) -> Any:
            computed.extend(part[:, 0])
            return part**2

        first, last, fill = division.part(rows)
        figures = np.where((first <= np.arange(rows)) & (np.arange(rows) < last), x.T, math.nan)
        fill(figures)
        return division.predicted(x, square).tolist(), figures.tolist()

    assert Ranks(4, SHARDS, divide).result == ((x**2).tolist(), x.T.tolist())
    assert sorted(computed) == x[:, 0].tolist()


def test_the_core_evaluates_the_part_that_it_is_told() -> None:
    model = Run(metrics=lambda: ["accuracy"]).model()
    network, weight = model._trainable_network("evaluate", X), np.linspace(0.5, 2.0, ROWS).astype(np.float32)
    whole = np.full((2, ROWS), math.nan)
    expected = network.evaluate(X, LABELS, 8, weight, (0, ROWS, lambda figures: np.copyto(whole, figures)))
    assert expected == network.evaluate(X, LABELS, 8, weight)
    assert expected == pytest.approx(whole.mean(1), rel=1e-12)

    def fill(figures: Any) -> None:
        np.testing.assert_array_equal(figures[:, 5:31], whole[:, 5:31])
        assert not figures[:, :5].any()
        assert not figures[:, 31:].any()
        figures[...] = whole

    assert network.evaluate(X, LABELS, 8, weight, (5, 31, fill)) == expected
    for first, last in ((-1, 3), (3, 2), (0, ROWS + 1)):
        with pytest.raises(ValueError, match=r"part must have 0 <= first <= last <= 44"):
            network.evaluate(X, LABELS, 8, weight, (first, last, fill))
