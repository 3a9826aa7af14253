"""A process of `fastnet.serve.workers`, which starts it: ``python -m fastnet.serve.worker ORDERS``.

ORDERS is the number of an open file, the connection to that process. Its first line is everything else.
"""

import json
import shutil
import signal
import socket
import sys

from fastnet.serve.logs import configure
from fastnet.serve.metrics import Shared
from fastnet.serve.observing import LOG
from fastnet.serve.settings import Settings, load_all, serve

__all__ = ["main"]


def main(connection: int) -> int:
    """Serve until told to stop, and return the exit status."""
    # Ctrl-C in a terminal is for the process that started this one. A second Ctrl-C comes from there.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=connection) as orders:
        given = json.loads(_line(orders))
        settings = Settings(**given["settings"])
        configure(settings.log_level, settings.log_format)
        # With an explicit protocol, as in `listen`.
        family, number = socket.AddressFamily(given["family"]), given["listening"]
        with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, number) as listening:
            try:
                loaded = load_all(settings)
                serve(settings, loaded, listening, lambda: orders.sendall(b"ready\n"), orders, Shared(*given["shared"]))
            except (OSError, ValueError, MemoryError) as error:
                LOG.error("a worker cannot begin: %s", " ".join(str(error).split()) or type(error).__name__)
                return 1
    # The process that started this one has closed the connection, or was killed and left its copies of the models.
    shutil.rmtree(given["copies"], ignore_errors=True)
    return 0


def _line(connection: socket.socket) -> bytes:
    """Return the first line, and leave what comes after it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        if not (part := connection.recv(1)):
            raise SystemExit("fastnet: the process that started this worker has ended")
        line += part
    return bytes(line)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
