"""Loading model files again when they have changed, or on request, and replacing the models of a running server."""

import asyncio
import gc
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from fastnet.serve.metrics import Metrics
from fastnet.serve.model_files import Loaded, ModelFile, Signature
from fastnet.serve.observing import LOG
from fastnet.serve.predictor import Predictor
from fastnet.serve.served import Models, ServedModel

__all__ = ["FileReloader", "Reloader"]

_SECONDS_BETWEEN_LOOKS = 1.0  # at the files
_MOST_NAMES = 20  # in a message


class FileReloader(ABC):
    """Loads model files again, in a thread, and passes on what was in them.

    A file that cannot be loaded is reported, and the model before it stays. All methods belong to one event loop.

    Parameters
    ----------
    files : mapping of ModelFile to Loaded
        The files, and what was in them.
    metrics : Metrics
        Where files that cannot be loaded are counted.
    changed : callable, optional
        Called after a model has taken the place of another without a request.
    """

    def __init__(
        self, files: Mapping[ModelFile, Loaded], metrics: Metrics, changed: Callable[[], None] | None = None
    ) -> None:
        self._metrics = metrics
        self._changed = changed or (lambda: None)
        # The signature that each file had when it was read, with or without success.
        self._read: dict[ModelFile, Signature | None] = {file: loaded.signature for file, loaded in files.items()}
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def request(self) -> None:
        """Begin to load everything again."""
        task = asyncio.get_running_loop().create_task(self.reload())
        self._tasks.add(task)  # the event loop keeps weak references alone
        task.add_done_callback(self._tasks.discard)

    async def reload(self) -> None:
        """Load everything again."""
        for file in self._read:
            await self._load(file)

    async def watch(self, interval: float = _SECONDS_BETWEEN_LOOKS) -> None:
        """Load files that change, until cancelled.

        A change counts when the file is the same twice in a row: a program may still be writing it.
        """
        seen = dict(self._read)
        while True:
            await asyncio.sleep(interval)
            for file in self._read:
                now = await asyncio.to_thread(_signature_of, file)
                settled, seen[file] = now == seen[file], now
                if settled and now is not None and now != self._read[file] and await self._load(file):
                    self._changed()

    async def _load(self, file: ModelFile) -> bool:
        """Return whether another model has taken the place of the one before."""
        async with self._one_at_a_time:
            try:
                loaded = await asyncio.to_thread(file.load, self._copy_of(file))
                self._read[file] = loaded.signature
                if loaded.sha256 == self._sha256_of(file):
                    LOG.info("%s: %s has not changed", file.name, file.shown)
                    return False
                new = await asyncio.to_thread(self._prepare, file, loaded)
                self._replace(file, new)
            except Exception as error:  # whatever is in the file, the server goes on
                # A copy is one that could be loaded elsewhere: the next request tries again.
                self._read[file] = None if file.original else await asyncio.to_thread(_signature_of, file)
                self._metrics.loaded(file.name, "failure")
                LOG.error("%s: cannot load %s: %s; the model before it stays", file.name, file.shown, _reason(error))
                return False
            del loaded, new
            gc.collect()  # models have reference cycles; what was there at the start is frozen, so this is quick
            return True

    def _copy_of(self, file: ModelFile) -> Path | None:
        """Return where the bytes of a file are kept, if anywhere."""
        del file
        return None

    @abstractmethod
    def _sha256_of(self, file: ModelFile) -> str | None:
        """Return the SHA-256 of the file whose model is used."""

    @abstractmethod
    def _prepare(self, file: ModelFile, loaded: Loaded) -> ServedModel:
        """Make everything that a new model needs; an error keeps the one before. Called in a thread."""

    @abstractmethod
    def _replace(self, file: ModelFile, new: ServedModel) -> None:
        """Let a new model take the place of the one before."""


class Reloader(FileReloader):
    """Replaces the models of an application by those that are in their files now.

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
        super().__init__(files, models.metrics)
        self._models = models
        self._also = also
        for file in files:
            models.metrics.loaded(file.name, "success")

    async def reload(self) -> None:
        """Load everything again, except for copies that were not replaced."""
        if self._also is not None:
            try:
                self._also()
            except (OSError, ValueError) as error:
                LOG.error("%s; what was read before stays", error)
        for file, signature in self._read.items():
            if not file.original or await asyncio.to_thread(_signature_of, file) != signature:
                await self._load(file)

    def _sha256_of(self, file: ModelFile) -> str | None:
        return self._models.by_name[file.name].sha256

    def _prepare(self, file: ModelFile, loaded: Loaded) -> ServedModel:
        return self._models.prepare(file.name, loaded.model, loaded.sha256)

    def _replace(self, file: ModelFile, new: ServedModel) -> None:
        before = self._models.by_name[file.name].predictor
        self._models.replace(new)
        self._models.metrics.loaded(file.name, "success")
        LOG.info("%s: loaded %s, sha256 %s", file.name, file.shown, new.sha256)
        for change in _changes(before, new.predictor):
            LOG.warning("%s: %s", file.name, change)


def _changes(before: Predictor, now: Predictor) -> list[str]:
    """Return what may surprise those who send requests, or read the answers, after a model was replaced."""
    changes = []
    if now.input_shape != before.input_shape:
        changes.append(f"instances now have shape {now.input_shape} instead of {before.input_shape}")
    for what, old, new in [
        ("features", before.feature_names, now.feature_names),
        ("classes", before.classes, now.classes),
    ]:
        if new != old:
            changes.append(f"the {what} are now {_listed(new)} instead of {_listed(old)}")
    if before.classes is now.classes is None and now.output_shape != before.output_shape:
        changes.append(f"outputs now have shape {now.output_shape} instead of {before.output_shape}")
    return changes


def _listed(names: list[str] | None) -> str:
    """Return the first names for a message."""
    if names is None:
        return "without names"
    return ", ".join(map(repr, names[:_MOST_NAMES])) + (f", ... ({len(names):,})" if len(names) > _MOST_NAMES else "")


def _reason(error: Exception) -> str:
    """Return the message of an error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _signature_of(file: ModelFile) -> Signature | None:
    """Return the signature of a file, or None while there is none."""
    try:
        return file.signature()
    except (OSError, ValueError):
        return None
