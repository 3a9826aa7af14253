"""`fit` on several ranks, in threads of one process: the same bits on any number of them, and one decision of all."""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
import stored
from fastnet.callbacks import BackupAndRestore, Callback, CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint
from fastnet.distributed import exchange as exchanges
from fastnet.distributed.distribution import current
from fastnet.training.checkpoints import Checkpoints
from ranks import Ranks
from runs import BATCH, EPOCHS, LABELS, ROWS, Killed, Run, X
from stored import in_small_blocks  # noqa: F401

SIZES = (2, 3, 5, 8)
SHARDS = 8


def on(size: int, run: Run, shards: int = SHARDS) -> Any:
    """The weights and the history of a training on some ranks, the same on all of them."""
    return Ranks(size, shards, lambda rank: run()).result


def cubed(y_true: Any, y_pred: Any) -> Any:
    error = y_pred - np.eye(3)[y_true]
    return np.mean(np.abs(error) ** 3), 3 * error * np.abs(error) / error.size


RUNS = {
    "dense": Run(),
    "dropout, momentum": Run("dropout", "momentum"),
    "batch norm": Run("batch-norm", "momentum"),
    "residual, schedule": Run("residual", "schedule"),
    "penalties, average": Run("penalties", "average"),
    "accumulated gradients": Run("noise", "accumulation"),
    "muon": Run("prelu", "muon"),
    "clipped": Run("layer-norm", "lion", dtype="float64"),
    "metrics": Run(metrics=lambda: ["accuracy", "AUC", "mse"]),
    "custom loss": Run(loss=cubed, metrics=lambda: ["accuracy", "mse"]),
    "batch by batch": Run(
        metrics=lambda: ["AUC"], callbacks=lambda: [LambdaCallback(on_train_batch_end=lambda batch, logs: None)]
    ),
    "weights": Run(sample_weight=np.linspace(0.0, 2.0, ROWS), class_weight={0: 2.0}),
    "steps": Run(steps_per_epoch=2, batch_size=11, epochs=7, validation_freq=2),
    "one batch": Run(batch_size=1000),
    "single rows": Run("dropout", batch_size=1, epochs=1),
    "in order": Run(shuffle=False, validation=None),
}


# ---- The same bits ---------------------------------------------------------------------------------------------------


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


# ---- Callbacks -------------------------------------------------------------------------------------------------------


def test_rank_0_alone_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def train(rank: int) -> None:
        folder = tmp_path / str(rank)
        model = Run().model()
        callbacks = [
            CSVLogger(f"{folder}.csv"),
            ModelCheckpoint(f"{folder}.safetensors"),
            BackupAndRestore(folder, delete_checkpoint=False),
            EarlyStopping("loss", min_delta=9.0, verbose=1),
        ]
        model.fit(X, LABELS, verbose=2, epochs=5, callbacks=callbacks)
        model.evaluate(X, LABELS)

    assert Ranks(3, 3, train).result is None
    assert {path.name for path in tmp_path.iterdir()} == {"0", "0.csv", "0.safetensors"}
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["Epoch", "Epoch", "Epoch", "loss:"]


def test_callbacks_see_the_same_on_all_ranks() -> None:
    def train(rank: int) -> Any:
        seen: list[Any] = []
        hooks = {
            "on_epoch_end": lambda epoch, logs: seen.append((epoch, dict(logs))),
            "on_train_batch_end": lambda batch, logs: seen.append((batch, dict(logs))),
        }
        Run(callbacks=lambda: [LambdaCallback(**hooks)])()
        return repr(seen)

    assert Ranks(3, SHARDS, train).result == Ranks(1, SHARDS, train).result


@pytest.mark.parametrize("where", ["on_train_batch_end", "on_train_batch_begin", "on_epoch_end"])
@pytest.mark.parametrize("who", [None, 0, 2])
def test_training_stops_on_all_ranks_where_one_wants_it(where: str, who: int | None) -> None:
    def train(rank: int) -> Any:
        model = Run().model()

        def stop(number: int, logs: Any) -> None:
            if number == 2 and (who is None or rank == who or size == 1):
                model.stop_training = True

        history = model.fit(X, LABELS, batch_size=BATCH, epochs=9, verbose=0, callbacks=LambdaCallback(**{where: stop}))
        return repr(history.history), model.optimizer.iterations, model.get_weights()[0].tobytes()

    size = 1
    alone = Ranks(size, SHARDS, train).result
    size = 3
    assert Ranks(size, SHARDS, train).result == alone
    assert alone[1] == (15 if where == "on_epoch_end" else 3)


