"""Copies of the model files as they were last loaded, for workers.

A worker that starts later must answer as the others do, whatever has become of the file since. The copies are in a
folder for temporary files, which the system may clean. So they stay open, and are written again where they are gone.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from fastnet.serve.metrics import Metrics
from fastnet.serve.model_files import Loaded, ModelFile
from fastnet.serve.reloading import FileReloader
from fastnet.serve.served import ServedModel

__all__ = ["CopyReloader", "copy_of"]


def copy_of(file: ModelFile, index: int, folder: Path) -> ModelFile:
    """Return the copy of a file in a folder; its suffix says the format."""
    return ModelFile(file.name, str(folder / f"{index}{Path(file.path).suffix}"), file.path)


class CopyReloader(FileReloader):
    """Copies model files again, if a server can answer with them, and lets the workers load the copies.

    Parameters
    ----------
    files : mapping of ModelFile to Loaded
        The files, and what was in them.
    copies : mapping of ModelFile to ModelFile
        The copy of each file.
    metrics : Metrics
        Where files that cannot be loaded are counted.
    max_batch : int
        The maximum number of instances in a request.
    tell : callable
        Called when the workers have something to load.
    """

    def __init__(
        self,
        files: Mapping[ModelFile, Loaded],
        copies: Mapping[ModelFile, ModelFile],
        metrics: Metrics,
        max_batch: int,
        tell: Callable[[], None],
    ) -> None:
        super().__init__(files, metrics, tell)
        self._copies = copies
        self._sha256 = {file: loaded.sha256 for file, loaded in files.items()}
        self._max_batch = max_batch
        self._tell = tell
        self._open = {copy: _opened(copy) for copy in copies.values()}

    def close(self) -> None:
        """Close the copies."""
        for file in self._open.values():
            file.close()

    async def restore(self) -> None:
        """Write copies that are gone again."""
        async with self._one_at_a_time:
            await asyncio.to_thread(self._restore)

    def _restore(self) -> None:
        for original, copy in self._copies.items():
            if not Path(copy.path).exists():
                self._open[copy].seek(0)
                with (new := self._copy_of(original)).open("wb") as written:
                    shutil.copyfileobj(self._open[copy], written)
                new.replace(copy.path)

    async def reload(self) -> None:
        """Load everything again. The workers have a certificate to read even if no file has changed."""
        await super().reload()
        await self.restore()
        self._tell()

    def _copy_of(self, file: ModelFile) -> Path:
        copy = Path(self._copies[file].path)
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        return copy.with_name(f"new-{copy.name}")

    def _sha256_of(self, file: ModelFile) -> str:
        return self._sha256[file]

    def _prepare(self, file: ModelFile, loaded: Loaded) -> ServedModel:
        new = ServedModel(file.name, loaded.model, loaded.sha256, self._max_batch, None, lambda *_: None)
        new.warm_up()
        return new

    def _replace(self, file: ModelFile, new: ServedModel) -> None:
        assert new.sha256 is not None
        copy = self._copies[file]
        self._copy_of(file).replace(copy.path)
        self._open[copy].close()
        self._open[copy] = _opened(copy)
        self._sha256[file] = new.sha256
        self._restore()


def _opened(file: ModelFile) -> BinaryIO:
    return Path(file.path).open("rb")
