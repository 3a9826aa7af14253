"""Random programs of opcodes for the reader of pickles, each run with limits on its time and on what it returns.

Run as a program, with a seed and a count: a child process, so that an endless loop or a crash ends it alone.
"""

import random
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet.files.pickled import plain_data

MOST_SECONDS = 1.0
SCALARS = (str, bytes, int, float, bool, type(None))
NAMES = ["numpy ndarray", "numpy dtype", "_codecs encode", "__builtin__ bytes", "numpy.core.multiarray _reconstruct"]
DTYPES = [b"u1", b"i4", b"f8", b"b1", b"O", b"O8", b"V3", b"f3"]


class Programs:
    """Programs whose parts mostly fit each other."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._rules: list[Callable[[int], bytes]] = [
            *(self.scalar, self.recalled, self.remembered, self.doubled, self.nested, self.of_items),
            *(self.dictionary, self.array, self.encoded, self.named, self.called, self.many),
        ]

    def program(self) -> bytes:
        data = b"]q\x00)q\x01" + self.value(0) + b"."
        if self._rng.random() < 0.2:
            changed = bytearray(data)
            changed[self._rng.randrange(len(changed))] = self._rng.randrange(256)
            data = bytes(changed)
        return data

    def value(self, depth: int) -> bytes:
        """Return a program that pushes a value."""
        return self._rng.choice(self._rules)(depth + 1) if depth < 4 else self.scalar(depth)

    def scalar(self, depth: int) -> bytes:
        number = self._rng.getrandbits(self._rng.choice([1, 8, 31]))
        text = self._rng.choice([b"<", b">", b"u1", b"latin1", b"numpy", b"x" * 300])
        size = self._rng.choice([len(text)] * 6 + [-1, -5, -6, -(2**31), 2**31 - 1])
        unsigned = struct.pack("<I", size % 2**32)
        return self._rng.choice(
            [
                *(b"N", b"\x88", b")", b"]", b"}", b"K" + bytes([number % 256]), b"J" + struct.pack("<i", number)),
                *(b"I%d\n" % number, b"L%dL\n" % number, b"G" + struct.pack(">d", number), b"F1e%d\n" % (number % 400)),
                *(b"\x8a\x08" + struct.pack("<q", number << 32), b"\x8a" + unsigned[:1] + text, b"V" + text + b"\n"),
                *(b"T" + unsigned + text, b"X" + unsigned + text, b"B" + unsigned + text),
                *(b"U" + unsigned[:1] + text, b"\x8e" + struct.pack("<q", size) + text),
            ]
        )

    def recalled(self, depth: int) -> bytes:
        return b"h" + bytes([self._rng.randrange(3)])

    def remembered(self, depth: int) -> bytes:
        return self.value(depth) + b"q" + bytes([self._rng.randrange(3)])

    def doubled(self, depth: int) -> bytes:
        """Return lists or tuples of the one before, twice: 2**n items as a tree."""
        step = self._rng.choice([b"(h\x00h\x00lq\x00", b"h\x00h\x00\x86q\x00"])
        return b"(" + step * self._rng.choice([1, 5, 22]) + b"h\x00" + self._rng.choice([b"t", b"l"])

    def nested(self, depth: int) -> bytes:
        return b")" + b"\x85" * self._rng.choice([1, 50, 2000])

    def of_items(self, depth: int) -> bytes:
        """Return a list or a tuple, in one of the ways."""
        items = b"".join(self.value(depth) for _ in range(self._rng.randrange(4)))
        return self._rng.choice([b"(%bl", b"(%bt", b"](%be", b"]%ba", b"%b\x85"]) % items

    def dictionary(self, depth: int) -> bytes:
        pairs = b"".join(self.value(depth) for _ in range(2 * self._rng.randrange(3)))
        return self._rng.choice([b"(%bd", b"}(%bu", b"}%bs"]) % pairs

    def array(self, depth: int) -> bytes:
        sizes = self._rng.choice([[0], [3], [2, 2], [5, 0], [300], [1] * 65, [2**31 - 1] * 5, [2**31 - 1] * 40_000])
        shape = b"(" + b"".join(b"J" + struct.pack("<i", size) for size in sizes) + b"t"
        name = self._rng.choice(DTYPES)
        dtype = b"cnumpy\ndtype\n(" + self.likely(b"U" + bytes([len(name)]) + name, depth) + b"tR"
        order = b"(K\x03" + self.likely(b"U\x01<", depth) + b"NNNtb"
        content = self.likely(b"B\x04\0\0\0abcd", depth)
        if name[:1] == b"O":
            content = self._rng.choice([b"(" + b"]" * 300 + b"lq\x02", b"h\x02", b"(h\x00h\x00h\x00l"])
        array = b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01" + self.likely(shape, depth) + dtype + order
        return array + b"N" + content + b"tb" + self._rng.choice([b"", b"", order])

    def encoded(self, depth: int) -> bytes:
        text = self.likely(b"X\x2c\x01\0\0" + b"a" * 300, depth)
        arguments = b"(" + text + self.likely(b"X\x06\0\0\0latin1", depth) + b"tq\x02"
        return b"c_codecs\nencode\nq\x01" + arguments + b"R"

    def named(self, depth: int) -> bytes:
        module, name = self._rng.choice(NAMES).encode().split()
        if self._rng.random() < 0.5:
            return b"c%b\n%b\n" % (module, name)
        first, second = (self.likely(b"\x8c" + bytes([len(one)]) + one, depth) for one in (module, name))
        return first + second + b"\x93"

    def called(self, depth: int) -> bytes:
        return self.named(depth) + self.of_items(depth) + self._rng.choice([b"R", b"b"])

    def many(self, depth: int) -> bytes:
        """Return a list of something many times: most often of parts that are shared."""
        value, array = self.value(depth), self.array(depth)
        objects = b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01M\x2c\x01\x85cnumpy\ndtype\nU\x01O\x85RN%btb"
        first, others = self._rng.choice(
            [
                (value, value),
                (value, b"h\x00"),
                (array, array),
                (self.encoded(depth), b"h\x01h\x02R"),
                (objects % (b"(" + b"]" * 300 + b"lq\x02"), objects % b"h\x02"),
            ]
        )
        return b"(" + first + others * (300 if len(others) < 200 else 3) + b"l"

    def likely(self, fitting: bytes, depth: int) -> bytes:
        return fitting if self._rng.random() < 0.7 else self.value(depth)


def check(data: bytes) -> None:
    """Read a pickle; it is refused, or is plain data of no more items and bytes than the file."""
    start = time.process_time()
    try:
        items, size = measured(plain_data(data))
    except ValueError:
        items, size = 0, 0
    assert items <= len(data) + 1, f"{items} items"
    assert size <= 2 * len(data), f"{size} bytes of text"
    assert time.process_time() - start < MOST_SECONDS


def measured(value: Any) -> tuple[int, int]:
    """Return how many items the containers in a value have, and the sizes of its texts; each is counted once."""
    seen: dict[int, Any] = {}
    items = size = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        assert type(one) in (*SCALARS, list, tuple, dict, np.ndarray), type(one)
        if isinstance(one, dict):
            assert all(type(key) in SCALARS for key in one)
        content = list(one.values()) if isinstance(one, dict) else one
        if isinstance(one, np.ndarray):
            content = one.ravel().tolist() if one.dtype.hasobject else []
        if isinstance(one, str | bytes):
            size += len(one)
        elif isinstance(content, list | tuple):
            items += len(content)
            waiting += content
    return items, size


if __name__ == "__main__":
    programs = Programs(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        check(programs.program())
