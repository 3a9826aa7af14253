"""Rules that change the weights by the gradients, with Keras's names and defaults, from the simplest on.

An optimizer is a set of hyperparameters; the compiled core does the arithmetic and holds the moving averages.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnet import schedules
from fastnet._registry import Configurable, Registry
from fastnet._validation import check_bool, check_number, describe, reject_keywords, unsupported
from fastnet.schedules import LearningRateSchedule

__all__ = ["SGD", "Adam", "Optimizer", "RMSprop", "deserialize", "get", "schedules", "serialize"]

LearningRate = float | LearningRateSchedule

_KERAS_DEFAULTS = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "amsgrad": False,
}


class Optimizer(Configurable):
    """The base of all optimizers.

    The learning rate may be set at any time and holds from the next batch on. The other hyperparameters are fixed.
    """

    core_name: ClassVar[str]
    name: str

    def __init__(
        self, learning_rate: LearningRate, name: str | None, hyperparameters: dict[str, float], keywords: dict[str, Any]
    ) -> None:
        reject_keywords(type(self).__name__, keywords, _KERAS_DEFAULTS)
        self._learning_rate = _checked_learning_rate(learning_rate)
        self._iterations = 0
        self.name = self.core_name if name is None else name
        vars(self).update(hyperparameters)
        self._fixed = tuple(hyperparameters)

    def __setattr__(self, attribute: str, value: Any) -> None:
        if attribute in vars(self).get("_fixed", ()):
            raise AttributeError(
                f"{attribute} of {type(self).__name__} is fixed; only learning_rate can change after construction"
            )
        super().__setattr__(attribute, value)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next batch: with a schedule, the schedule's value at `iterations`.

        It may be set to a number when it is one, and to a schedule.
        """
        rates = self.learning_rates(1)
        return rates if isinstance(rates, float) else float(rates[0])

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        rate = _checked_learning_rate(value)
        if self.scheduled and not isinstance(rate, LearningRateSchedule):
            raise TypeError(
                f"learning_rate of this {type(self).__name__} follows {type(self._learning_rate).__name__}, so only a "
                f"schedule can take its place; got {describe(value)}"
            )
        self._learning_rate = rate

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate follows a schedule."""
        return isinstance(self._learning_rate, LearningRateSchedule)

    @property
    def iterations(self) -> int:
        """The number of batches since the model was compiled. `fit` counts them."""
        return self._iterations

    def learning_rates(self, steps: int) -> float | NDArray[np.float64]:
        """Return the learning rate of each of the next `steps` batches, or the one of all of them."""
        rate = self._learning_rate
        return (
            schedules.learning_rates(rate, self.iterations, steps) if isinstance(rate, LearningRateSchedule) else rate
        )

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The numbers that the compiled core takes."""
        return {name: float(getattr(self, name)) for name in ("learning_rate", *self._fixed)}

    def get_config(self) -> dict[str, Any]:
        rate = self._learning_rate
        return {
            "learning_rate": schedules.serialize(rate) if isinstance(rate, LearningRateSchedule) else rate,
            **{name: getattr(self, name) for name in (*self._fixed, "name")},
        }


def _checked_learning_rate(value: Any) -> LearningRate:
    if isinstance(value, LearningRateSchedule | dict):
        return schedules.get(value)
    if callable(value):
        raise unsupported(f"learning_rate must be a number or a schedule of fastnet.schedules; got {describe(value)}")
    return check_number("learning_rate", value, minimum=0.0)


_optimizers = Registry(
    "optimizer",
    Optimizer,
    keras_only=[
        *["adadelta", "adafactor", "adagrad", "adamax", "adamw", "ftrl", "lamb", "lion", "muon", "nadam"],
        *["Adadelta", "Adafactor", "Adagrad", "Adamax", "AdamW", "Ftrl", "Lamb", "Lion", "Muon", "Nadam"],
    ],
)
get = _optimizers.get
serialize = _optimizers.serialize
deserialize = _optimizers.deserialize


