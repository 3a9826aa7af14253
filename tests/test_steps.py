"""How many batches an epoch, a validation, an evaluation and a prediction take, and what is done where there are fewer."""

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import fastnet as fn
from toy import LABELS, X, assert_same, classifier

RECORDED = json.loads(Path(__file__).with_name("data").joinpath("fit.json").read_text())["steps_per_epoch"]
RAN_OUT = "Your input ran out of data: "
BATCHES = [(X[start : start + 8], LABELS[start : start + 8]) for start in range(0, 30, 8)]


class Loader:
    """Is read again when it was read to its end, as PyTorch's DataLoader."""

    def __init__(self, batches: list[Any]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)


class SizedLoader(Loader):
    def __len__(self) -> int:
        return len(self._batches)


class Items:
    """Has a length and an index, as Keras's PyDataset."""

    def __init__(self, batches: list[Any]) -> None:
        self._batches = batches
        self.ends = 0

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> Any:
        return self._batches[number]

    def on_epoch_end(self) -> None:
        self.ends += 1


def samples(batches: list[Any]) -> list[Any]:
    """Return the samples of all batches, one an item."""
    return [(x, y) for batch in batches for x, y in zip(*batch, strict=True)]


SOURCES: dict[str, Callable[[list[Any]], Any]] = {
    "arrays": lambda batches: tuple(np.concatenate(parts) for parts in zip(*batches, strict=True)),
    "loader": Loader,
    "loader with a length": SizedLoader,
    "items": Items,
    "samples": samples,
    "list": list,
}


