"""Plain data in pickles, read without pickle: numbers, text, lists, dictionaries and NumPy arrays of them.

Some public data sets are pickles. Python's own reader imports and calls what a file names. This one knows the few opcodes that
plain data need, imports and calls nothing, and refuses everything else by name.
"""

import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnet.files.pickled_values import Array, Dtype, Finishing

__all__ = ["plain_data"]

# Integers in a list: one byte, two bytes, or four bytes with a sign.
_INTEGERS = re.compile(rb"(?:K.|M..|J....)+", re.DOTALL)
_ONE_BYTE, _TWO_BYTES = b"KM"
_MARK = object()


@dataclass(frozen=True)
class _Global:
    """A name that a pickle imports."""

    name: str


_RECONSTRUCT = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
_NO_BYTES = {"__builtin__.bytes", "builtins.bytes"}  # called without arguments, as protocol 2 has b""
_NAMES = {*_RECONSTRUCT, *_NO_BYTES, "numpy.ndarray", "numpy.dtype", "_codecs.encode"}
_KEYS = {str, bytes, int, float, bool, type(None)}  # tuples, which may be nested without end, take long to hash


def plain_data(data: bytes) -> Any:
    """Return the object in a pickle of any protocol, if it is plain data.

    Parameters
    ----------
    data : bytes
        The pickle, from its first byte; what follows its end is ignored.

    Returns
    -------
    object
        Numbers, strings, bytes, None, tuples, lists and dictionaries of these, and arrays of numbers, or of objects of
        these kinds. Strings of Python 2 become bytes.

    Raises
    ------
    ValueError
        The pickle is damaged, or has something else in it, such as a function to call.
    """
    return _Reader(data).read()


