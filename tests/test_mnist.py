"""The recipes of the lectures on the whole of MNIST, each with the accuracy that its authors and plain NumPy reach."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fastnet as fn
from fastnet.callbacks import LambdaCallback
from fastnet.initializers import RandomUniform, VarianceScaling
from fastnet.layers import Dense, Rescaling
from fastnet.models import Sequential
from fastnet.optimizers import SGD

pytestmark = pytest.mark.slow

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]
TRAINED = 41_000  # of the 42,000 images of the competition that the notebook was written for
HELD_OUT = 1_000


@pytest.fixture(scope="module")
def mnist(mnist_dir: Path) -> tuple[Images, Labels, Images, Labels]:
    """Return the images as rows of 784 bytes, and the labels."""
    (x_train, y_train), (x_test, y_test) = fn.datasets.mnist.load_data()
    return x_train.reshape(-1, 784), y_train, x_test.reshape(-1, 784), y_test


def test_program_of_the_lecture_runs_with_only_its_imports_changed(mnist_dir: Path) -> None:
    from fastnet.datasets import mnist
    from fastnet.layers import Dense
    from fastnet.models import Sequential
    from fastnet.utils import to_categorical

    train_images = (mnist.train_images() / 255 - 0.5).reshape((-1, 784))
    test_images = (mnist.test_images() / 255 - 0.5).reshape((-1, 784))
    model = Sequential(
        [
            Dense(64, activation="relu", input_shape=(784,)),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(train_images, to_categorical(mnist.train_labels()), epochs=5, batch_size=32)
    _, accuracy = model.evaluate(test_images, to_categorical(mnist.test_labels()))
    assert accuracy >= 0.95  # Keras: 0.96 to 0.97
    predictions = model.predict(test_images[:5])
    assert np.argmax(predictions, axis=1).tolist() == [7, 2, 1, 0, 4] == mnist.test_labels()[:5].tolist()


def test_sigmoid_network_reaches_97_percent_in_nine_epochs(mnist: tuple[Images, Labels, Images, Labels]) -> None:
    # The rate is high, so where a run ends depends on its seed: over 20 seeds 96.9% to 97.8%, 97.4% on average. NumPy
    # from the same weights in the same order ends at the same accuracy, whatever the seed; the slides print 98%.
    x_train, y_train, x_test, y_test = mnist
    one_over_fan_in = VarianceScaling(1.0, "fan_in", "untruncated_normal")
    accuracies = []
    for seed in range(3):
        model = Sequential(
            [
                Rescaling(1 / 255, input_shape=(784,)),
                Dense(64, activation="sigmoid", kernel_initializer=one_over_fan_in),
                Dense(10, activation="softmax", kernel_initializer=one_over_fan_in),
            ],
            seed=seed,
        )
        # the lecture's moving average of gradients: v = 0.9 v + 0.1 g, w = w - 4 v
        optimizer = SGD(4.0, momentum=0.9, dampening=0.9)
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train, y_train, batch_size=128, epochs=9, verbose=0)
        accuracies.append(model.evaluate(x_test, y_test, verbose=0)[1])
    assert np.median(accuracies) >= 0.973, accuracies
    assert min(accuracies) >= 0.965, accuracies


def test_mixed_bfloat16_is_as_accurate_as_float32(mnist: tuple[Images, Labels, Images, Labels]) -> None:
    x_train, y_train, x_test, y_test = mnist
    accuracy: dict[str, list[float]] = {"float32": [], "mixed_bfloat16": []}
    for seed in range(3):  # one run of either scatters by 0.1 points
        for dtype, reached in accuracy.items():
            layers = [Rescaling(1 / 255, input_shape=(784,)), Dense(128, activation="relu")]
            model = Sequential([*layers, Dense(10, activation="softmax")], seed=seed, dtype=dtype)
            model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
            model.fit(x_train, y_train, batch_size=128, epochs=5, verbose=0)
            reached.append(model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"])
    assert np.mean(accuracy["mixed_bfloat16"]) >= 0.97
    assert abs(np.mean(accuracy["mixed_bfloat16"]) - np.mean(accuracy["float32"])) <= 0.002, accuracy


def notebook_network(learning_rate: float, seed: int) -> Sequential:
    """Return the network of the notebook that works from scratch: ten rectifiers, ten probabilities."""
    uniform = RandomUniform(-0.5, 0.5)
    model = Sequential(
        [
            Rescaling(1 / 255, input_shape=(784,)),
            Dense(10, activation="relu", kernel_initializer=uniform, bias_initializer=uniform),
            Dense(10, activation="softmax", kernel_initializer=uniform, bias_initializer=uniform),
        ],
        seed=seed,
    )
    model.compile(SGD(learning_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_full_batch_descent_at_a_rate_of_one_touches_90_percent(mnist: tuple[Images, Labels, Images, Labels]) -> None:
    x, y = mnist[0][:TRAINED], mnist[1][:TRAINED]
    # The rate is too high: the loss oscillates, and one start in three may not come so far in 500 steps.
    best = []
    for seed in (2, 3, 0):
        model = notebook_network(1.0, seed)

        def stop_at_90_percent(epoch: int, logs: dict[str, float], model: Sequential = model) -> None:
            model.stop_training = logs["accuracy"] >= 0.90

        stop = LambdaCallback(on_epoch_end=stop_at_90_percent)
        history = model.fit(x, y, batch_size=TRAINED, epochs=500, shuffle=False, verbose=0, callbacks=[stop])
        best.append(max(history.history["accuracy"]))
        if best[-1] >= 0.90:
            return
    raise AssertionError(f"no start reaches 90%: {best}")


def test_full_batch_descent_at_a_tenth_reaches_77_percent_in_300_steps(
    mnist: tuple[Images, Labels, Images, Labels],
) -> None:
    x, y = mnist[0][:TRAINED], mnist[1][:TRAINED]
    held_out = slice(TRAINED, TRAINED + HELD_OUT)
    model = notebook_network(0.1, seed=0)
    history = model.fit(x, y, batch_size=TRAINED, epochs=300, shuffle=False, verbose=0)
    assert history.history["accuracy"][-1] >= 0.77  # 0.88 after 1,000 steps, as in plain NumPy and in the notebook
    # not in the training data: no better and no worse than that, give or take three deviations of 1,000 coin tosses
    _, accuracy = model.evaluate(mnist[0][held_out], mnist[1][held_out], verbose=0)
    assert accuracy >= 0.73
