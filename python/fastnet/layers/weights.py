"""The weights of a layer or of a model: named pieces of the one flat vector that the compiled network holds."""

import math
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet._core import Network32, Network64
from fastnet.support.validation import describe

Network = Network32 | Network64
NETWORKS: dict[str, type[Network32] | type[Network64]] = {"float32": Network32, "float64": Network64}


class Slot(NamedTuple):
    """Where one array lies in the flat vector."""

    label: str  # for messages: "kernel of layer 'dense'"
    name: str  # the name that its layer has for it
    offset: int
    shape: tuple[int, ...]
    trainable: bool

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


class Changes:
    """Whether the layers of a model have changed since its network was last updated, and who shares its weights.

    Those of a layer `alone` are in a network of its own, until its model is built.
    """

    def __init__(self, alone: bool = False) -> None:
        self.alone = alone
        self.pending = True
        self._shares: list[weakref.ref[Share]] = []

    def mark(self) -> None:
        """Note that a layer has changed, for the models that share weights, too."""
        for one in [self, *(target.changes for _, target in self._copies())]:
            one.pending = True

    def spread(self) -> None:
        """Write the weights of the network that have just changed to the networks that share them."""
        for source, target in self._copies() if self._shares else ():
            target.take_from(source)

    @property
    def lent(self) -> bool:
        """Whether another model has layers of this one."""
        return any(share.owner.changes is self for share in self._living())

    def _living(self) -> "list[Share]":
        return [share for reference in self._shares if (share := reference()) is not None]

    def _copies(self) -> "Iterator[tuple[Weights, Weights]]":
        """Yield what to copy where, so that all networks that share weights, even through others, have those of this one."""
        reached_from: dict[int, Changes | None] = {id(self): None}
        sources = [self]
        for source in sources:
            for share in source._living():
                ends = (share.owner, share.borrower)
                here, there = ends if share.owner.changes is source else reversed(ends)
                if reached_from.setdefault(id(there.changes), source) is source:
                    yield here, there
                    if there.changes not in sources:
                        sources.append(there.changes)


class Share:
    """The same weights in two networks: in that of their layers, and in another one that has these layers, too.

    Each network has them in its one flat vector. After one of them has changed, `Changes.spread` copies them to the others.
    The model that borrows the layers keeps the object; without it, nothing is shared.
    """

    def __init__(self, owner: "Weights", borrower: "Weights") -> None:
        self.owner, self.borrower = owner, borrower
        for end in (owner, borrower):
            end.changes._shares = [weakref.ref(share) for share in end.changes._living()] + [weakref.ref(self)]


