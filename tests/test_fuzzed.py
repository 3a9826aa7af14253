"""What fuzzers began with is read, and what they found is read or refused: see tests/fuzz and CONTRIBUTING.md."""

import time
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("polars")
pytest.importorskip("pyarrow")
pytest.importorskip("msgspec")

from fuzz.readers import READERS, outcome
from fuzz.seeds import SEEDS

SECONDS = 10  # for one input, on a machine that is busy
FOUND = sorted(path for path in (Path(__file__).parent / "fuzz" / "found").glob("*/*"))


def test_every_reader_has_seeds() -> None:
    assert set(READERS) == set(SEEDS)
    assert {path.parent.name for path in FOUND} <= set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_a_seed_is_read(name: str, tmp_path: Path) -> None:
    for content in SEEDS[name]():
        assert outcome(READERS[name], content, tmp_path) == "read"


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_a_fuzzer_found_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    start = time.perf_counter()
    outcome(READERS[path.parent.name], path.read_bytes(), tmp_path)
    assert time.perf_counter() - start < SECONDS
