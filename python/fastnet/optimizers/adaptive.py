"""Steps by the size of past gradients."""

from typing import Any

from fastnet.optimizers.base import LearningRate, Optimizer, optimizers
from fastnet.support.validation import check_bool, check_number

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


@optimizers.add("rmsprop")
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
        Whether the variance of the gradient takes the place of its mean square: Graves (2013), arXiv:1308.0850.
    name : str, default "rmsprop"
        Optional name.
    **keywords
        See `Optimizer`.
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
        self.centered = check_bool("centered", centered)
        if self.centered:
            self.core_name = "rmsprop_centered"  # type: ignore[misc]
        fixed = {
            "rho": check_number("rho", rho, minimum=0.0, below=1.0),
            "momentum": check_number("momentum", momentum, minimum=0.0, below=1.0),
            "epsilon": check_number("epsilon", epsilon, minimum=0.0),
        }
        super().__init__(learning_rate, name or "rmsprop", fixed, keywords)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **({"centered": True} if self.centered else {})}


@optimizers.add("adagrad")
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients: Duchi, Hazan and Singer (2011).

    With the gradient g of a batch at the weights w, as in Keras, v starting at `initial_accumulator_value`::

        v = v + g**2
        w = w - learning_rate * g / sqrt(v + epsilon)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        The size of a step; see `fastnet.schedules` for one that changes with every batch.
    initial_accumulator_value : float, default 0.1
        What the sum starts at.
    epsilon : float, default 1e-7
        Keeps the division finite.
    name : str, default "adagrad"
        Optional name.
    **keywords
        See `Optimizer`.
    """

    core_name = "adagrad"
    initial_accumulator_value: float
    epsilon: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        fixed = {
            "initial_accumulator_value": check_number(
                "initial_accumulator_value", initial_accumulator_value, minimum=0.0
            ),
            "epsilon": check_number("epsilon", epsilon, minimum=0.0),
        }
        super().__init__(learning_rate, name, fixed, keywords)


@optimizers.add("adadelta")
class Adadelta(Optimizer):
    """Steps in the unit of the weights, by moving averages of squared gradients and steps: Zeiler (2012), arXiv:1212.5701.

    With the gradient g of a batch at the weights w::

        v = rho * v + (1 - rho) * g**2
        d = g * sqrt(u + epsilon) / sqrt(v + epsilon)
        u = rho * u + (1 - rho) * d**2
        w = w - learning_rate * d

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        The size of a step; the paper has 1.
    rho : float, default 0.95
        How slowly the averages move, in [0, 1).
    epsilon : float, default 1e-7
        Keeps the division finite.
    name : str, default "adadelta"
        Optional name.
    **keywords
        See `Optimizer`.
    """

    core_name = "adadelta"
    rho: float
    epsilon: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        *,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        fixed = {
            "rho": check_number("rho", rho, minimum=0.0, below=1.0),
            "epsilon": check_number("epsilon", epsilon, minimum=0.0),
        }
        super().__init__(learning_rate, name, fixed, keywords)