class Weights:
    """Reads and writes the arrays at `slots` of a network; `changes` is that of the whole model."""

    def __init__(self, network: Network, dtype: str, slots: Sequence[Slot], changes: Changes | None = None) -> None:
        self._network = network
        self._dtype = dtype
        self.slots = slots
        self.changes = changes or Changes()

    @property
    def network(self) -> Network:
        """The network that has the arrays."""
        return self._network

    @property
    def dtype(self) -> str:
        """The dtype of the arrays."""
        return self._dtype

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(slot.size for slot in self.slots)

    def part(self, prefix: str) -> "Weights":
        """Return the weights whose names begin with `prefix`, without it."""
        slots = [
            slot._replace(name=slot.name.removeprefix(prefix)) for slot in self.slots if slot.name.startswith(prefix)
        ]
        return Weights(self._network, self._dtype, slots, self.changes)

    def chosen(self, indices: Iterable[int]) -> "Weights":
        """Return some of the weights, by their places in the order of `get`."""
        return Weights(self._network, self._dtype, [self.slots[index] for index in indices], self.changes)

    def get(self) -> list[NDArray[Any]]:
        """Return a copy of every array."""
        return self.split(self._network.get_parameters())

    def snapshot(self) -> list[NDArray[Any]]:
        """Return every array as a view of one copy of all, which takes half the time of `get`."""
        return self.views(self._network.get_parameters())

    def sha256(self) -> str:
        """Return the SHA-256 of the bytes of every array, one after the other in the order of `get`, little-endian."""
        return sha256_of(self.snapshot())

    def views(self, flat: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the arrays in a vector laid out like the network's values, as views of it."""
        return [_view(flat, slot) for slot in self.slots]

    def split(self, flat: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the arrays that a vector laid out like the network's values holds."""
        return _arrays(flat, self.slots)

    def set(self, arrays: Sequence[ArrayLike]) -> None:
        """Write every array, all at once for other threads; when one does not fit, nothing is written."""
        self._write(self._checked(arrays))
        self.changes.spread()

    def take_from(self, other: "Weights") -> None:
        """Write the arrays of the same layers in another network, all at once for other threads."""
        self._write(other.snapshot())

    def _write(self, arrays: Sequence[NDArray[Any]]) -> None:
        flat = [array.reshape(-1) for array in arrays]
        self._network.set_pieces(list(zip([slot.offset for slot in self.slots], flat, strict=True)))

    def joined(self, arrays: Sequence[ArrayLike]) -> NDArray[Any]:
        """Return the arrays of all weights of a network as one vector laid out like its values."""
        flat = np.empty(self.count, self._dtype)
        for view, value in zip(self.views(flat), self._checked(arrays), strict=True):
            view[...] = value
        return flat

    def _checked(self, arrays: Sequence[ArrayLike]) -> list[NDArray[Any]]:
        """Return the arrays in the network's dtype and in C order; an error when one does not fit."""
        if not isinstance(arrays, Sequence | np.ndarray):
            raise TypeError(f"weights must be a list of arrays; got {describe(arrays)}")
        if len(arrays) != len(self.slots):
            accepted = ", ".join(f"{slot.label} {slot.shape}" for slot in self.slots) or "none"
            raise ValueError(f"weights must be {len(self.slots)} arrays ({accepted}); got {len(arrays)}")
        values = [np.asarray(array) for array in arrays]
        for slot, value in zip(self.slots, values, strict=True):
            if value.dtype.kind not in "fiub":
                raise TypeError(f"{slot.label} must hold real numbers; got dtype {value.dtype}")
            if value.shape != slot.shape:
                raise ValueError(f"{slot.label} must have shape {slot.shape}; got {value.shape}")
        return [np.asarray(value, self._dtype, order="C") for value in values]

    def set_piece(self, index: int, first: int, values: NDArray[Any]) -> None:
        """Write values of the network's dtype to the array of slot `index`, from its value `first` on.

        Networks that share it get them with `Changes.spread`.
        """
        slot = self.slots[index]
        if first < 0 or first + len(values) > slot.size:
            raise ValueError(f"{slot.label} has {slot.size} values; got {len(values)} from {first} on")
        self._network.set_parameters(values, slot.offset + first)


class HasWeights:
    """A layer or a model: it has weights, and knows which of them training changes."""

    def _weights_if_built(self) -> Weights | None:
        raise NotImplementedError

    def _trained(self) -> list[bool]:
        """Return for each weight, in the order of `get_weights`, whether training changes it by its gradient."""
        raise NotImplementedError

    def _trained_weights(self) -> Weights:
        """Return those that training changes."""
        weights = self._weights_if_built()
        assert weights is not None
        return weights.chosen(index for index, trained in enumerate(self._trained()) if trained)

    @property
    def weights(self) -> list[NDArray[Any]]:
        """Copies of the weights, in the order of `get_weights`, which cannot be written to; empty before building."""
        weights = self._weights_if_built()
        return [] if weights is None else _read_only(weights.get())

    @property
    def trainable_weights(self) -> list[NDArray[Any]]:
        """Those of `weights` that training changes by their gradients."""
        return [array for array, trained in zip(self.weights, self._trained(), strict=True) if trained]

    @property
    def non_trainable_weights(self) -> list[NDArray[Any]]:
        """The others: frozen weights, and those that no gradient changes, such as moving averages."""
        return [array for array, trained in zip(self.weights, self._trained(), strict=True) if not trained]

    variables, trainable_variables, non_trainable_variables = weights, trainable_weights, non_trainable_weights


def _read_only(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return copies so that nobody takes them for the weights and writes to them."""
    for array in arrays:
        array.flags.writeable = False
    return arrays


def _arrays(flat: NDArray[Any], slots: Sequence[Slot]) -> list[NDArray[Any]]:
    """Return a copy of the array at every slot of a flat vector."""
    return [_view(flat, slot).copy() for slot in slots]


def _view(flat: NDArray[Any], slot: Slot) -> NDArray[Any]:
    return flat[slot.offset : slot.offset + slot.size].reshape(slot.shape)


def sha256_of(arrays: Iterable[NDArray[Any]]) -> str:
    """Return the SHA-256 of the bytes of contiguous arrays, one after the other, little-endian."""
    import hashlib

    digest = hashlib.sha256()
    for array in arrays:
        digest.update((array if sys.byteorder == "little" else array.byteswap()).data)
    return digest.hexdigest()


def finite(array: NDArray[Any]) -> bool:
    """Return whether an array has no NaN and no infinity."""
    return bool(np.isfinite(array).all())
