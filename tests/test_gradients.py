"""loss_and_gradients gives the slopes of the model's own loss, for every layer, activation and loss."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference
import reference_activations
from cases import Description, activation, dense, random_weights, reference_of, relative_error, rescaling, sequential

ACTIVATIONS = ["linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"]
LOSSES = ["mse", "binary_crossentropy", "categorical_crossentropy"]
STEP = 1e-6
# Central differences in float64: STEP^2 times a third derivative, and 1e-16 / STEP of rounding in a loss around 1
# to 20. Slopes are around 1 too; near the floor of a clipped probability derivatives grow, and so does the error.
SLOPE_TOLERANCE = 1e-7
KINK = 1e-3  # no input of relu, and no probability beside the clip, is nearer to the kink than this
ROUNDING = 1e-12  # relative, of float64 sums in another order


def layers_of_every_kind(hidden: str, last: str, *, bias: bool) -> list[Description]:
    return [
        rescaling(0.5, -0.25),
        dense(5, hidden, use_bias=bias),
        activation("tanh"),
        rescaling(2.0, 0.1),
        dense(4, "linear", use_bias=not bias),
        activation(hidden),
        dense(3, last, use_bias=bias),
    ]


# The inputs at which the slope of an activation jumps; the others with a kink have it at 0.
KINKS = {
    "hard_sigmoid": (-3.0, 3.0),
    "hard_silu": (-3.0, 3.0),
    "relu6": (0.0, 6.0),
    "thresholded_relu": (1.0,),
    "hard_tanh": (-1.0, 1.0),
    "hard_shrink": (-0.5, 0.5),
    "soft_shrink": (-0.5, 0.5),
    "sparse_sigmoid": (-1.0, 1.0),
    "sparse_plus": (-1.0, 1.0),
}


def distance_to_kinks(network: reference.Network, x: np.ndarray, loss: str) -> float:
    """Return how far the nearest input of an activation is from its kinks, and a clipped probability from the clip."""
    p = network.predict(x)
    near = []
    for layer in network.layers:
        name = getattr(layer, "name", "")
        kinks = KINKS.get(name, (0.0,) if "elu" in name else ())
        near += [np.abs(layer.z - kink).min() for kink in kinks]
    if loss == "categorical_crossentropy":
        total = p.sum(axis=1, keepdims=True)
        near.append(np.abs(total).min())
        with np.errstate(all="ignore"):  # a row of zeros has no distribution, and is turned down by its total
            p = p / total
    if loss != "mse":
        near += [np.abs(p - edge)[p != 0.0].min(initial=1.0) for edge in (0.0, 1.0)]
    return float(min(near, default=1.0))


def case(
    descriptions: list[Description], loss: str
) -> tuple[fn.Sequential, reference.Network, np.ndarray, np.ndarray, np.ndarray]:
    """Return a compiled model, its reference, and inputs, targets and sample weights that keep away from the kinks."""
    model = sequential(descriptions, 3)
    model.compile("sgd", loss=loss)
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        random_weights(model, seed, scale=1.5)
        network = reference_of(model, descriptions, loss)
        x, y = rng.normal(size=(4, 3)), rng.dirichlet(np.ones(3), size=4)
        if distance_to_kinks(network, x, loss) > KINK:
            return model, network, x, y, rng.uniform(0.5, 2.0, size=4)
    raise AssertionError("no data away from the kinks")


def slopes_of_evaluate(model: fn.Sequential, x: Any, y: Any, weight: Any) -> list[np.ndarray]:
    weights = model.get_weights()
    result = [np.empty_like(w) for w in weights]
    for array, slopes in zip(weights, result, strict=True):
        for index in np.ndindex(array.shape):
            kept, losses = array[index], []
            for moved in (kept + STEP, kept - STEP):
                array[index] = moved
                model.set_weights(weights)
                losses.append(model.evaluate(x, y, sample_weight=weight, verbose=0))
            array[index] = kept
            slopes[index] = (losses[0] - losses[1]) / (2.0 * STEP)
    model.set_weights(weights)
    return result


def assert_true_gradients(descriptions: list[Description], loss: str) -> None:
    model, network, x, y, weight = case(descriptions, loss)
    value, gradients = model.loss_and_gradients(x, y, sample_weight=weight)
    expected_value, expected = network.loss_and_gradients(x, y, weight)
    assert value == pytest.approx(expected_value, rel=ROUNDING)
    assert value == pytest.approx(model.evaluate(x, y, sample_weight=weight, verbose=0), rel=ROUNDING)
    assert [g.shape for g in gradients] == [w.shape for w in model.get_weights()]
    largest = max(np.abs(e).max() for e in expected)
    for gradient, of_reference in zip(gradients, expected, strict=True):
        assert_allclose(gradient, of_reference, rtol=0, atol=ROUNDING * largest)
    for gradient, slope in zip(gradients, slopes_of_evaluate(model, x, y, weight), strict=True):
        assert_allclose(gradient, slope, rtol=0, atol=SLOPE_TOLERANCE * max(1.0, largest))


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("last", ACTIVATIONS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_gradients_are_the_slopes_of_the_loss_and_those_of_the_reference(
    hidden: str, last: str, loss: str, bias: bool
) -> None:
    assert_true_gradients(layers_of_every_kind(hidden, last, bias=bias), loss)


@pytest.mark.parametrize("name", sorted(reference_activations.ACTIVATIONS))
def test_gradients_of_the_other_activations(name: str) -> None:
    assert_true_gradients(layers_of_every_kind(name, "softmax", bias=True), "categorical_crossentropy")
    assert_true_gradients([dense(4, name), activation(name), rescaling(2.0, 0.1), dense(3, name)], "mse")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("last", ACTIVATIONS)
def test_gradients_with_an_activation_or_a_rescaling_at_the_end(last: str, loss: str) -> None:
    assert_true_gradients([dense(4, "tanh"), dense(3), activation(last)], loss)
    assert_true_gradients([dense(4, "tanh"), dense(3, "tanh"), activation(last)], loss)
    assert_true_gradients([dense(4, "tanh"), dense(3, last), rescaling(0.8, 0.05)], loss)


@pytest.mark.parametrize("last", ACTIVATIONS)
def test_sparse_labels_give_the_gradients_of_one_hot_rows(last: str) -> None:
    model, _, x, _, weight = case([dense(4, "tanh"), dense(3, last)], "categorical_crossentropy")
    labels = np.array([2, 0, 1, 1])
    value, gradients = model.loss_and_gradients(x, np.eye(3)[labels], sample_weight=weight)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    sparse_value, sparse_gradients = model.loss_and_gradients(x, labels, sample_weight=weight)
    assert sparse_value == value
    for gradient, sparse in zip(gradients, sparse_gradients, strict=True):
        assert_array_equal(sparse, gradient)


def test_targets_that_do_not_sum_to_one_have_the_true_gradient_too() -> None:
    model, network, x, y, weight = case([dense(4, "tanh"), dense(3, "softmax")], "categorical_crossentropy")
    y = y * [[0.0], [0.5], [1.0], [3.0]]
    value, gradients = model.loss_and_gradients(x, y, sample_weight=weight)
    expected_value, expected = network.loss_and_gradients(x, y, weight)
    assert value == pytest.approx(expected_value, rel=ROUNDING)
    for gradient, of_reference in zip(gradients, expected, strict=True):
        assert relative_error(gradient, of_reference) < ROUNDING


@pytest.mark.parametrize("loss", LOSSES)
def test_sample_of_weight_zero_leaves_no_gradient(loss: str) -> None:
    model, _, x, y, _ = case([dense(4, "tanh"), dense(3, "softmax")], loss)
    _, both = model.loss_and_gradients(x[:2], y[:2], sample_weight=np.array([1.0, 0.0]))
    _, alone = model.loss_and_gradients(x[:1], y[:1])
    for of_both, of_one in zip(both, alone, strict=True):  # the mean is over two samples, one of which counts nothing
        assert_allclose(2.0 * of_both, of_one, rtol=ROUNDING, atol=1e-16)


@pytest.mark.parametrize(
    ("last", "loss"), [("softmax", "categorical_crossentropy"), ("sigmoid", "binary_crossentropy")]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hopelessly_wrong_and_certain_answers_have_exact_losses_and_gradients(dtype: str, last: str, loss: str) -> None:
    model = sequential([dense(2, last, use_bias=False)], 2, dtype=dtype)
    model.compile("sgd", loss=loss)
    model.set_weights([np.array([[1e4, -1e4], [0.0, 0.0]])])
    value, (wrong,) = model.loss_and_gradients([[1.0, 0.0]], [[0.0, 1.0]])
    # -log softmax = 2e4 for two classes; two sigmoids are each off by 1e4
    assert value == (2e4 if last == "softmax" else 1e4)
    assert_array_equal(wrong, [[1.0, -1.0], [0.0, 0.0]] if last == "softmax" else [[0.5, -0.5], [0.0, 0.0]])
    value, (right,) = model.loss_and_gradients([[1.0, 0.0]], [[1.0, 0.0]])
    assert value == 0.0
    assert_array_equal(right, np.zeros((2, 2)))


def test_softmax_under_mse_uses_the_whole_jacobian() -> None:
    model = sequential([dense(3, "softmax", use_bias=False)], 3)
    model.compile("sgd", loss="mse")
    model.set_weights([np.zeros((3, 3))])
    _, (gradient,) = model.loss_and_gradients([[1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]])
    # p = 1/3, dL/dp = 2 (p - y) / 3 = (-4, 2, 2) / 9; times p_i (delta_ij - p_j), the mean of dL/dp being 0: / 3
    assert_allclose(gradient[0], np.array([-4.0, 2.0, 2.0]) / 27.0, rtol=ROUNDING)


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_gradients_are_those_of_the_reference(loss: str) -> None:
    descriptions = layers_of_every_kind("tanh", "softmax", bias=True)
    model = sequential(descriptions, 3, dtype=np.float32)
    model.compile("sgd", loss=loss)
    random_weights(model, 1)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 3)).astype(np.float32), rng.dirichlet(np.ones(3), size=50).astype(np.float32)
    value, gradients = model.loss_and_gradients(x, y)
    expected_value, expected = reference_of(model, descriptions, loss).loss_and_gradients(x, y)
    # some 10 roundings of 6e-8 on the way through three layers, and 50 samples to sum
    assert value == pytest.approx(expected_value, rel=1e-6)
    largest = max(np.abs(e).max() for e in expected)
    for gradient, of_reference in zip(gradients, expected, strict=True):
        assert gradient.dtype == np.float32
        assert_allclose(gradient, of_reference, rtol=0, atol=2e-6 * largest)
