"""Programs for Keras that run with nothing changed but their imports, and give what they give with Keras.

The results of Keras are recorded in data/keras_programs.json by record_keras_programs.py. Every program sets its initial weights and
takes its samples in their order, so losses and weights agree up to the rounding of float32.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from record_json import to_json

PROGRAMS = Path(__file__).parent / "keras_programs"
RECORDED = json.loads((Path(__file__).parent / "data" / "keras_programs.json").read_text(encoding="utf-8"))
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != "synthetic")

# Of losses and the like: sums of a few hundred numbers in another order, carried through some steps of training.
RELATIVE, ABSOLUTE = 2e-4, 2e-5
# Areas are exact here, while Keras sums over 200 thresholds and interpolates.
AREAS, ABSOLUTE_OF_AREAS = re.compile("/(val_)?(auc|prc)(/|$)"), 0.03


def with_fastnet(text: str) -> str:
    """Return a program with its import lines changed."""
    text = re.sub(r"^import keras$", "import fastnet as keras", text, flags=re.MULTILINE)
    return re.sub(r"^from keras\b", "from fastnet", text, flags=re.MULTILINE)


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a program in a folder, and return its results."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(PROGRAMS))
    path = PROGRAMS / f"{name}.py"
    program = with_fastnet(path.read_text(encoding="utf-8"))
    assert "import keras" not in program
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(program, str(path), "exec"), names)
    assert "keras" not in sys.modules or sys.modules["keras"] is not fastnet
    results: dict[str, Any] = to_json(names["results"])
    return results


def differences(got: Any, expected: Any, place: str = "") -> list[str]:
    """Return where results differ by more than rounding."""
    if isinstance(expected, dict) and isinstance(got, dict):
        if got.keys() != expected.keys():
            return [f"{place}: {sorted(got)} instead of {sorted(expected)}"]
        return [line for key in expected for line in differences(got[key], expected[key], f"{place}/{key}")]
    if isinstance(expected, list) and isinstance(got, list):
        if len(got) != len(expected):
            return [f"{place}: {len(got)} values instead of {len(expected)}"]
        pairs = enumerate(zip(got, expected, strict=True))
        return [line for number, (a, b) in pairs for line in differences(a, b, f"{place}/{number}")]
    if isinstance(expected, float) and isinstance(got, float | int):
        absolute = ABSOLUTE_OF_AREAS if AREAS.search(place) else ABSOLUTE
        same = bool(np.isclose(got, expected, rtol=RELATIVE, atol=absolute))
    else:
        same = type(got) is type(expected) and got == expected
    return [] if same else [f"{place}: {got} instead of {expected}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_program_gives_what_it_gives_with_keras(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "save_and_reload":
        pytest.importorskip("h5py")
    assert differences(run(name, tmp_path, monkeypatch), RECORDED[name]) == []


def test_there_are_results_of_keras_for_every_program() -> None:
    assert sorted(RECORDED.keys() - {"keras"}) == NAMES
    assert len(NAMES) == 12


def test_results_that_differ_are_told() -> None:
    assert differences({"a": [1.0, 2.0]}, {"a": [1.0, 2.1]}) == ["/a/1: 2.0 instead of 2.1"]
    assert differences({"a": [1]}, {"a": [1, 2]}) == ["/a: 1 values instead of 2"]
    assert differences({"a": True}, {"a": 1}) == ["/a: True instead of 1"]
    assert differences({"a": 1}, {"b": 1}) == [": ['a'] instead of ['b']"]
