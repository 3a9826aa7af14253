"""jacobian gives the derivatives of the outputs by the inputs, for every layer and activation, as in prediction."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import fastnet as fn
import reference
import reference_activations
from cases import POLICIES, THREADS, Description, activation, dense, random_weights, reference_of, rescaling, sequential
from fastnet import layers
from fastnet.layers import Dense

ACTIVATIONS = ["linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax", *reference_activations.ACTIVATIONS]
ROUNDING = 1e-12  # relative, of float64 sums in another order
STEP = 1e-5
SLOPE_TOLERANCE = 1e-8  # of central differences: STEP^2 times a third derivative around 1, and 1e-16 / STEP of rounding


def backward_of(network: reference.Network, seed: NDArray[Any]) -> NDArray[Any]:
    """Return the gradient with respect to the input of what was predicted last."""
    for layer in reversed(network.layers):
        seed = layer.backward(seed)
    return seed


def jacobian_of(network: reference.Network, x: NDArray[Any]) -> NDArray[Any]:
    outputs = network.predict(x)
    seeds = np.eye(outputs.shape[1])
    return np.stack([backward_of(network, np.broadcast_to(seed, outputs.shape).copy()) for seed in seeds], axis=1)


def slopes(function: Callable[[NDArray[Any]], NDArray[Any]], x: NDArray[Any]) -> NDArray[Any]:
    """Return central differences of a function of rows, with a last axis for the features."""
    steps = STEP * np.eye(x[0].size).reshape(-1, *x.shape[1:])
    return np.stack([(function(x + step) - function(x - step)) / (2 * STEP) for step in steps], axis=-1)


def randomized(model: fn.Sequential, seed: int = 0) -> fn.Sequential:
    """Give every weight a random value that is no other's, variances and scales positive ones."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            rng.uniform(0.3, 1.5, array.shape) if array.ndim == 1 else rng.normal(size=array.shape)
            for array in model.get_weights()
        ]
    )
    return model


def inputs(*shape: int, dtype: Any = np.float64) -> NDArray[Any]:
    return np.random.default_rng(1).normal(size=shape).astype(dtype)


# ---- The numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_derivatives_of_every_activation_are_those_of_the_reference(name: str, dtype: str) -> None:
    cases: list[list[Description]] = [
        [dense(6, name), dense(5, name, use_bias=False), dense(3)],
        [dense(6), dense(3, name)],
        [dense(6, name), activation(name), rescaling(2.0, 0.1), dense(4, "tanh"), activation(name)],
    ]
    tolerance = ROUNDING if dtype == "float64" else 2e-5
    for descriptions in cases:
        model = sequential(descriptions, 4, dtype=dtype)
        random_weights(model, 3)
        x = inputs(7, 4, dtype=dtype)
        expected = jacobian_of(reference_of(model, descriptions, "mse"), x)
        result = model.jacobian(x)
        assert result.dtype == dtype
        assert_allclose(result, expected, rtol=0, atol=tolerance * max(1.0, np.abs(expected).max()))


MODELS: dict[str, Callable[[], list[Any]]] = {
    "rescaling first": lambda: [layers.Rescaling(0.5, 3.0), Dense(5, "tanh"), Dense(2)],
    "rescaling alone": lambda: [layers.Rescaling(-0.5, 3.0)],
    "an activation alone": lambda: [layers.Activation("tanh")],
    "softmax alone": lambda: [layers.Softmax()],
    "normalization": lambda: [layers.Normalization(), Dense(5, "tanh"), Dense(2)],
    "batch normalization": lambda: [Dense(5, "tanh"), layers.BatchNormalization(), Dense(2)],
    "batch normalization first and last": lambda: [
        layers.BatchNormalization(),
        Dense(5, "gelu"),
        layers.BatchNormalization(),
    ],
    "layer normalization": lambda: [Dense(5, "tanh"), layers.LayerNormalization(), Dense(2, "sigmoid")],
    "layer normalization first and last": lambda: [layers.LayerNormalization(), Dense(5), layers.LayerNormalization()],
    "prelu": lambda: [layers.PReLU(), Dense(5), layers.PReLU(), Dense(2)],
    "prelu after dropout": lambda: [layers.Dropout(0.5), layers.PReLU(), Dense(5), layers.Dropout(0.5), layers.PReLU()],
    "noise": lambda: [
        layers.GaussianNoise(1.0),
        Dense(5, "tanh"),
        layers.GaussianNoise(1.0),
        Dense(2),
        layers.Dropout(0.5),
    ],
    "an activation after dropout": lambda: [Dense(5), layers.Dropout(0.5), layers.Activation("swish"), Dense(2)],
    "a residual of all kinds": lambda: [
        layers.Residual([Dense(4, "tanh"), layers.Dropout(0.5), layers.LayerNormalization(), Dense(4)]),
        Dense(6, "softplus"),
        layers.Residual([layers.Residual([Dense(6, "mish"), layers.PReLU()]), layers.BatchNormalization()]),
        Dense(3, "softmax"),
    ],
    "images": lambda: [layers.Flatten(), Dense(6, "tanh"), Dense(4), layers.Reshape((2, 2))],
    "more outputs than rows fit together": lambda: [Dense(3, "tanh"), Dense(601, "softplus")],
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [1, 5])
def test_the_derivatives_are_the_slopes_of_predict(name: str, rows: int) -> None:
    model = fn.Sequential(MODELS[name](), dtype="float64", seed=0)
    shape = (2, 2) if name == "images" else (4,)
    model.build(shape)
    randomized(model)
    x = inputs(rows, *shape)
    expected = slopes(model.predict, x).reshape(rows, *(model.output_shape or ()), *shape)
    assert_allclose(model.jacobian(x), expected, rtol=0, atol=SLOPE_TOLERANCE * max(1.0, np.abs(expected).max()))


