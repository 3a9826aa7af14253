"""The arguments of every command: one module for each; the table here lists their `COMMAND`.

They import nothing but argparse.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from fastnet._core import __version__
from fastnet.cli._arguments import (
    bench,
    completion,
    datasets,
    evaluate,
    export,
    info,
    predict,
    quantize,
    serve,
    train,
    verify,
)
from fastnet.cli._arguments.command import Command, Parser
from fastnet.cli._arguments.config import add_config, config_of, option_name, take_config
from fastnet.support.text import closest

__all__ = ["COMMANDS", "make_parser", "parse_arguments"]

# In the order of the help.
COMMANDS: dict[str, Command] = {
    "train": train.COMMAND,
    "evaluate": evaluate.COMMAND,
    "predict": predict.COMMAND,
    "serve": serve.COMMAND,
    "verify": verify.COMMAND,
    "info": info.COMMAND,
    "export": export.COMMAND,
    "quantize": quantize.COMMAND,
    "bench": bench.COMMAND,
    "datasets": datasets.COMMAND,
    "completion": completion.COMMAND,
}
DESCRIPTION = "Train and use neural networks on the CPU."
EXAMPLES = (
    ("train", "learn digits in a second"),
    ("train mnist --out mnist.safetensors", "learn MNIST, keep the model"),
    ("evaluate mnist.safetensors mnist", "measure it again"),
    ("predict mnist.safetensors test.csv --out predictions.csv", ""),
    ("COMMAND --help", "options, with examples"),
)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments; exit like argparse for --help, --version and wrong usage."""
    parser, commands = make_parser()
    if (config := config_of(argv)) and config[0] in commands:
        take_config(*config, commands)
    arguments, unknown = parser.parse_known_args(argv)
    own = commands.get(arguments.command, parser)
    if unknown:
        own.error(f"unrecognized arguments: {_with_hints(unknown, own)}")
    if arguments.command is None:
        parser.error(f"a command is needed: {', '.join(commands)}")
    if check := COMMANDS[arguments.command].check:
        check(own, arguments)
    return arguments


def _with_hints(unknown: Sequence[str], parser: Parser) -> str:
    """Return unknown arguments, each with the option that may have been meant."""
    options = [option for action in parser._actions for option in action.option_strings if option_name(action)]
    near = {word: closest(word.partition("=")[0], options) for word in unknown if word.startswith("-")}
    return " ".join(f"{word} (did you mean {option}?)" if (option := near.get(word)) else word for word in unknown)


def make_parser() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the command line, and that of each command."""
    parser = Parser("fastnet", **_help(DESCRIPTION, EXAMPLES))
    parser.add_argument("--version", action="version", version=f"fastnet {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    parsers = {}
    for name, command in COMMANDS.items():
        parsers[name] = subparsers.add_parser(
            name, help=command.summary, **_help(command.description, command.examples)
        )
        command.add_arguments(parsers[name])
        add_config(parsers[name])
        parsers[name].usage = _usage(parsers[name])
    return parser, parsers


def _usage(parser: Parser) -> str:
    """Return the usage without the options, which the help lists below it."""
    shown = [str(action.metavar or action.dest.upper()) for action in parser._get_positional_actions()]
    optional = [action.nargs == "?" for action in parser._get_positional_actions()]
    words = [f"[{word}]" if may_lack else word for word, may_lack in zip(shown, optional, strict=True)]
    return " ".join([parser.prog, "[options]", *words])


# ---- Help -----------------------------------------------------------------------------------------------------------

EXAMPLES_TITLE = "examples:\n"


class HelpFormatter(argparse.HelpFormatter):
    """Formatter that wraps descriptions, but not examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(EXAMPLES_TITLE) else super()._fill_text(text, width, indent)


def _help(description: str, examples: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the arguments of argparse for the help of a command."""
    width = max((len(arguments) for arguments, explanation in examples if explanation), default=0)
    lines = [f"  fastnet {arguments:<{width}}  {explanation}".rstrip() for arguments, explanation in examples]
    return {
        "description": description,
        "epilog": EXAMPLES_TITLE + "\n".join(lines),
        "formatter_class": HelpFormatter,
        "allow_abbrev": False,  # an option added later would change the meaning of an abbreviation
    }
