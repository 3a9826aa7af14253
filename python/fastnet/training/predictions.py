"""Predictions for samples that come in parts, with callbacks."""

from collections.abc import Callable, Iterable
from typing import Any

from numpy.typing import NDArray

from fastnet.callbacks.running import CallbackList
from fastnet.training.figures import batches

__all__ = ["predict_parts"]

_BATCH_HOOKS = ("on_predict_batch_begin", "on_predict_batch_end")


def predict_parts(
    predict: Callable[[Any], NDArray[Any]],
    parts: Iterable[Any],
    batch_size: int,
    callbacks: CallbackList,
    outputs: NDArray[Any],
) -> NDArray[Any]:
    """Write the outputs for parts of whole batches one after the other, and return them.

    Where a callback wants to know of batches, they are computed one by one.
    """
    callbacks.call("on_predict_begin", {})
    by_batch = callbacks.override(*_BATCH_HOOKS)
    at = batch = 0
    for part in parts:
        for start, stop in batches(len(part), batch_size if by_batch else max(len(part), 1)):
            callbacks.call("on_predict_batch_begin", batch, {})
            found = predict(part[start:stop])
            outputs[at : at + len(found)] = found
            callbacks.call("on_predict_batch_end", batch, {"outputs": found})
            at, batch = at + len(found), batch + 1
        del part  # before the next one is read
    callbacks.call("on_predict_end", {})
    return outputs
