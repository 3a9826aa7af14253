"""The arguments of ``fastnet verify``."""

from fastnet.cli._arguments.command import Command, Parser, add_dialect, add_json, add_model, add_quiet, add_threads
from fastnet.cli._arguments.types import fraction

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL, DATA and the options."""
    add_model(parser, help="a model file that fastnet train wrote")
    parser.add_argument("data", metavar="DATA", help="the data that it was trained on")
    add_dialect(parser, remembered=True)
    add_threads(parser)
    parser.add_argument(
        "--tolerance",
        type=fraction,
        metavar="X",
        help="accept different weights if the accuracies differ by at most X, such as 0.01 on another instruction set",
    )
    add_quiet(parser)
    add_json(parser)


COMMAND = Command(
    summary="train again and compare with a model",
    description=(
        "Repeat the training recorded in a model file, on the same data, and compare the weights bit for bit. The exit "
        "status is 0 if they are identical, else 1."
    ),
    examples=(
        ("verify mnist.safetensors mnist", ""),
        ("verify mnist.safetensors mnist --tolerance 0.01", "on another processor"),
    ),
    add_arguments=add_arguments,
)
