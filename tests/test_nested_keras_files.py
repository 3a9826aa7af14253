"""Files of Keras with models among the layers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.interchange.keras.configs import architecture_of
from record_nested_keras import DATA, made

FILE = DATA / "keras_nested.keras"
RECORDED = json.loads((DATA / "keras_nested.json").read_text(encoding="utf-8"))


def test_models_among_the_layers_are_read_as_models() -> None:
    model = fn.load_model(FILE)
    assert [layer.name for layer in model.layers][1:] == ["middle", "last"]
    base = model.get_layer("middle").get_layer("base")
    assert isinstance(base, fn.Sequential)
    assert [base.trainable, model.get_layer("middle").trainable, model.trainable] == [False, True, True]
    assert len(model.trainable_weights) == 8
    assert_allclose(model.predict(np.array(RECORDED["x"])), RECORDED["y"], rtol=1e-5)


def test_weights_are_read_into_a_model_of_the_same_models() -> None:
    model = made(fn)
    model.load_weights(FILE)
    assert_allclose(model.predict(np.array(RECORDED["x"])), RECORDED["y"], rtol=1e-5)
    assert_array_equal(model.layers[1].layers[0].get_weights()[0], model.get_weights()[2])
    with pytest.raises(ValueError, match=r"keras_nested\.keras"):
        fn.Sequential([fn.Input((5,)), fn.Dense(5)]).load_weights(FILE)


def test_what_fastnet_writes_of_such_a_model_is_read_again(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    model = made(fn)
    model.load_weights(FILE)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    again = fn.load_model(tmp_path / "m.keras")
    x = np.array(RECORDED["x"])
    assert_array_equal(again.predict(x), model.predict(x))
    other = made(fn)
    other.load_weights(tmp_path / "m.weights.h5")
    assert_array_equal(other.predict(x), model.predict(x))


def sequential(*layers: Any, **config: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers), **config}}


INPUT = {"class_name": "InputLayer", "config": {"batch_shape": [None, 3]}}
DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 2}}


def deep(depth: int) -> dict[str, Any]:
    inside = DENSE
    for _ in range(depth):
        inside = sequential(inside)
    return sequential(INPUT, inside)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (sequential(INPUT, sequential()), "the model 's' among its layers must have a list of layers"),
        (sequential(INPUT, DENSE, sequential(INPUT)), "the model 's' among its layers has no layers"),
        (
            sequential(INPUT, sequential({"class_name": "Lambda", "config": {"name": "l"}})),
            "Lambda, which holds Python",
        ),
        (sequential(INPUT, sequential(DENSE, trainable=3)), "trainable must be True or False"),
        (sequential(INPUT, {"class_name": "Functional", "config": {"name": "f"}}), "only a Sequential is read"),
        (sequential(INPUT, sequential({**DENSE, "registered_name": "my>Dense"})), "not one of Keras's own classes"),
        (deep(200), "nested deeper than 100"),
    ],
)
def test_other_models_among_the_layers_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        architecture_of(config, 3)
