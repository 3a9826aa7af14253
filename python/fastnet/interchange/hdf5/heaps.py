"""Where HDF5 1.8 and later keep more than a few links or attributes: a fractal heap, with a B-tree of version 2 for its index."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fastnet.interchange.hdf5.source import Source, damaged, unusual

__all__ = ["stored"]


def stored(source: Source, heap: int, tree: int, identifier: slice) -> Iterator[bytes]:
    """Yield the objects in a heap that an index has, whose records have their identifiers at a place."""
    objects = _heap(source, heap)
    for record in _records(source, tree):
        yield objects.read(record[identifier])


# ---- Fractal heaps --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Heap:
    """A heap whose blocks come in rows: those of the first two rows have one size, those of each further row twice that before."""

    source: Source
    width: int  # blocks in a row
    start: int  # bytes of a block of the first row
    largest: int  # bytes of a block that has objects; a larger one has rows of its own
    offset_size: int
    root: int  # the address of a block of rows, or of the only block
    has_rows: bool

    def read(self, identifier: bytes) -> bytes:
        """Return an object by its identifier: a byte that is zero where it lies in a block, its offset, its length."""
        if identifier[0]:
            raise unusual("a name or an attribute of thousands of bytes")
        end = 1 + self.offset_size
        offset, length = (int.from_bytes(part, "little") for part in (identifier[1:end], identifier[end:]))
        return self.source.structure(self._address(self.root, offset) if self.has_rows else self.root + offset, length)

    def _address(self, block: int, offset: int) -> int:
        """Return the address of what has an offset in a block of rows."""
        entries = block + 13 + self.offset_size  # their addresses, one after the other
        row, first, size = 0, 0, self.start
        while offset >= first + self.width * size:
            first += self.width * size
            size *= 2 if row else 1
            row += 1
        column, inside = divmod(offset - first, size)
        (child,) = self.source.unpacked(entries + 8 * (row * self.width + column), "Q")
        return child + inside if size <= self.largest else self._address(child, inside)


def _heap(source: Source, address: int) -> _Heap:
    signature, version, filters = struct.unpack("<4sB2xH", source.structure(address, 9))
    if signature != b"FRHP" or version or filters:
        raise damaged(f"no plain fractal heap at {address}")
    width, start, largest, bits, _, root, rows = source.unpacked(address + 110, "HQQHHQH")
    if not width or not 0 < start <= largest or bits > 64:
        raise damaged(f"the heap at {address} has no blocks of sizes that can be")
    return _Heap(source, width, start, largest, -(-bits // 8), root, rows > 0)


# ---- B-trees of version 2 -------------------------------------------------------------------------------------------


def _records(source: Source, address: int) -> Iterator[bytes]:
    """Yield the records of an index, in any order."""
    head = source.structure(address, 34)
    signature, version, node_size, size, depth, root, count = struct.unpack("<4sBxIHH2xQH8x", head)
    if signature != b"BTHD" or version or size < 5 or node_size < 10:
        raise damaged(f"no B-tree of version 2 at {address}")
    pointers = _sizes_of_pointers(node_size, size, depth)
    pending = [(root, count, depth)]
    while pending:
        node, count, level = pending.pop()
        pointer, width = pointers[level]
        node_content = source.structure(node, 6 + count * size + (count + 1) * pointer * bool(level))
        if node_content[:4] != (b"BTIN" if level else b"BTLF"):
            raise damaged(f"no node of a B-tree at {node}")
        place = 6
        for _ in range(count):
            yield node_content[place : place + size]
            place += size
        for start in range(place, len(node_content), pointer) if level else ():
            (child,) = struct.unpack_from("<Q", node_content, start)
            pending.append((child, int.from_bytes(node_content[start + 8 : start + 8 + width], "little"), level - 1))


def _sizes_of_pointers(node_size: int, size: int, depth: int) -> list[tuple[int, int]]:
    """Return of the nodes at every level the size of a pointer to a child, and that of the child's count of records in it."""
    room = node_size - 10  # without signature, version, type and checksum
    most = total = room // size
    width = _bytes_for(most)
    sizes = [(0, width)]
    total_width = 0
    for _ in range(depth):
        pointer = 8 + width + total_width
        sizes.append((pointer, width))
        most = max(room - pointer, 0) // (size + pointer)
        total += most * (total + 1)
        total_width = _bytes_for(total)
        if total_width > 8:
            raise damaged("a B-tree of more records than there are numbers for")
    return sizes


def _bytes_for(number: int) -> int:
    return max(number.bit_length() + 7, 8) // 8
