"""What runs: instruction set, threads, versions."""

import platform
from typing import Any

import numpy as np

from fastnet import _core
from fastnet._validation import check_choice, check_integer


def get_num_threads() -> int:
    """Return the number of threads that fastnet uses at most.

    It is what `set_num_threads` was given, else the smallest of the processors that the process may run on, the quota of
    its cgroup, and the environment variable OMP_NUM_THREADS. Small work uses fewer.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Set the number of threads that fastnet uses at most. Results do not depend on it.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    ValueError
        `n` is less than 1.

    Examples
    --------
    >>> import fastnet as fn
    >>> before = fn.get_num_threads()
    >>> fn.set_num_threads(1)
    >>> fn.get_num_threads()
    1
    >>> fn.set_num_threads(before)
    """
    _core.set_num_threads(check_integer("n", n))


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Print what fastnet runs on, or return it.

    Parameters
    ----------
    mode : {"stdout", "dict", "dicts"}, default "stdout"
        "dict" (or NumPy's "dicts") returns a dictionary instead of printing.

    Returns
    -------
    dict or None
        "version"; "isa", the instruction set in use, and "available_isas", those that this machine can run (the environment
        variable FASTNET_ISA chooses one); "num_threads" and "num_threads_source", what decided it; "compiler"; "openmp", its
        date; "numpy" and "python", their versions.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.show_config(mode="dict")["isa"] in ("baseline", "avx2", "avx512", "neon")
    True
    """
    check_choice("mode", mode, ("stdout", "dict", "dicts"))
    config = {
        "version": _core.__version__,
        **_core.build_config(),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    if mode != "stdout":
        return config
    for name, value in config.items():
        print(f"{name + ':':20}{', '.join(value) if isinstance(value, list) else value}")
    return None
