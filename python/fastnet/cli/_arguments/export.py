"""The arguments of ``fastnet export``."""

import argparse

from fastnet.cli._arguments.command import Command, Parser, add_json, add_model, add_quiet

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add MODEL and the options."""
    add_model(parser, help="a model file")
    parser.add_argument("--to", required=True, choices=("onnx", "c", "keras", "state-dict"), help="the language")
    parser.add_argument(
        "--out", metavar="FILE", help="the file to write, or - for standard output (default: MODEL with another suffix)"
    )
    add_quiet(parser)
    add_json(parser)


def check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse two things on standard output."""
    if arguments.out == "-" and arguments.json:
        parser.error("argument --json: needs --out FILE, as standard output has the exported model")


COMMAND = Command(
    summary="write a model as ONNX, as C, for Keras or as a state dict",
    description=(
        "Write a model for other programs: ONNX for onnxruntime and others (needs the extra onnx), one C99 file without "
        "dependencies, a file of Keras 3 (needs the extra keras), or a safetensors file that PyTorch loads as a state "
        "dict. ONNX and C, also of a quantized model, are first checked against the model."
    ),
    examples=(
        ("export mnist.safetensors --to onnx", "writes mnist.onnx"),
        ("export mnist.safetensors --to c --out digit.c", ""),
        ("export mnist.safetensors --to keras", "writes mnist.keras"),
        ("export mnist.safetensors --to state-dict", "for PyTorch"),
    ),
    add_arguments=add_arguments,
    check=check,
)
