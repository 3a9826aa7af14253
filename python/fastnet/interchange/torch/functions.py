"""The activations that the modules of PyTorch stand for."""

from collections.abc import Callable, Mapping
from typing import Any

from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.torch.calls import calls_in_code
from fastnet.layers.functions import ActivationFunction, with_parameter

__all__ = ["FUNCTIONS"]


def _functions() -> dict[str, Callable[[Mapping[str, Any]], ActivationFunction]]:
    """Return what makes an activation of a module's arguments, by the module's class."""
    known: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    unlike_others = 0.4375  # tells the argument that is the parameter, whose name may be another in PyTorch
    for name, facts in ACTIVATIONS.items():
        if facts.torch:
            (call,) = calls_in_code(f"Sequential({facts.torch.format(alpha=unlike_others)})")
            arguments = {key: value for key, value in call.arguments.items() if key != "inplace"}
            known.setdefault(call.kind, []).append((name, arguments))

    def maker(candidates: list[tuple[str, dict[str, Any]]]) -> Callable[[Mapping[str, Any]], ActivationFunction]:
        def make(arguments: Mapping[str, Any]) -> ActivationFunction:
            for name, own in candidates:
                parameter = next((key for key, value in own.items() if value == unlike_others), None)
                if all(own[key] == value for key, value in arguments.items() if key != parameter):
                    return ActivationFunction(name) if parameter is None else with_parameter(name, arguments[parameter])
            given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
            raise NotImplementedError(f"{given} is not available")

        return make

    return {kind: maker(candidates) for kind, candidates in known.items()} | {
        "ReLU6": lambda _: with_parameter("relu6", 6.0)
    }


FUNCTIONS = _functions()
