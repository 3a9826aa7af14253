"""The folder with the checkpoints of one run: finding the newest, deleting old ones."""

import errno
import os
import warnings
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fastnet.files.atomic import remove_leftovers
from fastnet.files.checkpoint_file import Contents, DamagedError, read_checkpoint, write_checkpoint

__all__ = ["CheckpointFolder"]

_BEST = "-best"  # suffix of the checkpoint of the best epoch


class CheckpointFolder:
    """Files named ``checkpoint-<epochs done>-<steps of the next>.safetensors``, which sort by their age.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder.
    keep : int
        The number of latest checkpoints to keep, in addition to the best one.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int) -> None:
        self._folder = Path(folder)
        self._keep = keep

    def make(self) -> None:
        """Create the folder if it is missing.

        Raises
        ------
        OSError
            It cannot be created or written to.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self._folder, os.W_OK):
            raise PermissionError(errno.EACCES, "checkpoints cannot be written to it", str(self._folder))

    def paths(self) -> list[Path]:
        """Return the checkpoints, the oldest first."""
        return sorted(self._folder.glob("checkpoint-*.safetensors"), key=lambda path: path.name.replace(_BEST, ""))

    def newest(self) -> tuple[Path, dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Return the newest intact checkpoint, or None without checkpoints; remove leftover temporary files.

        Raises
        ------
        ValueError
            No checkpoint is intact, or the newest one has another format version.
        """
        remove_leftovers(self._folder)
        paths = self.paths()
        for path in reversed(paths):
            try:
                return (path, *read_checkpoint(path))
            except DamagedError as error:
                if path == paths[0]:
                    raise ValueError(f"{error}; no checkpoint in {self._folder} is intact") from error
                warnings.warn(f"{error}: resuming from the checkpoint before it", stacklevel=2)
        return None

    def write(self, contents: Contents, epoch: int, steps: int, *, best: bool) -> None:
        """Write a checkpoint and delete old ones; with `best` it replaces the previous best one."""
        path = self._folder / f"checkpoint-{epoch:06d}-{steps:09d}{_BEST if best else ''}.safetensors"
        write_checkpoint(path, contents)
        paths = self.paths()
        older, newer = paths[: paths.index(path)], paths[paths.index(path) + 1 :]  # newer ones are damaged
        marked = [old for old in older if not best and old.stem.endswith(_BEST)]
        last = older[len(older) - self._keep + 1 :] if self._keep <= len(older) else older
        for other in (*older, *newer):
            if other not in (*last, *marked[-1:]):
                other.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete all checkpoints, and the folder if it is empty then."""
        for path in self.paths():
            path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()
