"""The arguments of ``fastnet quantize``."""

from fastnet.cli._arguments.command import Command, Parser, add_data, add_json, add_model, add_quiet, add_threads
from fastnet.cli._arguments.types import integer

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL, DATA and the options."""
    add_model(parser, help="a model file")
    add_data(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="the file to write (default: MODEL with the suffix .int8.safetensors)"
    )
    parser.add_argument(
        "--rows",
        type=integer(1),
        default=1000,
        metavar="N",
        help="how many rows of DATA, spread over all of it, tell the range of each layer's inputs (default: 1000)",
    )
    add_threads(parser)
    add_quiet(parser)
    add_json(parser)


COMMAND = Command(
    summary="write a model in 8-bit integers",
    description=(
        "Write a model whose matrix multiplications and convolutions are in 8-bit integers, a quarter of the size. DATA are "
        "rows like those that it will predict, conventionally of the training set; labels are not needed."
    ),
    examples=(
        ("quantize mnist.safetensors mnist", "writes mnist.int8.safetensors"),
        ("quantize mnist.safetensors mnist --rows 100", ""),
        ("quantize model.safetensors train.csv --out small.safetensors", ""),
    ),
    add_arguments=add_arguments,
)