def fit(model: fn.Sequential, source: Any, **options: Any) -> tuple[dict[str, list[float]], list[str]]:
    """Train on arrays or on a source, and return the history and the warnings."""
    x, y = source if isinstance(source, tuple) else (source, None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(x, y, **{"batch_size": 8, "verbose": 0, **options}).history
    return history, [str(one.message) for one in caught]


# --- Epochs go on where the one before stopped ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("by_batch", [False, True])
def test_epochs_take_the_batches_that_those_of_keras_took(kind: str, by_batch: bool) -> None:
    hooks: dict[str, Any] = {"on_train_batch_end": lambda batch, logs: None} if by_batch else {}
    for case in RECORDED:
        x, y = np.arange(float(case["samples"]))[:, None], np.zeros(case["samples"])
        source = SOURCES[kind]([(x[i : i + 2], y[i : i + 2]) for i in range(0, len(x), 2)])
        model = fn.Sequential([fn.Dense(1, use_bias=False, kernel_initializer="ones", input_shape=(1,))])
        model.compile(fn.optimizers.SGD(0.0), "mse")
        options = {"batch_size": 2, "epochs": 7, "steps_per_epoch": case["steps"], "shuffle": False}
        history, warned = fit(model, source, **options, callbacks=[fn.callbacks.LambdaCallback(**hooks)])
        assert np.round(history["loss"], 3).tolist() == case["losses"], case
        assert len(warned) == case["warned"], case
        assert all(text.startswith(f"{RAN_OUT}x had ") for text in warned)


@given(steps=st.integers(1, 5), passes=st.integers(1, 3), by_batch=st.booleans())
def test_every_sample_is_taken_once_before_a_new_order_is_drawn(steps: int, passes: int, by_batch: bool) -> None:
    def trained(epochs: int, steps_per_epoch: int | None) -> fn.Sequential:
        model = classifier()
        hooks: dict[str, Any] = {"on_train_batch_end": lambda batch, logs: None} if by_batch else {}
        note = fn.callbacks.LambdaCallback(**hooks)
        fit(model, (X, LABELS), epochs=epochs, steps_per_epoch=steps_per_epoch, callbacks=[note])
        return model

    epochs_a_pass = -(-4 // steps)
    assert_same(trained(passes * epochs_a_pass, steps), trained(passes, None))


@pytest.mark.parametrize("kind", ["items", "samples"])
def test_items_are_shuffled_for_every_pass_over_them(kind: str) -> None:
    def trained(epochs: int, steps_per_epoch: int | None) -> fn.Sequential:
        model = classifier()
        fit(model, SOURCES[kind](BATCHES), epochs=epochs, steps_per_epoch=steps_per_epoch)
        return model

    assert_same(trained(6, 2), trained(3, None))


def test_every_fit_and_every_initial_epoch_begin_with_the_first_batch() -> None:
    model, again = classifier(), classifier()
    for _ in range(2):
        fit(model, (X, LABELS), epochs=6, initial_epoch=3, steps_per_epoch=1, shuffle=False)
        fit(again, (X[:24], LABELS[:24]), shuffle=False)
    assert_same(model, again)


def test_items_hear_of_the_end_of_every_epoch() -> None:
    items = Items(BATCHES)
    fit(classifier(), items, epochs=4, steps_per_epoch=2)
    assert items.ends == 4


def test_a_receipt_of_part_of_the_data_is_verified() -> None:
    model = classifier()
    fit(model, (X, LABELS), epochs=5, steps_per_epoch=2)
    assert fn.verify(model, X, LABELS).identical


@pytest.mark.parametrize("kind", SOURCES)
def test_a_validation_begins_with_the_first_batch_each_time(kind: str) -> None:
    options = {"epochs": 3, "shuffle": False, "validation_batch_size": 8}
    model, expected = classifier(), classifier()
    data = SOURCES[kind](BATCHES)
    history, warned = fit(model, (X, LABELS), validation_data=data, validation_steps=2, **options)
    assert not warned
    assert history == fit(expected, (X, LABELS), validation_data=(X[:16], LABELS[:16]), **options)[0]


# --- Sources that are used up ----------------------------------------------------------------------------------------


def generator(count: int) -> Iterator[Any]:
    yield from (BATCHES * 3)[:count]


@pytest.mark.parametrize(
    ("batches", "steps", "epochs", "message"),
    [
        (3, 100, 1, "x had 3 of the 100 batches that steps_per_epoch=100 asks for; training ends"),
        (5, 2, 3, "x had 1 of the 2 batches that steps_per_epoch=2 asks for; training ends"),
        (6, 2, 3, "x had 0 of the 2 batches that steps_per_epoch=2 asks for; training ends"),
        (3, None, 1, "x had no more batches; training ends"),
    ],
)
def test_a_generator_that_is_used_up_ends_training_with_its_history(
    batches: int, steps: int | None, epochs: int, message: str
) -> None:
    model = classifier()
    wanted = 1 if batches == 3 and steps else 9
    history, warned = fit(model, generator(batches), epochs=wanted, steps_per_epoch=steps)
    (text,) = warned
    assert text.startswith(RAN_OUT + message)
    assert "give an object that can be iterated again, or steps_per_epoch * epochs batches" in text
    assert len(history["loss"]) == epochs
    assert model.optimizer.iterations == batches
    expected = classifier()
    for x, y in (BATCHES * 3)[:batches]:
        expected.train_on_batch(x, y)
    assert_same(model, expected)


def test_a_generator_with_enough_batches_ends_without_a_word() -> None:
    assert fit(classifier(), generator(6), epochs=3, steps_per_epoch=2)[1] == []
    assert fit(classifier(), generator(6))[1] == []


def test_a_generator_of_validation_that_is_used_up_ends_validation_only() -> None:
    model = classifier()
    history, warned = fit(model, (X, LABELS), epochs=4, validation_data=generator(2), validation_steps=1)
    assert (len(history["loss"]), len(history["val_loss"])) == (4, 2)
    (text,) = warned
    assert text.startswith(
        f"{RAN_OUT}validation_data had 0 of the 1 batches that validation_steps=1 asks for; there is "
    )
    assert (
        "there is no validation from epoch 3 on: give an object that can be iterated again, or validation_steps" in text
    )
    history, warned = fit(model, (X, LABELS), epochs=3, validation_data=generator(2), validation_steps=50)
    assert (len(history["loss"]), len(history["val_loss"])) == (3, 1)
    assert [text.split(";")[0].removeprefix(RAN_OUT) for text in warned] == [
        "validation_data had 2 of the 50 batches that validation_steps=50 asks for",
        "validation_data had 0 of the 50 batches that validation_steps=50 asks for",
    ]


@pytest.mark.parametrize("kind", SOURCES)
def test_a_validation_of_fewer_batches_than_asked_for_is_told_once(kind: str) -> None:
    options = {"epochs": 3, "validation_steps": 9, "validation_batch_size": 8}
    history, warned = fit(classifier(), (X, LABELS), validation_data=SOURCES[kind](BATCHES), **options)
    assert len(history["val_loss"]) == 3
    message = "validation_data had 4 of the 9 batches that validation_steps=9 asks for; only they are evaluated"
    assert warned == [RAN_OUT + message]


@pytest.mark.parametrize("steps", [None, 2])
def test_no_batch_at_all_is_an_error_that_names_the_argument(steps: int | None) -> None:
    for empty in (Loader([]), iter([])):
        with pytest.raises(ValueError, match="x must yield at least one batch; got none"):
            classifier().fit(empty, steps_per_epoch=steps, verbose=0)
        with pytest.raises(ValueError, match="x must have at least one batch to evaluate; got none"):
            classifier().evaluate(empty, steps=steps, verbose=0)
        with pytest.raises(ValueError, match="x must have at least one batch to predict; got none"):
            classifier().predict(empty, steps=steps)
        with pytest.raises(ValueError, match="validation_data must have at least one batch; got none"):
            classifier().fit(X, LABELS, validation_data=empty, validation_steps=steps, verbose=0)


@pytest.mark.parametrize("kind", [*SOURCES, "generator"])
def test_evaluate_and_predict_tell_of_fewer_steps(kind: str) -> None:
    model = classifier()
    model.build((4,))

    def source() -> tuple[Any, Any]:
        made = iter(BATCHES) if kind == "generator" else SOURCES[kind](BATCHES)
        return made if isinstance(made, tuple) else (made, None)

    message = f"{RAN_OUT}x had 4 of the 9 batches that steps=9 asks for"
    with pytest.warns(UserWarning, match=message):
        figures = model.evaluate(*source(), batch_size=8, steps=9, verbose=0)
    assert figures == model.evaluate(*source(), batch_size=8, steps=4, verbose=0)
    if kind in ("arrays", "generator", "loader"):
        with pytest.warns(UserWarning, match=message):
            predicted = model.predict(source()[0], batch_size=8, steps=9)
        assert_array_equal(predicted, model.predict(X))
        assert len(model.predict(source()[0], batch_size=8, steps=4)) == 30
