"""The arguments of ``fastnet predict``."""

from fastnet.cli._arguments.command import Command, Parser, add_data, add_model, add_threads

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL, DATA and the options."""
    add_model(parser)
    add_data(parser)
    add_threads(parser)
    parser.add_argument("--out", metavar="FILE", help="write to this file instead of standard output")


COMMAND = Command(
    summary="write the class of every row as CSV",
    description="Write a CSV file with the class of every row of the data and its probability.",
    examples=(
        ("predict mnist.safetensors test.csv", "to standard output"),
        ("predict mnist.safetensors test.csv --out predictions.csv", ""),
    ),
    add_arguments=add_arguments,
)
