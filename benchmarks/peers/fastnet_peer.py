"""fastnet through its public interface, as its users write it."""

from collections.abc import Callable

import numpy as np

import fastnet as fn

from ..cases import INTEGERS, ZEROS_SKIPPED, Gemm, Prediction, Training
from ..data import Samples, Weights
from ..image_cases import Convolution, Dense, Dropout, Flatten, ImagePrediction, ImageTraining, Network, Pooling
from ..table_cases import Table
from ..tables_as_read import read
from . import base

Array = np.ndarray

# The dtype of the model for each form of a case.
FORMS = {
    "": "float32",
    "uint8 pixels": "float32",
    ZEROS_SKIPPED: "float32",
    "bfloat16": "mixed_bfloat16",
    INTEGERS: "float32",  # before it is quantized
}


def make_model(sizes: tuple[int, ...], hidden: str, form: str = "") -> fn.Sequential:
    model = fn.Sequential([fn.Input((sizes[0],))], seed=0, dtype=FORMS[form])
    if form == "uint8 pixels":
        model.add(fn.Rescaling(1 / 255))
    for units in sizes[1:-1]:
        model.add(fn.Dense(units, activation=hidden))
    model.add(fn.Dense(sizes[-1], activation="softmax" if sizes[-1] > 1 else "sigmoid"))
    return model


def make_image_model(network: Network, first: tuple[fn.layers.Layer, ...] = ()) -> fn.Sequential:
    model = fn.Sequential([fn.Input(network.shape), *first], seed=0)
    for layer in network.layers:
        activation = "softmax" if layer is network.layers[-1] else "relu"
        match layer:
            case Convolution(filters, size, same):
                model.add(fn.layers.Conv2D(filters, size, padding="same" if same else "valid", activation=activation))
            case Pooling(size):
                model.add(fn.layers.MaxPooling2D(size))
            case Flatten():
                model.add(fn.layers.Flatten())
            case Dropout(rate):
                model.add(fn.layers.Dropout(rate))
            case Dense(units):
                model.add(fn.layers.Dense(units, activation=activation))
    return model


class Trainer(base.Trainer):
    def __init__(self, case: Training, data: Samples) -> None:
        self.case, self.x, self.y = case, data.x, data.y
        self.model = self.make_model()
        self.loss = "sparse_categorical_crossentropy" if case.sizes[-1] > 1 else "binary_crossentropy"

    def make_model(self) -> fn.Sequential:
        case = self.case
        model = make_model(case.sizes, case.hidden, case.form)
        # Other libraries multiply the zeros of images, too. There is no public name for that.
        model._network.set_input_form("automatic" if case.skips_zeros else "dense")
        return model

    def optimizer(self) -> fn.optimizers.Optimizer:
        rate = self.case.learning_rate
        if self.case.one_cycle:
            if not hasattr(fn, "schedules"):
                raise NotImplementedError
            rate = fn.schedules.OneCycle(rate, self.case.epochs * self.case.steps, self.case.rise)
        if self.case.optimizer == "adam":
            return fn.optimizers.Adam(rate, epsilon=1e-8)
        return fn.optimizers.SGD(rate, momentum=self.case.momentum)

    def reset(self, weights: Weights) -> None:
        self.model.compile(self.optimizer(), self.loss)
        self.model.set_weights(weights)

    def epoch(self, shuffle: bool) -> None:
        self.train(1, shuffle)

    def train(self, epochs: int, shuffle: bool) -> None:
        self.model.fit(self.x, self.y, batch_size=self.case.batch, epochs=epochs, shuffle=shuffle, verbose=0)

    def weights(self) -> Weights:
        return self.model.get_weights()


class ImageTrainer(Trainer):
    case: ImageTraining

    def make_model(self) -> fn.Sequential:
        return make_image_model(self.case.network, (fn.Rescaling(1 / 255),))


class Library(base.Library):
    statement = "import fastnet; fastnet.Sequential"  # what an import leaves for later is counted, too
    forms = tuple(FORMS)
    sparse = True
    estimators = "fastnet.sklearn"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        fn.set_num_threads(threads)

    def version(self) -> str:
        config = fn.show_config(mode="dict")
        return f"fastnet {config['version']} ({config['isa']} kernels, {config['compiler']})"

    def gemm(self, case: Gemm, a: Array, b: Array) -> tuple[Callable[[], object], Callable[[], Array]]:
        ta, tb = (letter == "T" for letter in case.transpose)
        out = np.empty((case.m, case.n), np.float32)
        gemm = fn.gemm
        return lambda: gemm(a, b, transpose_a=ta, transpose_b=tb, out=out), lambda: out

    def trainer(self, case: Training, data: Samples) -> Trainer:
        return Trainer(case, data)

    def predictor(self, case: Prediction, weights: Weights, x: Array) -> Callable[[], Array]:
        model = make_model(case.sizes, "relu")
        model.set_weights(weights)
        if case.form == INTEGERS:
            model = model.quantize(x[:256])
        return lambda: model(x)

    def image_trainer(self, case: ImageTraining, data: Samples) -> Trainer:
        return ImageTrainer(case, data)

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: Array) -> Callable[[], Array]:
        model = make_image_model(case.network)
        model.set_weights(weights)
        return lambda: model(x)

    def fit(self, case: Table) -> Callable[[], object]:
        (x, y), unit = read(case.data), case.unit
        if unit.estimator:
            from fastnet.sklearn import MLPClassifier

            options = {"solver": "sgd", "batch_size": unit.batch, "max_iter": unit.epochs, "random_state": 0}
            return lambda: MLPClassifier((10,), **options).fit(x, y)

        def fit() -> None:
            model = make_model((x.shape[1], 10, 10), "relu")
            model.compile(fn.optimizers.SGD(1e-4, momentum=0.9), "sparse_categorical_crossentropy")
            model.fit(x, y, unit.batch, unit.epochs, verbose=0)

        return fit
