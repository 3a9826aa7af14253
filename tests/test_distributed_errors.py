"""Ranks of `fit` that differ or fail: what differs is named on all of them, and an error of one ends all."""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.callbacks import EarlyStopping, LambdaCallback
from fastnet.distributed.distribution import current
from ranks import SHARDS, Ranks, cubed
from runs import LABELS, ROWS, Run, X
from stored import in_small_blocks  # noqa: F401


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
