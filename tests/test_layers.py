"""Layers: shapes, names, weights, configurations, and what they refuse."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.layers import Activation, Dense, Flatten, Input, InputLayer, LeakyReLU, ReLU, Rescaling, Softmax

ALL_LAYERS = [
    lambda: Dense(3, "tanh", False, "he_normal", "ones", name="first"),
    lambda: Dense(3, activation=fn.leaky_relu),
    lambda: Activation("sigmoid"),
    lambda: Activation("leaky_relu"),
    ReLU,
    lambda: ReLU(negative_slope=0.1),
    LeakyReLU,
    Softmax,
    lambda: Rescaling(1 / 255, -0.5),
    Flatten,
    lambda: Dense(2, kernel_regularizer=fn.regularizers.L1L2(0.1, 0.2), bias_regularizer="l2"),
    lambda: layers.Reshape((2, -1)),
    lambda: layers.PReLU("ones"),
    lambda: layers.Dropout(0.25, seed=3),
    lambda: layers.GaussianNoise(0.5),
    lambda: layers.BatchNormalization(momentum=0.9, center=False, gamma_initializer="zeros"),
    lambda: layers.LayerNormalization(epsilon=0.1, scale=False),
    lambda: layers.Normalization(axis=None),
    lambda: layers.Residual([Dense(4, name="inner"), layers.Residual([Dense(4)])]),
]


def apply(layer: layers.Layer, x: Any) -> np.ndarray:
    return fn.Sequential([layer], dtype="float64").predict(np.asarray(x, np.float64))


# --- Dense -----------------------------------------------------------------------------------------------------------


def test_dense_is_activation_of_x_times_kernel_plus_bias() -> None:
    layer = Dense(2, activation="relu", input_shape=(3,))
    model = fn.Sequential([layer], dtype="float64")
    kernel, bias = np.array([[1.0, -1.0], [2.0, 0.0], [0.0, 3.0]]), np.array([0.5, -0.5])
    layer.set_weights([kernel, bias])
    x = np.array([[1.0, 2.0, 3.0], [-1.0, 0.0, 0.0]])
    assert_allclose(model.predict(x), np.maximum(x @ kernel + bias, 0.0))


def test_dense_has_a_kernel_and_a_bias() -> None:
    layer = Dense(4, input_dim=3, bias_initializer="ones")
    assert layer.get_weights() == []
    fn.Sequential([layer])
    kernel, bias = layer.get_weights()
    assert layer.weight_names == ["kernel", "bias"]
    assert (kernel.shape, bias.shape) == ((3, 4), (4,))
    assert kernel.dtype == np.float32
    assert_array_equal(bias, np.ones(4))
    assert layer.count_params() == 16
    assert (layer.input_shape, layer.output_shape) == ((3,), (4,))


def test_dense_without_bias_has_a_kernel_only() -> None:
    layer = Dense(4, use_bias=False, input_dim=3)
    fn.Sequential([layer])
    assert layer.weight_names == ["kernel"]
    assert [array.shape for array in layer.get_weights()] == [(3, 4)]


def test_weights_that_are_read_are_copies() -> None:
    layer = Dense(2, input_dim=2)
    fn.Sequential([layer])
    before = layer.get_weights()
    layer.get_weights()[0][:] = 7.0
    assert_array_equal(layer.get_weights()[0], before[0])


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([np.ones((3, 2))], ValueError, r"weights must be 2 arrays \(kernel of layer 'dense' \(3, 2\), bias .*; got 1"),
        ([np.ones((2, 3)), np.ones(2)], ValueError, r"kernel of layer 'dense' must have shape \(3, 2\); got \(2, 3\)"),
        ([np.ones((3, 2)), ["a", "b"]], TypeError, "bias of layer 'dense' must hold real numbers"),
        (None, TypeError, "weights must be a list of arrays; got NoneType"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(weights: Any, error: Any, message: str) -> None:
    layer = Dense(2, input_dim=3)
    fn.Sequential([layer])
    before = layer.get_weights()
    with pytest.raises(error, match=message):
        layer.set_weights(weights)
    for now, then in zip(layer.get_weights(), before, strict=True):
        assert_array_equal(now, then)


def test_a_layer_outside_a_model_has_no_weights_to_set_or_count() -> None:
    with pytest.raises(ValueError, match="layer 'dense' has no weights before its model is built"):
        Dense(2).set_weights([])
    with pytest.raises(ValueError, match="layer 'dense' has no weights before its model is built"):
        Dense(2).count_params()
    with pytest.raises(ValueError, match="layer 'flatten' has no weights before its model is built"):
        Flatten().count_params()


# --- Activations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "slope"),
    [
        (lambda: Activation("leaky_relu"), 0.2),
        (lambda: Activation(fn.leaky_relu), 0.01),
        (LeakyReLU, 0.3),
        (lambda: LeakyReLU(0.5), 0.5),
        (ReLU, 0.0),
        (lambda: ReLU(negative_slope=0.1), 0.1),
        (lambda: Activation("relu"), 0.0),
        (lambda: Activation(fn.relu), 0.0),
        (lambda: Activation(None), 1.0),
        (lambda: Activation("linear"), 1.0),
        (lambda: Activation(LeakyReLU(0.4)), 0.4),
    ],
)
def test_slopes_for_negative_inputs(layer: Any, slope: float) -> None:
    assert_allclose(apply(layer(), [[-2.0, 3.0]]), [[-2.0 * slope, 3.0]])


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softmax"])
def test_a_name_and_the_function_of_that_name_are_one_activation(name: str) -> None:
    x = [[0.5, -1.0, 2.0]]
    function = getattr(fn, name)
    assert_array_equal(apply(Activation(name), x), apply(Activation(function), x))
    assert_allclose(apply(Activation(name), x), function(x), rtol=1e-14)


def test_softmax_layer_gives_probabilities() -> None:
    assert_allclose(apply(Softmax(), [[0.0, 0.0]]), [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("rectifier", ValueError, r"activation must be one of 'celu', 'elu', .*; got 'rectifier'"),
        ("glu", NotImplementedError, r"^fastnet: the activation 'glu' is not available; use Keras for this$"),
        (fn.activations.sparsemax, NotImplementedError, "use Keras for this"),
        (np.tanh, NotImplementedError, "use Keras for this"),
        (fn.gemm, NotImplementedError, "use Keras for this"),
        (3, TypeError, r"activation must be None, .*; got 3 \(int\)"),
        (Dense(2), TypeError, "activation must be None"),
        ({"slope": 0.1}, ValueError, r"configuration of an activation must be .*; got \{'slope': 0.1\} \(dict\)"),
        ({"name": "relu", "negative_slope": 0.1}, ValueError, "configuration of an activation must be"),
    ],
)
def test_what_is_no_activation_is_refused(identifier: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Dense(2, activation=identifier)


# --- Shapes ----------------------------------------------------------------------------------------------------------


def test_rescaling_multiplies_and_adds() -> None:
    assert_allclose(apply(Rescaling(2.0, -1.0), [[0.0, 3.0]]), [[-1.0, 5.0]])


def test_flatten_keeps_the_order_of_the_values() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    assert_array_equal(apply(Flatten(), x), x.reshape(2, 12))


def test_elementwise_layers_keep_the_shape() -> None:
    x = np.arange(-6.0, 6.0).reshape(1, 3, 4)
    assert_array_equal(apply(ReLU(), x), np.maximum(x, 0.0))


def test_input_is_the_shape_of_the_first_layer() -> None:
    assert isinstance(Input((3,)), InputLayer)
    model = fn.Sequential([Input(shape=(3,)), Dense(2)])
    assert [type(layer) for layer in model.layers] == [Dense]
    assert model.input_shape == (3,)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Input(784), TypeError, r"shape must be a tuple of integers such as \(784,\); got 784 \(int\)"),
        (lambda: Input(()), ValueError, r"shape must have at least one dimension; got \(\)"),
        (lambda: Input((0,)), ValueError, "every dimension of shape must be at least 1; got 0"),
        (lambda: Input((None, 3)), NotImplementedError, "shape must be known in every dimension"),
        (lambda: Input((2.5,)), TypeError, r"every dimension of shape must be an integer; got 2.5 \(float\)"),
        (lambda: Dense(2, input_shape=(3,), input_dim=3), ValueError, "give input_shape or input_dim, not both"),
        (lambda: Input((2**32, 2**31)), ValueError, r"number of values in shape=.* must be at most \d+; got \d+"),
        (lambda: Dense(0), ValueError, "units must be at least 1; got 0"),
        (lambda: Dense(2**63), ValueError, r"units must be at most \d+; got 9223372036854775808"),
        (lambda: Dense(2.0), TypeError, r"units must be an integer; got 2.0 \(float\)"),
        (lambda: Dense(True), TypeError, r"units must be an integer; got True \(bool\)"),
        (lambda: Dense(2, use_bias="no"), TypeError, "use_bias must be True or False"),
        (lambda: Dense(2, kernel_initializer="glorot"), ValueError, "initializer must be one of"),
        (lambda: Dense(2, size=3), TypeError, r"Dense\(\) got an unexpected keyword argument 'size'"),
        (lambda: Dense(2, name=3), TypeError, r"name must be a non-empty string; got 3 \(int\)"),
        (lambda: LeakyReLU(-0.1), ValueError, "negative_slope must be at least 0; got -0.1"),
        (lambda: Rescaling("1/255"), TypeError, r"scale must be a number; got '1/255' \(str\)"),
        (lambda: Rescaling(float("inf")), ValueError, "scale must be finite; got inf"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("target", "expected"), [((3, 4), (3, 4)), ((-1,), (12,)), ((2, -1), (2, 6)), ((-1, 3, 2), (2, 3, 2))]
)
def test_reshape_keeps_the_values(target: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x = np.arange(24.0).reshape(2, 12)
    result = apply(layers.Reshape(target), x)
    assert result.shape == (2, *expected)
    assert_array_equal(result.reshape(2, 12), x)


@pytest.mark.parametrize("target", [(5,), (-1, 5), (-1, -1), (0,), (2.5,)])
def test_reshape_refuses_what_does_not_fit(target: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"target_shape|cannot make shape"):
        fn.Sequential([Input((12,)), layers.Reshape(target)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dense(2, kernel_constraint="non_neg"),
        lambda: Dense(2, bias_constraint="non_neg"),
        lambda: Dense(2, dtype="float16"),
        lambda: Softmax(axis=0),
        lambda: Rescaling([1.0, 2.0]),
        lambda: Rescaling(1.0, np.zeros(3)),
        lambda: Input((3,), sparse=True),
        lambda: layers.deserialize({"class_name": "LSTM", "config": {}}),
    ],
)
def test_what_only_keras_has_is_refused(make: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"^fastnet: .*; use Keras for this$"):
        make()


def test_defaults_of_keras_may_be_written_out() -> None:
    Dense(2, None, True, "glorot_uniform", "zeros", kernel_regularizer=None, bias_constraint=None, trainable=True)
    ReLU(None, 0.0, 0.0)
    Flatten(data_format=None)
    Flatten("channels_last")


# --- Configurations and names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL_LAYERS)
def test_a_configuration_is_json_and_makes_an_equal_layer(make: Any) -> None:
    layer = make()
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert list(again.descriptions((4,))) == list(layer.descriptions((4,)))


@pytest.mark.parametrize(
    ("layer", "name"), [(LeakyReLU(), "leaky_re_lu"), (ReLU(), "re_lu"), (Dense(1), "dense"), (Flatten(), "flatten")]
)
def test_default_names_are_those_of_keras(layer: layers.Layer, name: str) -> None:
    assert layer.name == name


def test_a_layer_shows_its_name_and_shapes() -> None:
    layer = Dense(2, name="out")
    assert repr(layer) == "<Dense 'out'>"
    fn.Sequential([Input((3,)), layer])
    assert repr(layer) == "<Dense 'out': (3,) -> (2,)>"
