"""Layers written out, such as "conv 32 3, pool 2, dense 64": the value of ``--layers``."""

import argparse
from collections.abc import Callable
from typing import NamedTuple

from fastnet.cli._arguments.types import fraction, integer
from fastnet.support.text import did_you_mean

__all__ = ["AUGMENTATIONS", "NETWORKS", "LayerSpec", "augmentations", "dense_layers", "layers", "parse_layers"]

# Keras's mnist_convnet, and LeNet-5 as it is usually taught today; they end in a layer with one output for each class.
NETWORKS = {
    "cnn": "conv 32 3, pool 2, conv 64 3, pool 2, flatten, dropout 0.5",
    "lenet": "conv 6 5, pool 2, conv 16 5, pool 2, dense 120, dense 84",
}

# What images can be changed by in training, and how much: small enough for digits, letters and most photographs.
AUGMENTATIONS = {
    "shift": "up to a tenth of the height and the width",
    "rotate": "up to 10 degrees",
    "zoom": "up to a tenth",
    "flip": "left and right, not for digits and letters",
}

_SIZE = integer(1, 2**31 - 1)


class _Word(NamedTuple):
    """A kind of layers.

    Attributes
    ----------
    numbers : dict of str to callable
        The name of each number that follows, and its type.
    takes_images : bool
        Whether the layer takes images only.
    gives_rows : bool
        Whether the layer gives rows of numbers, whatever it takes.
    options : tuple of str
        Words that may follow the numbers.
    """

    numbers: dict[str, Callable[[str], float]]
    takes_images: bool = False
    gives_rows: bool = False
    options: tuple[str, ...] = ()

    def usage(self, word: str) -> str:
        return " ".join([word, *self.numbers, *(f"[{option}]" for option in self.options)])


_WORDS = {
    "conv": _Word({"FILTERS": _SIZE, "SIZE": _SIZE}, takes_images=True, options=("same",)),
    "pool": _Word({"SIZE": _SIZE}, takes_images=True),
    "average": _Word({"SIZE": _SIZE}, takes_images=True),
    "global": _Word({}, takes_images=True, gives_rows=True),
    "flatten": _Word({}, gives_rows=True),
    "dense": _Word({"UNITS": _SIZE}, gives_rows=True),
    "dropout": _Word({"RATE": fraction}),
    "norm": _Word({}),
}
USAGE = ", ".join(word.usage(name) for name, word in _WORDS.items())


class LayerSpec(NamedTuple):
    """A layer as it is written: its word, its numbers, and the options after them."""

    word: str
    numbers: tuple[float, ...]
    options: tuple[str, ...] = ()

    @property
    def takes_images(self) -> bool:
        """Whether the layer takes images only."""
        return _WORDS[self.word].takes_images

    @property
    def gives_rows(self) -> bool:
        """Whether the layer gives rows of numbers, whatever it takes."""
        return _WORDS[self.word].gives_rows

    def __str__(self) -> str:
        return " ".join([self.word, *map(str, self.numbers), *self.options])


def layers(text: str) -> str:
    """Return the layers in a text in their usual form: the type of ``--layers``."""
    return ", ".join(map(str, parse_layers(text or " ")))


def augmentations(text: str) -> str:
    """Return the words in a text, each once: the type of ``--augment``."""
    words = [word.strip().lower() for word in text.split(",")]
    for word in words:
        if word not in AUGMENTATIONS:
            known = ", ".join(AUGMENTATIONS)
            raise argparse.ArgumentTypeError(
                f"must be some of {known}, with commas between them; got {word!r}{did_you_mean(word, AUGMENTATIONS)}"
            )
    return ",".join(dict.fromkeys(words))


def dense_layers(units: tuple[int, ...], *, batch_norm: bool = False, dropout: float | None = None) -> str:
    """Return dense layers as they are written, each followed by a normalization and dropout on request."""
    after = [*(["norm"] if batch_norm else []), *([f"dropout {dropout:g}"] if dropout else [])]
    return ", ".join(", ".join([f"dense {number}", *after]) for number in units)


def parse_layers(text: str) -> list[LayerSpec]:
    """Return the layers in a text; none of an empty one.

    Raises
    ------
    argparse.ArgumentTypeError
        A layer is not known, has other numbers, or does not fit the layers before it.
    """
    specs: list[LayerSpec] = []
    for part in text.split(",") if text else []:
        spec = _parsed(part)
        if spec.takes_images and (rows := next((one for one in specs if one.gives_rows), None)):
            raise argparse.ArgumentTypeError(
                f"has {str(spec)!r}, which takes images, after {str(rows)!r}, which gives rows of numbers"
            )
        specs.append(spec)
    return specs


def _parsed(part: str) -> LayerSpec:
    name, *others = part.lower().split() or [""]
    if name not in _WORDS:
        hint = did_you_mean(name, _WORDS)
        raise argparse.ArgumentTypeError(
            f"must be layers with commas between them: {USAGE}; got {part.strip()!r}{hint}"
        )
    word = _WORDS[name]
    given, options = others[: len(word.numbers)], others[len(word.numbers) :]
    if len(given) < len(word.numbers) or [one for one in word.options if one in options] != options:
        raise argparse.ArgumentTypeError(f"has {part.strip()!r}; a layer of this kind is {word.usage(name)!r}")
    numbers = []
    for (what, kind), number in zip(word.numbers.items(), given, strict=True):
        try:
            numbers.append(kind(number))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"has {part.strip()!r}, whose {what} {error}") from None
    return LayerSpec(name, tuple(numbers), tuple(options))
