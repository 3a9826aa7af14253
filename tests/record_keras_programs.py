"""Run the programs of keras_programs with Keras, and record their results as data/keras_programs.json.

Run it with Keras installed: ``KERAS_BACKEND=torch python tests/record_keras_programs.py``.
"""

import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras

from record_json import to_json

PROGRAMS = Path(__file__).resolve().parent / "keras_programs"


def main() -> None:
    sys.path.insert(0, str(PROGRAMS))
    path = Path(__file__).resolve().parent / "data" / "keras_programs.json"
    recorded: dict[str, Any] = {"keras": keras.__version__}
    for program in sorted(PROGRAMS.glob("*.py")):
        if program.stem == "synthetic":
            continue
        keras.utils.clear_session()  # layers are named from dense on again
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            recorded[program.stem] = to_json(runpy.run_path(str(program))["results"])
            os.chdir("/")
        print(program.stem, flush=True)
    path.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
