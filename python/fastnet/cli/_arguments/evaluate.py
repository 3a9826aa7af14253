"""The arguments of ``fastnet evaluate``."""

from fastnet.cli._arguments.command import Command, Parser, add_data, add_json, add_model, add_threads

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL, DATA and the options."""
    add_model(parser)
    add_data(parser)
    add_threads(parser)
    add_json(parser)


COMMAND = Command(
    summary="measure a model on data with labels",
    description="Measure the accuracy of a model on data with labels; on the test set where the data bring one.",
    examples=(
        ("evaluate mnist.safetensors mnist", "accuracy and confusion matrix"),
        ("evaluate model.safetensors test.csv --target species --json", ""),
    ),
    add_arguments=add_arguments,
)
