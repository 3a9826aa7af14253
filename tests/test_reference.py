"""The reference is right: its gradients are the slopes of its losses, its optimizers give numbers worked by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from reference import (
    ACTIVATIONS,
    LOSSES,
    SGD,
    Activation,
    Adam,
    Dense,
    Network,
    Rescaling,
    RMSprop,
    gemm,
    one_hot,
    softmax,
    softmax_jacobian,
)

STEP = 1e-6  # of central differences: their error is STEP^2 from the curvature and 1e-16 / STEP from rounding
SLOPE_TOLERANCE = 1e-8  # both of them together, with room for values around 10


def slopes(function: Any, at: np.ndarray) -> np.ndarray:
    """Return the central difference of a scalar function by each entry of `at`, which it reads in place."""
    result = np.empty_like(at)
    for index in np.ndindex(at.shape):
        kept = at[index]
        at[index] = kept + STEP
        above = function()
        at[index] = kept - STEP
        below = function()
        at[index] = kept
        result[index] = (above - below) / (2.0 * STEP)
    return result


def settings(activation: str) -> dict[str, float]:
    return {"negative_slope": 0.2} if activation == "leaky_relu" else {}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_backward_is_the_slope_of_the_activation(name: str) -> None:
    rng = np.random.default_rng(1)
    z, gradient = rng.normal(size=(2, 3, 4))
    forward, backward = ACTIVATIONS[name]
    expected = slopes(lambda: float((gradient * forward(z, **settings(name))).sum()), z)
    assert_allclose(backward(gradient, z, **settings(name)), expected, rtol=0, atol=SLOPE_TOLERANCE)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_backward_is_the_slope_of_the_loss(name: str) -> None:
    rng = np.random.default_rng(2)
    y, p = rng.uniform(0.1, 0.9, size=(2, 3, 4))
    p[0, 0] = -0.5  # outside the clip, where the loss is flat (and mse is not)
    loss, backward = LOSSES[name]
    assert_allclose(backward(y, p), slopes(lambda: float(loss(y, p).sum()), p), rtol=0, atol=SLOPE_TOLERANCE)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("last", ["softmax", "sigmoid", "linear"])
def test_network_gradients_are_the_slopes_of_its_loss(last: str, loss: str) -> None:
    rng = np.random.default_rng(3)
    layers = [
        Rescaling(0.5, -0.25),
        Dense(rng.normal(size=(3, 4)), rng.normal(size=4)),
        Activation("tanh"),
        Dense(rng.normal(size=(4, 2))),
        Activation(last),
    ]
    network = Network(layers, loss)
    x, weight = rng.normal(size=(5, 3)), rng.uniform(0.5, 2.0, size=5)
    y = rng.uniform(0.1, 0.9, size=(5, 2))
    _, gradients = network.loss_and_gradients(x, y, weight)
    assert [g.shape for g in gradients] == [(3, 4), (4,), (4, 2)]
    for array, gradient in zip(network.parameters, gradients, strict=True):
        expected = slopes(lambda: network.loss_and_gradients(x, y, weight)[0], array)
        assert_allclose(gradient, expected, rtol=0, atol=SLOPE_TOLERANCE)


@pytest.mark.parametrize(
    ("last", "loss"), [("softmax", "categorical_crossentropy"), ("sigmoid", "binary_crossentropy")]
)
def test_fused_loss_equals_the_activation_followed_by_the_loss(last: str, loss: str) -> None:
    rng = np.random.default_rng(4)
    kernel, x = rng.normal(size=(3, 4)), rng.normal(size=(5, 3))
    y = one_hot([0, 1, 2, 3, 3], 4)
    fused = Network([Dense(kernel), Activation(last)], loss).loss_and_gradients(x, y)
    apart = Network([Dense(kernel), Activation(last), Activation("linear")], loss).loss_and_gradients(x, y)
    assert_allclose(fused[0], apart[0], rtol=1e-14)  # a few roundings of float64
    assert_allclose(fused[1][0], apart[1][0], rtol=1e-12, atol=1e-15)


def test_gemm_reads_out_only_when_beta_is_not_zero() -> None:
    a, b, nan = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [1.0, 1.0]], np.full((2, 2), np.nan)
    assert_array_equal(gemm(a, b, out=nan), [[3.0, 2.0], [7.0, 4.0]])
    assert_array_equal(gemm(a, b, True, True, 2.0, -1.0, np.ones((2, 2))), [[1.0, 7.0], [3.0, 11.0]])


def test_softmax_of_two_units_is_the_sigmoid_of_their_difference() -> None:
    third = softmax(np.array([[np.log(2.0), 0.0]]))
    assert_allclose(third, [[2 / 3, 1 / 3]], rtol=1e-15)
    assert_allclose(softmax_jacobian(np.array([0.0, 0.0])), [[0.25, -0.25], [-0.25, 0.25]], rtol=1e-15)
    assert_array_equal(softmax(np.array([[1e4, 0.0]])), [[1.0, 0.0]])


def test_sgd_takes_the_steps_worked_by_hand() -> None:
    def walk(**settings: Any) -> list[float]:
        optimizer, w = SGD(0.5, **settings), np.array([1.0])
        path = []
        for gradient in (1.0, 2.0):
            optimizer.step([w], [np.array([gradient])])
            path.append(float(w[0]))
        return path

    assert walk() == [0.5, -0.5]
    assert walk(momentum=0.5) == [0.5, -0.75]  # v = 1, 2.5
    assert walk(momentum=0.5, nesterov=True) == [0.25, -1.375]  # g + v / 2 = 1.5, 3.25
    assert walk(momentum=0.5, dampening=0.5) == [0.75, 0.125]  # v = 0.5, 1.25
    assert walk(weight_decay=1.0) == [0.0, -1.0]  # g + w = 2, 2


def test_dampening_equal_to_momentum_is_a_smaller_learning_rate() -> None:
    rng = np.random.default_rng(5)
    w, u = np.ones(3), np.ones(3)
    notebook, keras = SGD(4.0, momentum=0.9, dampening=0.9), SGD(0.4, momentum=0.9)
    for gradient in rng.normal(size=(20, 3)):
        notebook.step([w], [gradient])
        keras.step([u], [gradient])
    assert_allclose(w, u, rtol=1e-13)  # rounding of 20 steps


def test_first_adam_step_is_the_learning_rate_whatever_the_gradient() -> None:
    w = np.zeros(3)
    Adam(0.1, epsilon=0.0).step([w], [np.array([1e-3, -7.0, 1e5])])
    assert_allclose(w, [-0.1, 0.1, -0.1], rtol=1e-13)


def test_first_rmsprop_step_divides_by_the_root_of_one_minus_rho() -> None:
    w = np.zeros(2)
    RMSprop(0.1, rho=0.75, epsilon=0.0).step([w], [np.array([3.0, -4.0])])
    assert_allclose(w, [-0.2, 0.2], rtol=1e-15)


def test_epoch_takes_the_last_short_batch_and_follows_the_order() -> None:
    x, y = np.arange(5.0)[:, None], np.zeros((5, 1))
    network = Network([Dense([[1.0]])], "mse")
    steps: list[float] = []

    class Recorder:
        def step(self, parameters: Any, gradients: Any) -> None:
            steps.append(float(gradients[0][0, 0]))

    mean = network.fit(x, y, Recorder(), batch_size=2, order=[4, 3, 2, 1, 0])
    assert steps == [25.0, 5.0, 0.0]  # the mean of 2 x^2 over (4, 3), (2, 1) and (0)
    assert mean == 6.0  # the mean of x^2 over all five rows
