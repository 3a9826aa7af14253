"""The settings of ``fastnet serve``, and a process that serves by them."""

import asyncio
import dataclasses
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from fastnet.serve.app import make_app
from fastnet.serve.logs import configure
from fastnet.serve.metrics import Shared
from fastnet.serve.model_files import Loaded, ModelFile
from fastnet.serve.reloading import Reloader
from fastnet.serve.running import run
from fastnet.serve.served import Models
from fastnet.serve.tls import Certificate
from fastnet.support.config import set_num_threads

__all__ = ["Settings", "check", "load_all", "serve"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What every process of a server is told. All of it can be written as JSON.

    Parameters
    ----------
    models : list of (str, str) or (str, str, str)
        The arguments of `ModelFile` for each model.
    allow_host, cors : list of str
        See `create_app`.
    max_batch, max_body : int
        See `create_app`.
    timeout : float
        See `create_app`.
    root_path : str
        See `create_app`.
    access_log : bool
        See `create_app`.
    watch : bool
        Whether to load model files again when they change.
    certfile, keyfile : str or None
        See `Certificate`; without `certfile`, connections are not encrypted.
    threads : int or None
        The maximum number of threads of a prediction; None for the default.
    log_level, log_format : str
        See `fastnet.serve.logs.configure`.
    """

    models: list[tuple[str, ...]]
    allow_host: list[str]
    max_batch: int
    max_body: int
    timeout: float
    root_path: str
    cors: list[str]
    access_log: bool
    watch: bool
    certfile: str | None
    keyfile: str | None
    threads: int | None
    log_level: str
    log_format: str

    def files(self) -> list[ModelFile]:
        """Return the files of the models."""
        return [ModelFile(*of) for of in self.models]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as arguments of this class."""
        return dataclasses.asdict(self)


def load_all(settings: Settings, copy: Callable[[ModelFile], Path] | None = None) -> dict[ModelFile, Loaded]:
    """Load the models.

    Parameters
    ----------
    settings : Settings
        Which models, and with how many threads they predict.
    copy : callable, optional
        Returns where a copy of a file is written.

    Raises
    ------
    OSError, ValueError
        One of the files cannot be read, or its copy cannot be written.
    """
    if settings.threads is not None:
        set_num_threads(settings.threads)
    return {file: file.load(copy and copy(file)) for file in settings.files()}


def check(settings: Settings, loaded: dict[ModelFile, Loaded]) -> int:
    """Make everything that a process needs, as `serve` does, and forget it; return the bytes in which it counts.

    Raises
    ------
    OSError, ValueError
        A model or the certificate cannot be read, or a setting is not valid.
    """
    configure(settings.log_level, settings.log_format)
    _certificate_of(settings)
    models: Models = _app_of(settings, loaded).state.models
    return models.metrics.bytes_per_worker


def serve(
    settings: Settings,
    loaded: dict[ModelFile, Loaded],
    listening: socket.socket,
    started: Callable[[], None],
    control: socket.socket | None = None,
    shared: Shared | None = None,
) -> None:
    """Serve until a signal or `control` ends it: see `fastnet.serve.running.run`.

    Parameters
    ----------
    settings : Settings
        How to serve.
    loaded : dict of ModelFile to Loaded
        What `load_all` returned. It is emptied, so that models do not stay in memory when others take their place.
    listening, started, control
        See `fastnet.serve.running.run`.
    shared : Shared, optional
        Where workers count.

    Raises
    ------
    OSError, ValueError
        The certificate cannot be read, or a setting is not valid.
    """
    configure(settings.log_level, settings.log_format)
    certificate = _certificate_of(settings)
    app = _app_of(settings, loaded, shared)
    models: Models = app.state.models
    for served in models.by_name.values():
        served.warm_up()
    reloader = Reloader(models, loaded, None if certificate is None else certificate.load)
    loaded.clear()
    tasks = []  # the event loop keeps weak references alone

    def begin() -> None:
        if settings.watch:
            tasks.append(asyncio.get_running_loop().create_task(reloader.watch()))
        models.metrics.ready()
        started()

    run(
        app,
        listening,
        begin,
        timeout=settings.timeout,
        encryption=None if certificate is None else certificate.context,
        reload=reloader.request,
        control=control,
    )


def _app_of(settings: Settings, loaded: dict[ModelFile, Loaded], shared: Shared | None = None) -> Starlette:
    return make_app(
        {file.name: (of.model, of.sha256) for file, of in loaded.items()},
        max_batch=settings.max_batch,
        max_body=settings.max_body,
        timeout=settings.timeout,
        predict=None,
        allow_host=settings.allow_host,
        root_path=settings.root_path,
        cors=settings.cors,
        access_log=settings.access_log,
        shared=shared,
    )


def _certificate_of(settings: Settings) -> Certificate | None:
    return Certificate(settings.certfile, settings.keyfile) if settings.certfile else None
