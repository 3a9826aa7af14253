"""Signals that come in the middle of something."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Interrupt:
    """Send Ctrl-C to this process from another thread, some time after `start`, and measure when the block ends."""

    def __init__(self, seconds: float) -> None:
        self.timer = threading.Timer(seconds, self.strike)
        self.start = self.timer.start
        self.sent = float("inf")

    def strike(self) -> None:
        self.sent = time.perf_counter()
        signal.raise_signal(signal.SIGINT)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.latency = time.perf_counter() - self.sent
        self.timer.cancel()


@contextmanager
def signals(handler: Callable[[], Any], every: float = 0.02) -> Iterator[None]:
    """Send Ctrl-C again and again while the block runs, and call `handler`, unless it is at work already."""
    over, at_work = threading.Event(), False

    def send() -> None:
        while not over.wait(every):
            signal.raise_signal(signal.SIGINT)

    def handle(number: int, frame: Any) -> None:
        nonlocal at_work
        if at_work or over.is_set():
            return
        at_work = True
        try:
            handler()
        finally:
            at_work = False

    before = signal.signal(signal.SIGINT, handle)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGINT, before)
