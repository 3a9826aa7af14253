"""Batch and layer normalization, PReLU and Normalization: values, gradients, statistics, threads, files."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference_layers as ref
from cases import THREADS, relative_error
from fastnet.layers import BatchNormalization, Dense, LayerNormalization, Normalization, PReLU

FORWARD: dict[str, Any] = {
    "batch": (BatchNormalization, ref.batch_normalization, ref.batch_normalization_backward),
    "layer": (LayerNormalization, ref.layer_normalization, ref.layer_normalization_backward),
}
SIZES = st.sampled_from([1, 2, 7, 31, 33, 64, 65, 200])


def network(layer: fn.layers.Layer, n: int, size: int, dtype: str = "float64") -> fn.Sequential:
    """Return a model whose layer gets the kernel of the Dense before it as its input, when the samples are np.eye(n)."""
    model = fn.Sequential([fn.Input((n,)), Dense(size, use_bias=False), layer, Dense(2, use_bias=False)], dtype=dtype)
    model.compile(fn.optimizers.SGD(0.01), "mse")
    return model


def assert_is_the_reference(kind: str, n: int, size: int, seed: int, dtype: str, tolerance: float) -> None:
    cls, forward, backward = FORWARD[kind]
    rng = np.random.default_rng(seed)
    x, out = rng.normal(3.0, 2.0, size=(n, size)), rng.normal(size=(size, 2))
    gamma, beta, y = rng.normal(size=size), rng.normal(size=size), rng.normal(size=(n, 2))
    model = network(cls(epsilon=0.01), n, size, dtype)
    model.set_weights([x, gamma, beta, *model.get_weights()[3:-1], out])
    loss, (by_x, by_gamma, by_beta, by_out) = model.loss_and_gradients(np.eye(n), y)

    normalized = forward(x, gamma, beta, 0.01)
    difference = normalized @ out - y
    expected_x, (expected_gamma, expected_beta) = backward(difference / n @ out.T, x, gamma, 0.01)
    assert loss == pytest.approx(np.mean(difference**2), rel=tolerance)
    scale = np.abs(expected_gamma).max() + np.abs(expected_beta).max()
    assert_allclose(by_gamma, expected_gamma, rtol=0, atol=tolerance * scale)
    assert_allclose(by_beta, expected_beta, rtol=0, atol=tolerance * scale)
    assert_allclose(by_out, normalized.T @ difference / n, rtol=0, atol=tolerance * 10)
    # A single row of a batch, or a single column of a row, is 0 whatever it is: sums that cancel leave rounding.
    assert_allclose(by_x, expected_x, rtol=0, atol=10 * tolerance * (scale + np.abs(expected_x).max()))


@pytest.mark.parametrize("kind", list(FORWARD))
@given(n=SIZES, size=SIZES, seed=st.integers(0, 2**32))
def test_values_and_gradients_are_those_of_the_reference(kind: str, n: int, size: int, seed: int) -> None:
    assert_is_the_reference(kind, n, size, seed, "float64", 1e-11)


@pytest.mark.parametrize("kind", list(FORWARD))
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_values_and_gradients_in_float32(kind: str, dtype: str) -> None:
    assert_is_the_reference(kind, 65, 33, 0, dtype, 1e-5 if dtype == "float32" else 0.03)


@given(n=SIZES, size=SIZES, seed=st.integers(0, 2**32))
def test_prelu_is_the_reference(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, out, alpha, y = (rng.normal(size=s) for s in [(n, size), (size, 2), (size,), (n, 2)])
    model = network(PReLU(), n, size)
    model.set_weights([x, alpha, out])
    loss, (by_x, by_alpha, _) = model.loss_and_gradients(np.eye(n), y)
    difference = ref.prelu(x, alpha) @ out - y
    expected_x, (expected_alpha,) = ref.prelu_backward(difference / n @ out.T, x, alpha)
    assert loss == pytest.approx(np.mean(difference**2))
    assert_allclose(by_x, expected_x, rtol=1e-9, atol=1e-12)
    assert_allclose(by_alpha, expected_alpha, rtol=1e-9, atol=1e-12)
    assert_allclose(model.predict(np.eye(n)), ref.prelu(x, alpha) @ out, rtol=1e-9, atol=1e-12)


def test_moving_averages_are_those_of_keras_and_serve_prediction() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(2.0, 3.0, size=(40, 3)), rng.normal(size=(40, 3))
    model = fn.Sequential([BatchNormalization(momentum=0.8, epsilon=0.1, input_shape=(3,))], dtype="float64")
    model.compile(fn.optimizers.SGD(0.0), "mse")
    mean, variance = np.zeros(3), np.ones(3)
    for start in (0, 10, 20, 30):
        batch = x[start : start + 10]
        mean, variance = 0.8 * mean + 0.2 * batch.mean(axis=0), 0.8 * variance + 0.2 * batch.var(axis=0)
    model.fit(x, y, batch_size=10, shuffle=False, verbose=0)
    gamma, beta, moving_mean, moving_variance = model.get_weights()
    assert_allclose(moving_mean, mean, rtol=1e-12)
    assert_allclose(moving_variance, variance, rtol=1e-12)
    assert_array_equal((gamma, beta), (np.ones(3), np.zeros(3)))
    expected = (x - mean) / np.sqrt(variance + 0.1)
    assert_allclose(model.predict(x), expected, rtol=1e-12)
    assert_allclose(model(x[:1]), expected[:1], rtol=1e-12)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(np.mean((expected - y) ** 2))


def test_only_training_moves_the_averages() -> None:
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.zeros((20, 3))
    model = fn.Sequential([BatchNormalization(input_shape=(3,))])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.loss_and_gradients(x, y)
    model.evaluate(x, y, verbose=0)
    model.predict(x)
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)
    model.train_on_batch(x, y)
    assert (model.get_weights()[2] != before[2]).any()


def test_optimizers_do_not_see_the_averages() -> None:
    model = fn.Sequential([Dense(3, use_bias=False, input_shape=(3,)), BatchNormalization(momentum=1.0)], seed=0)
    model.compile(fn.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.5), "mse")
    model.fit(np.random.default_rng(0).normal(size=(50, 3)), np.ones((50, 3)), epochs=3, verbose=0)
    assert_array_equal(model.get_weights()[3:], [np.zeros(3), np.ones(3)])
    assert [g.shape for g in model.loss_and_gradients(np.eye(3), np.eye(3))[1]] == [(3, 3), (3,), (3,)]


@pytest.mark.parametrize("rows", [20, 300, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
@pytest.mark.usefixtures("teams_of_any_size")
def test_training_is_the_same_on_any_number_of_threads(rows: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 130)).astype("f4"), rng.normal(size=(rows, 3)).astype("f4")
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        layers = [Dense(150), BatchNormalization(), PReLU(), Dense(70), LayerNormalization(), Dense(3)]
        model = fn.Sequential([Normalization(input_shape=(130,)), *layers], seed=5, dtype=dtype)
        model.compile("adam", "mse")
        model.fit(x, y, epochs=2, batch_size=min(rows, 256), verbose=0)
        results.append([*model.get_weights(), model.predict(x)])
    for arrays in results[1:]:
        for one, other in zip(arrays, results[0], strict=True):
            assert_array_equal(one, other)


def test_a_layer_normalization_behind_few_rows_trains_in_parts_as_a_whole() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5000, 9)), rng.normal(size=(5000, 3))
    model = fn.Sequential([fn.Input((9,)), Dense(20), LayerNormalization(), PReLU(), Dense(3)], seed=0, dtype="float64")
    model.compile("sgd", "mse")
    loss, gradients = model.loss_and_gradients(x, y)  # 5,000 rows of a small network are cut into parts
    halves = [model.loss_and_gradients(x[rows], y[rows]) for rows in (slice(2500), slice(2500, None))]
    assert loss == pytest.approx((halves[0][0] + halves[1][0]) / 2.0)
    for whole, first, second in zip(gradients, halves[0][1], halves[1][1], strict=True):
        assert relative_error((first + second) / 2.0, whole) < 1e-12


# --- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [BatchNormalization, LayerNormalization])
@pytest.mark.parametrize(("center", "scale"), [(True, False), (False, True), (False, False)])
def test_gamma_and_beta_may_be_left_out(cls: Any, center: bool, scale: bool) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    full = fn.Sequential([Dense(4, input_shape=(4,)), cls()], dtype="float64", seed=0)
    less = fn.Sequential([Dense(4, input_shape=(4,)), cls(center=center, scale=scale)], dtype="float64", seed=0)
    for model in (full, less):
        model.compile("sgd", "mse")
    (loss, gradients), (other, fewer) = (model.loss_and_gradients(x, y) for model in (full, less))
    assert loss == pytest.approx(other, rel=1e-12)
    kept = [*gradients[:2], *([gradients[2]] if scale else []), *([gradients[3]] if center else [])]
    assert len(fewer) == len(kept)
    for one, another in zip(fewer, kept, strict=True):
        assert_allclose(one, another, rtol=1e-9, atol=1e-14)


def test_initializers_give_the_first_weights() -> None:
    constant = fn.initializers.Constant
    layer = BatchNormalization(
        gamma_initializer=constant(2.0),
        beta_initializer="ones",
        moving_mean_initializer=constant(3.0),
        moving_variance_initializer=constant(4.0),
        input_shape=(2,),
    )
    model = fn.Sequential([layer])
    assert_array_equal(model.get_weights(), [[2, 2], [1, 1], [3, 3], [4, 4]])
    assert layer.weight_names == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert (layer.count_params(), layer.count_trainable_params()) == (8, 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BatchNormalization(axis=0), NotImplementedError, "axis"),
        (lambda: BatchNormalization(momentum=2.0), ValueError, "momentum must be"),
        (lambda: BatchNormalization(epsilon=-1.0), ValueError, "epsilon must be"),
        (lambda: BatchNormalization(beta_regularizer="l2"), NotImplementedError, "beta_regularizer"),
        (lambda: LayerNormalization(rms_scaling=True), NotImplementedError, "rms_scaling"),
        (
            lambda: PReLU(shared_axes=[2]),
            NotImplementedError,
            r"shared_axes=\[2\].* is not available: only the first axes",
        ),
        (lambda: PReLU(shared_axes=[0]), ValueError, "every axis of shared_axes must be at least 1; got 0"),
        (lambda: PReLU(shared_axes="all"), TypeError, "shared_axes must be an integer or a list of integers"),
        (lambda: fn.Sequential([PReLU(shared_axes=[1, 2], input_shape=(3,))]), ValueError, "have no axis 2"),
        (lambda: Normalization(mean=1.0), ValueError, "mean and variance, or neither"),
        (lambda: Normalization(mean=1.0, variance=-1.0), ValueError, "variance must not be negative"),
        (lambda: Normalization(mean=np.nan, variance=1.0), ValueError, "mean must be"),
        (lambda: Normalization(invert=True), NotImplementedError, "invert"),
        (lambda: fn.Sequential([BatchNormalization(axis=1, input_shape=(2, 3))]), NotImplementedError, "only the last"),
        (lambda: fn.Sequential([LayerNormalization(axis=3, input_shape=(2, 3))]), NotImplementedError, "only the last"),
        (lambda: fn.Sequential([Normalization(axis=1, input_shape=(2, 3))]), NotImplementedError, "only the last"),
        (lambda: Normalization(axis=-2), NotImplementedError, r"Normalization\(axis=-2\) is not available"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# --- Normalization ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("built", [True, False])
def test_adapt_takes_mean_and_variance_from_data(built: bool, dtype: Any) -> None:
    x = np.random.default_rng(0).integers(0, 256, size=(5000, 3)).astype(dtype)
    layer = Normalization(input_shape=(3,)) if built else Normalization()
    model = fn.Sequential([layer, Dense(1)], dtype="float64")
    layer.adapt(x)
    model.build((3,))
    mean, variance = layer.get_weights()
    assert_allclose(mean, x.mean(axis=0, dtype="f8"), rtol=1e-12)
    assert_allclose(variance, x.var(axis=0, dtype="f8"), rtol=1e-12)
    kernel, bias = model.layers[1].get_weights()
    expected = (x - mean) / np.sqrt(variance) @ kernel + bias
    assert_allclose(model.predict(x), expected, rtol=1e-9, atol=1e-12)
    model.compile("sgd", "mse")
    model.fit(x, x[:, 0], epochs=1, verbose=0)
    assert_array_equal(layer.get_weights(), (mean, variance))


def test_a_constant_feature_becomes_zero_and_one_mean_serves_all_features() -> None:
    x = np.array([[1.0, 5.0], [3.0, 5.0]])
    layer = Normalization()
    layer.adapt(x)
    assert_array_equal(fn.Sequential([layer]).predict(x), [[-1, 0], [1, 0]])
    layer = Normalization(axis=None)
    layer.adapt(x)
    assert_allclose(fn.Sequential([layer]).predict(x), (x - x.mean()) / x.std(), rtol=1e-6)
    given = Normalization(mean=[1.0, 2.0], variance=4.0, input_shape=(2,))
    assert_array_equal(fn.Sequential([given]).predict(x), [[0.0, 1.5], [1.0, 1.5]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones(3), r"data must have shape \(n, ..., features\)"),
        (np.ones((0, 3)), "at least one sample"),
        (np.array([[1.0, np.nan, 2.0]]), "NaN or an infinity"),
        (np.ones((2, 4)), r"data must have samples of shape \(3,\)"),
    ],
)
def test_data_that_do_not_fit_are_refused_and_change_nothing(data: np.ndarray, message: str) -> None:
    layer = Normalization(input_shape=(3,))
    fn.Sequential([layer])
    before = layer.get_weights()
    with pytest.raises(ValueError, match=message):
        layer.adapt(data)
    assert_array_equal(layer.get_weights(), before)


@pytest.mark.parametrize("built", [True, False])
def test_a_variance_that_the_dtype_does_not_hold_is_refused(built: bool) -> None:
    x = np.array([[1e20, 1.0], [-1e20, 2.0]])
    layer = Normalization(input_shape=(2,)) if built else Normalization()
    with pytest.raises(ValueError, match=r"variance of 1e\+40, too large for float32: put Rescaling before it"):  # noqa: PT012
        if built:
            fn.Sequential([layer])
        layer.adapt(x)
        fn.Sequential([layer]).build((2,))
    layer = Normalization()
    layer.adapt(x)
    assert_allclose(fn.Sequential([layer], dtype="float64").predict(x), [[1, -1], [-1, 1]])


def test_a_feature_of_too_small_a_unit_is_told_of() -> None:
    x = np.array([[1e-10, 5.0], [3e-10, 7.0]])
    with pytest.warns(
        UserWarning, match=r"feature 0 has a standard deviation of 1e-10; Normalization divides by 1e-7 at"
    ):
        Normalization().adapt(x)
    Normalization().adapt(x * 1e4)
    Normalization().adapt(np.full((10, 1), 0.1))  # a constant, whose mean has a rounding error
    Normalization().adapt(np.zeros((10, 1)))
