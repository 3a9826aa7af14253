"""A network of 784, 10 and 10 units by full-batch gradient descent, as in many notebooks written from scratch in NumPy.

usage: python examples/gradient_descent.py [--iterations N] [--threads N]

The notebooks take 41,000 of 42,000 images and steps of 0.1, with weights drawn from (-0.5, 0.5): after 100 iterations the
one that this example follows is at 57% of its training images, after 120 at 60%. Two of its lines are mistakes:
`db = 1 / m * np.sum(dZ)` sums over the units too and gives all biases of a layer one gradient, and the images to check
with are not scaled as the training images are. Here both are right, and the same iterations are timed in NumPy beside
fastnet.
"""

import argparse
import time

import numpy as np

import fastnet as fn
from fastnet.datasets import mnist

TRAINED, LEARNING_RATE = 41_000, 0.1


def numpy_iteration(weights, x, one_hot):
    """One step of the notebook, samples in columns, in float64, with true gradients of the biases."""
    w1, b1, w2, b2 = weights
    z1 = w1 @ x + b1
    a1 = np.maximum(z1, 0)
    z2 = w2 @ a1 + b2
    a2 = np.exp(z2 - z2.max(axis=0))
    a2 /= a2.sum(axis=0)
    m = x.shape[1]
    dz2 = a2 - one_hot
    dz1 = w2.T @ dz2 * (z1 > 0)
    gradients = dz1 @ x.T / m, dz1.sum(axis=1, keepdims=True) / m, dz2 @ a1.T / m, dz2.sum(axis=1, keepdims=True) / m
    return [w - LEARNING_RATE * g for w, g in zip(weights, gradients, strict=True)]


def main():
    parser = argparse.ArgumentParser(description="784-10-10 by full-batch gradient descent")
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        fn.set_num_threads(options.threads)

    (images, labels), _ = mnist.load_data()
    x, y = images.reshape(-1, 784), labels.astype(np.int64)
    x_dev, y_dev = x[TRAINED:], y[TRAINED:]
    x, y = x[:TRAINED], y[:TRAINED]

    half = fn.initializers.RandomUniform(-0.5, 0.5)
    arguments = {"kernel_initializer": half, "bias_initializer": half}
    model = fn.Sequential(
        [
            fn.Rescaling(1 / 255, input_shape=(784,)),
            fn.Dense(10, activation="relu", **arguments),
            fn.Dense(10, activation="softmax", **arguments),
        ],
        seed=0,
    )
    model.compile(fn.optimizers.SGD(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    w1, b1, w2, b2 = (w.astype(np.float64) for w in model.get_weights())

    started = time.perf_counter()
    history = model.fit(x, y, batch_size=len(x), epochs=options.iterations, shuffle=False, verbose=0)
    seconds = (time.perf_counter() - started) / options.iterations

    weights = [w1.T, b1[:, None], w2.T, b2[:, None]]
    columns, one_hot = x.T / 255, np.eye(10)[y].T
    steps = min(5, options.iterations)
    started = time.perf_counter()
    for _ in range(steps):
        weights = numpy_iteration(weights, columns, one_hot)
    numpy_seconds = (time.perf_counter() - started) / steps

    for iteration in sorted({100, 120, options.iterations} & set(range(options.iterations + 1))):
        print(f"iteration {iteration}: {history.history['accuracy'][iteration - 1]:.1%} of the training images")
    held_out = model.evaluate(x_dev, y_dev, verbose=0, return_dict=True)["accuracy"]
    print(f"held out: {held_out:.1%}")
    print(f"an iteration: fastnet {1e3 * seconds:.1f} ms, the notebook's NumPy {1e3 * numpy_seconds:.1f} ms, "
          f"ratio {numpy_seconds / seconds:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
