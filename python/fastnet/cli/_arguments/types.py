"""Types of arguments: each function returns the value of a text, or an error that says what is accepted."""

import argparse
import math
import re
from collections.abc import Callable

__all__ = [
    "class_weight",
    "column",
    "decimal",
    "fraction",
    "hidden_layers",
    "image_shape",
    "integer",
    "not_negative",
    "patience",
    "positive_number",
    "seconds",
    "separator",
]

SECONDS = {"s": 1, "m": 60, "h": 3600}
SEPARATORS = {**{one: one for one in ",;|\t "}, "tab": "\t", "\\t": "\t"}  # a tab is hard to type in a shell
DECIMALS = (".", ",")


def integer(minimum: int, maximum: float = math.inf) -> Callable[[str], int]:
    """Return the type of an integer in a range."""
    accepted = f"an integer of at least {minimum}" if maximum == math.inf else f"an integer from {minimum} to {maximum}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if not minimum <= number <= maximum:
            raise argparse.ArgumentTypeError(f"must be {accepted}; got {text!r}")
        return number

    return parse


def patience(usual: int) -> Callable[[str], int]:
    """Return the type of a number of epochs that may be left out, so that DATA behind the option seems to be it."""

    def parse(text: str) -> int:
        try:
            return integer(1)(text)
        except argparse.ArgumentTypeError as error:
            if text.removeprefix("-").isdecimal():
                raise
            raise argparse.ArgumentTypeError(f"{error}; write DATA first, or --early-stopping {usual}") from None

    return parse


def positive_number(text: str) -> float:
    """Return a finite number above 0."""
    return _number(text, lambda number: 0 < number < math.inf, "a number above 0")


def not_negative(text: str) -> float:
    """Return a finite number of at least 0."""
    return _number(text, lambda number: 0 <= number < math.inf, "a number of at least 0")


def fraction(text: str) -> float:
    """Return a number from 0 to below 1."""
    return _number(text, lambda number: 0 <= number < 1, "a number from 0 to below 1")


def _number(text: str, accepted: Callable[[float], bool], description: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not accepted(number):
        raise argparse.ArgumentTypeError(f"must be {description}; got {text!r}")
    return number


def seconds(text: str) -> float:
    """Return the seconds of 30s, 5m, 1h or a number."""
    unit = SECONDS.get(text[-1:], 0)
    number = text[:-1] if unit else text
    try:
        return positive_number(number) * (unit or 1)
    except argparse.ArgumentTypeError:
        accepted = "a time above 0 such as 30s, 5m, 1h or a number of seconds"
        raise argparse.ArgumentTypeError(f"must be {accepted}; got {text!r}") from None


def hidden_layers(text: str) -> tuple[int, ...]:
    """Return the units of each hidden layer."""
    if text.strip().lower() == "none":
        return ()
    units = text.split(",")
    if not all(number.strip().isascii() and number.strip().isdigit() and int(number) > 0 for number in units):
        raise argparse.ArgumentTypeError(f"must be positive integers with commas, such as 64,64, or none; got {text!r}")
    return tuple(int(number) for number in units)


def image_shape(text: str) -> str | tuple[int, ...]:
    """Return the shape of an image, or "square"."""
    if text.strip().lower() == "square":
        return "square"
    sizes = text.split(",")
    if len(sizes) not in (2, 3) or not all(re.fullmatch(r"\s*[1-9][0-9]{0,5}\s*", size) for size in sizes):
        raise argparse.ArgumentTypeError(
            f"must be HEIGHT,WIDTH or HEIGHT,WIDTH,CHANNELS such as 28,28,1, or square; got {text!r}"
        )
    return tuple(map(int, sizes))


def class_weight(text: str) -> str:
    """Return "balanced", or the weights of classes as they are typed: NAME=WEIGHT with commas between them."""
    if text.strip().lower() == "balanced":
        return "balanced"
    seen: set[str] = set()
    for pair in text.split(","):
        name, equals, weight = pair.rpartition("=")
        if name in seen:
            raise argparse.ArgumentTypeError(f"must have one weight for each class; got several for {name!r}")
        seen.add(name)
        try:
            if not (name and equals):
                raise ValueError
            not_negative(weight)
        except (ValueError, argparse.ArgumentTypeError):
            accepted = "balanced, or NAME=WEIGHT with commas between them, such as rose=2,lily=0.5"
            raise argparse.ArgumentTypeError(f"must be {accepted}; got {text!r}") from None
    return text


def column(text: str) -> str | int:
    """Return the name or the index of a column."""
    return int(text) if text.removeprefix("-").isdecimal() else text


def separator(text: str) -> str:
    """Return the separator of a table."""
    if text not in SEPARATORS:
        raise argparse.ArgumentTypeError(f"must be one of ',', ';', '|', ' ' or tab; got {text!r}")
    return SEPARATORS[text]


def decimal(text: str) -> str:
    """Return the decimal sign."""
    if text not in DECIMALS:
        raise argparse.ArgumentTypeError(f"must be '.' or ','; got {text!r}")
    return text
