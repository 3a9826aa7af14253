"""``fastnet serve``: predictions over HTTP, and a page to draw on."""

import argparse
import os
import signal
import sys
from contextlib import closing

from fastnet.cli._data import source_name
from fastnet.cli._output import note, print_json
from fastnet.serve import running, settings
from fastnet.serve.model_files import ModelFile, model_files
from fastnet.serve.settings import Settings
from fastnet.support.config import get_num_threads
from fastnet.support.interrupts import InterruptHandler

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Serve models until a signal ends it."""
    if arguments.workers > 1 and os.name != "posix":
        raise ValueError("--workers needs Linux or macOS; start several servers on different ports instead")
    files = model_files(arguments.model)
    given = _settings(arguments, files)
    loaded = settings.load_all(given) if arguments.workers == 1 else {}
    with closing(running.listen(arguments.host, arguments.port)) as listening:
        bound, port, *_ = listening.getsockname()
        given.allow_host.append(bound)

        def started() -> None:
            _announce(arguments, files, port)

        if arguments.workers == 1:
            _leave_signals_to_the_server()
            settings.serve(given, loaded, listening, started)
        else:
            from fastnet.serve.workers import serve_by_workers

            serve_by_workers(given, arguments.workers, listening, started)
    return 0


def _announce(arguments: argparse.Namespace, files: list[ModelFile], port: int) -> None:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    address = f"{'https' if arguments.ssl_certfile else 'http'}://{host}:{port}"
    if arguments.json:
        models = [{"name": file.name, "file": file.path} for file in files]
        place = {"address": address, "host": arguments.host, "port": port}
        print_json("serve", {"model": files[0].path, "models": models, **place, "workers": arguments.workers})
    else:
        print(f"Serving {', '.join(source_name(file.path) for file in files)} at {address}")
    sys.stdout.flush()
    note("Press Ctrl-C to stop.", arguments.quiet)


def _settings(arguments: argparse.Namespace, files: list[ModelFile]) -> Settings:
    threads = arguments.threads
    if threads is None and arguments.workers > 1:
        threads = max(1, get_num_threads() // arguments.workers)
    return Settings(
        models=[(file.name, file.path) for file in files],
        allow_host=[arguments.host, *arguments.allow_host],
        max_batch=arguments.max_batch,
        max_body=arguments.max_body * 2**20,
        timeout=arguments.timeout,
        root_path=arguments.root_path,
        cors=arguments.cors,
        access_log=arguments.access_log,
        watch=arguments.watch,
        certfile=arguments.ssl_certfile,
        keyfile=arguments.ssl_keyfile,
        threads=threads,
        log_level=arguments.log_level or ("error" if arguments.quiet else "info"),
        log_format=arguments.log_format,
    )


def _leave_signals_to_the_server() -> None:
    """Let SIGTERM and SIGHUP end the process once the server has stopped; systemd treats other ends as failures."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and isinstance(signal.getsignal(number), InterruptHandler):
            signal.signal(number, signal.SIG_DFL)