def test_nothing_changes_and_nothing_is_drawn() -> None:
    model = fn.Sequential([Dense(4, input_shape=(4,)), layers.BatchNormalization(), layers.Dropout(0.5)], seed=0)
    twin = fn.Sequential([Dense(4, input_shape=(4,)), layers.BatchNormalization(), layers.Dropout(0.5)], seed=0)
    x = inputs(8, 4)
    for one in (model, twin):
        one.compile("sgd", "mse")
        one.train_on_batch(x, x)
    model.jacobian(x)
    model.input_gradients(x, x)
    for one in (model, twin):
        one.train_on_batch(x, x)
    for after, expected in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert_array_equal(after, expected)


def test_at_the_kink_the_derivative_is_that_of_training() -> None:
    model = sequential([dense(1, "relu", use_bias=False)], 1)
    model.set_weights([[[3.0]]])
    assert model.jacobian([[0.0]]).tolist() == [[[0.0]]]
    assert model.jacobian([[1.0]]).tolist() == [[[3.0]]]


def test_a_row_with_nan_has_derivatives_that_are_nan_and_no_other_row() -> None:
    for descriptions in ([dense(5, "relu"), dense(2)], [dense(2)], [dense(5, "gelu"), dense(3, "softmax")]):
        model = randomized(sequential(descriptions, 3))
        x = inputs(4, 3)
        expected = model.jacobian(x)
        x[2, 1] = np.nan
        expected[2] = np.nan
        assert_array_equal(model.jacobian(x), expected)


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_layers_pass_derivatives_on(frozen: bool) -> None:
    model = randomized(fn.Sequential([Dense(4, "tanh", input_shape=(3,)), layers.BatchNormalization(), Dense(2)]))
    x = inputs(5, 3, dtype=np.float32)
    expected = model.jacobian(x)
    model.compile("sgd", "mse")
    model.trainable = not frozen
    model.loss_and_gradients(x, np.zeros((5, 2)))  # tells the network what is trained
    assert_array_equal(model.jacobian(x), expected)


