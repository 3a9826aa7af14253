"""Texts and arrays in HDF5 files that nobody vouches for: no other file is opened, no size is believed, nothing hangs.

Read is what Keras writes through h5py: groups, texts as their attributes, arrays of numbers. Arrays may also be in chunks, compressed
with gzip or not, as h5repack leaves them.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.hdf5 import structures
from fastnet.interchange.hdf5.source import UNDEFINED, Source, damaged, unusual

__all__ = ["Dataset", "Group", "opened"]

# Classes of datatypes, and the fields of IEEE's numbers: bit offset, precision, exponent and mantissa (place, size), bias.
_INTEGER, _FLOAT, _TEXT, _VARIABLE = 0, 1, 3, 9
_IEEE = {
    2: (0, 16, 10, 5, 0, 10, 15),
    4: (0, 32, 23, 8, 0, 23, 127),
    8: (0, 64, 52, 11, 0, 52, 1023),
}
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)  # classes of layouts
_GZIP, _SHUFFLE = 1, 2  # filters
_MOST_DIMENSIONS = 32


@contextmanager
def opened(file: BinaryIO) -> Iterator["Group"]:
    """Yield the root group of an HDF5 file that is open and can seek.

    Raises
    ------
    ValueError
        What is read in the body is damaged, cut short, or not written as Keras writes it.
    """
    try:
        source = Source(file)
        root = _Objects(source).at(structures.root_address(source))
        if not isinstance(root, Group):
            raise damaged("its root is not a group")
        yield root
    except (struct.error, zlib.error, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise damaged(str(error)) from error


class _Objects:
    """The objects of a file by their addresses, each read once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._found: dict[int, Group | Dataset] = {}

    def at(self, address: int) -> "Group | Dataset":
        if address not in self._found:
            header = structures.messages(self.source, address)
            is_array = any(message.kind == structures.LAYOUT for message in header)
            self._found[address] = Dataset(self.source, header) if is_array else Group(self, header)
        return self._found[address]


# ---- Groups ---------------------------------------------------------------------------------------------------------


class Group:
    """Names of other groups and of arrays, and texts."""

    def __init__(self, objects: _Objects, header: list[structures.Message]) -> None:
        self._objects = objects
        self._header = header

    @cached_property
    def links(self) -> dict[str, int | None]:
        """The addresses of what is in the group by their names; None for what is elsewhere."""
        return structures.links(self._objects.source, self._header)

    @cached_property
    def _attributes(self) -> dict[str, tuple[bytes, bytes, bytes]]:
        return dict(map(_attribute, structures.attributes(self._objects.source, self._header)))

    def text(self, name: str) -> Any:
        """Return an attribute: a string, a list of strings, or None where there is none.

        Raises
        ------
        ValueError
            It is damaged, or not text.
        """
        if name not in self._attributes:
            return None
        datatype, dataspace, content = self._attributes[name]
        shape = _shape(dataspace)
        if 0 in shape:
            return []  # whatever the type: an empty list is one of numbers for h5py
        kind, bits, size = struct.unpack_from("<BB2xI", datatype)
        if kind & 15 not in (_TEXT, _VARIABLE) or (kind & 15 == _VARIABLE and bits & 15 != 1):
            raise ValueError(f"attribute {name!r} in it must be text")
        count = math.prod(shape)
        if count * size > len(content):
            raise damaged(f"attribute {name!r} is cut short")
        cells = [content[start : start + size] for start in range(0, count * size, size)]
        if kind & 15 == _VARIABLE:
            cells = [self._objects.source.text(*struct.unpack("<IQI", cell)) for cell in cells]
        texts = [cell.split(b"\0")[0].decode() for cell in cells]
        return texts if shape else texts[0]

    def member(self, path: str) -> "Group | Dataset | None":
        """Return the group or the array at a path inside the group, or None where there is none.

        Raises
        ------
        ValueError
            A name on the way stands for something elsewhere.
        """
        found: Group | Dataset | None = self
        for name in path.split("/"):
            if not isinstance(found, Group) or name not in found.links:
                return None
            address = found.links[name]
            if address is None:
                raise ValueError(f"{name!r} in it is a link to another place, which is not followed")
            found = self._objects.at(address)
        return found

    def group(self, path: str) -> "Group | None":
        """Return the group at a path inside the group, or None where there is none; an error for an array."""
        found = self.member(path)
        if isinstance(found, Dataset):
            raise ValueError(f"{path!r} in it must be a group; got an array")
        return found


