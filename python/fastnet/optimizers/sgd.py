"""Gradient descent."""

from typing import Any

from fastnet.optimizers.base import LearningRate, Optimizer, optimizers
from fastnet.support.validation import check_bool, check_number

__all__ = ["SGD"]


@optimizers.add("sgd")
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum on request.

    With the gradient g of a batch at the weights w::

        g = g + weight_decay * w
        v = momentum * v + learning_rate * (1 - dampening) * g
        w = w - v

    and with `nesterov` the last line is ``w = w - (momentum * v + learning_rate * (1 - dampening) * g)``. As in Keras, and
    unlike in PyTorch, a new learning rate holds for new gradients, not for those that v has already.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.01
        The size of a step; see `fastnet.schedules` for one that changes with every batch.
    momentum : float, default 0.0
        How much of the last step the next one keeps, in [0, 1].
    nesterov : bool, default False
        Look ahead along the step: Sutskever et al. (2013).
    dampening : float, default 0.0
        The share of the gradient that is left out, in [0, 1]. ``dampening=momentum`` makes v the learning rate times
        the moving average of the gradients that many lectures call momentum; ``SGD(lr, b, dampening=b)`` takes the same steps as
        ``SGD(lr * (1 - b), b)``. PyTorch has this parameter; Keras does not.
    weight_decay : float, optional
        Added to the gradient times the weights, biases included: the gradient of ``weight_decay / 2 * sum(w**2)``,
        as in PyTorch. Keras subtracts the decay from the weights in addition to the step, which is the same without momentum.
    name : str, default "sgd"
        Optional name.
    **keywords
        See `Optimizer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.optimizers.SGD(0.4, momentum=0.9)
    SGD(learning_rate=0.4, momentum=0.9, nesterov=False, dampening=0.0, weight_decay=0.0, name='sgd')
    """

    core_name = "sgd"
    decays_beside = False
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
            "momentum": check_number("momentum", momentum, minimum=0.0, maximum=1.0),
            "nesterov": check_bool("nesterov", nesterov),
            "dampening": check_number("dampening", dampening, minimum=0.0, maximum=1.0),
            "weight_decay": check_number("weight_decay", 0.0 if weight_decay is None else weight_decay, minimum=0.0),
        }
        super().__init__(learning_rate, name, fixed, keywords)
