"""More than 99.4% of MNIST's test images: a small convolutional network, trained on images that are shifted at random.

usage: python examples/mnist_cnn.py [--epochs N] [--seed N] [--threads N]

Three convolutions of 3 x 3 with batch normalization, 61,994 parameters. Before each epoch every training image is moved by up
to two pixels along each axis. The learning rate goes up and down once. Seed 0 reaches 99.51% after 10 epochs, which take 222
seconds of one core.
"""

import argparse
import time

import numpy as np

import fastnet as fn
from fastnet.datasets import mnist

BATCH, SHIFT = 128, 2


def convolution(filters):
    """Return a convolution of 3 x 3 with batch normalization, which has the bias, and a rectifier."""
    return [fn.Conv2D(filters, 3, use_bias=False), fn.BatchNormalization(momentum=0.9), fn.ReLU()]


def network(seed):
    return fn.Sequential(
        [
            fn.Rescaling(1 / 255, input_shape=(28, 28, 1)),
            *convolution(32),
            fn.MaxPooling2D(),
            *convolution(64),
            fn.MaxPooling2D(),
            *convolution(64),
            fn.Flatten(),
            fn.Dropout(0.3),
            fn.Dense(10, activation="softmax"),
        ],
        seed=seed,
    )


def shifted(images, rng):
    """Return each image moved by up to SHIFT pixels along each axis; zeros come in at the border."""
    border = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, border), images.shape[1:], axis=(1, 2))
    down, across = rng.integers(0, 2 * SHIFT + 1, size=(2, len(images)))
    return windows[np.arange(len(images)), down, across]


def main():
    parser = argparse.ArgumentParser(description="a convolutional network, and shifted images of MNIST")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        fn.set_num_threads(options.threads)
    (x, y), (x_test, y_test) = mnist.load_data()

    model = network(options.seed)
    schedule = fn.schedules.OneCycle(8e-3, total_steps=options.epochs * -(-len(x) // BATCH), pct_start=0.25)
    model.compile(fn.optimizers.Adam(schedule, beta_2=0.99), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(options.seed)
    seconds, accuracy = 0.0, 0.0
    for epoch in range(options.epochs):
        start = time.perf_counter()
        images = shifted(x, rng)[..., np.newaxis]
        model.fit(images, y, batch_size=BATCH, epochs=epoch + 1, initial_epoch=epoch, verbose=0)
        seconds += time.perf_counter() - start
        accuracy = model.evaluate(x_test[..., np.newaxis], y_test, verbose=0)[1]
        print(f"epoch {epoch + 1}: {accuracy:.2%}", flush=True)
    print(f"seed {options.seed}: {accuracy:.2%} of the test images, {seconds:.0f} s of training")


if __name__ == "__main__":
    main()
