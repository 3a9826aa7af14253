"""What layers with a kernel have in common: a bias, an activation, initializers and regularizers."""

from collections.abc import Sequence
from typing import Any, ClassVar

from fastnet import initializers, regularizers
from fastnet.initializers import Initializer
from fastnet.layers.activation import activation_of
from fastnet.layers.base import Layer
from fastnet.layers.functions import ActivationFunction
from fastnet.regularizers import Regularizer
from fastnet.support.validation import check_bool


class KernelLayer(Layer):
    """A layer that multiplies by one kernel or by two, adds a bias and applies an activation.

    Parameters
    ----------
    activation, use_bias
        See `Dense`.
    own : sequence of (initializer, regularizer)
        Those of every weight, in the order of `weight_prefixes`.
    keywords : dict
        The arguments of `Layer`.
    """

    # Of each weight, what the names of the arguments for its initializer and its regularizer begin with.
    weight_prefixes: ClassVar[dict[str, str]] = {"kernel": "kernel", "bias": "bias"}
    keras_defaults: ClassVar[dict[str, Any]] = {
        **Layer.keras_defaults,
        "kernel_constraint": None,
        "bias_constraint": None,
        "lora_rank": None,
        "lora_alpha": None,
    }
    activation: ActivationFunction
    use_bias: bool
    bias_initializer: Initializer
    bias_regularizer: Regularizer | None

    def __init__(
        self, activation: Any, use_bias: bool, own: Sequence[tuple[Any, Any]], keywords: dict[str, Any]
    ) -> None:
        super().__init__(**keywords)
        self.activation = activation_of(activation)
        self.use_bias = check_bool("use_bias", use_bias)
        for prefix, (initializer, regularizer) in zip(self.weight_prefixes.values(), own, strict=True):
            setattr(self, f"{prefix}_initializer", initializers.get(initializer))
            setattr(self, f"{prefix}_regularizer", regularizers.get(regularizer))

    @property
    def flops_per_output(self) -> int:
        """The operations for each output after the products: one for the bias, and one for the activation."""
        return self.use_bias + (self.activation.name != "linear")

    def initializer(self, weight_name: str) -> Initializer:
        initializer: Initializer = getattr(self, f"{self.weight_prefixes[weight_name]}_initializer")
        return initializer

    def regularizer(self, weight_name: str) -> Regularizer | None:
        regularizer: Regularizer | None = getattr(self, f"{self.weight_prefixes[weight_name]}_regularizer")
        return regularizer

    def get_config(self) -> dict[str, Any]:
        given = {name: self.regularizer(name) for name in self.weight_prefixes}
        return {
            "activation": self.activation.config,
            "use_bias": self.use_bias,
            **{
                f"{prefix}_initializer": initializers.serialize(self.initializer(name))
                for name, prefix in self.weight_prefixes.items()
            },
            **{
                f"{self.weight_prefixes[name]}_regularizer": regularizers.serialize(regularizer)
                for name, regularizer in given.items()
                if regularizer is not None
            },
            **super().get_config(),
        }
