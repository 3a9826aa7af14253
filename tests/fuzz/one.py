"""Fuzz one reader: python -m fuzz.one READER FOLDER [options of libFuzzer, and folders or files of inputs].

FOLDER is where the files are written that the reader reads.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fastnet", "zipfile", "tomllib"], enable_loader_override=False):
    from fuzz.readers import READERS, outcome


def main() -> None:
    reader, folder = READERS[sys.argv.pop(1)], Path(sys.argv.pop(1))

    def test(content: bytes) -> None:
        outcome(reader, content, folder)

    atheris.Setup(sys.argv, test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