@_optimizers.add("sgd")
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum on request.

    With the gradient g of a batch at the weights w::

        g = g + weight_decay * w
        v = momentum * v + (1 - dampening) * g
        w = w - learning_rate * v

    and with `nesterov` the last line is ``w = w - learning_rate * ((1 - dampening) * g + momentum * v)``.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.01
        The size of a step; see `fastnet.schedules` for one that changes with every batch.
    momentum : float, default 0.0
        How much of the last step the next one keeps, in [0, 1).
    nesterov : bool, default False
        Look ahead along the step: Sutskever et al. (2013).
    dampening : float, default 0.0
        The share of the gradient that is left out, in [0, 1]. ``dampening=momentum`` makes v the moving average of
        the gradients that many lectures call momentum; ``SGD(lr, b, dampening=b)`` takes the same steps as
        ``SGD(lr * (1 - b), b)``. PyTorch has this parameter; Keras does not.
    weight_decay : float, optional
        Added to the gradient times the weights, biases included: the gradient of ``weight_decay / 2 * sum(w**2)``,
        as in PyTorch. Keras takes the decay out of the weights beside the step, which is the same without momentum.
    name : str, default "sgd"
        A name of your own.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.optimizers.SGD(0.4, momentum=0.9)
    SGD(learning_rate=0.4, momentum=0.9, nesterov=False, dampening=0.0, weight_decay=0.0, name='sgd')
    """

    core_name = "sgd"
    momentum: float
    nesterov: bool
    dampening: float
    weight_decay: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        dampening: float = 0.0,
        weight_decay: float | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        fixed = {
            "momentum": check_number("momentum", momentum, minimum=0.0, below=1.0),
            "nesterov": check_bool("nesterov", nesterov),
            "dampening": check_number("dampening", dampening, minimum=0.0, maximum=1.0),
            "weight_decay": check_number("weight_decay", 0.0 if weight_decay is None else weight_decay, minimum=0.0),
        }
        super().__init__(learning_rate, name, fixed, keywords)


@_optimizers.add("rmsprop")
class RMSprop(Optimizer):
    """Steps divided by the root of a moving average of the squared gradient: Tieleman and Hinton (2012).

    With the gradient g of a batch at the weights w, as in Keras::

        v = rho * v + (1 - rho) * g**2
        s = momentum * s + learning_rate * g / sqrt(v + epsilon)
        w = w - s

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        The size of a step; see `fastnet.schedules` for one that changes with every batch.
    rho : float, default 0.9
        How slowly the average of the squared gradient moves, in [0, 1).
    momentum : float, default 0.0
        How much of the last step the next one keeps, in [0, 1).
    epsilon : float, default 1e-7
        Keeps the division finite.
    centered : bool, default False
        Only False is available.
    name : str, default "rmsprop"
        A name of your own.
    """

    core_name = "rmsprop"
    rho: float
    momentum: float
    epsilon: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        if check_bool("centered", centered):
            raise unsupported("RMSprop(centered=True) is not available")
        fixed = {
            "rho": check_number("rho", rho, minimum=0.0, below=1.0),
            "momentum": check_number("momentum", momentum, minimum=0.0, below=1.0),
            "epsilon": check_number("epsilon", epsilon, minimum=0.0),
        }
        super().__init__(learning_rate, name, fixed, keywords)


@_optimizers.add("adam")
class Adam(Optimizer):
    """Moving averages of the gradient and of its square: Kingma and Ba (2015), arXiv:1412.6980.

    With the gradient g of batch t = 1, 2, ... at the weights w, as in Keras::

        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        w = w - learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        The size of a step; see `fastnet.schedules` for one that changes with every batch.
    beta_1, beta_2 : float, default 0.9 and 0.999
        How slowly the averages of the gradient and of its square move, in [0, 1).
    epsilon : float, default 1e-7
        Keeps the division finite. PyTorch and scikit-learn use 1e-8.
    name : str, default "adam"
        A name of your own.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.optimizers.get("adam")
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, name='adam')
    """

    core_name = "adam"
    beta_1: float
    beta_2: float
    epsilon: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        fixed = {
            "beta_1": check_number("beta_1", beta_1, minimum=0.0, below=1.0),
            "beta_2": check_number("beta_2", beta_2, minimum=0.0, below=1.0),
            "epsilon": check_number("epsilon", epsilon, minimum=0.0),
        }
        super().__init__(learning_rate, name, fixed, keywords)
