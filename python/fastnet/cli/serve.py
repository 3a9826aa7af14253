"""``fastnet serve``: predictions over HTTP, and a page to draw on."""

import argparse
import signal
import sys
from contextlib import closing

from fastnet.cli._data import source_name
from fastnet.cli._output import note, print_json
from fastnet.serialization import load_model
from fastnet.serve import create_app
from fastnet.support.config import set_num_threads
from fastnet.support.interrupts import InterruptHandler

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Serve a model until a signal ends it."""
    from fastnet.serve import running

    if arguments.threads:
        set_num_threads(arguments.threads)
    model = load_model(arguments.model, compile=False)
    with closing(running.listen(arguments.host, arguments.port)) as listening:
        bound, port, *_ = listening.getsockname()
        app = create_app(
            model,
            max_batch=arguments.max_batch,
            max_body=arguments.max_body * 2**20,
            timeout=arguments.timeout,
            allow_host=[arguments.host, bound, *arguments.allow_host],
        )
        _leave_signals_to_the_server()
        running.run(
            app, listening, lambda: _announce(arguments, port), quiet=arguments.quiet, timeout=arguments.timeout
        )
    return 0


def _announce(arguments: argparse.Namespace, port: int) -> None:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    address = f"http://{host}:{port}"
    if arguments.json:
        print_json("serve", {"model": arguments.model, "address": address, "host": arguments.host, "port": port})
    else:
        print(f"Serving {source_name(arguments.model)} at {address}")
    sys.stdout.flush()
    note("Press Ctrl-C to stop.", arguments.quiet)


def _leave_signals_to_the_server() -> None:
    """Let SIGTERM and SIGHUP end the process once the server has stopped; systemd treats other ends as failures."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and isinstance(signal.getsignal(number), InterruptHandler):
            signal.signal(number, signal.SIG_DFL)