def test_a_callback_of_one_rank_may_have_hooks_for_batches() -> None:
    def train(rank: int) -> Any:
        seen: list[int] = []
        own = [LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))] if rank == 1 else []
        outcome = Run(callbacks=lambda: own)()
        assert len(seen) == (EPOCHS * 5 if rank == 1 else 0)
        return outcome

    assert Ranks(2, SHARDS, train).result == on(1, Run())


class Slow(Callback):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_train_progress(self, step: int, steps: int, logs: Any = None) -> None:
        time.sleep(self.seconds)


def test_when_the_time_of_one_rank_is_over_all_end_after_the_same_step() -> None:
    def train(rank: int) -> Any:
        model = Run().model()
        started = time.perf_counter()
        history = model.fit(X, LABELS, epochs=10**6, verbose=0, max_time=0.3, callbacks=[Slow(0.01 * rank)])
        assert time.perf_counter() - started < 20
        assert history.out_of_time
        return repr(history.history), model.optimizer.iterations, model.get_weights()[0].tobytes()

    assert Ranks(3, SHARDS, train).result[1] > 0


# ---- Checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["dropout, momentum", "metrics", "batch by batch", "steps"])
def test_resumed_on_another_number_of_ranks_after_every_checkpoint(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RUNS[case]
    expected = on(1, run)
    save = Checkpoints._save

    def save_and_die(self: Checkpoints, **keywords: Any) -> None:
        save(self, **keywords)
        self.wait()
        raise Killed

    monkeypatch.setattr(Checkpoints, "_save", save_and_die)
    for kills in range(100):
        size = (1, 3, 2, 8, 5)[kills % 5]
        ranks = Ranks(size, SHARDS, lambda rank: run(BackupAndRestore(tmp_path / "backup", save_freq=4)))
        if ranks.errors == [None] * size:
            break
        assert size == 1 or ranks.aborts == ["rank 0 ended with Killed"], ranks.errors
    assert kills > 2
    assert ranks.result == expected


def test_another_number_of_shards_is_refused_on_all_ranks(tmp_path: Path) -> None:
    def train(rank: int) -> Any:
        return Run()(BackupAndRestore(tmp_path, delete_checkpoint=False))

    assert Ranks(2, 8, train).result
    ranks = Ranks(2, 4, train)
    assert not ranks.aborts
    for error in ranks.errors:
        assert "fit.shards was 8, now it is 4" in str(error)
    with pytest.raises(ValueError, match=r"fit.shards was 8, now it is null"):
        train(0)


# ---- Ranks that differ -----------------------------------------------------------------------------------------------


def differing(**changes: Any) -> str:
    """Return the error of three ranks, of which the second one has a changed run."""

    def train(rank: int) -> None:
        Run(**(changes if rank == 1 else {}))()

    ranks = Ranks(3, SHARDS, train)
    messages = {str(error) for error in ranks.errors}
    assert [type(error) for error in ranks.errors] == [ValueError] * 3
    assert len(messages) == 1
    assert not ranks.aborts
    return messages.pop()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": lambda: (np.where(np.arange(ROWS) == 43, 0, X.T).T, LABELS)}, "data.x.sha256 is"),
        ({"data": lambda: (X[:-1], LABELS[:-1])}, 'fit.x is "44 rows" on ranks 0 and 2, "43 rows" on rank 1'),
        ({"batch_size": 11}, "fit.batch_size is 10 on ranks 0 and 2, 11 on rank 1"),
        ({"epochs": 4}, "epochs[1] is 3 on ranks 0 and 2, 4 on rank 1"),
        ({"validation": None}, "fit.validation_data is"),
        ({"optimizer": "nadam"}, "compile.optimizer.class_name is"),
        ({"layers": "rescaling"}, "model.layers[0].class_name is"),
        ({"seed": 1}, "weights is"),
        ({"seed": None}, "weights is"),
        ({"callbacks": lambda: [EarlyStopping("loss")]}, "fit.callbacks is"),
    ],
)
def test_what_differs_is_named_on_all_ranks(changes: dict[str, Any], message: str) -> None:
    text = differing(**changes)
    assert text.startswith("all ranks must call fit with the same model, data and arguments: ")
    assert message in text
    assert "ranks 0 and 2" in text


