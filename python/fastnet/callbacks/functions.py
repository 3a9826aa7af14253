"""Callbacks made of functions."""

from collections.abc import Callable
from typing import Any

from fastnet.callbacks.base import Callback, Logs
from fastnet.support.validation import unexpected_keyword


class LambdaCallback(Callback):
    """Callback that calls the given functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable(epoch, logs), optional
    on_train_begin, on_train_end : callable(logs), optional
    on_train_batch_begin, on_train_batch_end : callable(batch, logs), optional
        See `Callback`.
    **hooks : callable, optional
        Any other hook of `Callback`, by name.

    Examples
    --------
    >>> import fastnet as fn
    >>> report = fn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
        **hooks: Callable[..., Any] | None,
    ) -> None:
        super().__init__()
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if not (name.startswith("on_") and hasattr(Callback, name)):
                raise unexpected_keyword(type(self), name, [hook for hook in dir(Callback) if hook.startswith("on_")])
            if function is not None:
                setattr(self, name, function)
