"""Fuzz one reader: python -m fuzz.one READER FOLDER [options of libFuzzer and folders of inputs]."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fastnet", "zipfile", "tomllib"], enable_loader_override=False):
    from fuzz.readers import READERS, outcome


def main() -> None:
    reader = READERS[sys.argv.pop(1)]
    folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)

    def test(content: bytes) -> None:
        outcome(reader, content, Path(folder.name))

    atheris.Setup(sys.argv, test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
