"""The folder of ``--run-dir``, with everything about one run."""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from fastnet.cli._arguments.config import option_name
from fastnet.cli._data import source_name
from fastnet.cli._output import as_document, note
from fastnet.cli._page import write_page
from fastnet.datasets import Dataset
from fastnet.files.atomic import atomic_write
from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel

__all__ = ["RunFolder"]

# Options for output are not recorded, so that a run repeated from its configuration replaces no file.
NOT_KEPT = {"run-dir", "out", "report", "checkpoint", "every", "keep", "resume", "quiet", "json"}


class RunFolder:
    """The folder of one run: ``config.json``, ``history.csv``, ``history.json``, ``model.safetensors``,
    ``report.json``, ``report.html``.

    Parameters
    ----------
    path : str
        The folder.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def create(self, *, resumes: bool = False) -> Self:
        """Create the folder, and return this object; with `resumes` it may contain files of the same run.

        Raises
        ------
        ValueError
            It is not empty: it probably belongs to another run.
        OSError
            It cannot be created.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise FileExistsError(f"--run-dir {self.path} is a file: name a folder for this run only") from None
        if not resumes and any(self.path.iterdir()):
            raise ValueError(f"--run-dir {self.path} is not empty: name a folder for this run only")
        return self

    @property
    def model(self) -> str:
        """The model file."""
        return str(self.path / "model.safetensors")

    def write_configuration(self, arguments: argparse.Namespace) -> None:
        """Write the options of the run, for use with ``--config``."""
        from fastnet.cli._arguments import make_parser

        _, parsers = make_parser()
        options = {
            name: getattr(arguments, action.dest)
            for action in parsers[arguments.command]._actions
            if (name := option_name(action)) and name not in NOT_KEPT
        }
        given = {name: value for name, value in options.items() if value is not None and value is not False}
        self._write("config.json", json.dumps({arguments.command: given}, indent=2))

    def write_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Write the figures of every epoch, as CSV and as JSON."""
        epochs = range(1, len(next(iter(history.values()), [])) + 1)
        self._write("history.json", json.dumps({"epoch": [*epochs], **history}, indent=2))
        with atomic_write(self.path / "history.csv", "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["epoch", *history])
            writer.writerows(zip(epochs, *history.values(), strict=True))

    def write_report(self, command: str, result: Mapping[str, Any]) -> None:
        """Write the JSON document of the command."""
        self._write("report.json", json.dumps(as_document(command, result), indent=2, allow_nan=False))

    def write_page(
        self, model: Sequential | QuantizedModel, data: Dataset, arguments: argparse.Namespace, history: Any = None
    ) -> None:
        """Write ``report.html`` about a model on labeled data, if the packages for it are installed."""
        page = self.path / "report.html"
        title = f"fastnet {arguments.command} {source_name(arguments.data)}: run {self.path.name}"
        try:
            write_page(page, model, data, title=title, source=arguments.data, history=history)
        except ImportError as error:
            note(f"no {page.name} was written: {error}", arguments.quiet)
        else:
            note(f"report written to {page}", arguments.quiet)

    def _write(self, name: str, text: str) -> None:
        with atomic_write(self.path / name, "w") as file:
            file.write(text + "\n")
