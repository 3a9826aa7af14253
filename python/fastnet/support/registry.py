"""Registries: conversion of "adam", a class, a configuration or an object to the object."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar

from fastnet.support.attributes import Sealed, is_own
from fastnet.support.missing_names import NamesItsAttributes, instead_of
from fastnet.support.text import did_you_mean
from fastnet.support.validation import NamesItsArguments, describe, refuse_methods, unsupported


class Configurable(Sealed, NamesItsArguments, NamesItsAttributes):
    """Part of a model with a JSON-serializable configuration, from which an equal part can be made."""

    # Methods that a class written for Keras may define but nothing calls here, and the alternatives.
    keras_methods: ClassVar[Mapping[str, str]] = {}

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        refuse_methods(cls, cls.keras_methods)
        return super().__new__(cls, *arguments, **keywords)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that recreate this object."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return an object made from the result of `get_config`."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


Part = TypeVar("Part", bound=Configurable)


class Registry(Generic[Part]):
    """The classes of one kind by name.

    Parameters
    ----------
    kind : str
        The kind, for messages: "optimizer".
    base : type
        Their common base class.
    module : str
        The module of Keras with more of them.
    """

    def __init__(self, kind: str, base: type[Part], module: str) -> None:
        self._kind = kind
        self._base = base
        self._module = module
        self._classes: dict[str, type[Part]] = {}
        self._short_names: list[str] = []  # one for each class, for messages

    @property
    def names(self) -> list[str]:
        """The short name of every class."""
        return list(self._short_names)

    def __contains__(self, name: object) -> bool:
        """Return whether a class has the name."""
        return name in self._classes

    def add(self, *aliases: str) -> Callable[[type[Part]], type[Part]]:
        """Return a class decorator that makes the class known by its own name and by `aliases`."""

        def decorate(cls: type[Part]) -> type[Part]:
            self._classes.update(dict.fromkeys([cls.__name__, *aliases], cls))
            self._short_names.append(aliases[0] if aliases else cls.__name__)
            return cls

        return decorate

    def get(self, identifier: Any) -> Part:
        """Return the object for a name, a class, a configuration or an object.

        Parameters
        ----------
        identifier : str, type, dict or object
            An object is returned unchanged. A name or a class makes one with default arguments. A dictionary is the
            result of `serialize`.

        Raises
        ------
        ValueError
            The name is unknown.
        NotImplementedError
            The name is one of Keras that fastnet does not have, or `identifier` is a function.
        TypeError
            `identifier` has another type.
        """
        if isinstance(identifier, self._base):
            return identifier
        if isinstance(identifier, type) and issubclass(identifier, self._base):
            return self._made(identifier)
        if isinstance(identifier, str):
            return self._made(self._class(identifier))
        if isinstance(identifier, dict):
            return self.deserialize(identifier)
        if callable(identifier):
            raise unsupported(f"the {self._kind} {describe(identifier)} is not one of fastnet's own")
        raise TypeError(
            f"{self._kind} must be a name, an object of class {self._base.__name__} or its configuration; "
            f"got {describe(identifier)}"
        )

    def _made(self, cls: type[Part]) -> Part:
        """Return an object of a class with default arguments."""
        try:
            return cls()
        except TypeError:
            given = inspect.signature(cls.__init__).parameters.values()
            needed = [one.name for one in given if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
            if len(needed) < 2:  # self
                raise
            own = f"fastnet.{self._module}." if is_own(cls) else ""
            example = f"{own}{cls.__name__}({', '.join(f'{name}=...' for name in needed[1:])})"
            raise TypeError(f"the {self._kind} {cls.__name__} needs arguments: use {example}") from None

    def serialize(self, part: Part) -> dict[str, Any]:
        """Return the class name and the configuration of `part`."""
        return {"class_name": type(part).__name__, "config": part.get_config()}

    def deserialize(self, config: Any) -> Part:
        """Return the object from the result of `serialize`."""
        if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
            raise ValueError(f"a configuration of the {self._kind} needs a 'class_name'; got {describe(config)}")
        for entry in config:
            if entry not in ("class_name", "config"):
                raise ValueError(
                    f"a configuration of the {self._kind} has an unknown entry {entry!r}"
                    f"{did_you_mean(entry, ('class_name', 'config'))}"
                )
        arguments = config.get("config", {})
        if not isinstance(arguments, dict):
            raise ValueError(f"the configuration of {config['class_name']!r} must be a dict; got {describe(arguments)}")
        return self._class(config["class_name"]).from_config(arguments)

    def _class(self, name: str) -> type[Part]:
        if name in self._classes:
            return self._classes[name]
        known = [*self._short_names, *self._classes]
        if instead := instead_of(self._module, name, known):
            raise NotImplementedError(f"fastnet: the {self._kind} {name!r} is not available{instead}")
        accepted = ", ".join(repr(known) for known in sorted(self._short_names, key=str.lower))
        raise ValueError(f"{self._kind} must be one of {accepted}; got {name!r}{did_you_mean(name, known)}")
