"""Arguments that only some kinds of files have a use for."""

from collections.abc import Mapping
from typing import Any

from fastnet.datasets._dialect import Remembered
from fastnet.datasets._label_column import ModelColumns

__all__ = ["refuse_unused"]

# The kinds of files that use an argument, and its default.
_USED_BY: Mapping[str, tuple[tuple[str, ...], Any]] = {
    "separator": (("CSV",), None),
    "decimal": (("CSV",), "."),
    "target": (("CSV", "Parquet"), "label"),
    "ignore": (("CSV", "Parquet"), ()),
    "dtype": (("CSV", "Parquet"), None),
}


def refuse_unused(where: object, kind: str | None, **given: Any) -> None:
    """Refuse arguments that a file of this kind has no use for; what is known from the training of a model may be there.

    Parameters
    ----------
    where : object
        The name of the data, for messages.
    kind : {"CSV", "Parquet"} or None
        None for any other kind.
    **given
        The arguments.
    """
    for name, value in given.items():
        kinds, default = _USED_BY[name]
        if isinstance(value, ModelColumns):
            value = default if value.asked is None else value.asked.target
        if kind not in kinds and value != default and not isinstance(value, Remembered):
            raise ValueError(f"{name} is for a {' or '.join(kinds)} file; got {value!r} for {where}")
