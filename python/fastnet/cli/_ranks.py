"""The ranks of ``fastnet train --distributed``: the first one prints and writes, the others only train."""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from fastnet.distributed.distribution import Distribution, distribute

__all__ = ["distributed"]


@contextmanager
def distributed(arguments: argparse.Namespace) -> Iterator[Distribution | None]:
    """Distribute training if the arguments ask for it; the other ranks print nothing, not even their errors."""
    if not arguments.distributed:
        yield None
        return
    ranks = distribute(arguments.shards) if arguments.shards else distribute()
    ranks.tracebacks = False
    arguments.shards = ranks.shards  # which the receipt records
    try:
        with ranks, warnings.catch_warnings():
            if ranks.rank:
                arguments.quiet = True
                warnings.showwarning = lambda *_, **__: None
            yield ranks
    except (Exception, KeyboardInterrupt):  # on all ranks, or they would have been ended
        if ranks.rank:
            raise SystemExit(1) from None
        raise