class _Reader:
    """The stack machine of a pickle."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._encoded = 0  # bytes made of text

    def read(self) -> Any:
        try:
            while (code := self._take(1)) != b".":
                action = _ACTIONS.get(code)
                if action is None:
                    raise ValueError(f"it has {_opcode(code)}, which plain data do not need")
                action(self)
            # Every item takes a byte or more, so that a larger number of them stems from one that is shared.
            return Finishing(most_items=len(self._data)).of(self._stack.pop())
        except (
            IndexError,
            KeyError,
            TypeError,
            OverflowError,
            struct.error,
            UnicodeError,
            RecursionError,
        ) as error:
            raise ValueError(f"the pickle is damaged at byte {self._at}: {error}") from error

    # --- Reading ---

    def _take(self, count: int) -> bytes:
        if count < 0:
            raise ValueError(f"it has something of {count} bytes")
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise ValueError(f"the pickle ends at byte {len(self._data)}, before its end is due")
        self._at += count
        return piece

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        """Return the rest of the line, as protocol 0 has values."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise ValueError("the pickle ends within a line")
        line, self._at = self._data[self._at : end], end + 1
        return line

    def push(self, value: Any) -> None:
        self._stack.append(value)

    # --- Opcodes ---

    def skip(self, count: int) -> None:
        """Skip bytes that say nothing about the data: the protocol, the size of a frame."""
        self._take(count)

    def push_number(self, form: str) -> None:
        self.push(self._number(form))

    def push_long(self, form: str) -> None:
        size = self._number(form)
        if not 0 <= size <= 8:
            raise ValueError(f"it has an integer of {size} bytes; at most 8 are read")
        self.push(int.from_bytes(self._take(size), "little", signed=True))

    def push_bytes(self, form: str) -> None:
        self.push(self._take(self._number(form)))

    def push_text(self, form: str) -> None:
        self.push(self._take(self._number(form)).decode("utf-8", "surrogatepass"))

    def push_line(self) -> None:
        """Push the integer, or the truth value, of a line in a pickle of protocol 0."""
        line = self.line().rstrip(b"L")
        if len(line) > 20:
            raise ValueError("it has an integer of more than 20 digits")
        self.push(line == b"01" if line in (b"00", b"01") else int(line))

    def push_text_line(self) -> None:
        self.push(self.line().decode("raw_unicode_escape"))

    def push_string_line(self) -> None:
        """Push a string of Python 2 in quotes."""
        line = self.line()
        if len(line) < 2 or line[:1] not in b"'\"" or line[-1:] != line[:1]:
            raise ValueError("it has a string without quotes")
        self.push(line[1:-1].decode("unicode_escape").encode("latin-1"))

    def push_mark(self) -> None:
        """Push a mark, and the integers that follow it, which are most of a text as a list of numbers."""
        self.push(_MARK)
        found = _INTEGERS.match(self._data, self._at)
        if found is not None:
            self._stack += _integers(self._data, self._at, found.end())
            self._at = found.end()

    def _after_mark(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("it lacks a mark")
        items = self._stack[place + 1 :]
        del self._stack[place:]
        return items

    def make(self, kind: Callable[[list[Any]], Any]) -> None:
        self.push(kind(self._after_mark()))

    def make_tuple(self, count: int) -> None:
        items = self._stack[len(self._stack) - count :] if count else []
        if len(items) < count or any(item is _MARK for item in items):
            raise ValueError("it has too few values for a tuple")
        del self._stack[len(self._stack) - count :]
        self.push(tuple(items))

    def append(self) -> None:
        value = self._stack.pop()
        _list_of(self._stack[-1]).append(value)

    def extend(self) -> None:
        items = self._after_mark()
        _list_of(self._stack[-1]).extend(items)

    def set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _dict_of(self._stack[-1]).update(_entries([key, value]))

    def set_items(self) -> None:
        items = self._after_mark()
        _dict_of(self._stack[-1]).update(_entries(items))

    def keep(self, form: str) -> None:
        number = int(self.line()) if form == "line" else len(self._memo) if form == "next" else self._number(form)
        self._memo[number] = self._stack[-1]

    def recall(self, form: str) -> None:
        self.push(self._memo[int(self.line()) if form == "line" else self._number(form)])

    def push_global(self, *, from_stack: bool) -> None:
        if from_stack:
            name, module = self._stack.pop(), self._stack.pop()
            if not isinstance(module, str) or not isinstance(name, str):
                raise ValueError("it imports something whose name is not text")
            full = f"{module}.{name}"
        else:
            full = f"{self.line().decode('utf-8')}.{self.line().decode('utf-8')}"
        if full not in _NAMES:
            raise ValueError(f"it names {full[:100]!r}, which is not plain data: nothing in a file is executed")
        self.push(_Global(full))

    def reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise ValueError("it calls something")
        if function.name in _RECONSTRUCT:
            self.push(Array())
        elif function.name == "numpy.dtype":
            self.push(Dtype(arguments))
        elif function.name in _NO_BYTES and not arguments:
            self.push(b"")
        elif function.name == "_codecs.encode" and list(map(type, arguments)) == [str, str]:
            self.push(self._encode(*arguments))
        else:
            raise ValueError(f"it calls {function.name!r} with something else than plain data")

    def _encode(self, text: str, encoding: str) -> bytes:
        """Return text as bytes, as protocol 2 has them."""
        self._encoded += len(text)
        if encoding != "latin1" or self._encoded > len(self._data):
            raise ValueError("it calls '_codecs.encode' with something else than bytes, or for one text many times")
        return text.encode("latin-1")

    def build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(target, Array | Dtype) or not isinstance(state, tuple):
            raise ValueError("it sets the state of something that is not an array")
        target.set_state(state)


def _opcode(code: bytes) -> str:
    known = {one.code: one.name for one in pickletools.opcodes}
    name = known.get(code.decode("latin-1"))
    return f"the opcode {name}" if name else f"the byte {code!r} in the place of an opcode"


def _integers(data: bytes, start: int, stop: int) -> list[int]:
    """Return integers in their opcodes, without a call for each."""
    values: list[int] = []
    append = values.append
    while start < stop:
        code = data[start]
        if code == _ONE_BYTE:
            append(data[start + 1])
            start += 2
        elif code == _TWO_BYTES:
            append(data[start + 1] | data[start + 2] << 8)
            start += 3
        else:
            append(int.from_bytes(data[start + 1 : start + 5], "little", signed=True))
            start += 5
    return values


def _list_of(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"it appends to {type(value).__name__}, not to a list")
    return value


def _dict_of(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"it sets items of {type(value).__name__}, not of a dictionary")
    return value


def _entries(items: list[Any]) -> dict[Any, Any]:
    """Return the dictionary of keys and values that take turns."""
    keys = items[::2]
    for kind in set(map(type, keys)) - _KEYS:
        raise ValueError(f"it has a dictionary with a key of the type {kind.__name__}")
    return dict(zip(keys, items[1::2], strict=True))


_ACTIONS: dict[bytes, Callable[[_Reader], None]] = {
    b"\x80": lambda reader: reader.skip(1),  # PROTO
    b"\x95": lambda reader: reader.skip(8),  # FRAME
    b"N": lambda reader: reader.push(None),
    b"\x88": lambda reader: reader.push(True),
    b"\x89": lambda reader: reader.push(False),
    b"I": _Reader.push_line,
    b"L": _Reader.push_line,
    b"J": lambda reader: reader.push_number("<i"),
    b"K": lambda reader: reader.push_number("<B"),
    b"M": lambda reader: reader.push_number("<H"),
    b"\x8a": lambda reader: reader.push_long("<B"),
    b"G": lambda reader: reader.push_number(">d"),
    b"F": lambda reader: reader.push(float(reader.line())),
    b"S": _Reader.push_string_line,
    b"T": lambda reader: reader.push_bytes("<i"),
    b"U": lambda reader: reader.push_bytes("<B"),
    b"B": lambda reader: reader.push_bytes("<I"),
    b"C": lambda reader: reader.push_bytes("<B"),
    b"\x8e": lambda reader: reader.push_bytes("<Q"),
    b"V": _Reader.push_text_line,
    b"X": lambda reader: reader.push_text("<I"),
    b"\x8c": lambda reader: reader.push_text("<B"),
    b"(": _Reader.push_mark,
    b"l": lambda reader: reader.make(list),
    b"t": lambda reader: reader.make(tuple),
    b"d": lambda reader: reader.make(_entries),
    b"]": lambda reader: reader.push([]),
    b"}": lambda reader: reader.push({}),
    b")": lambda reader: reader.make_tuple(0),
    b"\x85": lambda reader: reader.make_tuple(1),
    b"\x86": lambda reader: reader.make_tuple(2),
    b"\x87": lambda reader: reader.make_tuple(3),
    b"a": _Reader.append,
    b"e": _Reader.extend,
    b"s": _Reader.set_item,
    b"u": _Reader.set_items,
    b"p": lambda reader: reader.keep("line"),
    b"q": lambda reader: reader.keep("<B"),
    b"r": lambda reader: reader.keep("<I"),
    b"\x94": lambda reader: reader.keep("next"),
    b"g": lambda reader: reader.recall("line"),
    b"h": lambda reader: reader.recall("<B"),
    b"j": lambda reader: reader.recall("<I"),
    b"c": lambda reader: reader.push_global(from_stack=False),
    b"\x93": lambda reader: reader.push_global(from_stack=True),
    b"R": _Reader.reduce,
    b"b": _Reader.build,
}
