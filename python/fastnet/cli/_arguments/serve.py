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
        help="the address to listen at; 0.0.0.0 lets other machines in (default: 127.0.0.1, this machine alone)",
    )
    parser.add_argument(
        "--port", type=integer(0, 65535), default=8000, metavar="N", help="0 for any that is free (default: 8000)"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="answer to this name, too; may be given several times; * for any (default: localhost and --host)",
    )
    add_threads(parser)
    parser.add_argument(
        "--max-batch",
        type=integer(1),
        default=1024,
        metavar="N",
        help="the most instances of one request, and of one call of the model (default: 1024)",
    )
    parser.add_argument(
        "--max-body", type=integer(1), default=16, metavar="MB", help="the largest body of a request (default: 16)"
    )
    parser.add_argument(
        "--timeout",
        type=positive_number,
        default=30,
        metavar="S",
        help="the most seconds for a body to arrive, and for its answer (default: 30)",
    )
    add_flag(parser, "--quiet", help="no messages, only the address")
    add_json(parser)


COMMAND = Command(
    summary="predict over HTTP, with a page to draw on",
    description=(
        "Answer requests for predictions until Ctrl-C: POST /predict takes JSON or npy, GET /openapi.json says the rest, "
        "and the address itself is a page to draw a digit on. Needs the extra serve."
    ),
    examples=(
        ("serve mnist.safetensors", "at http://127.0.0.1:8000"),
        ("serve mnist.safetensors --port 0 --quiet", "at any free port"),
        ("serve mnist.safetensors --host 0.0.0.0 --allow-host ml.example.org", ""),
    ),
    add_arguments=add_arguments,
)
