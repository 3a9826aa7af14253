"""Attributes that can be set: setting one without effect is refused, with advice."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn, TypeVar, cast
from weakref import WeakKeyDictionary

from fastnet.support.text import closest

Item = TypeVar("Item")
Kind = TypeVar("Kind", bound=type)


class Sealed:
    """Base of objects that refuse to set attributes without effect.

    Once `__init__` is done, the attributes that can be set are those of `_settable`, properties with a setter, and
    names that begin with an underscore. Objects of a user's class accept every other name, too, unless a fastnet class
    has it.
    """

    _settable: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__init__" in vars(cls):
            cls.__init__ = _sealing(vars(cls)["__init__"])  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] != "_" and "_sealed" in self.__dict__ and name not in self._settable:
            value = self._accepted(name, value)
        object.__setattr__(self, name, value)  # training steps set attributes, and super() takes three times as long

    def _accepted(self, name: str, value: Any) -> Any:
        """Return the value to set for an attribute that is not one of `_settable`.

        Raises
        ------
        AttributeError
            The attribute cannot be set.
        """
        kind = type(self)
        attribute = getattr(kind, name, None)
        if isinstance(attribute, property) and attribute.fset is not None:
            return value
        if is_own(kind) or name in reserved_names(kind):
            raise AttributeError(self._refusal(name))
        return value

    def _refusal(self, name: str) -> str:
        """Return why an attribute cannot be set, with advice."""
        kind = type(self)
        if hasattr(self, name) or name in reserved_names(kind):
            return f"{kind.__name__}.{name} cannot change: make a new {kind.__name__}"
        meant = self._nearest(name)
        advice = (
            f"did you mean {meant!r}?"
            if meant
            else "setting it would have no effect; names of custom attributes begin with an underscore"
        )
        return f"{kind.__name__} has no attribute {name!r}: {advice}"

    def _nearest(self, name: str) -> str | None:
        """Return the public attribute or parameter closest to a name, if one is close."""
        known = {other for other in dir(self) if not other.startswith("_")} | reserved_names(type(self))
        return closest(name, sorted(known))


def is_own(kind: type) -> bool:
    """Return whether a class belongs to fastnet, not to a user."""
    return kind.__module__.partition(".")[0] == "fastnet"


def own_class(kind: Kind) -> Kind:
    """Return the fastnet class that a class is or derives from, whose `__init__` is known."""
    return cast(Kind, next(base for base in kind.__mro__ if is_own(base)))


def reserved_names(kind: type) -> frozenset[str]:
    """Return the attributes of the fastnet classes among the bases: parameters, annotated names, properties."""
    if kind in _reserved:
        return _reserved[kind]
    names: set[str] = set()
    for base in filter(is_own, kind.__mro__):
        names |= parameters(base)
        names |= set(vars(base).get("__annotations__", ()))
        names |= {name for name, value in vars(base).items() if isinstance(value, property)}
    _reserved[kind] = frozenset(name for name in names if not name.startswith("_"))
    return _reserved[kind]


_reserved: WeakKeyDictionary[type, frozenset[str]] = WeakKeyDictionary()


def parameters(kind: type) -> frozenset[str]:
    """Return the names of the parameters of a class's `__init__`, without importing `inspect`."""
    init = kind.__init__  # type: ignore[misc]
    while hasattr(init, "__wrapped__"):
        init = init.__wrapped__
    code = getattr(init, "__code__", None)
    return frozenset(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount] if code else ())


def _sealing(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap an `__init__` to seal the object afterwards, if it is that of the object's own class."""

    @functools.wraps(init)
    def sealed(self: Any, *arguments: Any, **keywords: Any) -> None:
        outermost = type(self).__init__ is sealed
        if outermost:  # a second call starts over
            vars(self).pop("_sealed", None)
        init(self, *arguments, **keywords)
        if outermost:
            vars(self)["_sealed"] = True

    return sealed


class FixedList(list[Item]):
    """A read-only list, because its owner would not notice changes; copies and slices are ordinary lists.

    Parameters
    ----------
    items : iterable
    advice : str
        What to do instead, for messages.
    """

    def __init__(self, items: Iterable[Item], advice: str) -> None:
        super().__init__(items)
        self._advice = advice

    def _refuse(self, *_: Any, **keywords: Any) -> NoReturn:  # noqa: ARG002
        raise AttributeError(f"this list cannot be changed: {self._advice}")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Item]]]:
        return list, (list(self),)
