"""Configuration: versions, instruction set, threads."""

import platform
from typing import Any, Literal, overload

import numpy as np

from fastnet._core import __version__, build_config
from fastnet._core import get_num_threads as _core_get_num_threads
from fastnet._core import set_num_threads as _core_set_num_threads
from fastnet.support.validation import check_choice, check_integer

LARGEST_THREADS = 2**31 - 1  # an int in the core


def set_num_threads(n: int) -> None:
    """Set the maximum number of threads of a computation. Results do not depend on it.

    Parameters
    ----------
    n : int
        At least 1. Small computations use fewer threads, down to one.

    Examples
    --------
    >>> import fastnet as fn
    >>> before = fn.get_num_threads()
    >>> fn.set_num_threads(1)
    >>> fn.get_num_threads()
    1
    >>> fn.set_num_threads(before)
    """
    _core_set_num_threads(check_integer("n", n, maximum=LARGEST_THREADS))


def get_num_threads() -> int:
    """Return the maximum number of threads of a computation.

    `show_config` names its source: `set_num_threads`, the processors available to the process, its cgroup's quota,
    OMP_NUM_THREADS or threadpoolctl.
    """
    return _core_get_num_threads()


@overload
def show_config(mode: None = None) -> None: ...
@overload
def show_config(mode: Literal["dict"]) -> dict[str, Any]: ...
def show_config(mode: Literal["dict"] | None = None) -> dict[str, Any] | None:
    """Print the configuration: versions, instruction set, threads and compiler.

    Parameters
    ----------
    mode : {None, "dict"}, default None
        None prints, "dict" returns a dictionary instead.

    Returns
    -------
    dict or None
        The keys "version", "isa" (the instruction set in use), "available_isas", "bfloat16" ("native" if the
        processor's instructions for it are used, else "emulated", with the same bits), "amx" (Intel's tiles: "absent",
        "unused" by this build or instruction set, "used", or "refused" by the system), "num_threads",
        "num_threads_source" (the limit that determined it), "compiler", "openmp", "numpy", "python" and "platform".

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.show_config(mode="dict")["version"] == fn.__version__
    True
    """
    config = {
        "version": __version__,
        **build_config(),
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
