"""The process of scikit-learn's estimators or of fastnet's: the cases that benchmarks.estimators measures.

usage: python -m benchmarks.estimator_cases {fastnet,sklearn} THREADS

{"prepare": CASE}   makes its data ready and takes one unit; answers what both sides must agree on
{"measure": ROUND}  takes a unit; answers the seconds
"""

import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .data import mnist, texts

MODULES = {"fastnet": "fastnet.sklearn", "sklearn": "sklearn.neural_network"}
GRID = {"hidden_layer_sizes": [(50,), (100,)], "alpha": [1e-4, 1e-2, 1.0], "learning_rate_init": [0.001, 0.01]}

EPOCHS = 5  # of a fit on MNIST: an epoch is a fifth of it

Unit = Callable[[], Any]


class Case(NamedTuple):
    title: str
    make: Callable[
        [ModuleType], Unit
    ]  # from the module with the estimators; a unit returns an estimator or predictions
    repeats: int = 1  # of a unit
    parts: int = 1  # of a unit's time, of which one is reported
    by_jobs: bool = False  # in processes of its own, each of them with the one thread that suits as many processors
    aim: float = 0.0
    tolerance: float = 1e-6  # of losses and scores; scikit-learn's own differ as much with the number of threads


def table() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import make_classification

    return make_classification(1000, 20, random_state=0)


def images(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = mnist()[:2]
    return x.astype(dtype) / np.dtype(dtype).type(255), y


def mnist_epochs(dtype: str) -> Callable[[ModuleType], Unit]:
    def make(module: ModuleType) -> Unit:
        x, y = images(dtype)
        return lambda: module.MLPClassifier(max_iter=EPOCHS, random_state=0).fit(x, y)

    return make


def table_fit(module: ModuleType) -> Unit:
    x, y = table()
    return lambda: module.MLPClassifier(random_state=0).fit(x, y)


def text_epoch(module: ModuleType) -> Unit:
    x, y = texts(20_000, 50_000, 20, words=50)
    x = x.astype(np.float64)
    return lambda: module.MLPClassifier(max_iter=1, random_state=0).fit(x, y)


def mnist_row(module: ModuleType) -> Unit:
    x, y = images("float64")
    model, row = module.MLPClassifier(max_iter=1, random_state=0).fit(x[:10_000], y[:10_000]), x[-1:].copy()
    return lambda: model.predict(row)


def table_row(module: ModuleType) -> Unit:
    x, y = table()
    model, row = module.MLPClassifier(max_iter=10, random_state=0).fit(x, y), x[-1:].copy()
    return lambda: model.predict(row)


def grid_search(module: ModuleType) -> Unit:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

    x, y = load_digits(return_X_y=True)
    model = module.MLPClassifier(max_iter=50, random_state=0)
    return lambda: GridSearchCV(model, GRID, cv=3, n_jobs=2).fit(x / 16, y)


CASES = {
    "mnist64": Case("MNIST, 60,000 x 784 of float64: an epoch of 5", mnist_epochs("float64"), parts=EPOCHS, aim=5),
    "mnist32": Case(
        "MNIST, 60,000 x 784 of float32: an epoch of 5", mnist_epochs("float32"), parts=EPOCHS, aim=5, tolerance=1e-3
    ),
    "table": Case("table, 1,000 x 20, two classes: `fit`, 200 epochs", table_fit, aim=10),
    "text": Case("sparse texts, 20,000 x 50,000, 0.1% dense, 20 classes: an epoch", text_epoch, aim=5),
    "mnist_row": Case("`predict` of one row of MNIST", mnist_row, repeats=300, aim=5),
    "table_row": Case("`predict` of one row of the table", table_row, repeats=300, aim=5),
    "grid": Case("digits: `GridSearchCV(n_jobs=2)` over 12 settings", grid_search, by_jobs=True, aim=1),
}


def facts(result: Any) -> dict[str, Any]:
    """Return what both sides must agree on."""
    if hasattr(result, "best_params_"):
        return {"score": float(result.best_score_), "settings": str(result.best_params_)}
    if hasattr(result, "loss_"):
        return {"loss": float(result.loss_), "epochs": int(result.n_iter_)}
    return {"predictions": result.tolist()}


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[2])
    warnings.simplefilter("ignore")  # that one epoch is too few to converge
    os.environ["PYTHONWARNINGS"] = "ignore"  # nor in the processes of a search
    module = importlib.import_module(MODULES[name])
    if name == "fastnet":
        import fastnet

        fastnet.set_num_threads(threads)
    package = importlib.import_module(name)
    print(json.dumps({"version": f"{'scikit-learn' if name == 'sklearn' else name} {package.__version__}"}), flush=True)
    unit, case = None, None
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            case = CASES[request["prepare"]]
            unit = None  # the arrays of the case before are let go
            unit = case.make(module)
            answer = facts(unit())
        else:
            start = time.perf_counter()
            for _ in range(case.repeats):
                unit()
            answer = {"seconds": (time.perf_counter() - start) / case.repeats / case.parts}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
