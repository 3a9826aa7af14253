"""Rows of Parquet files that stay there; pyarrow reads them, some columns of a row group at a time."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._damage import refusing
from fastnet.datasets._dataset import Extremes
from fastnet.datasets._label_column import Columns, LabelColumn, Rule
from fastnet.datasets._layout import left_out, warn_of
from fastnet.datasets.parquet import INDEX_WITHOUT_NAME, index_of
from fastnet.files.rows import Range, check_version, version_of

__all__ = ["ParquetFiles", "ParquetRows"]

TILE_BYTES = 1 << 18  # of rows that are made from columns together, in a cache
DECODED_BYTES = 1 << 22  # of columns that are decoded together, if each value has eight
HELD_BYTES = 1 << 23  # of columns that become rows together
BUFFER_BYTES = 1 << 18  # of a column as it is in the file
VALUES_AT_ONCE = 1 << 18  # of a single column


class ParquetFiles:
    """Parquet files with the same columns, as one table.

    Attributes
    ----------
    names : list of str
        The columns that are features.
    label : LabelColumn or None
        The label column.
    target : str or None
        Its name in the files.
    """

    def __init__(self, paths: Sequence[Path], rule: Rule) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError as error:
            raise ImportError(
                f'{paths[0]} is a Parquet file, which pyarrow reads: pip install "fastnet-nn[data]"'
            ) from error
        self.paths = paths
        self._metadata: list[Any] = []
        self._versions = [version_of(path) for path in paths]
        schemas = []
        groups: list[tuple[int, int, int]] = []  # the file, the number in it, and the rows of each row group
        for number, path in enumerate(paths):
            with refusing(path, "cannot be read as Parquet"), pq.ParquetFile(path) as file:
                metadata = file.metadata
                schemas.append(file.schema_arrow)
                groups += [(number, at, metadata.row_group(at).num_rows) for at in range(metadata.num_row_groups)]
            self._metadata.append(metadata)
        self.groups = [group for group in groups if group[2]]
        self.starts = np.cumsum([0, *(rows for _, _, rows in self.groups)])
        schema = schemas[0]
        for path, other in zip(paths, schemas, strict=True):
            if other.names != schema.names or other.types != schema.types:
                raise ValueError(f"{path} has other columns than {paths[0]}")
        names, index = list(schema.names), index_of((schema.metadata or {}).get(b"pandas"))
        index |= {name for name in names if INDEX_WITHOUT_NAME.fullmatch(name)}
        found = Columns(names, len(names), frozenset(place for place, name in enumerate(names) if name in index))
        index_columns = found.index
        found = rule.without_ignored(found, str(paths[0]))
        label = rule.find(found, str(paths[0]))
        self.target = None if label is None else names[label]
        self.label = None if label is None else LabelColumn.of(found, label)
        self.names = [names[place] for place in found.data if place != label]
        if not len(self) or not self.names:
            raise ValueError(
                f"{paths[0]} has {len(self)} rows and {len(self.names)} feature columns; expected at least one of each"
            )
        if doubled := sorted({name for name in self.names if names.count(name) > 1}):
            raise ValueError(f"{paths[0]} has {names.count(doubled[0])} columns named {doubled[0]!r}")
        if skipped := sorted(index_columns - {label}):
            warn_of(paths[0], [left_out([f"column {names[place]!r}" for place in skipped])])
        self._types = {field.name: field.type for field in schema}

    def __len__(self) -> int:
        return int(self.starts[-1])

    @contextmanager
    def _opened(self, group: int) -> Iterator[Any]:
        """Open the file that has a row group."""
        import pyarrow.parquet as pq

        number = self.groups[group][0]
        path = self.paths[number]
        with refusing(path, "cannot be read as Parquet"):
            check_version(path, self._versions[number])
            with pq.ParquetFile(path, metadata=self._metadata[number], buffer_size=BUFFER_BYTES) as file:
                yield file

    def columns(self, group: int, names: Sequence[str]) -> Iterator[NDArray[Any]]:
        """Yield columns of a row group. Few are decoded together, because the reader of each holds a page or two."""
        _, at, rows = self.groups[group]
        together = max(DECODED_BYTES // (8 * rows), 1)
        with self._opened(group) as file:
            for start in range(0, len(names), together):
                some = list(names[start : start + together])
                table = file.read_row_group(at, columns=some, use_threads=False)
                if table.num_rows != rows or table.column_names != some:
                    raise self._not_as_described(group)
                for name, column in zip(some, table.columns, strict=True):
                    self._refuse_missing(column, name, int(self.starts[group]))
                    yield column.to_numpy()

    def stream(self, group: int, names: Sequence[str]) -> Iterator[NDArray[Any]]:
        """Yield the values of columns of a row group, one column after the other, some values at a time."""
        _, at, rows = self.groups[group]
        with self._opened(group) as file:
            for name in names:
                first = int(self.starts[group])
                end = first + rows
                for batch in file.iter_batches(VALUES_AT_ONCE, row_groups=[at], columns=[name], use_threads=False):
                    self._refuse_missing(batch.column(0), name, first)
                    first += len(batch)
                    yield batch.column(0).to_numpy(zero_copy_only=False)
                if first != end:
                    raise self._not_as_described(group)

    def _refuse_missing(self, column: Any, name: str, first: int) -> None:
        """Refuse missing values in a column that begins with a row."""
        if column.null_count:
            where, row = self.place(first + column.is_null().to_pylist().index(True))
            raise ValueError(f"{self.paths[0].with_name(where)}, column {name!r}: the cell in row {row} is missing")

    def _not_as_described(self, group: int) -> ValueError:
        number, at, _ = self.groups[group]
        path = self.paths[number]
        return ValueError(f"{path} cannot be read as Parquet: row group {at} is not as the file describes it")

    def place(self, row: int) -> tuple[str, int]:
        """Return the file that has a row, and the row's number in it."""
        group = int(np.searchsorted(self.starts, row, side="right")) - 1
        number = self.groups[group][0]
        begin = next(
            start for start, group in zip(self.starts.tolist(), self.groups, strict=False) if group[0] == number
        )
        return self.paths[number].name, row - begin

    def dtype_of(self, wanted: str | None) -> np.dtype[Any]:
        """Return the dtype of the features as rows, from the types of the columns and their extremes in the metadata.

        As `load` chooses it: uint8 for whole numbers from 0 to 255, else float32, else float64 if float32 cannot
        represent a column. Without extremes, columns of eight bytes are float64.
        """
        import pyarrow as pa

        kinds = []
        for name in self.names:
            kind = self._types[name]
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                raise ValueError(f"{self.paths[0]}, column {name!r}: {kind} is not a type of numbers")
            kinds.append(np.dtype(kind.to_pandas_dtype()))
        common = np.result_type(*kinds)
        if wanted is not None:
            return np.dtype(np.uint8 if common in (np.bool_, np.uint8) else wanted)
        if common in (np.bool_, np.uint8):
            return np.dtype(np.uint8)
        extremes = self._extremes()
        if common.kind in "ui" and extremes is not None and extremes.are_bytes():
            return np.dtype(np.uint8)
        exact = np.result_type(common, np.float32) == np.float32
        return np.dtype(np.float32 if exact or (extremes is not None and extremes.fit_float32()) else np.float64)

    def dtype_of_target(self) -> np.dtype[Any]:
        """Return the dtype of the label column; object for text."""
        assert self.target is not None
        import pyarrow as pa

        kind, types = self._types[self.target], pa.types
        if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
            dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
            return dtype
        text = kind.value_type if types.is_dictionary(kind) else kind
        if any(
            is_text(text) for is_text in (types.is_string, types.is_large_string, types.is_binary, types.is_decimal)
        ):
            return np.dtype(object)
        raise ValueError(f"{self.paths[0]}, column {self.target!r}: {kind} is not a type of whole numbers or text")

    def _extremes(self) -> Extremes | None:
        """Return the extremes of every feature, None if the files do not have them."""
        extremes = Extremes()
        for number, at, _ in self.groups:
            with refusing(self.paths[number], "cannot be read as Parquet"):
                group = self._metadata[number].row_group(at)
                columns = {
                    group.column(place).path_in_schema: group.column(place) for place in range(group.num_columns)
                }
                found = [columns[name].statistics for name in self.names if name in columns]
                ends = [(float(one.min), float(one.max)) for one in found if one is not None and one.has_min_max]
                if len(ends) < len(self.names):
                    return None
                extremes.include(np.array(ends).T)
        return extremes


