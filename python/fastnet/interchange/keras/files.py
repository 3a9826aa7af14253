"""Files of Keras: whole models (``.keras``, ``.h5``) and weights (``.weights.h5``), of versions 2 and 3.

Nothing in them is executed, and no memory is taken for more than a few times what a file holds.
"""

import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet import layers
from fastnet.interchange.keras.leaves import Leaf, leaves_of
from fastnet.interchange.keras.recognition import ZIP_SIGNATURE
from fastnet.interchange.parts import NAME_LISTS, Parts, located
from fastnet.network.layered import Layered
from fastnet.support.attributes import own_class
from fastnet.support.json_values import parse_bounded

if TYPE_CHECKING:
    from fastnet.interchange.hdf5 import reader as hdf5

__all__ = ["WEIGHTS", "load_keras_weights", "names_of", "read_keras_model"]

WEIGHTS = "model.weights.h5"

# What the members of a file, or its arrays, may take in memory: so many times its size, or this much in any case.
LARGEST_EXPANSION = 8
_HARMLESS = 1 << 20  # bytes


def read_keras_model(path: str | os.PathLike[str]) -> Parts:
    """Return the parts of the model in a ``.keras`` file, or a whole-model ``.h5`` file, of Keras."""
    from fastnet.interchange.keras.configs import architecture_of

    with _opened(path) as contents:
        if contents.architecture is None:
            raise ValueError("it holds weights without an architecture: make the model, then load_weights")
        architecture = architecture_of(contents.architecture, contents.version)
        places, row = zip(*located(architecture.layers), strict=True)
        leaves = leaves_of(row, architecture.input_shape)
        arrays = _read(contents, leaves, places, skip_mismatch=False)
    for root, group in groupby(zip(leaves, arrays, strict=True), key=lambda pair: pair[0].root):
        inside = list(group)
        if any(values is not None for _, values in inside):
            kept = [array for leaf, values in inside for array in values or leaf.initial_weights()]
            row[root].keep_weights(kept)
    return Parts(
        architecture.input_shape,
        architecture.layers,
        architecture.dtype,
        architecture.name,
        architecture.trainable,
        compilation=contents.compilation,
        **contents.names,
    )


