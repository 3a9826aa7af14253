"""What a model shows of itself: the outputs and the gradients of its layers, its FLOPs, pictures of its weights."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.layers import BatchNormalization, Dense, Dropout, Flatten, LayerNormalization, ReLU, Rescaling, Residual
from toy import LABELS, X, classifier


def deep(dtype: str = "float64") -> fn.Sequential:
    layers = [
        Rescaling(0.5, 1.0, input_shape=(2, 2)),
        Flatten(),
        Dense(6),
        BatchNormalization(),
        ReLU(),
        Dropout(0.5),
        Residual([LayerNormalization(), Dense(6, activation="tanh")]),
        Dense(3),
        fn.Softmax(),
    ]
    model = fn.Sequential(layers, seed=0, dtype=dtype)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X.reshape(-1, 2, 2), LABELS, epochs=2, verbose=0)
    return model


def test_activations_are_what_each_layer_makes_of_the_one_before() -> None:
    model = deep()
    x = X.reshape(-1, 2, 2).astype(np.float64)
    outputs = model.activations(x)
    assert list(outputs) == [layer.name for layer in model.layers]
    scaled = 0.5 * x + 1.0
    assert_allclose(outputs["rescaling"], scaled, rtol=1e-12)
    assert_allclose(outputs["flatten"], scaled.reshape(-1, 4), rtol=1e-12)
    kernel, bias = model.layers[2].get_weights()
    product = scaled.reshape(-1, 4) @ kernel + bias
    assert_allclose(outputs["dense"], product, rtol=1e-12)
    gamma, beta, mean, variance = model.layers[3].get_weights()
    normalized = gamma * (product - mean) / np.sqrt(variance + 1e-3) + beta
    assert_allclose(outputs["batch_normalization"], normalized, rtol=1e-9)
    assert_allclose(outputs["re_lu"], np.maximum(normalized, 0), rtol=1e-9)
    assert_array_equal(outputs["dropout"], outputs["re_lu"])
    assert_allclose(outputs["softmax"], model.predict(x), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_the_last_activations_are_the_prediction(dtype: str, kind: Any) -> None:
    model = deep(dtype)
    x = (np.abs(X) * 3).astype(kind).reshape(-1, 2, 2)
    assert_allclose(list(model.activations(x).values())[-1], model.predict(x), rtol=1e-5, atol=1e-6)


def test_activations_change_no_random_number() -> None:
    first, second = deep(), deep()
    first.activations(X.reshape(-1, 2, 2))
    for model in (first, second):
        model.fit(X.reshape(-1, 2, 2), LABELS, epochs=1, verbose=0)
    assert_array_equal(first.predict(X.reshape(-1, 2, 2)), second.predict(X.reshape(-1, 2, 2)))


def test_activations_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"x must have shape \(samples, 4\)"):
        classifier().activations(X[:, :3])


def test_gradients_are_those_of_loss_and_gradients_by_name() -> None:
    model = deep()
    x = X.reshape(-1, 2, 2)
    gradients = model.gradients(x, LABELS)
    assert list(gradients) == ["dense", "batch_normalization", "residual", "dense_1"]
    assert list(gradients["batch_normalization"]) == ["gamma", "beta"]
    flat = [array for layer in gradients.values() for array in layer.values()]
    for array, expected in zip(flat, model.loss_and_gradients(x, LABELS)[1], strict=True):
        assert_array_equal(array, expected)
    assert gradients["dense"]["kernel"].shape == (4, 6)


def test_flops_count_a_multiplication_and_an_addition_as_two() -> None:
    expected = {
        "rescaling": 2 * 4,
        "flatten": 0,
        "dense": 2 * 4 * 6 + 6,
        "batch_normalization": 2 * 6,
        "re_lu": 6,
        "dropout": 0,
        "residual": 7 * 6 + (2 * 6 * 6 + 6 + 6) + 6,
        "dense_1": 2 * 6 * 3 + 3,
        "softmax": 3,
    }
    assert {layer.name: layer.count_flops() for layer in deep().layers} == expected


def test_the_summary_tells_trainable_parameters_from_others() -> None:
    lines: list[str] = []
    deep("float32").summary(print_fn=lines.append)
    assert "Trainable params: 117 (468.00 B)" in lines
    assert "Non-trainable params: 12 (48.00 B)" in lines
    assert "FLOPs per sample: 254" in lines


# ---- Pictures -------------------------------------------------------------------------------------------------------


def plot(*arguments: Any, **keywords: Any) -> Any:
    pytest.importorskip("matplotlib").use("Agg")
    return fn.plotting.plot_weights(*arguments, **keywords)


def test_every_unit_has_a_picture_on_one_scale_around_zero() -> None:
    model = fn.Sequential([Dense(3, input_shape=(4,)), Dense(2)])
    kernel = np.arange(12.0).reshape(4, 3) - 8.0
    model.layers[0].set_weights([kernel, np.zeros(3)])
    axes = plot(model)
    (image,) = axes.images
    shown = np.ma.getdata(image.get_array())
    assert image.get_clim() == (-8.0, 8.0)
    assert shown.shape == (7, 7)
    assert_array_equal(shown[1:3, 1:3], kernel[:, 0].reshape(2, 2))
    assert_array_equal(shown[1:3, 4:6], kernel[:, 1].reshape(2, 2))
    assert_array_equal(shown[4:6, 1:3], kernel[:, 2].reshape(2, 2))


def test_pictures_have_the_shape_that_is_asked_for() -> None:
    model = fn.Sequential([Dense(1, input_shape=(6,))])
    with pytest.raises(ValueError, match=r"image_shape must be .* 6 values"):
        plot(model)
    assert plot(model, image_shape=(2, 3)).images[0].get_array().shape == (4, 5)
    assert plot(fn.Sequential([Flatten(input_shape=(3, 2)), Dense(1)])).images[0].get_array().shape == (5, 4)


def test_pictures_refuse_what_is_no_dense_layer() -> None:
    with pytest.raises(ValueError, match=r"layer must be .* \['dense', 'dense_1'\]; got 'x'"):
        plot(classifier(), "x")
    with pytest.raises(ValueError, match="needs a model with weights"):
        plot(classifier(input_shape=None))
