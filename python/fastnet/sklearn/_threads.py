"""The number of threads of one estimator."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from fastnet.support.validation import check_integer


def limited_threads(n_threads: int | None) -> AbstractContextManager[Any]:
    """Limit the number of threads in a block; None changes nothing.

    The limit of OpenMP applies only to the calling thread, so that estimators that train concurrently do not affect
    each other.
    """
    if n_threads is None:
        return nullcontext()
    limit: AbstractContextManager[Any] = _openmp().limit(limits=check_integer("n_threads", n_threads))
    return limit


@cache
def _openmp() -> Any:
    """Return the controller of the loaded OpenMP libraries; finding them takes a millisecond."""
    from threadpoolctl import ThreadpoolController  # scikit-learn needs it too

    return ThreadpoolController().select(user_api="openmp")
