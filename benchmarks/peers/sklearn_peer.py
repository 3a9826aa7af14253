"""scikit-learn's MLPClassifier with the case's settings and without its penalty; `partial_fit` is an epoch."""

from collections.abc import Callable

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from ..cases import Prediction, Training
from ..data import Samples, Weights
from . import base

Array = np.ndarray


def set_weights(model: MLPClassifier, weights: Weights) -> None:
    model.coefs_ = [weight.copy() for weight in weights[0::2]]
    model.intercepts_ = [weight.copy() for weight in weights[1::2]]


class Trainer(base.Trainer):
    def __init__(self, case: Training, data: Samples) -> None:
        if case.one_cycle:
            raise NotImplementedError
        self.case, self.x, self.y = case, data.x, data.y
        self.classes = np.arange(max(case.sizes[-1], 2))
        self.model = MLPClassifier(
            case.sizes[1:-1],
            activation="relu" if case.hidden == "relu" else "logistic",
            solver=case.optimizer,
            alpha=0.0,
            batch_size=case.batch,
            learning_rate_init=case.learning_rate,
            momentum=case.momentum,
            nesterovs_momentum=False,
            n_iter_no_change=10**9,
        )

    def reset(self, weights: Weights) -> None:
        if not hasattr(self.model, "coefs_"):  # the first call makes what a model has beside its weights
            self.model.partial_fit(self.x[: self.case.batch], self.y[: self.case.batch], classes=self.classes)
        set_weights(self.model, weights)
        del self.model._optimizer

    def epoch(self, shuffle: bool) -> None:
        self.model.shuffle = shuffle
        self.model.partial_fit(self.x, self.y)

    def weights(self) -> Weights:
        return [weight for pair in zip(self.model.coefs_, self.model.intercepts_, strict=True) for weight in pair]


class Library(base.Library):
    statement = "import sklearn.neural_network"
    sparse = True
    slow_steps = True
    estimators = "sklearn.neural_network"

    def version(self) -> str:
        return f"scikit-learn {sklearn.__version__}"

    def trainer(self, case: Training, data: Samples) -> Trainer:
        if case.sizes[-1] == 2:  # for two classes its network has one output
            raise NotImplementedError
        return Trainer(case, data)

    def predictor(self, case: Prediction, weights: Weights, x: Array) -> Callable[[], Array]:
        if case.sizes[-1] == 2:  # for two classes its network has one output
            raise NotImplementedError
        model = MLPClassifier(case.sizes[1:-1], max_iter=1)
        classes = np.arange(case.sizes[-1])
        model.partial_fit(np.zeros((len(classes), case.sizes[0]), np.float32), classes, classes=classes)
        set_weights(model, weights)
        return lambda: model.predict_proba(x)
