"""One column of a table as text, such as the one that names the rows."""

from pathlib import Path

from fastnet.datasets import parquet
from fastnet.datasets._dialect import Dialect
from fastnet.datasets._label_column import Asked
from fastnet.datasets._layout import Lines, sniff
from fastnet.datasets._open import kind_of
from fastnet.datasets._streams import is_named_tsv, open_data
from fastnet.support.text import did_you_mean

__all__ = ["has_column", "read_column"]


def has_column(path: Path, name: str, separator: str | None) -> bool:
    """Return whether the data are a CSV or Parquet file with a column of this name; a number is not a name."""
    kind = kind_of(path) if path.is_file() else None
    if kind == "parquet":
        return name in dict(parquet.ENGINES[parquet.installed(path)](path)[0])
    if kind != "csv" or Dialect().is_number(name):
        return False
    with open_data(path) as stream:
        expected = str(separator or ("\t" if is_named_tsv(stream) else ","))
        lines = Lines(path, stream, separator=expected)
        return name in [cell.strip() for cell in Dialect(expected).split(next(lines, ""))]


def read_column(path: Path, name: str, separator: str | None, decimal: str) -> list[str]:
    """Return the cells of a column of a CSV or Parquet file as they are written.

    Raises
    ------
    ValueError
        The file is not such a table, or has no such column.
    """
    kind = kind_of(path) if path.is_file() else None
    if kind == "parquet":
        columns = dict(parquet.ENGINES[parquet.installed(path)](path)[0])
        if name not in columns:
            raise ValueError(f"{path} has no column {name!r}{did_you_mean(name, columns)}")
        return [str(cell) for cell in columns[name].tolist()]
    if kind != "csv":
        raise ValueError(f"{path} is not a CSV or Parquet file, so it has no column {name!r}")
    layout = sniff(path, Asked(None, False, (name,)), separator, decimal)
    assert layout.columns.names is not None
    place = layout.columns.names.index(name)
    with open_data(path) as stream:
        lines = Lines(path, stream, first_line=layout.first_line, skip=layout.body, separator=layout.dialect.separator)
        return [layout.dialect.split(line)[place].strip() for line in lines]
