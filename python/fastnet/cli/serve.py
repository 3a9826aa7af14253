"""``fastnet serve``: predictions over HTTP, and a page to draw on."""

import argparse
import sys

from fastnet import set_num_threads
from fastnet.cli._data import source_name
from fastnet.cli._output import note, print_json
from fastnet.serialization import load_model
from fastnet.serve import create_app

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Serve a model until a signal ends it."""
    from fastnet.serve.running import listen, run

    if arguments.threads:
        set_num_threads(arguments.threads)
    app = create_app(
        load_model(arguments.model, compile=False),
        max_batch=arguments.max_batch,
        max_body=arguments.max_body * 2**20,
        timeout=arguments.timeout,
    )
    listening = listen(arguments.host, arguments.port)
    port = listening.getsockname()[1]
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    address = f"http://{host}:{port}"

    def announce() -> None:
        if arguments.json:
            print_json("serve", {"model": arguments.model, "address": address, "host": arguments.host, "port": port})
        else:
            print(f"Serving {source_name(arguments.model)} at {address}")
        sys.stdout.flush()
        note("Ctrl-C ends it.", arguments.quiet)

    run(app, listening, announce, quiet=arguments.quiet)
    return 0
