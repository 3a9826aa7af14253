"""The arguments of ``fastnet info``."""

from fastnet.cli._arguments.command import Command, Parser, add_json, add_model

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL and the options."""
    add_model(parser, help="a model file")
    add_json(parser)


COMMAND = Command(
    summary="show what is in a model file",
    description="Show what is in a model file: architecture, training configuration, classes, checksum, receipt.",
    examples=(("info mnist.safetensors", ""), ("info mnist.safetensors --json", "")),
    add_arguments=add_arguments,
)
