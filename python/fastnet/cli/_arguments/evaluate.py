"""The arguments of ``fastnet evaluate``."""

from fastnet.cli._arguments.command import (
    Command,
    Parser,
    add_data,
    add_json,
    add_model,
    add_quiet,
    add_run_dir,
    add_threads,
)

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL, DATA and the options."""
    add_model(parser)
    add_data(parser)
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write a report as one HTML page with pictures (needs the extra report)",
    )
    add_threads(parser)
    add_run_dir(parser, "configuration and report")
    add_quiet(parser)
    add_json(parser)


COMMAND = Command(
    summary="evaluate a model on labeled data",
    description=(
        "Measure the accuracy of a classifier, or the errors of a regression, on labeled data; on the test set if the data "
        "include one."
    ),
    examples=(
        ("evaluate mnist.safetensors mnist", "its accuracy"),
        ("evaluate mnist.safetensors mnist --report mnist.html", "with a report"),
        ("evaluate model.safetensors test.csv --target species --json", ""),
    ),
    add_arguments=add_arguments,
)
