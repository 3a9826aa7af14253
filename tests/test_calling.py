"""Layers and models that are called on arrays, in prediction and as in training."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Normalization, ReLU

X = np.random.default_rng(0).normal(2.0, 3.0, size=(32, 6)).astype(np.float32)


# ---- Layers ---------------------------------------------------------------------------------------------------------


def test_a_layer_of_a_built_model_gives_its_part_of_the_prediction() -> None:
    model = fn.Sequential(
        [fn.Input((6, 6, 1)), Conv2D(3, 3, activation="relu"), Flatten(), BatchNormalization(), Dense(2, "softmax")],
        seed=0,
    )
    x = np.random.default_rng(1).normal(size=(5, 6, 6, 1))
    output = x
    for layer in model.layers:
        output = layer(output)
        assert output.shape == (5, *(layer.output_shape or ()))
    assert_allclose(output, model.predict(x), atol=1e-6)


def test_a_layer_without_weights_needs_no_model() -> None:
    assert_array_equal(layers.Rescaling(2.0, 1.0)(X), X * 2 + 1)
    assert_array_equal(Flatten()(np.ones((2, 3, 4))), np.ones((2, 12)))
    assert_array_equal(Dropout(0.5)(X), X)
    assert layers.MaxPooling2D()(np.ones((1, 4, 4, 2))).shape == (1, 2, 2, 2)
    assert layers.ReLU()([[-1, 2]]).dtype == np.float32


def test_an_adapted_normalization_needs_no_model_and_tells_what_it_has_learned() -> None:
    layer = Normalization()
    layer.adapt(X)
    assert_allclose(layer.mean, X.mean(axis=0), rtol=1e-5)
    assert_allclose(layer.variance, X.var(axis=0), rtol=1e-5)
    assert_allclose(layer(X), (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-5)
    model = fn.Sequential([layer])
    assert_allclose(model.predict(X), layer(X))
    assert_allclose(layer.mean, X.mean(axis=0), rtol=1e-5)
    model.pop()
    assert_allclose(layer.mean, X.mean(axis=0), rtol=1e-5)
    layer.adapt(X[:, :2] * 3)
    assert_allclose(layer.mean, X[:, :2].mean(axis=0) * 3, rtol=1e-5)
    assert_allclose(Normalization(mean=[1.0] * 6, variance=4.0)(X), (X - 1) / 2, rtol=1e-5)
    assert Normalization(mean=3.0, variance=4.0).variance == 4.0


def test_a_layer_called_as_in_training_acts_on_one_batch() -> None:
    model = fn.Sequential([fn.Input((6,)), BatchNormalization()])
    in_training = model.layers[0](X, training=True)
    assert_allclose(in_training, (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-3), atol=1e-4)
    assert_array_equal(model.layers[0].moving_mean, np.zeros(6))
    dropped = Dropout(0.5)(np.ones((100, 20)), training=True)
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert 0.4 < (dropped == 0).mean() < 0.6
    image = np.arange(32.0).reshape(1, 4, 8, 1)
    flipped = [layers.RandomFlip("horizontal")(image) for _ in range(40)]
    assert {tuple(one[0, 0, :, 0]) for one in flipped} == {(*range(8),), (*range(7, -1, -1),)}
    assert_array_equal(layers.RandomFlip("horizontal")(image, training=False), image)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: fn.Sequential([fn.Input((5,)), Dense(3)]).layers[0](X),
            ValueError,
            r"samples of shape \(6,\) need a kernel of shape \(6, 3\); layer 'dense' has one of shape \(5, 3\), for .*\(5,\)",
        ),
        (lambda: Dense(3)(np.ones((2, 0))), ValueError, r"at least one value for every sample; got shape \(2, 0\)"),
        (lambda: Conv2D(3, 3)(X), ValueError, r"takes samples of shape \(height, width, channels\); got \(6,\)"),
        (lambda: Dense(3).build((None, "x")), TypeError, "every dimension of input_shape must be an integer; got 'x'"),
        (lambda: Dense(3).build(4), TypeError, r"input_shape must be a tuple of integers .*; got 4 \(int\)"),
        (lambda: Dense(3).build(None), TypeError, "input_shape must be a tuple of integers .*; got NoneType"),
        (
            lambda: Dense(3)(np.ones((0, 4)), training=True),
            ValueError,
            r"x must have at least one row, got shape \(0, 4\)",
        ),
        (lambda: Flatten()(np.ones(3)), ValueError, r"row for every sample, .* got shape \(3,\)"),
        (lambda: Flatten()("x"), TypeError, "x must be an array of real numbers"),
        (lambda: Flatten()(None), ValueError, "x is missing"),
        (lambda: Flatten()(X, training="yes"), TypeError, "training must be True or False; got 'yes'"),
        (lambda: fn.Sequential([Dense(3)])(X, training="yes"), TypeError, "training must be True or False; got 'yes'"),
    ],
)
def test_a_call_that_cannot_be_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ---- Layers outside of models, with weights -------------------------------------------------------------------------


def test_a_call_builds_a_layer_which_then_has_its_weights() -> None:
    layer = Dense(3)
    output = layer(np.ones((2, 4), "float32"))
    assert output.shape == (2, 3)
    assert layer.kernel.shape == (4, 3)
    assert [array.shape for array in layer.weights] == [(4, 3), (3,)]
    assert len(layer.trainable_weights) == 2
    assert layer.count_params() == 15
    assert (layer.input_shape, layer.output_shape) == ((4,), (3,))
    assert_allclose(output, np.tile(layer.kernel.sum(axis=0), (2, 1)), rtol=1e-6)
    assert_array_equal(layer(np.ones((5, 4))), np.tile(output[:1], (5, 1)))
    layer.set_weights([np.ones((4, 3)), np.full(3, 0.5)])
    assert_array_equal(layer(np.ones((1, 4))), np.full((1, 3), 4.5))
    layer.bias = np.zeros(3)
    assert_array_equal(layer(np.ones((1, 4))), np.full((1, 3), 4.0))
    with pytest.raises(ValueError, match=r"samples of shape \(5,\) need a kernel of shape \(5, 3\); .* \(4, 3\)"):
        layer(np.ones((2, 5)))


def test_build_gives_a_layer_its_weights_without_samples() -> None:
    layer = Conv2D(2, 3)
    layer.build((None, 8, 8, 1))
    assert layer.kernel.shape == (3, 3, 1, 2)
    before = layer.get_weights()
    layer.build((9, 7, 1))
    assert_array_equal(layer.get_weights()[0], before[0])
    with pytest.raises(ValueError, match=r"need a kernel of shape \(3, 3, 2, 2\)"):
        layer.build((8, 8, 2))
    flatten = Flatten()
    flatten.build((2, 3))
    assert flatten.weights == []


def test_weights_fit_images_of_every_size_with_the_same_channels() -> None:
    layer = Conv2D(2, 3, activation="relu")
    image = np.random.default_rng(2).normal(size=(1, 9, 8, 3))
    assert_allclose(layer(image[:, :6])[0, :4], layer(image)[0, :4], atol=1e-6)
    in_model = fn.Sequential([fn.Input((6, 8, 3)), Conv2D(2, 3)]).layers[0]
    assert_allclose(in_model(image)[0, :4], in_model(image[:, :6])[0], atol=1e-6)
    positions = Dense(3)
    assert_allclose(positions(np.ones((2, 5, 4)))[0, 0], positions(np.ones((2, 4)))[0], atol=1e-6)


def test_initial_weights_of_a_called_layer_follow_the_global_seed() -> None:
    def drawn() -> list[Any]:
        fn.utils.set_random_seed(3)
        layers = [Dense(3), Dense(3)]
        return [layer(X) is not None and layer.kernel for layer in layers]

    first, second = drawn(), drawn()
    assert_array_equal(first, second)
    assert (first[0] != first[1]).any()
    seeded = Dense(3, kernel_initializer=fn.initializers.GlorotUniform(seed=5))
    seeded(X)
    assert_array_equal(seeded.kernel, fn.initializers.GlorotUniform(seed=5)((6, 3)))


def test_a_model_keeps_the_weights_of_a_layer_that_was_called() -> None:
    layers_of_a_model = [Conv2D(3, 3, activation="relu"), Flatten(), BatchNormalization(), Dense(2)]
    image = np.random.default_rng(3).normal(size=(5, 6, 6, 1))
    output: Any = image
    for layer in layers_of_a_model:
        output = layer(output)
    model = fn.Sequential([fn.Input((6, 6, 1)), *layers_of_a_model])
    assert_allclose(model.predict(image), output, atol=1e-6)
    model.compile("sgd", "mse")
    model.fit(image, np.zeros((5, 2)), verbose=0)
    assert_allclose(layers_of_a_model[-1](layers_of_a_model[2](np.ones((1, 48)))).shape, (1, 2))
    assert_array_equal(layers_of_a_model[0].kernel, model.get_weights()[0])


def test_a_model_of_other_images_keeps_the_weights_and_one_of_other_features_is_refused() -> None:
    conv = Conv2D(2, 3)
    conv(np.ones((1, 8, 8, 1)))
    kernel = conv.kernel
    model = fn.Sequential([conv, Flatten(), Dense(2)])
    assert not model.built
    assert model.output_shape is None
    with pytest.raises(ValueError, match="no input_shape before its model is built"):
        conv.count_flops()
    assert_array_equal(conv.kernel, kernel)
    assert conv(np.ones((1, 4, 4, 1))).shape == (1, 2, 2, 2)
    model.build((5, 5, 1))
    assert_array_equal(model.get_weights()[0], kernel)
    dense = Dense(3)
    dense(np.ones((1, 4)))
    with pytest.raises(ValueError, match=r"kernel of layer 'dense' must have shape \(6, 3\); got \(4, 3\)"):
        fn.Sequential([fn.Input((6,)), dense])
    assert fn.Sequential([fn.Input((4,)), dense]).built


def test_layers_that_were_called_keep_their_weights_in_a_block() -> None:
    inner = Dense(6, "tanh")
    expected = X + inner(X)
    block = layers.Residual([inner, layers.Residual([Dense(6, kernel_initializer="zeros")])])
    assert_allclose(block(X), expected, rtol=1e-5)
    model = fn.Sequential([fn.Input((6,)), block])
    assert_allclose(model.predict(X), expected, rtol=1e-5)
    narrow = Dense(4)
    narrow(np.ones((1, 5)))
    with pytest.raises(ValueError, match=r"kernel of layer 'dense' must have shape \(4, 4\); got \(5, 4\)"):
        layers.Residual([narrow])(np.ones((1, 4)))


def test_a_layer_of_a_model_without_weights_can_be_called_and_shared_once_that_is_built() -> None:
    model = fn.Sequential([Dense(3)])
    output = model.layers[0](X)
    with pytest.raises(ValueError, match="is in a model already, which has no weights yet"):
        fn.Sequential([fn.Input((6,)), model.layers[0]])
    model.build((6,))
    assert_array_equal(model.predict(X), output)
    assert_array_equal(fn.Sequential([fn.Input((6,)), model.layers[0]]).predict(X), output)


def test_a_layer_removed_from_a_model_keeps_dtype_and_weights_when_called() -> None:
    model = fn.Sequential([fn.Input((6,)), Dense(3)], dtype="float64", seed=0)
    expected = model.predict(X)
    layer = model.pop()
    output = layer(X)
    assert output.dtype == np.float64
    assert_array_equal(output, expected)
    assert layer.kernel.dtype == np.float64


def test_a_call_on_no_samples_gives_no_outputs_and_builds_the_layer() -> None:
    conv = Conv2D(2, 3)
    assert conv(np.ones((0, 5, 4, 1))).shape == (0, 3, 2, 2)
    assert conv.kernel.shape == (3, 3, 1, 2)
    assert ReLU(6.0, 0.1, 1.0)(np.ones((0, 4))).shape == (0, 4)


def test_threads_that_call_a_new_layer_give_it_one_set_of_weights() -> None:
    for _ in range(10):
        layer = Dense(8)
        with ThreadPoolExecutor(4) as pool:
            outputs = list(pool.map(layer, [X] * 8))
        for output in outputs:
            assert_array_equal(output, outputs[0])


@pytest.mark.parametrize("make", [lambda: Dense(6), lambda: fn.Residual([Dense(6)])])
def test_a_model_has_the_weights_that_a_layer_was_called_with_while_it_was_built(
    make: Callable[[], fn.layers.Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make()
    model = fn.Sequential([layer, Dense(2)])
    draw = fn.Sequential._initial_weights
    called: list[list[np.ndarray]] = []

    def call() -> list[np.ndarray]:
        layer(X)
        return layer.get_weights()

    def draw_while_another_thread_calls(self: fn.Sequential, one: Any, part: Any) -> list[np.ndarray]:
        with ThreadPoolExecutor(1) as pool:
            if one is layer:
                called.append(pool.submit(call).result(timeout=60))
        return draw(self, one, part)

    monkeypatch.setattr(fn.Sequential, "_initial_weights", draw_while_another_thread_calls)
    model.build((6,))
    ((kernel, bias),) = called
    assert_array_equal(model.get_weights()[0], kernel)
    assert_array_equal(layer.get_weights()[0], kernel)
    assert_array_equal(model.get_weights()[1], bias)
    layer.set_weights([kernel + 1, bias])
    assert_array_equal(model.get_weights()[0], kernel + 1)


def test_threads_that_call_and_build_layers_inside_each_other_all_finish() -> None:
    for _ in range(10):
        block = fn.Residual([Dense(6)])
        inner = fn.Sequential([block])
        outer = fn.Sequential([inner, Dense(2)])
        calls: list[tuple[Callable[..., Any], Any]] = [(block, X), (inner.build, (6,)), (outer.build, (6,)), (block, X)]
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(call, given) for call, given in calls]
            for one in waiting:
                one.result(timeout=60)
        for weights in (inner.get_weights(), block.get_weights()):
            assert_array_equal(outer.get_weights()[0], weights[0])


# ---- Models ---------------------------------------------------------------------------------------------------------


def test_a_model_called_as_in_training_drops_other_values_each_time_and_learns_nothing() -> None:
    model = fn.Sequential([fn.Input((6,)), BatchNormalization(), Dropout(0.5), Dense(4)], seed=0)
    before = model.get_weights()
    first, second = (model(X, training=True) for _ in range(2))
    assert first.shape == (32, 4)
    assert not (first == second).all()
    assert_array_equal(model(X, training=False), model.predict(X))
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)
    again = fn.Sequential([fn.Input((6,)), BatchNormalization(), Dropout(0.5), Dense(4)], seed=0)
    assert_array_equal(again(X, training=True), first)


def test_the_mean_of_calls_with_dropout_is_the_prediction_of_a_linear_model() -> None:
    model = fn.Sequential([fn.Input((6,)), Dropout(0.3), Dense(1)], seed=1)
    calls = [model(X, training=True) for _ in range(2000)]
    assert_allclose(np.mean(calls, axis=0), model.predict(X), atol=0.5)


def test_sparse_and_integer_samples_can_be_called_with() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model = fn.Sequential([fn.Input((6,)), Dense(2)], seed=0)
    x = np.eye(6)
    assert_allclose(model(sparse.csr_matrix(x), training=True), model.predict(x), atol=1e-6)
    assert_allclose(model(x.astype(np.uint8), training=True), model.predict(x), atol=1e-6)


# ---- The functional API ---------------------------------------------------------------------------------------------


def test_a_call_on_an_input_says_how_the_network_is_written_here() -> None:
    inner = fn.Sequential([Dense(3)], name="inner")
    for called, kind in {Dense(3): "Dense", inner: "Sequential"}.items():
        with pytest.raises(NotImplementedError) as raised:
            called(fn.Input((7,)))
        assert f"Sequential([Input((7,)), {kind}(...), ...])" in str(raised.value)
        assert "Residual([Dense(64, 'relu'), Dense(64)]) among them stands for add([x, " in str(raised.value)
    with pytest.raises(NotImplementedError, match="'dense' is called on an InputLayer"):
        Dense(3)([fn.Input((7,)), fn.Input((7,))])


def test_the_network_in_the_message_is_one() -> None:
    from fastnet import Dense, Input, Residual, Sequential
    from fastnet.support.missing_names import FUNCTIONAL_API

    for text in (
        "Sequential([Input((784,)), Dense(64, 'relu'), Dense(10)])",
        "Residual([Dense(64, 'relu'), Dense(64)])",
    ):
        assert text in FUNCTIONAL_API
    assert Sequential([Input((64,)), Residual([Dense(64, "relu"), Dense(64)])]).output_shape == (64,)


# ---- Input ----------------------------------------------------------------------------------------------------------


def test_input_takes_a_batch_size_as_keras_does() -> None:
    for given in (
        fn.Input((3,), batch_size=8),
        fn.Input((3,), 8),
        fn.Input(batch_shape=(8, 3)),
        fn.Input(batch_shape=(None, 3)),
    ):
        model = fn.Sequential([given, Dense(2)])
        assert model.input_shape == (3,)
        assert model.predict(np.ones((5, 3))).shape == (5, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "Input needs a shape"),
        ({"shape": (3,), "batch_shape": (None, 3)}, ValueError, "batch_shape alone"),
        ({"batch_size": 2, "batch_shape": (None, 3)}, ValueError, "batch_shape alone"),
        ({"shape": (3,), "batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"shape": (3,), "batch_size": "x"}, TypeError, "batch_size must be an integer"),
        ({"batch_shape": (3,)}, TypeError, "batch_shape must be a tuple"),
        ({"batch_shape": 3}, TypeError, "batch_shape must be a tuple"),
    ],
)
def test_input_refuses_other_shapes(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fn.Input(**arguments)
