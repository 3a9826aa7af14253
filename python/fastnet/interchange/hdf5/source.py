"""The bytes of an HDF5 file that nobody vouches for: no address, size or count of it is believed."""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["SIGNATURE", "UNDEFINED", "Source", "damaged", "unusual"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"  # the first bytes of a file
UNDEFINED = 2**64 - 1  # the address of what a file does not have

# Bytes of structures: what may be read of them for each byte of a file, in any file, and in the largest one.
_EXPANSION = 4
_HARMLESS = 1 << 16
_MOST = 1 << 26
_LEAST_COST = 64  # of one structure, or of a message, a name or a text in one


def damaged(reason: str) -> ValueError:
    """Return the error for a file that is not as HDF5 has it."""
    return ValueError(f"its HDF5 part is damaged or cut short ({reason})")


def unusual(what: str) -> ValueError:
    """Return the error for what HDF5 has and Keras does not write."""
    return ValueError(f"its HDF5 part has {what}, which Keras does not write: save the model again with Keras")


class Source:
    """The bytes of a file, whose structures are read at most a few times each.

    Parameters
    ----------
    file : binary file object
        It can seek.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self._left = min(_EXPANSION * self.size, _MOST) + _HARMLESS
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}

    def values(self, address: int, size: int) -> bytes:
        """Return the bytes of an array; how many may be read is up to the caller."""
        if address + size > self.size:
            raise damaged(f"{size} bytes at {address} are outside the file of {self.size}")
        self._file.seek(address)
        content = self._file.read(size)
        if len(content) != size:
            raise damaged("it was cut short while it was read")
        return content

    def structure(self, address: int, size: int) -> bytes:
        """Return the bytes of a structure."""
        self.spend(size)
        return self.values(address, size)

    def spend(self, size: int = 0) -> None:
        """Count a structure, or a part of one that takes time and memory of its own."""
        self._left -= size + _LEAST_COST
        if self._left < 0:
            raise damaged("its structures lead to one another over and over")

    def unpacked(self, address: int, layout: str) -> tuple[int, ...]:
        """Return the little-endian integers of a structure."""
        return struct.unpack(f"<{layout}", self.structure(address, struct.calcsize(f"<{layout}")))

    def text(self, size: int, collection: int, index: int) -> bytes:
        """Return an object of the global heap, which holds texts of variable length."""
        if not size:
            return b""
        if collection not in self._collections:
            self._collections[collection] = dict(_objects(self, collection))
        address, length = self._collections[collection].get(index, (0, -1))
        if size > length:
            raise damaged(f"the heap at {collection} has no object {index} of {size} bytes")
        return self.structure(address, size)


def _objects(source: Source, address: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the index, the address and the size of every object in a collection of the global heap."""
    signature, version, size = struct.unpack("<4sB3xQ", source.structure(address, 16))
    if signature != b"GCOL" or version != 1:
        raise damaged(f"no global heap at {address}")
    content = source.structure(address, size)
    place = 16
    while place + 16 <= size:
        index, length = struct.unpack_from("<H6xQ", content, place)
        if not index:  # the free space at the end
            return
        if place + 16 + length > size:
            raise damaged(f"object {index} of the heap at {address} is too long")
        source.spend()
        yield index, (address + place + 16, length)
        place += 16 + length + -length % 8