class ParquetRows:
    """Some columns of Parquet files as rows, or a single one as values."""

    def __init__(self, files: ParquetFiles, names: list[str], dtype: np.dtype[Any], *, single: bool = False) -> None:
        self._files, self._names = files, names
        self.shape: tuple[int, ...] = (len(files),) if single else (len(files), len(names))
        self.dtype = dtype

    def blocks(self, rows: int) -> list[Range]:  # noqa: ARG002
        starts = self._files.starts.tolist()
        return list(itertools.pairwise(starts))

    def place(self, row: int) -> tuple[str, int]:
        where, number = self._files.place(row)
        return (where, number) if len(self._files.paths) > 1 else ("", row)

    def read_into(self, first: int, out: NDArray[Any]) -> None:
        while len(out):
            group = int(np.searchsorted(self._files.starts, first, side="right")) - 1
            begin, end = self._files.starts[group : group + 2].tolist()
            rows = min(end - first, len(out))
            part = slice(first - begin, first - begin + rows)
            columns = self._files.columns(group, self._names)
            if len(self.shape) == 1:
                out[:rows] = next(columns)[part]
            else:
                together = max(HELD_BYTES // (8 * (end - begin)), 1)
                for at in range(0, len(self._names), together):
                    some = [column[part] for column in itertools.islice(columns, together)]
                    _into_rows(some, out[:rows, at : at + together])
            first, out = first + rows, out[rows:]


def _into_rows(columns: list[NDArray[Any]], out: NDArray[Any]) -> None:
    """Write columns into rows, some rows at a time, which stay in a cache meanwhile."""
    step = max(TILE_BYTES // (out.itemsize * len(columns)), 16)
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite and are reported with their row
        for start in range(0, len(out), step):
            tile = slice(start, start + step)
            np.stack([column[tile] for column in columns], axis=1, out=out[tile], casting="unsafe")
