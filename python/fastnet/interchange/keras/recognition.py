"""Telling files of Keras from others, without what reads them: every loading of a model asks."""

import os

from fastnet.interchange.hdf5.source import SIGNATURE

__all__ = ["ZIP_SIGNATURE", "is_keras_file"]

ZIP_SIGNATURE = b"PK\x03\x04"


def is_keras_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is one that Keras writes, by its first bytes: a zip archive or HDF5."""
    path = os.fspath(path)  # a number would be taken for an open file
    if not os.path.isfile(path):  # noqa: PTH113 - pathlib takes longer to import than this module
        return False
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(8).startswith((ZIP_SIGNATURE, SIGNATURE))
