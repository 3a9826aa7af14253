"""The model files of a server: their names, what is in them, and whether they have changed."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fastnet.serialization import load_model
from fastnet.serve.served import Model, check_name

__all__ = ["Loaded", "ModelFile", "Signature", "model_files"]

_ATTEMPTS = 3

Signature = tuple[int, int, int, int]


class Loaded(NamedTuple):
    """A model, the SHA-256 of its file, and the signature that the file had."""

    model: Model
    sha256: str
    signature: Signature


class ModelFile(NamedTuple):
    """A file with a model that is served under a name.

    Attributes
    ----------
    name : str
        The name of the model.
    path : str
        The file.
    original : str
        The file that this one is a copy of; empty for an original. A copy is replaced as a whole, never written to.
    """

    name: str
    path: str
    original: str = ""

    @property
    def shown(self) -> str:
        """The path that the user knows."""
        return self.original or self.path

    def signature(self) -> Signature:
        """Return numbers that change when the file is written or replaced.

        Raises
        ------
        OSError
            There is no such file.
        """
        status = Path(self.path).stat()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def load(self, copy: Path | None = None) -> Loaded:
        """Load the model, and write the bytes that it was loaded from to a copy.

        Raises
        ------
        OSError
            The file cannot be read, or is being written all the time; or the copy cannot be written.
        ValueError
            It is not a model file.
        """
        for _ in range(_ATTEMPTS):
            before = self.signature() if Path(self.path).is_file() else None  # `load_model` explains why it is not one
            model = load_model(self.path, compile=False)
            with Path(self.path).open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                if copy is not None:
                    file.seek(0)
                    with copy.open("wb") as written:
                        shutil.copyfileobj(file, written)
            if before is not None and before == self.signature():
                return Loaded(model, sha256, before)
        raise OSError(f"{self.path} changes while it is read")


def model_files(arguments: Iterable[str]) -> list[ModelFile]:
    """Return the files that are given as ``PATH`` or ``NAME=PATH``; without a name, the path's last part gives it.

    Raises
    ------
    ValueError
        Two models have the same name, or a name does not fit into an address.
    """
    files = [_model_file(argument) for argument in arguments]
    by_name: dict[str, ModelFile] = {}
    for file in files:
        if (other := by_name.setdefault(file.name, file)) is not file:
            raise ValueError(
                f"the models {other.path} and {file.path} have the same name, {file.name}; give one as NAME=PATH"
            )
    return files


def _model_file(argument: str) -> ModelFile:
    name, separator, path = argument.partition("=")
    if separator and not os.path.exists(argument):  # noqa: PTH110 - of an embedded null character, Path raises an error
        return ModelFile(check_name(name), path)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(argument).stem).lstrip("._-")
    return ModelFile(plain[:64] or "model", argument)
