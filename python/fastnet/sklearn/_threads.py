"""The number of threads of one estimator."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from fastnet.support.validation import check_integer


def limited_threads(n_threads: int | None) -> AbstractContextManager[Any]:
    """Limit the threads of what runs inside; None changes nothing.

    The limit is OpenMP's, which holds in the calling thread alone, so that estimators that train side by side do not change
    each other's.
    """
    if n_threads is None:
        return nullcontext()
    limit: AbstractContextManager[Any] = _openmp().limit(limits=check_integer("n_threads", n_threads))
    return limit


@cache
def _openmp() -> Any:
    """Return what sets the limits of the OpenMP libraries that are loaded; finding them takes a millisecond."""
    from threadpoolctl import ThreadpoolController  # scikit-learn needs it too

    return ThreadpoolController().select(user_api="openmp")