# ---- The same bits --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    features=st.integers(1, 40),
    hidden=st.lists(st.integers(1, 70), max_size=3),
    outputs=st.integers(1, 40),
    rows=st.integers(1, 60),
    policy=st.sampled_from(POLICIES),
    name=st.sampled_from(["relu", "gelu", "softmax"]),
)
def test_a_row_alone_has_the_bits_that_it_has_among_others(
    features: int, hidden: list[int], outputs: int, rows: int, policy: str, name: str
) -> None:
    units = [Dense(width, name) for width in hidden]
    model = fn.Sequential([layers.Input((features,)), *units, Dense(outputs)], dtype=policy, seed=0)
    x = inputs(rows, features, dtype=np.float32)
    together = model.jacobian(x)
    assert together.shape == (rows, outputs, features)
    for row in {0, rows // 2, rows - 1}:
        assert_array_equal(model.jacobian(x[row : row + 1])[0], together[row])
        if features > 1:
            assert_array_equal(model.jacobian(x[row]), together[row])


@pytest.mark.usefixtures("teams_of_any_size")
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("features", "width", "outputs", "rows"), [(20, 30, 7, 203), (300, 600, 10, 2), (50, 700, 300, 3)]
)
def test_the_bits_are_the_same_on_any_number_of_threads(
    policy: str, features: int, width: int, outputs: int, rows: int
) -> None:
    stack = [Dense(width, "gelu", input_shape=(features,)), layers.LayerNormalization(), layers.PReLU()]
    model = fn.Sequential(
        [*stack, layers.Residual([Dense(width, "tanh")]), Dense(outputs, "softmax")], dtype=policy, seed=0
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = inputs(rows, features, dtype=np.float32), np.arange(rows) % outputs
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        results.append((model.jacobian(x).tobytes(), model.input_gradients(x, y).tobytes()))
    assert len(set(results)) == 1


def test_threads_of_python_may_ask_at_the_same_time() -> None:
    model = fn.Sequential([Dense(64, "relu", input_shape=(50,)), Dense(10)], seed=0)
    x = inputs(400, 50, dtype=np.float32)
    expected = model.jacobian(x), model.predict(x)
    results: list[Any] = []

    def ask() -> None:
        for _ in range(5):
            results.append((model.jacobian(x), model.predict(x)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    for result in results:
        for array, of_one in zip(result, expected, strict=True):
            assert_array_equal(array, of_one)


# ---- What it takes --------------------------------------------------------------------------------------------------


def test_samples_come_in_the_forms_that_predict_takes() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model = fn.Sequential([Dense(8, "tanh", input_shape=(30,)), Dense(2)], seed=0)
    x = np.random.default_rng(0).integers(0, 9, (40, 30)) * (np.random.default_rng(1).random((40, 30)) < 0.1)
    expected = model.jacobian(x.astype(np.float32))
    for given_ in (x, x.astype(np.uint8), np.asfortranarray(x), x.astype(np.float16), x.tolist(), sparse.csr_matrix(x)):
        assert_array_equal(model.jacobian(given_), expected)
    assert_array_equal(model.jacobian(x[3].tolist()), expected[3])
    assert model.jacobian(x[:0]).shape == (0, 2, 30)


def test_one_dimension_is_samples_where_a_sample_is_one_number() -> None:
    model = fn.Sequential([Dense(2, use_bias=False, input_shape=(1,))])
    model.set_weights([[[1.0, 2.0]]])
    assert model.jacobian([5.0]).tolist() == [[[1.0], [2.0]]]
    assert model.jacobian([5.0, 6.0, 7.0]).shape == (3, 2, 1)


def test_a_model_that_is_not_built_is_built_for_the_samples() -> None:
    model = fn.Sequential([Dense(2)])
    assert model.jacobian(inputs(3, 4)).shape == (3, 2, 4)
    with pytest.raises(
        ValueError, match=r"x must have a row for every sample, as \(samples, features\); got shape \(4,\)"
    ):
        fn.Sequential([Dense(2)]).jacobian(inputs(4))


def test_a_model_from_a_file_has_the_same_derivatives(tmp_path: Path) -> None:
    model = randomized(
        fn.Sequential([layers.Normalization(input_shape=(4,)), Dense(3, "gelu"), layers.PReLU(), Dense(2)])
    )
    model.save(tmp_path / "model.safetensors")
    x = inputs(5, 4)
    assert_array_equal(fn.load_model(tmp_path / "model.safetensors").jacobian(x), model.jacobian(x))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 3)), ValueError, r"x must have shape \(samples, 4\); got \(2, 3\)"),
        (np.zeros(3), ValueError, r"x must have shape \(samples, 4\); got \(3,\)"),
        (np.zeros((2, 2, 4)), ValueError, r"x must have shape \(samples, 4\); got \(2, 2, 4\)"),
        (None, ValueError, "x is missing: got None"),
        (["a", "b", "c", "d"], TypeError, "x must be an array of real numbers"),
        (iter([np.zeros((2, 4))]), TypeError, "x must be an array here; got .*which yields batches"),
        (np.zeros(4, complex), TypeError, "x must be an array of real numbers"),
    ],
)
def test_what_predict_refuses_is_refused(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fn.Sequential([Dense(2, input_shape=(4,))]).jacobian(x)


def test_a_series_is_refused_as_its_values_may_be_in_another_order() -> None:
    pd = pytest.importorskip("pandas")
    model = fn.Sequential([Dense(2, input_shape=(2,))])
    with pytest.raises(ValueError, match=r"one sample is x\.to_frame\(\)\.T"):
        model.jacobian(pd.Series([1.0, 2.0], index=["b", "a"]))


def test_a_quantized_model_has_no_derivatives() -> None:
    x = inputs(20, 4, dtype=np.float32)
    quantized = fn.Sequential([Dense(3, input_shape=(4,))], seed=0).quantize(x)
    for ask in (lambda: quantized.jacobian(x), lambda: quantized.input_gradients(x, x[:, :3])):
        with pytest.raises(
            NotImplementedError, match="rounds and has no derivatives: use the model that it was made from"
        ):
            ask()
    with pytest.raises(RuntimeError, match="predict but do not learn"):
        quantized._network.differentiate(x, "outputs")


# ---- The core -------------------------------------------------------------------------------------------------------


def test_the_core_checks_what_it_is_asked_for() -> None:
    core = fn.Sequential([Dense(2, input_shape=(3,))])._network
    assert core is not None
    x, y = inputs(4, 3), inputs(4, 2)
    for arguments, error, message in [
        ((x, "slopes"), ValueError, "of must be one of 'outputs', 'weighted_outputs', 'loss'; got 'slopes'"),
        ((x, "outputs", y), ValueError, "y must be there for"),
        ((x, "loss"), ValueError, "y must be there for"),
        ((x, "loss", y), RuntimeError, "call compile first"),
        ((x[:, :2], "outputs"), ValueError, "x must have 3 columns"),
        ((x, "weighted_outputs", y[:, :1]), ValueError, "y must have 2 columns"),
    ]:
        with pytest.raises(error, match=message):
            core.differentiate(*arguments)
