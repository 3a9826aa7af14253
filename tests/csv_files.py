"""CSV files in tests: writing and reading them, with every library."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from fastnet.datasets import _readers
from fastnet.datasets.tabular import Table, read_csv

ENGINES = [name for name in ["numpy", *_readers.READERS] if importlib.util.find_spec(name)]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Every library that is installed and can parse a CSV file."""
    name: str = request.param
    return name


def read(tmp_path: Path, text: str, **options: Any) -> Table:
    """Read a text as the file a.csv."""
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    return read_csv(path, **options)


def labels_of(table: Table) -> list[str]:
    """Return the labels, without the spaces around them."""
    assert table.labels is not None
    return [str(label).strip() for label in table.labels]