def test_one_byte_in_the_middle_of_large_data_is_found() -> None:
    x = np.zeros((1000, 6000), np.uint8)
    other = x.copy()
    other[501, 7] = 1
    y = np.arange(1000) % 2

    def train(rank: int) -> None:
        model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(6000,))], seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(other if rank == 1 else x, y, verbose=0)

    ranks = Ranks(2, SHARDS, train)
    assert all("all of x and y is" in str(error) for error in ranks.errors)


def test_batches_that_differ_are_found() -> None:
    def batches(rank: int) -> Iterator[Any]:
        for number in range(10):
            yield X[: 5 + (number == 3 and rank == 1)], LABELS[: 5 + (number == 3 and rank == 1)]

    def train(rank: int) -> None:
        Run().model().fit(batches(rank), steps_per_epoch=5, epochs=2, verbose=0)

    ranks = Ranks(2, SHARDS, train)
    assert not ranks.aborts
    assert all(str(error).startswith("the ranks have come apart: content is") for error in ranks.errors)


def test_a_source_that_ends_early_on_one_rank_is_found() -> None:
    def train(rank: int) -> None:
        batches = [(X[:5], LABELS[:5])] * (7 - rank)
        Run().model().fit(iter(batches), steps_per_epoch=7, verbose=0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the source has no more batches
        ranks = Ranks(2, SHARDS, train)
    assert all("the ranks have come apart: place is" in str(error) for error in ranks.errors)


def test_weights_that_a_callback_changes_on_one_rank_are_found() -> None:
    def train(rank: int) -> None:
        model = Run().model()

        def change(epoch: int, logs: Any) -> None:
            model.set_weights([(1 + rank * epoch) * array for array in model.get_weights()])

        model.fit(X, LABELS, epochs=5, verbose=0, callbacks=[LambdaCallback(on_epoch_end=change)])

    ranks = Ranks(2, SHARDS, train)
    for error in ranks.errors:
        assert "the ranks have come apart: content is" in str(error)
        assert "ranks 0" in str(error) or "rank 0" in str(error)


def fail(*_: Any) -> Any:
    raise OverflowError("too much")


def fails_on_rank_1(y_true: Any, y_pred: Any) -> Any:
    distribution = current()
    assert distribution is not None
    return fail() if distribution.rank == 1 else cubed(y_true, y_pred)


def infinite_on_rank_1(rank: int) -> tuple[Any, Any]:
    return np.where(np.arange(ROWS)[:, None] == 3, math.inf, X) if rank == 1 else X, LABELS


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda rank: Run(data=lambda: infinite_on_rank_1(rank)), "ValueError: x has a NaN or an infinity in row 3"),
        (lambda rank: Run(callbacks=lambda: [LambdaCallback(on_epoch_end=fail)] * (rank == 1)), "OverflowError: too"),
        (lambda rank: Run(loss=fails_on_rank_1), "OverflowError: too much"),
    ],
    ids=["data", "callback", "loss"],
)
def test_an_error_on_one_rank_ends_all(run: Callable[[int], Run], message: str) -> None:
    ranks = Ranks(3, SHARDS, lambda rank: run(rank)())
    assert len(ranks.aborts) == 1
    assert ranks.aborts[0].startswith(f"rank 1 ended with {message}")


def test_an_error_on_all_ranks_is_an_ordinary_one() -> None:
    def train(rank: int) -> None:
        with pytest.raises(ValueError, match="y must have"):
            Run(data=lambda: (X, LABELS[1:]))()

    assert Ranks(3, SHARDS, train).result is None


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
