"""`fastnet.verify`: a model of one `fit` is trained again from its receipt, or what is different is named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(np.int64)
WEIGHT = np.linspace(0.5, 2, 60)


def trained(x: Any = X, y: Any = Y, *, seed: int | None = 0, layer: Any = None, **arguments: Any) -> fn.Sequential:
    layers = [*([layer] if layer else []), fn.Dense(6, "relu"), fn.Dropout(0.2), fn.Dense(2, "softmax")]
    model = fn.Sequential(layers, seed=seed)
    model.compile(fn.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, verbose=0, **arguments)
    return model


@pytest.mark.parametrize(
    "arguments",
    [
        {"epochs": 3, "batch_size": 7},
        {"shuffle": False, "initial_epoch": 1, "epochs": 4},
        {"epochs": 2, "validation_split": 0.25, "class_weight": {0: 2.0}},
        {"epochs": 3, "steps_per_epoch": 2, "batch_size": 10, "max_time": 60.0},
    ],
)
def test_training_again_gives_the_same_weights(arguments: dict[str, Any], tmp_path: Path) -> None:
    trained(**arguments).save(tmp_path / "m")
    model = fn.load_model(tmp_path / "m")
    before = model.receipt
    found = fn.verify(model, X, Y)
    assert found.identical
    assert (found.differences, found.largest_difference) == ({}, 0.0)
    assert model.receipt == before


def test_sample_weights_and_normalization_are_taken_into_account() -> None:
    normalization = fn.Normalization()
    normalization.adapt(X)
    model = trained(layer=normalization, sample_weight=WEIGHT)
    assert fn.verify(model, X, Y, sample_weight=WEIGHT).identical
    assert list(fn.verify(model, X, Y).differences) == ["sample_weight"]


def test_callbacks_are_given_again() -> None:
    def stop() -> fn.callbacks.Callback:
        return fn.callbacks.EarlyStopping("val_loss", patience=1)

    model = trained(epochs=100, callbacks=[stop()], validation_data=(X, 1 - Y))
    assert fn.verify(model, X, Y, callbacks=[stop()], validation_data=(X, 1 - Y)).identical
    with pytest.raises(ValueError, match=r"callbacks must be like those .*\['EarlyStopping'\]"):
        fn.verify(model, X, Y)


def test_other_data_are_named_before_any_training() -> None:
    model = trained()
    found = fn.verify(model, X.astype(np.float32), 1 - Y)
    assert not found.identical
    assert list(found.differences) == ["x", "y"]
    assert found.differences["x"]["then"]["dtype"] == "float64"
    assert found.differences["x"]["now"]["dtype"] == "float32"
    assert found.largest_difference is None


def test_changed_weights_are_found() -> None:
    model = trained()
    weights = model.get_weights()
    weights[-1][0] += 0.5
    model.set_weights(weights)
    found = fn.verify(model, X, Y)
    assert not found.identical
    assert found.differences == {}
    assert found.largest_difference == pytest.approx(0.5)


def test_initial_weights_that_are_not_those_of_the_seed_are_named() -> None:
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(3,))], seed=0)
    model.set_weights([np.ones((3, 2)), np.zeros(2)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    assert list(fn.verify(model, X, Y).differences) == ["initial_weights"]


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained()
    receipt = model.receipt
    assert receipt is not None
    receipt["runs"][0]["numpy"] = "1.0"
    model._receipt = type(model._receipt).from_dict(receipt)
    found = fn.verify(model, X, Y)
    assert found.identical
    assert found.differences == {"numpy": {"then": "1.0", "now": np.__version__}}


def test_what_cannot_be_trained_again_is_refused() -> None:
    def batches() -> Iterator[tuple[Any, Any]]:
        while True:
            yield X, Y

    untrained = fn.Sequential([fn.Dense(2, input_shape=(3,))])
    twice = trained()
    twice.fit(X, Y, verbose=0)
    command = trained()
    command._receipt.command = {"name": "train", "arguments": {}, "data": {}}
    models = {
        "it was not trained": untrained,
        "more than one run": twice,
        "made by fastnet train": command,
        "without a seed": trained(seed=None),
        "batches, which are not hashed": trained(batches(), None, steps_per_epoch=2),
        "its training was out of time": trained(max_time=0.0),
    }
    for reason, model in models.items():
        with pytest.raises(ValueError, match=reason):
            fn.verify(model, X, Y)
    with pytest.raises(TypeError, match="model must be a Sequential"):
        fn.verify("m.safetensors", X, Y)  # type: ignore[arg-type]
