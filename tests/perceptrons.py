"""Multilayer perceptrons of a size for tests, and their weights as one vector."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.sklearn import MLPClassifier, MLPRegressor

QUICK: dict[str, Any] = {
    "hidden_layer_sizes": (16,),
    "max_iter": 30,
    "learning_rate_init": 0.02,
    "random_state": 0,
    "batch_size": 32,
}


def classifier(**parameters: Any) -> MLPClassifier:
    return MLPClassifier(**{**QUICK, **parameters})


def regressor(**parameters: Any) -> MLPRegressor:
    return MLPRegressor(**{**QUICK, **parameters})


def weights_of(model: Any) -> NDArray[Any]:
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])
