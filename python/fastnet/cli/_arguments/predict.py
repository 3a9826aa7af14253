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
    parser.add_argument("--out", metavar="FILE", help="write to this file (default: -, standard output)")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="csv: a row with class and probability, or with the prediction of a regression, for each row of DATA; "
        "kaggle: a submission with two columns, for the row and its class, ImageId and Label without --id and "
        "--sample-submission; json: one document (default: csv, and json for a FILE *.json)",
    )
    parser.add_argument(
        "--sample-submission",
        metavar="FILE",
        help="write a submission with the columns of this CSV file of a contest, and its rows in its order unless --id is "
        "given; DATA with a column named as its first one are put in that order; several columns with the names of the classes get their probabilities",
    )
    add_flag(parser, "--probabilities", help="add the probability of every class, in columns p_CLASS")
    add_quiet(parser)
    add_json(parser)


def check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if arguments.format == "kaggle" and arguments.probabilities:
        parser.error("argument --probabilities: does not go with --format kaggle, which has no column for them")
    if arguments.id and arguments.data == "-":
        parser.error("argument --id: needs DATA in a file, as standard input can be read only once")
    if arguments.sample_submission and arguments.format not in (None, "kaggle"):
        parser.error(f"argument --sample-submission: is for --format kaggle, not for {arguments.format}")
    if arguments.sample_submission and arguments.probabilities:
        parser.error(
            "argument --probabilities: not together with --sample-submission, whose columns say what is written"
        )
    layout = arguments.format or ("kaggle" if arguments.sample_submission else None)
    if arguments.json and layout in ("csv", "kaggle") and arguments.out in (None, "-"):
        parser.error(f"argument --json: needs --out FILE, for the predictions as {layout}")


COMMAND = Command(
    summary="predict the class, or the number, of every row",
    description="Write the class of every row of the data and its probability, or the prediction of a regression, as CSV, "
    "as a submission to a contest or as JSON.",
    examples=(
        ("predict mnist.safetensors test.csv", "to standard output"),
        ("predict mnist.safetensors test.csv --probabilities --out p.csv", ""),
        ("predict mnist.safetensors test.csv --format kaggle --out kaggle.csv", ""),
        ("predict m.safetensors test.csv --sample-submission sample.csv", ""),
    ),
    add_arguments=add_arguments,
    check=check,
)
