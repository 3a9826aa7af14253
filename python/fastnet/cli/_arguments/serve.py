"""The arguments of ``fastnet serve``."""

from fastnet.cli._arguments.command import Command, Parser, add_flag, add_json, add_model, add_threads
from fastnet.cli._arguments.types import integer, positive_number

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL and the options."""
    add_model(parser)
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
    add_threads(parser)
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
    add_flag(parser, "--quiet", help="print only the address")
    add_json(parser)


COMMAND = Command(
    summary="serve predictions over HTTP, with a page to draw on",
    description=(
        "Serve predictions until Ctrl-C: POST /predict takes JSON or npy, GET /openapi.json describes the API, and the "
        "address itself shows a page to draw a digit on. Needs the extra serve."
    ),
    examples=(
        ("serve mnist.safetensors", "at http://127.0.0.1:8000"),
        ("serve mnist.safetensors --port 0 --quiet", "on any free port"),
        ("serve mnist.safetensors --host 0.0.0.0 --allow-host ml.example.org", ""),
    ),
    add_arguments=add_arguments,
)
