"""Gradients that ranks exchange while they compute others: the same bits, and the same ends."""

from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.distributed import exchange as exchanges
from fastnet.distributed.distribution import current
from ranks import Ranks

SHARDS = 8
SIZES = (2, 3, 5, 8)
X = np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every layer with two parameters or more be exchanged early, from three ranks on in pieces."""
    monkeypatch.setattr(exchanges, "EARLY_FROM", 2)
    monkeypatch.setattr(exchanges, "PIECES_FROM", 0)


def of_images() -> list[fn.layers.Layer]:
    return [
        *(fn.Reshape((6, 1, 1), input_shape=(6,)), fn.Conv2D(4, (3, 1), activation="relu"), fn.Flatten()),
        *(fn.Dense(5, "relu"), fn.Dense(3, "softmax")),
    ]


LAYERS = {
    "dense": lambda: [fn.Dense(8, "relu", input_shape=(6,)), fn.Dropout(0.3), fn.Dense(3, "softmax")],
    "batch norm": lambda: [fn.Dense(8, input_shape=(6,)), fn.BatchNormalization(), fn.Dense(3, "softmax")],
    "images": of_images,
    "everything large": lambda: [fn.Dense(3, "softmax", use_bias=False, input_shape=(6,))],
}


def trained(layers: str, *, frozen: bool = False, **compiled: Any) -> Any:
    model = fn.Sequential(LAYERS[layers](), seed=1)
    model.layers[0].trainable = not frozen
    model.compile("adam", "sparse_categorical_crossentropy", **compiled)
    history = model.fit(X, np.arange(90) % 3, batch_size=35, epochs=2, verbose=0)
    return [array.tobytes() for array in model.get_weights()], history.history


@pytest.mark.parametrize("layers", LAYERS)
def test_the_same_bits(layers: str, early: None) -> None:
    alone = Ranks(1, SHARDS, lambda rank: trained(layers)).result
    for size in SIZES:
        assert Ranks(size, SHARDS, lambda rank: trained(layers)).result == alone, size


def test_metrics_in_python_and_frozen_layers(early: None) -> None:
    def train(rank: int) -> Any:
        return trained("dense", frozen=True, metrics=["accuracy", "AUC"])

    alone = Ranks(1, SHARDS, train).result
    for size in SIZES:
        assert Ranks(size, SHARDS, train).result == alone, size


def test_layers_of_a_usual_size_are_exchanged_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """784-256-10 in two pieces and the rest, between two ranks one message each."""
    x = np.random.default_rng(0).random((64, 784), np.float32)

    def train(rank: int) -> Any:
        model = fn.Sequential([fn.Dense(256, "relu", input_shape=(784,)), fn.Dense(10, "softmax")], seed=1)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, np.arange(64) % 10, batch_size=64, verbose=0)
        return [array.tobytes() for array in model.get_weights()]

    begun = Ranks(2, SHARDS, train)
    monkeypatch.setattr(exchanges, "EARLY_FROM", 10**9)
    at_once = Ranks(2, SHARDS, train)
    assert begun.result == at_once.result
    assert begun.messages == at_once.messages + 2


def test_what_lies_between_large_layers_is_exchanged_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bias of the first layer, whose kernel goes in pieces, and the last layer, with a large one between them."""
    monkeypatch.setattr(exchanges, "EARLY_FROM", 10_000)
    x = np.random.default_rng(0).random((64, 800), np.float32)

    def train(rank: int) -> Any:
        layers = [fn.Dense(50, "relu", input_shape=(800,)), fn.Dense(250, "relu"), fn.Dense(3, "softmax")]
        model = fn.Sequential(layers, seed=1)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, np.arange(64) % 3, batch_size=32, verbose=0)
        return [array.tobytes() for array in model.get_weights()]

    alone = Ranks(1, SHARDS, train).result
    for size in SIZES:
        assert Ranks(size, SHARDS, train).result == alone, size


def test_mpi_for_one_thread_exchanges_nothing_early(early: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def messages() -> int:
        return Ranks(2, SHARDS, lambda rank: trained("dense")).messages

    with_threads = messages()
    monkeypatch.setattr("ranks.ThreadCommunicator.has_threads", False)
    assert messages() < with_threads


def test_sums_of_subnormal_size_give_the_same_bits(early: None) -> None:
    """The thread that adds up takes them for zero, as the core does."""
    rng = np.random.default_rng(0)
    y = rng.uniform(1.2, 3.0, 90) * rng.choice([-1.0, 1.0], 90)

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


def squared(y_true: Any, y_pred: Any) -> Any:
    """A metric that fails on rank 1: the exchange of the rest computes it, when others have been exchanged."""
    distribution = current()
    if distribution is not None and distribution.rank == 1:
        raise OSError("no space left")
    return np.square(y_pred).mean(axis=-1)


def test_an_error_after_an_early_exchange_ends_all(early: None) -> None:
    ranks = Ranks(3, SHARDS, lambda rank: trained("dense", metrics=[squared]))
    assert ranks.aborts == ["rank 1 ended with OSError: no space left"]
