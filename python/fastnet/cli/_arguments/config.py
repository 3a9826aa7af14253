"""Options from a file: ``--config run.toml``."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastnet.support.text import did_you_mean

__all__ = ["add_config", "config_of", "option_name", "take_config"]

HELP = (
    "take options from this TOML or JSON file, with the names shown here, for all commands or in a table [COMMAND]; "
    "the command line takes precedence"
)

_MOST_BYTES = 1 << 16
_MOST_DOTS = 100  # in a line

Parser = argparse.ArgumentParser
Actions = dict[str, argparse.Action]


def add_config(parser: Parser) -> None:
    """Add ``--config``."""
    parser.add_argument("--config", metavar="FILE", help=HELP)


def config_of(argv: Sequence[str] | None) -> tuple[str, str] | None:
    """Return the command and the file of ``--config``, if it is given."""
    scout = Parser(add_help=False, allow_abbrev=False, exit_on_error=False)
    scout.add_argument("command", nargs="?")
    scout.add_argument("--config")
    try:
        found, _ = scout.parse_known_args(argv)
    except argparse.ArgumentError:  # the full parser reports the error
        return None
    return (found.command, found.config) if found.command and found.config else None


def take_config(command: str, path: str, parsers: Mapping[str, Parser]) -> None:
    """Use the options in a file as the defaults of a command. All names in the file are checked.

    Parameters
    ----------
    command : str
        The command that is run.
    path : str
        The file: JSON if its name ends in .json, else TOML.
    parsers : mapping of str to ArgumentParser
        The parser of every command.

    Raises
    ------
    OSError
        The file cannot be read.
    SystemExit
        It is not valid; the parser of the command prints the error.
    """
    parser = parsers[command]
    try:
        given = _read(path)
        actions = {name: _actions_of(one) for name, one in parsers.items()}
        for key, value in _values_for(command, given, actions).items():
            action = actions[command][key]
            action.default = _converted(action, key, value)
            action.required = False
    except ValueError as error:
        parser.error(f"{path}: {error}")


def option_name(action: argparse.Action) -> str | None:
    """Return the long name of an option, or the name of a positional argument; None if no file can set it."""
    if action.help == argparse.SUPPRESS or action.dest in ("help", "config"):
        return None
    return action.dest if not action.option_strings else action.option_strings[-1].removeprefix("--")


def _read(path: str) -> dict[str, Any]:
    import tomllib  # not at the top: it would slow down --help

    from fastnet.files.safetensors import parse_json

    with Path(path).open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"must have at most {_MOST_BYTES:,} bytes")
    text = content.decode()
    if Path(path).suffix == ".json":
        given = parse_json(text)
        if not isinstance(given, dict):
            raise ValueError(f"must hold an object of options; got {type(given).__name__}")
        return given
    # The memory that tomllib takes for a dotted key grows with the square of its length.
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        raise ValueError("it is nested too deep")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _actions_of(parser: Parser) -> Actions:
    return {name: action for action in parser._actions if (name := option_name(action))}


def _values_for(command: str, given: Mapping[str, Any], actions: Mapping[str, Actions]) -> dict[str, Any]:
    """Return the values for one command; its own table takes precedence over options for all commands."""
    anywhere = {key for known in actions.values() for key in known}
    own: dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(value, dict):
            key = _known(name, anywhere, [*anywhere, *actions], "an option of any command")
            if key in actions[command]:
                own.setdefault(key, value)
            continue
        table = _known(name, actions, actions, "a command")
        for option, setting in value.items():
            key = _known(option, actions[table], actions[table], f"an option of fastnet {table}")
            if table == command:
                own[key] = setting
    return own


def _known(name: str, known: Iterable[str], suggested: Iterable[str], what: str) -> str:
    key = name.replace("_", "-")
    if key in known:
        return key
    raise ValueError(f"{name!r} is not {what}{did_you_mean(key, suggested)}")


def _converted(action: argparse.Action, key: str, value: Any) -> Any:
    """Return the value as parsed from the command line."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError(f"{key} must be true or false; got {value!r}")
        return value
    if isinstance(action, argparse._AppendAction) or action.nargs == "+":
        return [_as_typed(key, one) for one in (value if isinstance(value, list) else [value])]
    if isinstance(value, bool) and action.const is not None:  # an option that may stand without its value
        return action.const if value else action.default
    text = _as_typed(key, value)
    try:
        converted = action.type(text) if callable(action.type) else text
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{key} {error}") from None
    if action.choices is not None and converted not in action.choices:
        hint = did_you_mean(text, action.choices)
        raise ValueError(f"{key} must be one of {', '.join(map(str, action.choices))}; got {text!r}{hint}")
    return converted


def _as_typed(key: str, value: Any) -> str:
    """Return a value as typed on the command line: a list with commas."""
    if isinstance(value, list) and all(isinstance(one, int | str) and not isinstance(one, bool) for one in value):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{key} must be a string, a number or a list of these; got {value!r}")
    return str(value)