def load_keras_weights(model: Layered, path: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
    """Give a built model the weights of a file of Keras, whose model must have the same layers.

    Parameters
    ----------
    model : Sequential
    path : str or os.PathLike
        A ``.weights.h5``, ``.keras`` or ``.h5`` file.
    skip_mismatch : bool, default False
        Whether layers whose weights the file lacks, or has in other shapes, stay as they are.

    Raises
    ------
    ValueError
        The file is damaged, or its weights do not fit the model; nothing changes.
    """
    with _opened(path) as contents:
        places, row = zip(*located(model._layers), strict=True)
        leaves = leaves_of(row, model.input_shape or ())
        arrays = _read(contents, leaves, places, skip_mismatch)
    chosen: list[int] = []
    given: list[Any] = []
    count = 0
    for leaf, values in zip(leaves, arrays, strict=True):
        first, count = count, count + len(leaf.shapes)
        if values is not None:
            chosen += range(first, count)
            given += values
    model._weights.chosen(chosen).set(given)


# ---- Files ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Contents:
    """An open file: what JSON says, and the HDF5 group that has the weights."""

    architecture: Any
    compilation: Any
    version: int  # of Keras
    weights: "hdf5.Group"
    size: int  # of the file, in bytes
    names: dict[str, list[str]]  # of classes and features, where fastnet wrote it


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[_Contents]:
    from fastnet.interchange.hdf5 import reader as hdf5  # here, since most model files are not Keras's

    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        if file.read(4) != ZIP_SIGNATURE:
            with hdf5.opened(file) as root:
                architecture, compilation = (_attribute(root, name) for name in ("model_config", "training_config"))
                weights = root.group("model_weights") or root
                version = _version(root.text("keras_version") or weights.text("keras_version"))
                yield _Contents(architecture, compilation, version, weights, size, {})
            return
    members = _members(path, size)
    config = _parsed("config.json", members["config.json"])
    metadata = _parsed("metadata.json", members["metadata.json"])
    version = _version(metadata.get("keras_version"))
    names = {key: _texts(key, metadata[key]) for key in NAME_LISTS if key in metadata}
    with hdf5.opened(io.BytesIO(members[WEIGHTS])) as root:
        yield _Contents(config, config.get("compile_config"), version, root, size, names)


def _members(path: str | os.PathLike[str], size: int) -> dict[str, bytes]:
    """Return the members of a ``.keras`` file, none of which may be much larger than the file."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            found = {info.filename: info for info in archive.infolist()}
            members = {}
            for name in ("metadata.json", "config.json", WEIGHTS):
                if name not in found:
                    raise ValueError(f"it is a zip archive without {name!r}, not a model of Keras")
                if found[name].file_size > _allowed(size):
                    raise ValueError(f"{name!r} in it claims {found[name].file_size} bytes; the file has {size}")
                members[name] = archive.read(found[name])
            return members
    except ValueError:
        raise
    except Exception as error:  # zipfile lets many kinds through
        raise ValueError(f"it is a damaged or unusual zip archive ({error})") from error


def _allowed(size: int) -> int:
    """Return how many bytes of memory a file of a size may ask for."""
    return max(LARGEST_EXPANSION * size, _HARMLESS)


def _parsed(name: str, text: str | bytes) -> Any:
    """Return a JSON object."""
    try:
        value = parse_bounded(text)
    except ValueError as error:
        raise ValueError(f"{name!r} in it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} in it must be a JSON object; got {type(value).__name__}")
    return value


def _attribute(root: "hdf5.Group", name: str) -> Any:
    text = root.text(name)
    return None if text is None else _parsed(name, text if isinstance(text, str) else "")


def _version(text: Any) -> int:
    """Return the number of the version of Keras; its newest where it is not given in digits."""
    number = re.match(r"[0-9]{1,3}", str(text))
    return int(number[0]) if number else 3


# ---- Weights --------------------------------------------------------------------------------------------------------


Places = Sequence[tuple[str, ...]]  # the models that each layer of a row is inside of


def _read(contents: _Contents, leaves: Sequence[Leaf], places: Places, skip_mismatch: bool) -> list[list[Any] | None]:
    """Return the arrays for every layer; None where it has none, or keeps those that it has."""
    legacy = any(contents.weights.text(name) is not None for name in ("layer_names", "layer_names0"))
    found = _by_order(contents.weights, leaves) if legacy else _by_class(contents.weights, leaves, places)
    chosen: list[list[Any] | None] = []
    for leaf, datasets in zip(leaves, found, strict=True):
        reason = _mismatch(leaf, datasets)
        if reason and not skip_mismatch:
            raise ValueError(reason)
        kept = reason or not leaf.shapes or (not datasets and isinstance(leaf.layer, layers.Normalization))
        chosen.append(None if kept else datasets[: len(leaf.shapes)])
    needed = sum(dataset.nbytes for datasets in chosen for dataset in datasets or [])
    if needed > _allowed(contents.size):
        raise ValueError(f"its arrays claim {needed} bytes; the file has {contents.size}")
    return [
        datasets
        and [np.broadcast_to(one.read(), shape) for one, shape in zip(datasets, leaf.shapes.values(), strict=True)]
        for leaf, datasets in zip(leaves, chosen, strict=True)
    ]


def _mismatch(leaf: Leaf, datasets: list[Any]) -> str | None:
    """Return why arrays do not fit a layer, or None where they do."""
    from fastnet.interchange.hdf5 import reader as hdf5

    layer, expected = leaf.layer, list(leaf.shapes.values())
    counted = isinstance(layer, layers.Normalization)
    if counted and (not datasets or len(datasets) == 3):  # none where the numbers were arguments; the third is a count
        datasets = datasets[:2]
        expected = expected[: len(datasets)]
    if len(datasets) != len(expected):
        return f"layer {layer.name!r} has {len(expected)} arrays of weights; the file has {len(datasets)} for it"
    for number, (dataset, shape) in enumerate(zip(datasets, expected, strict=True)):
        name = f"array {number} of layer {layer.name!r}"
        if not isinstance(dataset, hdf5.Dataset):
            raise ValueError(f"{name} in it must be an array; got {type(dataset).__name__}")
        dataset.check_floats(name)
        if dataset.shape != shape and not (counted and dataset.shape == ()):  # one number for all features
            return f"{name} must have shape {shape}; the file has {dataset.shape}"
    return None


def names_of(leaves: Sequence[Leaf], places: Places = ()) -> list[str]:
    """Return the names that Keras 3 gives the weights of layers in a file: their classes, numbered in each model.

    `places` are those of the layers of the row that the leaves are in; without them all are in the model itself.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    names = {}
    for leaf in sorted(leaves, key=lambda leaf: leaf.place):
        kind = (*(places[leaf.root] if places else ()), own_class(type(leaf.layer)).default_name())
        names[leaf.place] = "/layers/".join(kind) + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
    return [names[leaf.place] for leaf in leaves]


def _by_class(root: "hdf5.Group", leaves: Sequence[Leaf], places: Places) -> list[list[Any]]:
    """Return every layer's arrays in a file of Keras 3, where layers are numbered by their classes."""
    group = root.group("layers") or root.group("_layer_checkpoint_dependencies")
    if group is None:
        raise ValueError("it is an HDF5 file without weights of Keras")
    found = {}
    if not any(place and group.group(f"{place[0]}/layers") for place in places):
        places = ()  # the file of a model whose layers are in one row, as fastnet writes it
    models = {place[0] for place in places if place}
    for name in names_of(leaves, places):
        variables = group.group(f"{name}/vars")
        found[name] = [variables.member(str(number)) for number in range(len(variables.links))] if variables else []
    for name in group.links:
        parts = (
            () if name in found or name in models else (group.group(f"{name}/{part}") for part in ("layers", "vars"))
        )
        if any(part and part.links for part in parts):
            raise ValueError(f"it has weights of a layer {name!r}, which the model lacks")
    return list(found.values())


def _by_order(root: "hdf5.Group", leaves: Sequence[Leaf]) -> list[list[Any]]:
    """Return every layer's arrays in an older file, where layers, or those with weights, come in their order."""
    groups = [root.group(name) for name in _names(root, "layer_names")]
    stored = [[group.member(path) for path in _names(group, "weight_names")] for group in groups if group]
    filled = [datasets for datasets in stored if datasets]
    places = sorted(leaf.place for leaf in leaves)
    wanted = sorted(leaf.place for leaf in leaves if leaf.shapes)
    if len(filled) == len(wanted):
        found = dict(zip(wanted, filled, strict=True))
    elif len(stored) == len(leaves):  # a normalization by numbers that were arguments has no weights in Keras
        found = dict(zip(places, stored, strict=True))
    else:
        raise ValueError(f"it has weights of {len(filled)} layers; the model has {len(wanted)} with weights")
    return [found.get(leaf.place, []) for leaf in leaves]


def _texts(key: str, value: Any) -> list[str]:
    """Return a list of names."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{key!r} in it must be a list of names")
    return value


def _names(group: "hdf5.Group", attribute: str) -> list[str]:
    """Return a list of names that Keras keeps as an attribute, or as several where it is long."""
    parts = [part for part in [group.text(attribute)] if part is not None]
    while (part := group.text(f"{attribute}{len(parts)}")) is not None:
        parts.append(part)
    if not all(isinstance(part, list) for part in parts):
        raise ValueError(f"{attribute!r} in it must be a list of names")
    return [name for part in parts for name in part]
