"""Signals that interrupt a program: Ctrl-C, and signals that are treated like it."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

__all__ = ["InterruptHandler", "handled", "handlers", "interrupts_held"]

# Windows has no SIGHUP.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class InterruptHandler:
    """A signal handler that raises KeyboardInterrupt, as Python's own handler of Ctrl-C does.

    Attributes
    ----------
    received : int
        The last signal; SIGINT if Python's own handler received it.
    """

    def __init__(self) -> None:
        self.received: int = signal.SIGINT

    def __call__(self, number: int, frame: Any) -> NoReturn:
        del frame
        self.received = number
        raise KeyboardInterrupt

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals that would end the process; ignored ones, as under nohup, stay ignored."""
        with handled([number for number, handler in handlers().items() if handler is signal.SIG_DFL], self):
            yield


@contextmanager
def interrupts_held(note: Callable[[], None]) -> Iterator[None]:
    """Call `note` instead of raising KeyboardInterrupt at the first signal; the next one raises."""
    held = {
        number: handler
        for number, handler in handlers().items()
        if handler is signal.default_int_handler or isinstance(handler, InterruptHandler)
    }

    def put_back() -> None:
        for number, handler in held.items():
            signal.signal(number, handler)

    def hold(number: int, frame: Any) -> None:
        del frame
        put_back()
        if isinstance(handler := held[number], InterruptHandler):
            handler.received = number
        note()

    with handled(held, hold):
        yield


def handlers() -> dict[int, Any]:
    """Return the interrupting signals and their handlers; none outside the main thread, which alone may change them."""
    in_main = threading.current_thread() is threading.main_thread()
    return {number: signal.getsignal(number) for number in _SIGNALS} if in_main else {}


@contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, Any], Any]) -> Iterator[None]:
    """Handle signals, and restore their handlers afterwards."""
    before: dict[int, Any] = {}
    try:
        for number in numbers:
            before[number] = signal.getsignal(number)  # first: another signal may raise between these two lines
            signal.signal(number, handler)
        yield
    finally:
        for number, other in before.items():
            signal.signal(number, other)
