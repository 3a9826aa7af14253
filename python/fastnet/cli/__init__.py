"""The command ``fastnet``: train, evaluate, predict and others; `_arguments` defines their arguments.

The result goes to standard output, everything else to standard error. The exit status is 0; 1 for an error, which is
explained in one line; 2 for wrong usage; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from fastnet.cli._arguments import parse_arguments
from fastnet.cli._terminal import discard, guarded_output, styled
from fastnet.exceptions import DataFileWarning

__all__ = ["main"]

SIGINT = 2  # importing the module signal takes too long


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        The exit status.

    Examples
    --------
    >>> from fastnet.cli import main
    >>> main(["train", "--epochs", "1", "--quiet"])  # doctest: +ELLIPSIS
    Held-out accuracy: ...
    0
    """
    with guarded_output():
        try:
            status = _run(argv)
            print(end="", flush=True)
        except BrokenPipeError:  # the reader of our output has closed it
            discard(sys.stdout)
            return 0
        except KeyboardInterrupt as interrupt:  # before the command began
            return _interrupted(interrupt, SIGINT)
        except (OSError, ValueError, ImportError, NotImplementedError, MemoryError) as error:
            _say("error:", _explanation(error), "red")
            return 1
    return status


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = parse_arguments(argv)
    except SystemExit as stop:  # --help, --version and wrong usage
        return stop.code if isinstance(stop.code, int) else 2
    # Each command imports what it needs, so that --help stays fast.
    from fastnet.support.interrupts import InterruptHandler

    interrupts = InterruptHandler()
    try:
        with interrupts.installed():
            command = importlib.import_module(f"fastnet.cli.{arguments.command}")
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                # Such a warning explains the result, whatever PYTHONWARNINGS is.
                warnings.simplefilter("always", DataFileWarning)
                if getattr(arguments, "quiet", False):
                    warnings.simplefilter("ignore")
                status: int = command.run(arguments)
    except KeyboardInterrupt as interrupt:
        return _interrupted(interrupt, interrupts.received)
    return status


def _interrupted(interrupt: KeyboardInterrupt, number: int) -> int:
    _say("interrupted", str(interrupt), "yellow")
    return 128 + number


def _say(kind: str, text: str, color: str) -> None:
    print(f"fastnet: {styled(kind, color, sys.stderr)} {text}".rstrip(), file=sys.stderr, flush=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001 - the signature of warnings.showwarning
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    _say("warning:", " ".join(str(message).split()), "yellow")


def _explanation(error: BaseException) -> str:
    """Return the message of an error in one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = f"not enough memory ({error})" if str(error) else "not enough memory"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
