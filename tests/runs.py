"""Short trainings that have everything that a checkpoint must keep, and the means to stop and to compare them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fastnet as fn
from fastnet.optimizers.base import optimizers
from fastnet.training.checkpoints import Checkpoints

if TYPE_CHECKING:
    import pytest

RNG = np.random.default_rng(0)
ROWS, BATCH, EPOCHS = 44, 10, 3  # 5 steps an epoch, the last one short
X = RNG.normal(size=(ROWS, 6)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)


class Killed(BaseException):
    """Training ends here, without a word to anyone."""


def plain() -> list[fn.layers.Layer]:
    return [fn.Dense(5, "tanh", input_shape=(6,)), fn.Dense(3, "softmax")]


LAYERS: dict[str, Callable[[], list[fn.layers.Layer]]] = {
    "dense": plain,
    "dropout": lambda: [
        fn.Dropout(0.2, input_shape=(6,)),
        fn.Dense(5, "relu"),
        fn.Dropout(0.3),
        fn.Dense(3, "softmax"),
    ],
    "noise": lambda: [fn.GaussianNoise(0.3, input_shape=(6,)), *plain()[1:]],
    "batch-norm": lambda: [fn.Dense(5, input_shape=(6,)), fn.BatchNormalization(), fn.ReLU(), fn.Dense(3, "softmax")],
    "layer-norm": lambda: [fn.Dense(5, input_shape=(6,)), fn.LayerNormalization(), fn.Dense(3, "softmax")],
    "prelu": lambda: [fn.Dense(5, input_shape=(6,)), fn.PReLU(), fn.Dense(3, "softmax")],
    "residual": lambda: [fn.Residual([fn.Dropout(0.2), fn.Dense(6, "gelu")], input_shape=(6,)), fn.Dense(3, "softmax")],
    "augmentation": lambda: [
        fn.Reshape((2, 3, 1), input_shape=(6,)),
        fn.RandomRotation(0.3),
        fn.RandomElasticTransform((1, 1), value_range=(-9, 9), alpha=1.0, sigma=0.5),
        fn.RandomFlip(),
        fn.Flatten(),
        *plain()[1:],
    ],
    "penalties": lambda: [fn.Dense(5, kernel_regularizer="l1l2", input_shape=(6,)), fn.Dense(3, "softmax")],
    "rescaling": lambda: [fn.Rescaling(0.5, 0.1, input_shape=(6,)), *plain()[1:]],
}


def quick(name: str) -> fn.optimizers.Optimizer:
    """An optimizer with ten times its default learning rate."""
    default = fn.optimizers.get(name)
    return type(default)(10 * default.learning_rate)


OPTIMIZERS: dict[str, Callable[[], fn.optimizers.Optimizer]] = {
    **{name: partial(quick, name) for name in optimizers.names},
    "momentum": lambda: fn.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: fn.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "amsgrad": lambda: fn.optimizers.Adam(0.01, amsgrad=True, clipvalue=0.1),
    "adamax": lambda: fn.optimizers.Adamax(0.01, clipnorm=0.1),
    "lion": lambda: fn.optimizers.Lion(0.01, global_clipnorm=0.1),
    "average": lambda: fn.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=4),
    "accumulation": lambda: fn.optimizers.Adam(0.01, gradient_accumulation_steps=3, use_ema=True),
    "schedule": lambda: fn.optimizers.SGD(fn.schedules.CosineDecay(0.2, 12, warmup_steps=3, warmup_target=0.3)),
    "accumulated-schedule": lambda: fn.optimizers.Adam(
        fn.schedules.ExponentialDecay(0.05, 2, 0.8), gradient_accumulation_steps=2
    ),
}


class Run:
    """A training that can be begun again and again.

    Parameters
    ----------
    layers, optimizer : str
        Keys of `LAYERS` and `OPTIMIZERS`; or a function that returns an optimizer.
    callbacks : function
        Returns fresh callbacks.
    data : function
        Returns fresh x and y.
    **fit
        More arguments of `fit`.
    """

    def __init__(
        self,
        layers: str = "dense",
        optimizer: str | Callable[[], fn.optimizers.Optimizer] = "adam",
        *,
        callbacks: Callable[[], list[fn.callbacks.Callback]] = list,
        data: Callable[[], tuple[Any, Any]] = lambda: (X, LABELS),
        validation: Callable[[], Any] | None = lambda: (X[:20], LABELS[:20]),
        loss: Any = "sparse_categorical_crossentropy",
        metrics: Callable[[], list[Any]] = lambda: ["accuracy"],
        seed: int | None = 0,
        dtype: str = "float32",
        **fit: Any,
    ) -> None:
        self.layers, self.optimizer, self.callbacks, self.data = layers, optimizer, callbacks, data
        self.validation, self.loss, self.metrics, self.seed, self.dtype = validation, loss, metrics, seed, dtype
        self.fit = {"batch_size": BATCH, "epochs": EPOCHS, **fit}

    def model(self) -> fn.Sequential:
        model = fn.Sequential(LAYERS[self.layers](), seed=self.seed, dtype=self.dtype)
        optimizer = OPTIMIZERS[self.optimizer]() if isinstance(self.optimizer, str) else self.optimizer()
        model.compile(optimizer, self.loss, metrics=self.metrics())
        return model

    def __call__(self, *backup: fn.callbacks.Callback) -> tuple[list[bytes], dict[str, list[float]]]:
        """Train, and return the weights and the history."""
        model = self.model()
        x, y = self.data()
        validation = None if self.validation is None else self.validation()
        history = model.fit(
            x, y, validation_data=validation, verbose=0, callbacks=[*self.callbacks(), *backup], **self.fit
        )
        return [array.tobytes() for array in model.get_weights()], repr(history.history)

    def in_pieces(self, folder: Path, monkeypatch: "pytest.MonkeyPatch", threads: Iterator[int], **backup: Any) -> Any:
        """Train, killed after every checkpoint, and return the result and the number of kills."""
        save = Checkpoints._save

        def save_and_die(self: Checkpoints, **keywords: Any) -> None:
            save(self, **keywords)
            self.wait()
            raise Killed

        monkeypatch.setattr(Checkpoints, "_save", save_and_die)
        before = fn.get_num_threads()
        try:
            for kills in range(1000):
                fn.set_num_threads(next(threads))
                try:
                    return self(fn.callbacks.BackupAndRestore(folder, **{"save_freq": 1, **backup})), kills
                except Killed:
                    pass
        finally:
            fn.set_num_threads(before)
        raise AssertionError("training does not get on")
