"""Adam and its kin."""

from typing import Any

from fastnet.optimizers.base import LearningRate, Optimizer, optimizers
from fastnet.support.validation import check_bool, check_number

__all__ = ["Adam", "AdamW", "Adamax", "Lion", "Nadam"]


@optimizers.add("adam")
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
    amsgrad : bool, default False
        Whether the largest v so far takes the place of v: Reddi, Kale and Kumar (2018).
    name : str, default "adam"
        Optional name.
    **keywords
        See `Optimizer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.optimizers.get("adam")
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, name='adam')
    """

    core_name = "adam"
    default_name = "adam"
    beta_1: float
    beta_2: float
    epsilon: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        self.amsgrad = check_bool("amsgrad", amsgrad)
        if self.amsgrad:
            self.core_name = "adam_amsgrad"  # type: ignore[misc]
        fixed = {
            "beta_1": check_number("beta_1", beta_1, minimum=0.0, below=1.0),
            "beta_2": check_number("beta_2", beta_2, minimum=0.0, below=1.0),
            "epsilon": check_number("epsilon", epsilon, minimum=0.0),
        }
        super().__init__(learning_rate, name or self.default_name, fixed, keywords)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **({"amsgrad": True} if self.amsgrad else {})}


@optimizers.add("adamw")
class AdamW(Adam):
    """`Adam` with weight decay that is not scaled by the gradients: Loshchilov and Hutter (2019), arXiv:1711.05101.

    Every step takes ``learning_rate * weight_decay * w`` out of the weights w, biases included, before that of `Adam`.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        The size of a step.
    weight_decay : float, default 0.004
        The share of the weights, times the learning rate, that a step takes out.
    beta_1, beta_2, epsilon, amsgrad, name, **keywords
        See `Adam`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(10, activation="softmax", input_shape=(784,))])
    >>> model.compile(fn.optimizers.AdamW(0.002, weight_decay=0.01), "sparse_categorical_crossentropy")
    """

    default_name = "adamw"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        decay = check_number("weight_decay", weight_decay, minimum=0.0)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, name=name, weight_decay=decay, **keywords)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight_decay": self.options.weight_decay}


class _Moments(Optimizer):
    """An optimizer with the hyperparameters of Adam."""

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


@optimizers.add("adamax")
class Adamax(_Moments):
    """`Adam` with the largest magnitude of past gradients: Kingma and Ba (2015), section 7.1.

    With the gradient g of batch t at the weights w::

        m = beta_1 * m + (1 - beta_1) * g
        u = max(beta_2 * u, abs(g))
        w = w - learning_rate / (1 - beta_1**t) * m / (u + epsilon)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, name, **keywords
        See `Adam`.
    """

    core_name = "adamax"


@optimizers.add("nadam")
class Nadam(_Moments):
    """`Adam` with Nesterov's momentum: Dozat (2016), as in Keras.

    With the gradient g of batch t at the weights w, ``u(t) = beta_1 * (1 - 0.96**t / 2)`` and U(t) the product of
    u(1) to u(t)::

        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        ahead = u(t + 1) * m / (1 - U(t + 1)) + (1 - u(t)) * g / (1 - U(t))
        w = w - learning_rate * ahead / (sqrt(v / (1 - beta_2**t)) + epsilon)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, name, **keywords
        See `Adam`.
    """

    core_name = "nadam"


@optimizers.add("lion")
class Lion(Optimizer):
    """Steps of one size, in the direction of the momentum's sign: Chen et al. (2023), arXiv:2302.06675.

    With the gradient g of a batch at the weights w::

        w = w - learning_rate * sign(beta_1 * m + (1 - beta_1) * g)
        m = beta_2 * m + (1 - beta_2) * g

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        The size of a step; the paper takes a third to a tenth of Adam's.
    beta_1, beta_2 : float, default 0.9 and 0.99
        See above, in [0, 1).
    name : str, default "lion"
        Optional name.
    **keywords
        See `Optimizer`.
    """

    core_name = "lion"
    beta_1: float
    beta_2: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        *,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        fixed = {
            "beta_1": check_number("beta_1", beta_1, minimum=0.0, below=1.0),
            "beta_2": check_number("beta_2", beta_2, minimum=0.0, below=1.0),
        }
        super().__init__(learning_rate, name, fixed, keywords)
