"""Replacing the models of a running server when their files have changed, or when it is asked to."""

import asyncio
import gc
from collections.abc import Callable, Mapping

from fastnet.serve.model_files import Loaded, ModelFile, Signature
from fastnet.serve.observing import LOG
from fastnet.serve.served import Models

__all__ = ["Reloader"]


class Reloader:
    """Loads model files again, in a thread, and lets the new models answer.

    A file that cannot be loaded is reported, and the model before it stays. All of its methods belong to one event
    loop.

    Parameters
    ----------
    models : Models
        The models of the server.
    files : mapping of ModelFile to Loaded
        Their files, and what was in them.
    also : callable, optional
        What else is read again on request, such as certificates.
    """

    def __init__(
        self, models: Models, files: Mapping[ModelFile, Loaded], also: Callable[[], None] | None = None
    ) -> None:
        self._models = models
        self._also = also
        # The signature that each file had when it was read, with or without success.
        self._read: dict[ModelFile, Signature | None] = {file: loaded.signature for file, loaded in files.items()}
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        for file in files:
            models.metrics.loaded(file.name, "success")

    def request(self) -> None:
        """Begin to load everything again."""
        task = asyncio.get_running_loop().create_task(self.reload())
        self._tasks.add(task)  # the event loop keeps weak references alone
        task.add_done_callback(self._tasks.discard)

    async def reload(self) -> None:
        """Load everything again."""
        if self._also is not None:
            try:
                self._also()
            except (OSError, ValueError) as error:
                LOG.error("%s; what was read before stays", error)
        for file in self._read:
            await self._load(file)

    async def watch(self, interval: float) -> None:
        """Load files that change, until cancelled.

        A change counts when the file is the same twice in a row: a program may still be writing it.
        """
        seen = dict(self._read)
        while True:
            await asyncio.sleep(interval)
            for file in self._read:
                now = await asyncio.to_thread(_signature_of, file)
                settled, seen[file] = now == seen[file], now
                if settled and now is not None and now != self._read[file]:
                    await self._load(file)

    async def _load(self, file: ModelFile) -> None:
        async with self._one_at_a_time:
            served = self._models.by_name[file.name]
            try:
                loaded = await asyncio.to_thread(file.load)
                self._read[file] = loaded.signature
                if loaded.sha256 == served.sha256:
                    LOG.info("%s: %s has not changed", file.name, file.path)
                    return
                new = await asyncio.to_thread(self._models.prepare, file.name, loaded.model, loaded.sha256)
            except Exception as error:  # whatever is in the file, the server goes on
                self._read[file] = await asyncio.to_thread(_signature_of, file)
                self._models.metrics.loaded(file.name, "failure")
                LOG.error("%s: cannot load %s: %s; the model before it stays", file.name, file.path, _reason(error))
                return
            self._models.replace(new)
            self._models.metrics.loaded(file.name, "success")
            LOG.info("%s: loaded %s, sha256 %s", file.name, file.path, loaded.sha256)
            if new.predictor.input_shape != served.predictor.input_shape:
                LOG.warning(
                    "%s: instances now have shape %s instead of %s",
                    file.name,
                    new.predictor.input_shape,
                    served.predictor.input_shape,
                )
            del served, new, loaded
            gc.collect()  # models have reference cycles; what was there at the start is frozen, so this is quick


def _reason(error: Exception) -> str:
    """Return the message of an error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _signature_of(file: ModelFile) -> Signature | None:
    """Return the signature of a file, or None while there is none."""
    try:
        return file.signature()
    except (OSError, ValueError):
        return None
