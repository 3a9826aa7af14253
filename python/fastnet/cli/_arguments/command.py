"""The description of a command for the parser, and arguments that several commands share."""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from fastnet.cli._arguments.types import DECIMALS, column, decimal, integer, separator
from fastnet.support.text import did_you_mean

__all__ = [
    "Command",
    "Container",
    "Parser",
    "add_data",
    "add_dialect",
    "add_flag",
    "add_json",
    "add_model",
    "add_quiet",
    "add_run_dir",
    "add_table",
    "add_threads",
]

Container = argparse._ActionsContainer  # a parser or a group of its arguments

DATA_HELP = (
    "digits, mnist or fashion_mnist; or a path: a folder of IDX files, a .csv, .csv.gz or .csv.zip with a header, "
    "a .npz, a .parquet; a folder of x*.npy and y*.npy or of .parquet files, which stay on the disk; or - for standard "
    "input"
)
THAT_OF_TRAINING = "that of training, or "


class Parser(argparse.ArgumentParser):
    """Parser with one-line errors that suggest the closest match."""

    def error(self, message: str) -> NoReturn:
        """Print an error and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        wrong = f"got {value!r}{did_you_mean(value, choices)}"
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"the command must be one of {', '.join(choices)}; {wrong}")
        raise argparse.ArgumentError(action, f"must be one of {', '.join(choices)}; {wrong}")


class Command(NamedTuple):
    """One command, run by the function `run` of the module of its name in `fastnet.cli`.

    Attributes
    ----------
    summary : str
        Its line in the list of commands.
    description : str
        The description in its own help.
    examples : tuple of (str, str)
        Arguments, and an explanation or "".
    add_arguments : callable
        Adds its arguments to a parser.
    check : callable, optional
        Calls ``parser.error`` if arguments do not go together.
    """

    summary: str
    description: str
    examples: tuple[tuple[str, str], ...]
    add_arguments: Callable[[Parser], None]
    check: Callable[[Parser, argparse.Namespace], None] | None = None


def add_flag(container: Container, name: str, help: str) -> None:
    """Add an option without a value; `--no-NAME` overrides a configuration file that sets it."""
    dest = name.removeprefix("--").replace("-", "_")
    container.add_argument(name, dest=dest, action="store_true", help=help)
    container.add_argument(f"--no-{name.removeprefix('--')}", dest=dest, action="store_false", help=argparse.SUPPRESS)


def add_json(container: Container) -> None:
    """Add ``--json``."""
    add_flag(container, "--json", help="print the result as one JSON document")


def add_quiet(container: Container) -> None:
    """Add ``--quiet``."""
    add_flag(container, "--quiet", help="no progress, messages or warnings, only the result in short")


def add_run_dir(container: Container, what: str) -> None:
    """Add ``--run-dir``."""
    container.add_argument("--run-dir", metavar="DIR", help=f"write {what} to this folder, which must be new or empty")


def add_threads(container: Container, help: str = "number of threads (default: the available cores)") -> None:
    """Add ``--threads``."""
    container.add_argument("--threads", type=integer(1), metavar="N", help=help)


def add_model(container: Container, help: str = "a model file that fastnet wrote") -> None:
    """Add the positional argument MODEL."""
    container.add_argument("model", metavar="MODEL", help=help)


def add_data(container: Container) -> None:
    """Add the positional argument DATA and the options of its table, for a model that may remember them."""
    container.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_table(container, remembered=True)


def add_table(container: Container, *, remembered: bool = False) -> None:
    """Add the options on how to read a table; a model may remember their values as defaults."""
    container.add_argument(
        "--target",
        type=column,
        default=None if remembered else "label",
        metavar="COLUMN",
        help="the column of DATA that holds the label: its name, or its index from 0 "
        f"(default: {THAT_OF_TRAINING * remembered}label; without a header, the first)",
    )
    container.add_argument(
        "--id",
        metavar="COLUMN",
        help="a column of DATA that names the rows and is not a feature"
        + " (default: that of training); given to predict, its values come before the predictions" * remembered,
    )
    add_dialect(container, remembered=remembered)


def add_dialect(container: Container, *, remembered: bool) -> None:
    """Add ``--separator`` and ``--decimal``."""
    container.add_argument(
        "--separator",
        type=separator,
        metavar="CHAR",
        help="the separator of the cells of a CSV file: , ; | tab, or ' ' for any run of white space "
        f"(default: {THAT_OF_TRAINING * remembered}a comma; a tab for .tsv)",
    )
    container.add_argument(
        "--decimal",
        type=decimal,
        choices=DECIMALS,
        metavar="CHAR",
        help=f"the decimal sign of numbers: . or , (default: {THAT_OF_TRAINING * remembered}a point)",
    )
