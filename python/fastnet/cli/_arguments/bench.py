"""The arguments of ``fastnet bench``."""

from fastnet.cli._arguments.command import (
    DATA_HELP,
    Command,
    Parser,
    add_json,
    add_model,
    add_quiet,
    add_table,
    add_threads,
)
from fastnet.cli._arguments.types import seconds

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL, DATA and the options."""
    add_model(parser)
    parser.add_argument("data", nargs="?", metavar="DATA", help=f"{DATA_HELP} (default: random numbers)")
    add_table(parser, remembered=True)
    add_threads(parser)
    parser.add_argument(
        "--seconds", type=seconds, default=0.5, metavar="TIME", help="for each line of the result (default: 0.5)"
    )
    add_quiet(parser)
    add_json(parser)


COMMAND = Command(
    summary="measure the speed of a model on this machine",
    description=(
        "Measure how many rows a second a model predicts on this machine, and how long one call takes, alone and in "
        "batches; and how many steps a second it trains, if it is compiled. The model file stays as it is. Zeros in "
        "DATA, as images have them, may make it faster than random numbers do."
    ),
    examples=(
        ("bench mnist.safetensors", "on random numbers"),
        ("bench mnist.safetensors mnist", "on the rows that it is for"),
        ("bench mnist.safetensors --threads 1 --seconds 2 --json", ""),
    ),
    add_arguments=add_arguments,
)
