"""The structures of an HDF5 file: superblock, object headers, groups and B-trees, as the specification names them.

https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html. h5py writes the layout of HDF5 1.0 to 1.6 unless it is told otherwise,
and a group whose names are not all ASCII in that of 1.8.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fastnet.interchange.hdf5.heaps import stored
from fastnet.interchange.hdf5.source import SIGNATURE, UNDEFINED, Source, damaged, unusual

__all__ = ["Message", "attributes", "chunks", "links", "messages", "root_address"]

# Types of header messages.
DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL_FILES, LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15


def root_address(source: Source) -> int:
    """Return the address of the root group's header, from the superblock."""
    if source.size < 24 or source.structure(0, 8) != SIGNATURE:
        raise damaged("it has no signature of HDF5")
    head = source.structure(8, 8)
    version, sizes = head[0], head[1:3] if head[0] > 1 else head[5:7]
    if version > 3 or sizes != b"\x08\x08":
        raise unusual(f"a superblock of version {version}, with addresses and lengths of {sizes.hex(' ')} bytes")
    if version > 1:
        base, _, end, root = source.unpacked(12, "4Q")
    else:
        base, _, end, _, _, root = source.unpacked(28 if version else 24, "6Q")
    if base or end > source.size:
        raise damaged(f"it has {source.size} bytes; its superblock says from {base} to {end}")
    return root


# ---- Object headers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an object header."""

    kind: int
    shared: bool  # then the body only says where it is
    body: bytes


def messages(source: Source, address: int) -> list[Message]:
    """Return the messages of the object header at an address."""
    head = source.structure(address, 16)
    if head.startswith(b"OHDR"):
        return _messages_of_version_2(source, address, *head[4:6])
    version, count, size = struct.unpack("<BxH4xI4x", head)
    if version != 1:
        raise damaged(f"no object header at {address}")
    return _messages_in(source, [(address + 16, size)], "<HHB3x", signature=b"", most=count)


def _messages_of_version_2(source: Source, address: int, version: int, flags: int) -> list[Message]:
    if version != 2:
        raise unusual(f"an object header of version {version}")
    width = 1 << (flags & 3)
    place = address + 6 + 16 * bool(flags & 32) + 4 * bool(flags & 16)
    size = int.from_bytes(source.structure(place, width), "little")
    layout = "<BHB2x" if flags & 4 else "<BHB"
    return _messages_in(source, [(place + width, size)], layout, signature=b"OCHK", most=65535)


def _messages_in(
    source: Source, blocks: list[tuple[int, int]], layout: str, signature: bytes, most: int
) -> list[Message]:
    """Return the messages in the first block of a header and in those with which it goes on.

    The header's version decides about the layout of what is before a message's body, its type, size and flags, and about the signature
    of further blocks; one that has a signature ends with a checksum.
    """
    found: list[Message] = []
    for number, (start, length) in enumerate(blocks):  # it grows as continuations are found
        content = source.structure(start, length)
        if signature and number:
            if not content.startswith(signature):
                raise damaged(f"no continuation of an object header at {start}")
            content = content[len(signature) : -4]
        place = 0
        while place + struct.calcsize(layout) <= len(content) and len(found) < most:
            kind, taken, flags = struct.unpack_from(layout, content, place)
            place += struct.calcsize(layout)
            body = content[place : place + taken]
            if len(body) != taken:
                raise damaged(f"a message of the header at {start} is too long")
            source.spend()
            if kind == CONTINUATION:
                blocks.append(struct.unpack_from("<QQ", body))
            found.append(Message(kind, bool(flags & 2), body))
            place += taken
    return found


# ---- Groups ---------------------------------------------------------------------------------------------------------


def links(source: Source, header: list[Message]) -> dict[str, int | None]:
    """Return the address of every object in a group by its name; None for a name that stands for something elsewhere."""
    found: dict[str, int | None] = {}
    for message in header:
        if message.kind == SYMBOL_TABLE:
            found.update(_symbols(source, *struct.unpack_from("<QQ", message.body)))
        elif message.kind == LINK:
            found.update([_link(message.body)])
        elif message.kind == LINK_INFO:
            found.update(map(_link, _stored(source, message.body, 8, slice(4, None))))  # after the hash of the name
    return found


def attributes(source: Source, header: list[Message]) -> Iterator[bytes]:
    """Yield the attribute messages of an object."""
    for message in header:
        if message.kind == ATTRIBUTE:
            yield message.body
        elif message.kind == ATTRIBUTE_INFO:
            yield from _stored(source, message.body, 2, slice(8))


def _stored(source: Source, info: bytes, counter: int, identifier: slice) -> Iterator[bytes]:
    """Yield what a message says to be in a heap; `counter` is the size of a number that it may have before the addresses."""
    heap, tree = struct.unpack_from("<QQ", info, 2 + counter * (info[1] & 1))
    if heap != UNDEFINED:
        yield from stored(source, heap, tree, identifier)


def _symbols(source: Source, tree: int, heap: int) -> Iterator[tuple[str, int | None]]:
    signature, segment_size, segment_address = struct.unpack("<4s4xQ8xQ", source.structure(heap, 32))
    if signature != b"HEAP":
        raise damaged(f"no local heap at {heap}")
    names = source.structure(segment_address, segment_size)
    for _, node in _leaves(source, tree, kind=0, key_size=8):
        signature, count = struct.unpack("<4s2xH", source.structure(node, 8))
        if signature != b"SNOD":
            raise damaged(f"no symbol table at {node}")
        for name, address, cached in struct.iter_unpack("<QQI20x", source.structure(node + 8, 40 * count)):
            end = names.find(b"\0", name)
            if end < 0:
                raise damaged("a name is outside its heap")
            source.spend(end - name)
            yield _decoded(names[name:end]), None if cached == 2 else address


def _link(body: bytes) -> tuple[str, int | None]:
    """Return the name and the address that a link message has."""
    flags = body[1]
    place = 2
    kind = body[place] if flags & 8 else 0
    place += bool(flags & 8) + 8 * bool(flags & 4) + bool(flags & 16)
    width = 1 << (flags & 3)
    start = place + width
    end = start + int.from_bytes(body[place:start], "little")
    address = None if kind else struct.unpack_from("<Q", body, end)[0]
    return _decoded(body[start:end]), address


def _decoded(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise damaged("a name is not UTF-8") from None


# ---- B-trees --------------------------------------------------------------------------------------------------------


def chunks(source: Source, tree: int, dimensions: int) -> Iterator[tuple[int, int, tuple[int, ...], int]]:
    """Yield of every chunk of an array its size in bytes, its filter mask, where it begins in the array, its address."""
    layout = f"<II{dimensions}Q8x"
    for key, address in _leaves(source, tree, kind=1, key_size=struct.calcsize(layout)):
        size, mask, *offsets = struct.unpack(layout, key)
        yield size, mask, tuple(offsets), address


def _leaves(source: Source, root: int, kind: int, key_size: int) -> Iterator[tuple[bytes, int]]:
    """Yield the key and the address of every child at the lowest level, in their order."""
    pending = [(root, -1)]
    while pending:
        address, expected = pending.pop()
        signature, found, level, count = struct.unpack("<4sBBH16x", source.structure(address, 24))
        if signature != b"TREE" or found != kind or expected not in (-1, level):
            raise damaged(f"no B-tree of the right kind and level at {address}")
        body = source.structure(address + 24, count * (key_size + 8))
        children = [(key, child) for key, child in struct.iter_unpack(f"<{key_size}sQ", body)]
        if level:
            pending += [(child, level - 1) for _, child in reversed(children)]
        else:
            yield from children
