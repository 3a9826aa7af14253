"""What is running: versions, instruction set, threads."""

import platform
from typing import Any, Literal, overload

import numpy as np

from fastnet import _core
from fastnet._validation import check_choice


@overload
def show_config(mode: None = None) -> None: ...
@overload
def show_config(mode: Literal["dict"]) -> dict[str, Any]: ...
def show_config(mode: Literal["dict"] | None = None) -> dict[str, Any] | None:
    """Print what fastnet runs on: versions, instruction set, threads and compiler.

    Parameters
    ----------
    mode : {None, "dict"}, default None
        None prints, "dict" returns a dictionary instead.

    Returns
    -------
    dict or None
        The keys "version", "isa" (the instruction set in use), "available_isas", "num_threads", "num_threads_source"
        (the limit that decided the number), "compiler", "openmp", "numpy", "python" and "platform".

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.show_config(mode="dict")["version"] == fn.__version__
    True
    """
    config = {
        "version": _core.__version__,
        **_core.build_config(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    if mode is not None:
        check_choice("mode", mode, ["dict"])
        return config
    for name, value in config.items():
        text = ", ".join(value) if isinstance(value, list) else value
        print(f"{name:<20}{text}")
    return None
