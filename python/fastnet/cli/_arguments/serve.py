"""The arguments of ``fastnet serve``."""

import argparse

from fastnet.cli._arguments.command import Command, Parser, add_flag, add_json, add_threads
from fastnet.cli._arguments.types import integer, positive_number

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL and the options."""
    parser.add_argument(
        "model",
        nargs="+",
        metavar="MODEL",
        help="a model file that fastnet wrote, or NAME=FILE; each of several models is at /models/NAME/predict, the "
        "first one at /predict too",
    )
    _add_address(parser)
    _add_limits(parser)
    _add_operation(parser)
    add_flag(parser, "--quiet", help="print only the address, and log errors alone")
    add_json(parser)


def _add_address(parser: Parser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; 0.0.0.0 admits other machines (default: 127.0.0.1, only this machine)",
    )
    parser.add_argument(
        "--port",
        type=integer(0, 65535),
        default=8000,
        metavar="N",
        help="the port to listen on; 0 for any free port (default: 8000)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="accept requests to this host name; may be repeated; * for any (default: localhost and --host)",
    )
    parser.add_argument(
        "--cors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let pages of this origin, such as https://app.example.org, send requests; may be repeated; * for any",
    )
    parser.add_argument(
        "--root-path", default="", metavar="PATH", help="the path under which a proxy shows the server, such as /ml"
    )
    parser.add_argument("--ssl-certfile", metavar="FILE", help="encrypt connections with this certificate (PEM)")
    parser.add_argument(
        "--ssl-keyfile", metavar="FILE", help="the private key of the certificate (default: in the same file)"
    )


def _add_limits(parser: Parser) -> None:
    parser.add_argument(
        "--max-batch",
        type=integer(1),
        default=1024,
        metavar="N",
        help="the maximum number of instances per request, and per call of the model (default: 1024)",
    )
    parser.add_argument(
        "--max-body", type=integer(1), default=16, metavar="MB", help="the maximum size of a request body (default: 16)"
    )
    parser.add_argument(
        "--timeout",
        type=positive_number,
        default=30,
        metavar="S",
        help="the maximum time for a request body to arrive, and for its answer (default: 30)",
    )


def _add_operation(parser: Parser) -> None:
    parser.add_argument(
        "--workers",
        type=integer(1, 1024),
        default=1,
        metavar="N",
        help="number of processes, each with a copy of the models (default: 1)",
    )
    add_threads(parser, help="number of threads of each process (default: the available cores, shared by the workers)")
    add_flag(
        parser, "--watch", help="load a model again when its file changes; SIGHUP loads all of them again in any case"
    )
    add_flag(parser, "--access-log", help="log every request")
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        metavar="LEVEL",
        help="the least severe messages to log: debug, info, warning or error (default: info)",
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        metavar="FORMAT",
        help="lines of text, or of JSON for programs (default: text)",
    )


def check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse a key without its certificate."""
    if arguments.ssl_keyfile and not arguments.ssl_certfile:
        parser.error("argument --ssl-keyfile: needs --ssl-certfile")


COMMAND = Command(
    summary="serve predictions over HTTP, with a page to draw on",
    description=(
        "Serve predictions until Ctrl-C: POST /predict takes JSON or npy, GET /docs describes the API, GET /metrics is "
        "for Prometheus, and the address itself shows a page to draw a digit on. Needs the extra serve."
    ),
    examples=(
        ("serve mnist.safetensors", "at http://127.0.0.1:8000"),
        ("serve mnist.safetensors --port 0 --quiet", "on any free port"),
        ("serve mnist.safetensors best=runs/3/model.safetensors", ""),
        ("serve mnist.safetensors --workers 4 --watch --access-log", ""),
        ("serve mnist.safetensors --host 0.0.0.0 --allow-host ml.example.org", ""),
    ),
    add_arguments=add_arguments,
    check=check,
)
