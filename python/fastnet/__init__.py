"""fastnet: dense and convolutional neural networks on the CPU, trained and run by a C++ core.

The names that Keras users know are here and in the modules of the same names: `Sequential` and the layers, and
`fastnet.models`, `layers`, `losses`, `optimizers`, `schedules`, `initializers`, `callbacks`, `utils`.
`fastnet.functional` has activations, losses and their gradients on NumPy arrays, `fastnet.datasets` reads data, and
`fastnet.metrics` evaluates predictions.
"""

from importlib import import_module
from typing import Any

from fastnet._core import __version__ as __version__


def _modules_of_names() -> dict[str, str]:
    """Return the module of every public name, from `__init__.pyi`, which type checkers read, too."""
    with open(f"{__path__[0]}/__init__.pyi", encoding="ascii") as stub:  # noqa: PTH123 - pathlib takes longer
        words = [line.split() for line in stub if line.startswith("from ")]  # from MODULE import NAME as NAME
    return {name: module for _, module, _, name, *_ in words}


_MODULES = _modules_of_names()
__all__ = list(_MODULES)


# Lazy imports: a command that only prints its help, or a server that only predicts, loads no more than it uses.
def __getattr__(name: str) -> Any:
    """Import the module that a name is or is in, and cache the name here."""
    module = _MODULES.get(name)
    if module is None:
        from fastnet.support.missing_names import error_for

        raise error_for("fastnet", name)
    found = import_module(f"fastnet.{name}") if module == "fastnet" else getattr(import_module(module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
