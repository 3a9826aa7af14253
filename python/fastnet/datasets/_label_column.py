"""The label column of a table: the requested one, or that of a trained model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fastnet.support.text import did_you_mean

__all__ = ["Asked", "Columns", "LabelColumn", "ModelColumns", "Rule", "Target", "names_of_columns"]


@dataclass(frozen=True)
class Columns:
    """The columns of a table."""

    names: list[str] | None
    """None without a header."""
    count: int
    index: frozenset[int] = frozenset()
    """Columns that number or name the rows; not features, and labels only on request."""

    @property
    def data(self) -> list[int]:
        """The columns that are not an index."""
        return [column for column in range(self.count) if column not in self.index]

    def find(self, name: str, where: str) -> int | None:
        """Return the column with a name, None if there is none; a duplicate is an error."""
        names = self.names or []
        if (count := names.count(name)) > 1:
            raise ValueError(f"{where} has {count} columns named {name!r}; give the index of the label column")
        return names.index(name) if count else None

    def without(self, names: Iterable[str], where: str, *, required: bool) -> "Columns":
        """Return the columns with some more that are not features; `required` says whether the table must have them."""
        places = {name: self.find(name, where) for name in names}
        if required and (missing := [name for name, place in places.items() if place is None]):
            raise ValueError(f"{where} has no column {missing[0]!r}; its columns are {self.listed(missing[0])}")
        return replace(self, index=self.index | {place for place in places.values() if place is not None})

    def listed(self, missing: str | int | None, hint: str = "") -> str:
        """Return the names for a message, without those in the middle if there are many, a hint, and a likely match."""
        names = [] if self.names is None else [self.names[column] for column in self.data]
        shown = [repr(name) for name in names]
        few = shown if len(shown) <= 6 else [*shown[:4], "...", shown[-1]]
        return ", ".join(few) + hint + did_you_mean(missing, names)


@dataclass(frozen=True)
class LabelColumn:
    """The label column of a table."""

    name: str | None
    """The name of the column, None without a header."""
    index: int
    """Its index among the columns of data, from 0; -1 for the last."""

    @classmethod
    def of(cls, columns: Columns, label: int) -> "LabelColumn":
        """Return the location of a column."""
        place = columns.data.index(label) if label not in columns.index else label
        last = label == columns.data[-1] if columns.data else False
        return cls(None if columns.names is None else columns.names[label], -1 if last else place)


@dataclass(frozen=True)
class Asked:
    """A requested label column.

    Attributes
    ----------
    target : str, int or None
        Its name, or its index in the file; a negative one counts from the end. None means a table without labels.
    required : bool
        Whether a missing "label" column is an error.
    ignored : tuple of str
        Names of columns that are not features.
    """

    target: str | int | None
    required: bool
    ignored: tuple[str, ...] = ()

    @property
    def wanted(self) -> str | int | None:
        """The name of the column in messages."""
        return self.target

    def is_header(self, cells: list[str]) -> bool:
        """Return whether names make the first line a header, even if its other cells are numbers."""
        return "label" in cells or self.target in cells or any(name in cells for name in self.ignored)

    def without_ignored(self, columns: Columns, where: str) -> Columns:
        """Return the columns with those to ignore marked as no features."""
        return columns.without(self.ignored, where, required=True) if self.ignored else columns

    def cell(self, columns: Columns) -> int | None:
        """Return the column that may be text among numbers, if it is known without a header."""
        if not isinstance(self.target, int):
            return None
        among = range(columns.count) if self.target >= 0 else columns.data
        return among[self.target] if -len(among) <= self.target < len(among) else None

    def find(self, columns: Columns, where: str) -> int | None:
        """Return the label column, or None if there is none.

        Raises ValueError, beginning with `where`, if the column is missing or duplicate.
        """
        target = self.target
        if target is None:
            if self.required:
                raise ValueError(f"{where}: labels are needed, but target=None means that no column holds them")
            return None
        if isinstance(target, int):
            if (place := self.cell(columns)) is None:
                raise ValueError(f"{where} has {columns.count} columns; target={target} is not one of them")
            return place
        if columns.names is None:
            if target == "label":
                return columns.data[0]
            raise ValueError(f"{where} has no header, so no column is named {target!r}; give the index of the column")
        place = columns.find(target, where)
        if place is None and (target != "label" or self.required):
            raise ValueError(_without_labels(columns, target, where))
        return place


@dataclass(frozen=True)
class ModelColumns:
    """The columns of the table that a model was trained on, for another table with or without labels.

    Attributes
    ----------
    features : int
    feature_names : list of str or None
    label : LabelColumn
        The label column in training.
    asked : Asked or None
        The requested label column of this table, if there is one.
    required : bool
        Whether labels are required.
    ignored : tuple of str
        Names of columns that are not features; a table may lack them.
    """

    features: int
    feature_names: list[str] | None
    label: LabelColumn
    asked: Asked | None
    required: bool
    ignored: tuple[str, ...] = ()

    @property
    def wanted(self) -> str | int | None:
        """The name of the column in messages."""
        return (self.label.name or "label") if self.asked is None else self.asked.target

    def is_header(self, cells: list[str]) -> bool:
        """Return whether names make the first line a header, even if its other cells are numbers."""
        return self.wanted in cells or bool(self.feature_names and set(self.feature_names) <= set(cells))

    def without_ignored(self, columns: Columns, where: str) -> Columns:
        """Return the columns with those to ignore marked as no features."""
        return columns.without(self.ignored, where, required=False) if columns.names is not None else columns

    def cell(self, columns: Columns) -> int | None:
        """Return the column that may be text among numbers, if it is known without a header."""
        if len(columns.data) == self.features:
            return None
        return self._place(columns) if self.asked is None else self.asked.cell(columns)

    def find(self, columns: Columns, where: str) -> int | None:
        """Return the label column, or None if there is none.

        Raises ValueError, beginning with `where`, if it is required and missing, or duplicate.
        """
        name = self.wanted
        if isinstance(name, str) and name not in (self.feature_names or []):
            place = columns.find(name, where)
            if place is not None:
                return place
        if len(columns.data) == self.features and not self.required:
            return None
        if self.asked is not None:
            return self.asked.find(columns, where)
        if columns.names is None or self.label.name is None:
            place = self._place(columns)
            if place is not None:
                return place
        if not self.required:
            return None
        if columns.names is not None:
            raise ValueError(_without_labels(columns, name, where))
        raise ValueError(
            f"{where} has {columns.count} columns and no header; expected the {self.features} features of the model and "
            "the label"
        )

    def _place(self, columns: Columns) -> int | None:
        """Return the label column of a table with one column more than the model has features."""
        data = columns.data
        inside = len(data) == self.features + 1 and -len(data) <= self.label.index < len(data)
        return data[self.label.index] if inside else None


def _without_labels(columns: Columns, name: str | int | None, where: str) -> str:
    """Return the message about a table that has no column of labels with this name, with what names another one."""
    listed = columns.listed(name, "; target= (--target) names it")
    return f"{where} has no column {name!r} for the labels; its columns are {listed}"


Rule = Asked | ModelColumns
Target = str | int | None | ModelColumns


def names_of_columns(ignore: Sequence[str]) -> tuple[str, ...]:
    """Return the argument `ignore`, checked."""
    if isinstance(ignore, str) or not all(isinstance(name, str) for name in ignore):
        raise TypeError(f"ignore must be a list of column names; got {ignore!r}")
    return tuple(ignore)
