"""Handwritten digits on a small device: train, write one file of C, compile it and hold it against fastnet.

usage: python examples/embedded.py [--cc COMPILER]

Prints the accuracy of the C program on the test images, how far its probabilities are from fastnet's, and the time of
one prediction on this machine. A device compiles the same file: it needs 102 KB of flash for the weights, less than 1 KB
for the code, and 3.4 KB of RAM, most of it for the image.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import fastnet as fn
from fastnet.datasets import mnist

PROGRAM = """
#define DIGITS_DECLARATIONS_ONLY
#include "digits.c"
#include <stdio.h>
#include <time.h>

int main(void)
{
    static float image[DIGITS_INPUTS], output[DIGITS_OUTPUTS];
    FILE *images = fopen("images.bin", "rb"), *outputs = fopen("outputs.bin", "wb");
    clock_t ticks = 0;
    int count = 0;
    while (fread(image, sizeof image, 1, images) == 1) {
        const clock_t start = clock();
        digits_predict(image, output);
        ticks += clock() - start;
        fwrite(output, sizeof output, 1, outputs);
        ++count;
    }
    printf("%.1f us", 1e6 * (double)ticks / CLOCKS_PER_SEC / count);
    return fclose(outputs);
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cc", default="cc", help="the C compiler")
    compiler = parser.parse_args().cc
    (x, y), (x_test, y_test) = mnist.load_data()
    model = fn.Sequential(
        [
            fn.Rescaling(1 / 255, input_shape=(28, 28)),
            fn.Flatten(),
            fn.Dense(32, activation="relu"),
            fn.Dense(10, activation="softmax"),
        ],
        seed=0,
    )
    model.compile(fn.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=128, epochs=5, verbose=0)
    model.class_names = [str(digit) for digit in range(10)]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(model.to_c(folder / "digits.c", name="digits"))
        x_test.astype(np.float32).tofile(folder / "images.bin")
        (folder / "main.c").write_text(PROGRAM)
        command = [compiler, "-std=c99", "-Wall", "-Werror", "-Os", "main.c", "digits.c", "-o", "main", "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        time = subprocess.run([folder / "main"], cwd=folder, check=True, capture_output=True, text=True).stdout
        outputs = np.fromfile(folder / "outputs.bin", np.float32).reshape(-1, 10)
    print(f"test images, in C: {(outputs.argmax(axis=1) == y_test).mean():.2%}")
    print(f"largest difference from fastnet: {np.abs(outputs - model.predict(x_test)).max():.2g}")
    print(f"one prediction: {time}")


if __name__ == "__main__":
    main()
