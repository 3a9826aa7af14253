"""The arguments of ``fastnet datasets``."""

import argparse

from fastnet.cli._arguments.command import Command, Parser, add_flag, add_json, add_quiet

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add NAME and the options."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="the data set to describe in detail (default: list all)"
    )
    add_flag(parser, "--download", help="download the files of NAME if they are missing")
    add_quiet(parser)
    add_json(parser)


def check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse to download everything."""
    if arguments.download and arguments.name is None:
        parser.error("argument --download: needs the NAME of a data set")


COMMAND = Command(
    summary="list the built-in data sets",
    description=(
        "List the built-in data sets, their sizes, and whether they are on this machine: in a folder of "
        "FASTNET_DATA, or in the cache (FASTNET_CACHE, else ~/.cache/fastnet). FASTNET_OFFLINE=1 forbids downloads."
    ),
    examples=(
        ("datasets", "all data sets and where they are"),
        ("datasets fashion_mnist", "classes, source, license, files"),
        ("datasets fashion_mnist --download", "fetch it for later"),
    ),
    add_arguments=add_arguments,
    check=check,
)