def _attribute(body: bytes) -> tuple[str, tuple[bytes, bytes, bytes]]:
    """Return the name, and the datatype, the dataspace and the content, of an attribute message."""
    version, flags, *sizes = struct.unpack_from("<BBHHH", body)
    if flags and version > 1:
        raise unusual("a shared datatype")
    place = 9 if version == 3 else 8
    parts = []
    for size in sizes:
        parts.append(body[place : place + size])
        place += size + (-size % 8 if version == 1 else 0)
    name, datatype, dataspace = parts
    return name.split(b"\0")[0].decode(), (datatype, dataspace, body[place:])


def _shape(dataspace: bytes) -> tuple[int, ...]:
    version, rank, _, kind = struct.unpack_from("<4B", dataspace)
    if rank > _MOST_DIMENSIONS or version not in (1, 2) or (version == 2 and kind == 2):
        raise damaged("an array without a shape")
    return struct.unpack_from(f"<{rank}Q", dataspace, 8 if version == 1 else 4)


# ---- Arrays ---------------------------------------------------------------------------------------------------------


class Dataset:
    """An array of numbers.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype or None
        None for what is not numbers.
    """

    def __init__(self, source: Source, header: list[structures.Message]) -> None:
        self._source = source
        self._messages = {message.kind: message for message in header}
        self.shape = _shape(self._body(structures.DATASPACE))
        self.dtype = _dtype(self._body(structures.DATATYPE))

    @property
    def nbytes(self) -> int:
        """What the array takes in memory."""
        return math.prod(self.shape) * (self.dtype.itemsize if self.dtype else 0)

    def check_floats(self, name: str) -> None:
        """Refuse what is not an array of floating-point numbers that the file itself holds."""
        version, kind = self._body(structures.LAYOUT)[:2]
        if structures.EXTERNAL_FILES in self._messages or (version == 4 and kind == _VIRTUAL):
            raise ValueError(f"the values of {name} are in another file, which is not read")
        if self.dtype is None or self.dtype.kind != "f":
            found = f"dtype {self.dtype}" if self.dtype else "another type"
            raise ValueError(f"{name} must hold floating-point numbers; got {found}")

    def read(self) -> NDArray[Any]:
        """Return the array; it takes `nbytes` of memory, and a chunk.

        Raises
        ------
        ValueError
            Not all of it was written, or it is damaged.
        """
        assert self.dtype is not None
        if not self.nbytes:
            return np.empty(self.shape, self.dtype)
        body = self._body(structures.LAYOUT)
        version, kind = body[:2]
        if version not in (3, 4) or (version == 4 and kind == _CHUNKED):
            raise unusual(f"an array in a layout of version {version}")
        if kind == _CHUNKED:
            return self._in_chunks(body)
        if kind == _COMPACT:
            content = body[4 : 4 + struct.unpack_from("<H", body, 2)[0]]
        else:
            address, size = struct.unpack_from("<QQ", body, 2)
            if address == UNDEFINED:
                raise damaged("an array that was never written")
            content = self._source.values(address, min(size, self.nbytes))
        if len(content) != self.nbytes:
            raise damaged(f"an array of shape {self.shape} and dtype {self.dtype} in {len(content)} bytes")
        return np.frombuffer(content, self.dtype).reshape(self.shape)

    def _in_chunks(self, body: bytes) -> NDArray[Any]:
        """Return an array that lies in chunks of one shape, where those at the ends are filled up."""
        assert self.dtype is not None
        rank = len(self.shape)
        dimensions, tree, *sizes = struct.unpack_from(f"<BQ{rank + 1}I", body, 2)
        if dimensions != rank + 1 or sizes[rank] != self.dtype.itemsize:
            raise damaged("chunks of another kind than their array")
        chunk = sizes[:rank]
        if not all(0 < one <= whole for one, whole in zip(chunk, self.shape, strict=True)):
            raise damaged(f"chunks of shape {tuple(chunk)} in an array of shape {self.shape}")
        result = np.empty(self.shape, self.dtype)
        filters = self._filters()
        seen: set[tuple[int, ...]] = set()
        left = self._source.size
        for size, mask, start, address in structures.chunks(self._source, tree, rank):
            left -= size
            aligned = all(at % one == 0 and at < whole for at, one, whole in zip(start, chunk, self.shape, strict=True))
            if not aligned or start in seen or left < 0:
                raise damaged("chunks that are not those of their array")
            seen.add(start)
            used = [one for number, one in enumerate(filters) if not mask >> number & 1]
            content = _unfiltered(self._source.values(address, size), used, self.dtype.itemsize, math.prod(chunk))
            place = result[tuple(slice(at, at + one) for at, one in zip(start, chunk, strict=True))]
            place[...] = np.frombuffer(content, self.dtype).reshape(chunk)[tuple(map(slice, place.shape))]
        if len(seen) != math.prod(-(-whole // one) for whole, one in zip(self.shape, chunk, strict=True)):
            raise damaged("an array that was not written whole")
        return result

    def _filters(self) -> list[int]:
        """Return the filters that chunks went through, in their order."""
        if structures.FILTERS not in self._messages:
            return []
        body = self._body(structures.FILTERS)
        version, count = body[:2]
        if version != 1:
            raise unusual(f"filters in a message of version {version}")
        found = []
        place = 8
        for _ in range(count):
            number, length, values = struct.unpack_from("<HH2xH", body, place)
            if number not in (_GZIP, _SHUFFLE):
                raise ValueError(f"an array in it went through filter {number} of HDF5; only gzip and shuffle are read")
            found.append(number)
            place += 8 + length + -length % 8 + 4 * (values + values % 2)
        return found

    def _body(self, kind: int) -> bytes:
        """Return the one message of a kind."""
        if kind not in self._messages:
            raise damaged("an array without shape, type or place")
        if self._messages[kind].shared:
            raise unusual("a shared datatype")
        return self._messages[kind].body


def _dtype(datatype: bytes) -> np.dtype[Any] | None:
    """Return the dtype for a datatype message, or None where it is not one of numbers."""
    kind, bits, sign, size = struct.unpack_from("<BBBxI", datatype)
    order = ">" if bits & 1 else "<"
    if kind & 15 == _INTEGER and size in (1, 2, 4, 8) and struct.unpack_from("<HH", datatype, 8) == (0, 8 * size):
        return np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}")
    if kind & 15 == _FLOAT and size in _IEEE:
        fields = struct.unpack_from("<HHBBBBI", datatype, 8)
        if fields == _IEEE[size] and sign == 8 * size - 1 and bits & 0x70 == 0x20:  # not VAX's; a hidden leading 1
            return np.dtype(f"{order}f{size}")
    return None


def _unfiltered(content: bytes, filters: list[int], itemsize: int, count: int) -> bytes:
    """Return the bytes of `count` numbers from before they went through filters."""
    for number in reversed(filters):
        if number == _GZIP:
            stream = zlib.decompressobj()
            content = stream.decompress(content, count * itemsize + 1)
            if not stream.eof:
                raise damaged("a chunk of another size than its array says")
        elif len(content) % itemsize == 0:
            content = np.frombuffer(content, np.uint8).reshape(itemsize, -1).T.tobytes()
    if len(content) != count * itemsize:
        raise damaged("a chunk of another size than its array says")
    return content
