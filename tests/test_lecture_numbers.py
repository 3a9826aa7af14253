"""The worked numbers of the lecture slides that teach networks from two inputs, two hidden units and one output.

The network there is h1 = f(w1 x1 + w2 x2 + b1), h2 = f(w3 x1 + w4 x2 + b2), o = f(w5 h1 + w6 h2 + b3), f the sigmoid.
"""

import numpy as np
import pytest

import fastnet as fn
from fastnet.layers import Dense
from fastnet.models import Sequential

PEOPLE = np.array([[-2.0, -1.0], [25.0, 6.0], [17.0, 4.0], [-15.0, -6.0]])  # weight - 135 lb, height - 66 in
IS_FEMALE = np.array([1.0, 0.0, 0.0, 1.0])
ROUNDING = 4e-16  # relative: 2 ulp, what the sigmoid is held to


def two_two_one(*, seed: int = 0) -> Sequential:
    return Sequential(
        [
            Dense(2, activation="sigmoid", input_shape=(2,), kernel_initializer="random_normal"),
            Dense(1, activation="sigmoid", kernel_initializer="random_normal"),
        ],
        seed=seed,
        dtype="float64",
    )


def test_neuron() -> None:
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(2,))], dtype="float64")
    model.set_weights([np.array([[0.0], [1.0]]), np.array([4.0])])
    assert model.predict(np.array([[2.0, 3.0]]), verbose=0)[0, 0] == pytest.approx(0.9990889488055994, rel=ROUNDING)
    assert fn.sigmoid(np.float64(7.0)) == pytest.approx(0.9990889488055994, rel=ROUNDING)


def test_network_of_two_two_and_one() -> None:
    model = two_two_one()
    neuron = [0.0, 1.0]  # every neuron's weights; all biases are 0
    model.set_weights([np.array([neuron, neuron]).T, np.zeros(2), np.array([neuron]).T, np.zeros(1)])
    assert model.predict(np.array([[2.0, 3.0]]), verbose=0)[0, 0] == pytest.approx(0.7216325609518421, rel=ROUNDING)


def test_mean_squared_error() -> None:
    assert fn.functional.mse([1, 0, 0, 1], [0, 0, 0, 0]) == 0.5


def test_derivative_by_the_first_weight() -> None:
    model = two_two_one()
    model.compile("sgd", loss="mse")
    model.set_weights([np.ones((2, 2)), np.zeros(2), np.ones((2, 1)), np.zeros(1)])
    loss, (hidden_kernel, *_) = model.loss_and_gradients(PEOPLE[:1], np.array([[1.0]]))
    assert loss == pytest.approx((1.0 - 0.524) ** 2, abs=1e-3)  # the slides round the prediction to 0.524
    # some ten operations in a row, a rounding of 1e-16 each
    assert hidden_kernel[0, 0] == pytest.approx(0.021469535265811107, rel=1e-15)


def test_training_on_four_people_separates_two_others() -> None:
    successes = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        model = two_two_one()
        model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
        model.compile(fn.optimizers.SGD(0.1), loss="mse")
        history = model.fit(PEOPLE, IS_FEMALE, batch_size=1, epochs=1000, shuffle=False, verbose=0)
        assert len(history.history["loss"]) == 1000
        emily, frank = model.predict(np.array([[-7.0, -3.0], [20.0, 2.0]]), verbose=0)[:, 0]
        successes += bool(emily > 0.9 and frank < 0.1)
    assert successes >= 19  # one start in a hundred ends on a plateau
