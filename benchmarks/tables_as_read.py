"""fastnet on pixels in the forms in which people have them, side by side with contiguous uint8.

usage: python -m benchmarks.tables_as_read [THREADS]

Prints a table of milliseconds: a network of 784-10-10 and momentum on 41,000 rows of whole numbers as `fit` takes them, a
full batch and batches of 128, the first epoch included, and `MLPClassifier`. The forms are measured in turn, round by round;
a figure is the median of the rounds and, in brackets, the median ratio to contiguous uint8 within a round. No peer takes part.
"""

import importlib
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastnet as fn

ROWS, COLUMNS, ROUNDS, EPOCHS = 41_000, 784, 5, 5


def pixels() -> np.ndarray:
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (ROWS, COLUMNS), np.uint8)
    values[random.random((ROWS, COLUMNS), np.float32) < 0.8] = 0
    return values


def forms(values: np.ndarray) -> dict[str, Any]:
    """Return the pixels as they are after reading the Kaggle CSV, labels first and 1,000 rows for testing, and as others have them."""
    names = [f"pixel{number}" for number in range(COLUMNS)]
    csv = np.zeros((ROWS + 1000, COLUMNS + 1), np.int64, order="F")
    csv[1000:, 1:] = values
    made: dict[str, Any] = {
        "contiguous uint8": values,
        "contiguous float32": values.astype(np.float32),
        "np.array(pd.read_csv(...))[1000:, 1:]": csv[1000:, 1:],
        "np.loadtxt(...): float64": values.astype(np.float64),
        "contiguous int64": values.astype(np.int64),
    }
    for library in ("pandas", "polars"):
        try:
            module = importlib.import_module(library)
        except ImportError:
            continue
        made[f"a DataFrame of {library} {module.__version__}"] = module.DataFrame(
            dict(zip(names, csv[1000:, 1:].T, strict=True))
        )
    return made


def fit(x: Any, y: np.ndarray, batch_size: int, epochs: int) -> None:
    model = fn.Sequential([fn.Dense(10, "relu", input_shape=(COLUMNS,)), fn.Dense(10, "softmax")], seed=0)
    model.compile(fn.optimizers.SGD(1e-4, momentum=0.9), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size, epochs, verbose=0)


def classifier(x: Any, y: np.ndarray) -> None:
    from fastnet.sklearn import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MLPClassifier((10,), solver="sgd", batch_size=128, max_iter=EPOCHS, random_state=0).fit(x, y)


UNITS: dict[str, tuple[Callable[[Any, np.ndarray], None], int]] = {
    "full batch, 1 epoch": (lambda x, y: fit(x, y, ROWS, 1), 1),
    f"full batch, an epoch of {EPOCHS}": (lambda x, y: fit(x, y, ROWS, EPOCHS), EPOCHS),
    "batches of 128, 1 epoch": (lambda x, y: fit(x, y, 128, 1), 1),
    f"batches of 128, an epoch of {EPOCHS}": (lambda x, y: fit(x, y, 128, EPOCHS), EPOCHS),
    f"MLPClassifier, an epoch of {EPOCHS}": (classifier, EPOCHS),
}


def seconds(unit: Callable[[Any, np.ndarray], None], x: Any, y: np.ndarray) -> float:
    started = time.perf_counter()
    unit(x, y)
    return time.perf_counter() - started


def main() -> None:
    fn.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    samples = forms(pixels())
    labels = np.random.default_rng(1).integers(0, 10, ROWS)
    figures = [
        [{form: seconds(unit, x, labels) / epochs for form, x in samples.items()} for _ in range(ROUNDS)]
        for unit, epochs in UNITS.values()
    ]
    print("| x | " + " | ".join(UNITS) + " |\n| --- |" + " ---: |" * len(UNITS))
    for form in samples:
        cells = []
        for rounds in figures:
            ratio = statistics.median(times[form] / times["contiguous uint8"] for times in rounds)
            cells.append(f"{1e3 * statistics.median(times[form] for times in rounds):.1f} ({ratio:.2f})")
        print(f"| {form} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
