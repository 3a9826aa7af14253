"""What an estimator is measured at: units of work, made from a module with scikit-learn's estimators or fastnet's."""

import os
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .data import mnist, texts
from .estimator_cases import EPOCHS

GRID = {"hidden_layer_sizes": [(50,), (100,)], "alpha": [1e-4, 1e-2, 1.0], "learning_rate_init": [0.001, 0.01]}

Unit = Callable[[], Any]  # returns an estimator or predictions


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
    import joblib
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

    x, y = load_digits(return_X_y=True)
    model = module.MLPClassifier(max_iter=50, random_state=0)

    def search() -> Any:
        with joblib.parallel_config("loky", inner_max_num_threads=1):
            return GridSearchCV(model, GRID, cv=3, n_jobs=2).fit(x / 16, y)

    return search


UNITS = {
    "mnist64": mnist_epochs("float64"),
    "mnist32": mnist_epochs("float32"),
    "table": table_fit,
    "text": text_epoch,
    "mnist_row": mnist_row,
    "table_row": table_row,
    "grid": grid_search,
}


def facts(result: Any) -> dict[str, Any]:
    """Return what both sides must agree on."""
    if hasattr(result, "best_params_"):
        return {"score": float(result.best_score_), "settings": str(result.best_params_)}
    if hasattr(result, "loss_"):
        return {"loss": float(result.loss_), "epochs": int(result.n_iter_)}
    return {"predictions": result.tolist()}


def quiet() -> None:
    """Ignore the warning that so few epochs do not converge, also in the processes of a search."""
    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
