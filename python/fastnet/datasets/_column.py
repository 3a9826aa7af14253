"""One column of a table as text, such as the one that names the rows."""

from pathlib import Path

from fastnet.datasets import parquet
from fastnet.datasets._label_column import Asked
from fastnet.datasets._layout import Lines, sniff
from fastnet.datasets._open import kind_of
from fastnet.datasets._streams import open_data
from fastnet.support.text import did_you_mean

__all__ = ["read_column"]


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
