"""The arguments of ``fastnet predict``."""

import argparse

from fastnet.cli._arguments.command import (
    Command,
    Parser,
    add_data,
    add_flag,
    add_json,
    add_model,
    add_quiet,
    add_threads,
)

__all__ = ["COMMAND"]

FORMATS = ("csv", "kaggle", "json")


def add_arguments(parser: Parser) -> None:
    """Add MODEL, DATA and the options."""
    add_model(parser)
    add_data(parser)
    add_threads(parser)
    parser.add_argument("--out", metavar="FILE", help="write to this file instead of standard output")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="csv: a row with class and probability for each row of DATA; kaggle: ImageId and Label, for a submission; "
        "json: one document (default: csv, and json for a FILE *.json)",
    )
    add_flag(parser, "--probabilities", help="add the probability of every class, in columns p_CLASS")
    add_quiet(parser)
    add_json(parser)


def check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if arguments.format == "kaggle" and arguments.probabilities:
        parser.error("argument --probabilities: does not go with --format kaggle, which has no column for them")
    if arguments.json and arguments.format in ("csv", "kaggle") and arguments.out in (None, "-"):
        parser.error(f"argument --json: needs --out FILE, for the predictions as {arguments.format}")


COMMAND = Command(
    summary="predict the class of every row",
    description="Write the class of every row of the data and its probability, as CSV, as a submission or as JSON.",
    examples=(
        ("predict mnist.safetensors test.csv", "to standard output"),
        ("predict mnist.safetensors test.csv --probabilities --out p.csv", ""),
        ("predict mnist.safetensors test.csv --format kaggle --out kaggle.csv", ""),
    ),
    add_arguments=add_arguments,
    check=check,
)
