"""Orthogonalized momentum for matrices."""

from collections.abc import Iterable, Sequence
from typing import Any

from fastnet.optimizers.base import LearningRate, Optimizer, checked_patterns, has_match, optimizers
from fastnet.support.validation import check_bool, check_integer, check_number

__all__ = ["Muon"]


@optimizers.add("muon")
class Muon(Optimizer):
    """The momentum of every kernel brought to singular values near 1; `AdamW` for the other weights: Jordan et al. (2024).

    With the gradient g of a batch at the kernel w, as in Keras::

        m = momentum * m + g
        u = g + momentum * m  # m, unless nesterov
        w = w - learning_rate * rms_rate * sqrt(max(w.shape)) * orthogonal(u)

    where orthogonal(u) takes `ns_steps` steps of a Newton-Schulz iteration of degree 5.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        The size of a step.
    adam_beta_1, adam_beta_2, epsilon : float, default 0.9, 0.999 and 1e-7
        Those of the Adam that the other weights get.
    weight_decay : float, default 0.004
        The share of all weights, times the learning rate, that a step takes out.
    exclude_layers : list of str, optional
        Regular expressions; kernels of layers whose names they match are left to Adam, as one does with the last layer.
        The kernel of a layer in a model or a block has a path such as "base/0.dense.kernel".
    adam_lr_ratio : float, default 1.0
        What the learning rate is multiplied by for Adam.
    momentum : float, default 0.95
        How much of the momentum the next step keeps, in [0, 1).
    ns_steps : int, default 5
        The number of steps of the iteration.
    nesterov : bool, default True
        Whether to look ahead along the step.
    rms_rate : float, default 0.2
        The size of a step of one value, as Adam's: Liu et al. (2025), arXiv:2502.16982.
    name : str, default "muon"
        Optional name.
    **keywords
        See `Optimizer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(64, "relu", input_shape=(784,)), fn.Dense(10, "softmax", name="last")])
    >>> model.compile(fn.optimizers.Muon(0.002, exclude_layers=["last"]), "sparse_categorical_crossentropy")
    """

    core_name = "muon"
    adam_beta_1: float
    adam_beta_2: float
    epsilon: float
    adam_lr_ratio: float
    momentum: float
    nesterov: bool
    ns_steps: int
    rms_rate: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float = 0.2,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        self.exclude_layers = checked_patterns("exclude_layers", exclude_layers)
        fixed = {
            "adam_beta_1": check_number("adam_beta_1", adam_beta_1, minimum=0.0, below=1.0),
            "adam_beta_2": check_number("adam_beta_2", adam_beta_2, minimum=0.0, below=1.0),
            "epsilon": check_number("epsilon", epsilon, minimum=0.0),
            "adam_lr_ratio": check_number("adam_lr_ratio", adam_lr_ratio, minimum=0.0),
            "momentum": check_number("momentum", momentum, minimum=0.0, below=1.0),
            "nesterov": check_bool("nesterov", nesterov),
            "ns_steps": check_integer("ns_steps", ns_steps, maximum=100),
            "rms_rate": check_number("rms_rate", rms_rate, minimum=0.0),
        }
        decay = check_number("weight_decay", weight_decay, minimum=0.0)
        super().__init__(learning_rate, name, fixed, {**keywords, "weight_decay": decay})

    def core_options(self, arrays: Iterable[tuple[str, int, tuple[int, ...]]]) -> dict[str, Any]:
        """Return the options for the compiled core, with the kernels that are orthogonalized."""
        arrays = list(arrays)
        chosen = [
            offset for path, offset, shape in arrays if len(shape) == 2 and not has_match(self.exclude_layers, path)
        ]
        return {**super().core_options(arrays), "matrices": chosen}

    def get_config(self) -> dict[str, Any]:
        own = {"exclude_layers": list(self.exclude_layers), "weight_decay": self.options.weight_decay}
        return {**super().get_config(), **own}
