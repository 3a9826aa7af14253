"""99.5% of MNIST's test images: a small convolutional network, trained on images that are moved, turned and scaled at random.

usage: python examples/mnist_cnn.py [--epochs N] [--seed N] [--ensemble N] [--threads N]

Three convolutions with batch normalization, 105,386 parameters. In every epoch each training image is another one: layers for augmentation
draw how far it is moved, turned and scaled. The learning rate goes up and down once. 14 epochs take 220 seconds of one core with
AVX-512. The seeds 0 to 4 reach 99.57, 99.52, 99.52, 99.53 and 99.48%, the mean of the five networks 99.65%.
"""

import argparse
import time

import fastnet as fn
from fastnet.datasets import mnist

BATCH = 128


def convolution(filters, size):
    """Return a convolution with batch normalization, which has the bias, and a rectifier."""
    return [fn.Conv2D(filters, size, use_bias=False), fn.BatchNormalization(momentum=0.9), fn.ReLU()]


def network(seed):
    return fn.Sequential(
        [
            fn.Input((28, 28, 1)),
            fn.layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            fn.layers.RandomRotation(0.03, fill_mode="constant"),
            fn.layers.RandomZoom(0.1, fill_mode="constant"),
            fn.Rescaling(1 / 255),
            *convolution(32, 5),
            fn.MaxPooling2D(),
            *convolution(64, 3),
            fn.MaxPooling2D(),
            *convolution(128, 3),
            fn.Flatten(),
            fn.Dropout(0.3),
            fn.Dense(10, activation="softmax"),
        ],
        seed=seed,
    )


def train(seed, epochs, x, y):
    model = network(seed)
    schedule = fn.schedules.OneCycle(8e-3, total_steps=epochs * -(-len(x) // BATCH), pct_start=0.25)
    model.compile(fn.optimizers.Adam(schedule, beta_2=0.99), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def main():
    parser = argparse.ArgumentParser(description="a convolutional network for MNIST, and augmentation")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--seed", type=int, default=0, help="that of the first network")
    parser.add_argument("--ensemble", type=int, default=1, help="number of networks, each with a seed of its own")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        fn.set_num_threads(options.threads)
    (x, y), (x_test, y_test) = mnist.load_data()
    x, x_test = x[..., None], x_test[..., None]

    models = []
    for seed in range(options.seed, options.seed + options.ensemble):
        start = time.perf_counter()
        models.append(train(seed, options.epochs, x, y))
        seconds = time.perf_counter() - start
        accuracy = models[-1].evaluate(x_test, y_test, verbose=0)[1]
        print(f"seed {seed}: {accuracy:.2%} of the test images, {seconds:.0f} s of training", flush=True)
    if len(models) > 1:
        accuracy = fn.models.ensemble(models).evaluate(x_test, y_test, verbose=0)[1]
        print(f"{len(models)} networks: {accuracy:.2%} of the test images")


if __name__ == "__main__":
    main()
