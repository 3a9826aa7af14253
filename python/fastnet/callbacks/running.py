"""The callbacks of one run."""

from collections.abc import Iterable
from typing import Any, Self

from fastnet.callbacks.backup import BackupAndRestore
from fastnet.callbacks.base import Callback
from fastnet.callbacks.history import History
from fastnet.callbacks.progress import ProgressBar
from fastnet.distributed.distribution import is_main
from fastnet.network.compiled import Compiled
from fastnet.support.validation import describe

# Callbacks without influence on the results of a run.
PASSIVE_CALLBACKS = (ProgressBar, History, BackupAndRestore)


class CallbackList:
    """The callbacks of one run, called in order."""

    def __init__(self, callbacks: Iterable[Callback], model: Compiled, params: dict[str, Any]) -> None:
        self._callbacks = list(callbacks)
        self._called = [callback for callback in self._callbacks if is_main() or not callback.rank_0_alone]
        for callback in self._callbacks:
            callback.set_params(params)
            callback.set_model(model)

    @classmethod
    def of(cls, callbacks: Any, model: Compiled, params: dict[str, Any]) -> Self:
        """Return the callbacks that a user gave: none, one or several."""
        return cls(_as_list(callbacks), model, params)

    @classmethod
    def for_fit(cls, callbacks: Any, model: Compiled, params: dict[str, Any], *, validates: bool) -> Self:
        """Return the callbacks that a user gave, the progress bar that `verbose` asks for, and the history."""
        found = _as_list(callbacks)
        shown = kept = False
        for callback in found:
            callback.validates = validates
            shown |= isinstance(callback, ProgressBar)
            kept |= isinstance(callback, History)
        if params["verbose"] and not shown:
            found.append(ProgressBar(bar=False if params["verbose"] == 2 else None))
        if not kept:
            found.append(History())
        return cls(found, model, params)

    @property
    def history(self) -> History:
        """The history among the callbacks of `fit`."""
        return next(callback for callback in self._callbacks if isinstance(callback, History))

    @property
    def names(self) -> list[str]:
        """The types of the callbacks, without those that only show, record and back up."""
        return [type(one).__name__ for one in self._callbacks if not isinstance(one, PASSIVE_CALLBACKS)]

    @property
    def backup(self) -> BackupAndRestore | None:
        """The callback that writes checkpoints, if there is one."""
        found = [callback for callback in self._callbacks if isinstance(callback, BackupAndRestore)]
        if len(found) > 1:
            raise ValueError(f"callbacks must contain at most one BackupAndRestore; got {len(found)}")
        return found[0] if found else None

    # --- Checkpoints ---

    @property
    def stateful(self) -> list[str]:
        """The classes of the callbacks with state in a checkpoint."""
        return [type(callback).__name__ for callback in self._callbacks if callback.has_state]

    def states(self) -> list[dict[str, Any]]:
        """Return the states of those callbacks."""
        return [callback.get_state() for callback in self._callbacks if callback.has_state]

    def set_states(self, states: Iterable[dict[str, Any]]) -> None:
        """Restore the states that `states` returned."""
        for callback, state in self._with_states(states):
            if callback.has_state:
                callback.set_state(state)

    def resume(self, states: Iterable[dict[str, Any]]) -> None:
        """Resume every callback; those with state get it back."""
        for callback, state in self._with_states(states):
            callback.on_train_resume(state)

    def _with_states(self, states: Iterable[dict[str, Any]]) -> list[tuple[Callback, dict[str, Any]]]:
        """Return the callbacks of this rank with their states, empty where they have none."""
        rest = iter(states)
        pairs = [(callback, next(rest) if callback.has_state else {}) for callback in self._callbacks]
        return [(callback, state) for callback, state in pairs if callback in self._called]

    # --- Hooks ---

    def call(self, hook: str, *arguments: Any) -> None:
        """Call one hook of every callback that runs on this rank."""
        for callback in self._called:
            getattr(callback, hook)(*arguments)

    def override(self, *hooks: str) -> bool:
        """Return whether any callback overrides one of `hooks`."""
        for callback in self._callbacks:
            kind, own = type(callback), vars(callback)
            for hook in hooks:
                if getattr(kind, hook) is not getattr(Callback, hook) or hook in own:
                    return True
        return False

    @property
    def see_test_batches(self) -> bool:
        """Whether any callback has hooks for the batches of an evaluation."""
        return self.override("on_test_batch_begin", "on_test_batch_end")


def _as_list(callbacks: Any) -> list[Callback]:
    """Return the callbacks that a user gave as a new list."""
    if callbacks is None:
        return []
    found = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in found:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must be objects of fastnet.callbacks.Callback; got {describe(callback)}")
    return found


def check_verbose(verbose: Any) -> int:
    """Return 0 for silence, 1 for a progress bar if possible, 2 for lines."""
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2; got {verbose!r}")
    return int(verbose)
