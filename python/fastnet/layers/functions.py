"""The activation of a layer: which function, and its parameter."""

from typing import Any, NamedTuple

from fastnet import activations, functional
from fastnet._core import activation_names
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.support.missing_names import instead_of
from fastnet.support.text import did_you_mean
from fastnet.support.validation import describe, unsupported

_ALIASES = {facts.alias: name for name, facts in ACTIVATIONS.items() if facts.alias}

# The activations with a parameter: its name, and what the activation's name alone stands for in a layer.
_PARAMETERS = {name: facts.parameter for name, facts in ACTIVATIONS.items() if facts.parameter}


class ActivationFunction(NamedTuple):
    """An activation as the compiled core knows it; `alpha` is the parameter of those that have one."""

    name: str
    alpha: float = 0.0

    @property
    def description(self) -> dict[str, Any]:
        """What the compiled core takes."""
        return {"activation": self.name, "alpha": self.alpha}

    @property
    def config(self) -> str | dict[str, Any]:
        """What `get_activation` makes this object from again: the name, where that says everything."""
        parameter, default = _PARAMETERS.get(self.name, ("", self.alpha))
        return self.name if self.alpha == default else {"name": self.name, parameter: self.alpha}


def with_parameter(name: str, value: Any) -> ActivationFunction:
    """Return an activation whose parameter is `value`, which must not be negative."""
    return ActivationFunction(name, ACTIVATIONS[name].checked(value))


def get_activation(identifier: Any) -> ActivationFunction:
    """Return the activation for a name, None, a function of `fastnet.functional` or a configuration."""
    if identifier is None:
        return ActivationFunction("linear")
    if isinstance(identifier, ActivationFunction):
        return identifier
    if isinstance(identifier, dict):
        return _from_config(identifier)
    name = identifier if isinstance(identifier, str) else getattr(identifier, "__name__", "")
    name = _ALIASES.get(name, name)
    known = activation_names()
    own = identifier is getattr(functional, name, None)
    if name in known and (isinstance(identifier, str) or own or identifier is getattr(activations, name, None)):
        if name not in _PARAMETERS:
            return ActivationFunction(name)
        _, default = _PARAMETERS[name]
        return with_parameter(name, identifier.__defaults__[0] if own else default)
    if callable(identifier) or (name and instead_of("functional", name, [*known, *_ALIASES])):
        raise unsupported(f"the activation {identifier!r} is not available")
    accepted = ", ".join(map(repr, sorted([*known, *_ALIASES])))
    if isinstance(identifier, str):
        raise ValueError(
            f"activation must be one of {accepted}; got {identifier!r}{did_you_mean(identifier, [*known, *_ALIASES])}"
        )
    raise TypeError(
        f"activation must be None, a function of fastnet.functional or one of {accepted}; got {describe(identifier)}"
    )


def _from_config(config: dict[str, Any]) -> ActivationFunction:
    """Return the activation whose `config` is a dictionary."""
    name = config.get("name")
    parameter, _ = _PARAMETERS.get(name, ("", 0.0)) if isinstance(name, str) else ("", 0.0)
    if config.keys() != {"name", parameter}:
        accepted = " or ".join(
            f"{{'name': {name!r}, {parameter!r}: a number}}" for name, (parameter, _) in _PARAMETERS.items()
        )
        raise ValueError(f"the configuration of an activation must be {accepted}; got {describe(config)}")
    return with_parameter(str(name), config[parameter])
