"""Clones of models, and architectures as JSON text."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.layers import Dense, Residual
from fastnet.models import clone_model, model_from_json, save_model


def model() -> fn.Sequential:
    inner = fn.Sequential([Dense(4, "relu", kernel_regularizer="l2"), Residual([Dense(4)])], name="inner")
    return fn.Sequential([fn.Input((3,)), inner, Dense(2)], seed=0, name="outer")


def test_a_clone_has_the_architecture_and_weights_of_its_own() -> None:
    original = model()
    clone = clone_model(original)
    assert clone.get_config() == original.get_config()
    assert clone.layers[0] is not original.layers[0]
    kernel = original.get_weights()[0]
    assert not (clone.get_weights()[0] == kernel).all()
    clone.set_weights([np.zeros_like(array) for array in clone.get_weights()])
    assert_array_equal(original.get_weights()[0], kernel)
    with pytest.raises(AttributeError, match="call compile"):
        clone.loss  # noqa: B018


def test_a_clone_shares_no_layers_of_other_models() -> None:
    part = fn.Sequential(model().layers[:1])
    assert clone_model(part).layers[0] is not part.layers[0]


def test_a_function_makes_the_layers_of_a_clone() -> None:
    original = fn.Sequential([fn.Input((3,)), Dense(4, "relu"), Dense(2)])

    def wider(layer: Any) -> Any:
        return Dense.from_config({**layer.get_config(), "units": 2 * layer.units})

    clone = clone_model(original, clone_function=wider)
    assert [array.shape for array in clone.get_weights()] == [(3, 8), (8,), (8, 4), (4,)]


def test_an_architecture_as_text_gives_the_same_architecture() -> None:
    original = model()
    text = original.to_json(indent=2)
    assert json.loads(text)["class_name"] == "Sequential"
    again = model_from_json(text)
    assert again.to_json() == original.to_json()
    again.set_weights(original.get_weights())
    x = np.ones((2, 3))
    assert_array_equal(again.predict(x), original.predict(x))


def test_the_text_of_keras_is_read() -> None:
    layers = [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 3]}},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, "activation": "relu"}},
    ]
    document = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": layers},
        "registered_name": None,
    }
    assert model_from_json(json.dumps(document)).output_shape == (2,)


def architecture_of_residuals(count: int) -> str:
    """Return the architecture of a model of a dense layer inside so many residual blocks."""
    layers = '{"class_name": "Dense", "config": {"name": "dense", "units": 3}}'
    for number in range(count):
        layers = f'{{"class_name": "Residual", "config": {{"name": "residual_{number}", "layers": [{layers}]}}}}'
    document = json.loads(model().to_json())
    document["config"]["layers"] = ["layers"]
    return json.dumps(document).replace('"layers"]', f"{layers}]")


def test_layers_may_be_inside_of_many_others() -> None:
    assert model_from_json(architecture_of_residuals(50)).count_params() == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"class_name": "Dense", "config": {}}', "must be the architecture of a Sequential; got 'Dense'"),
        ('{"class_name": "Sequential", "config": {}}', "lacks the entry"),
        ("[" * 100_000, "is not JSON"),
        ("[" * 5_000 + "]" * 5_000, "is nested too deep"),
        (architecture_of_residuals(600), "is nested too deep"),
        (architecture_of_residuals(700), "is nested too deep"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_from_json(text)


def test_other_things_are_refused() -> None:
    with pytest.raises(TypeError, match="json_string must be a string; got None"):
        model_from_json(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model must be a Sequential"):
        clone_model("x")  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="input_tensors"):
        clone_model(model(), [1])


def test_save_model_is_the_method(tmp_path: Any) -> None:
    save_model(model(), tmp_path / "m.safetensors")
    assert fn.load_model(tmp_path / "m.safetensors").name == "outer"
    with pytest.raises(FileExistsError):
        save_model(model(), tmp_path / "m.safetensors", overwrite=False)
