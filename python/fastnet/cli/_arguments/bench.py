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
        "--seconds", type=seconds, default=0.5, metavar="TIME", help="duration of each measurement (default: 0.5)"
    )
    add_quiet(parser)
    add_json(parser)


COMMAND = Command(
    summary="measure the speed of a model on this machine",
    description=(
        "Measure how many rows a second a model predicts on this machine, and how long one call takes, for single "
        "rows and for batches. If it is compiled, also measure how many steps a second it trains. The model file is "
        "not changed. Zeros in DATA, as in images, may make it faster than random numbers."
    ),
    examples=(
        ("bench mnist.safetensors", "on random numbers"),
        ("bench mnist.safetensors mnist", "on real data"),
        ("bench mnist.safetensors --threads 1 --seconds 2 --json", ""),
    ),
    add_arguments=add_arguments,
)
