"""A file of C is compiled and run, or its numbers are computed, before it is written."""

import re
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from c_programs import STRICT, compile_and_run, compiler, small
from fastnet.interchange.c import check as c_check
from fastnet.interchange.c import file as c_file
from fastnet.interchange.c import functions as c_functions
from fastnet.interchange.c import source as c_source
from fastnet.interchange.c import text as c_text
from fastnet.interchange.c.model import to_be_written
from models_of_all_layers import MODELS, build


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)


def test_an_export_is_compiled_and_run_before_it_is_written(tmp_path: Path) -> None:
    command = compiler()
    how = small().to_c(tmp_path / "model.c")
    assert re.fullmatch(rf"compiled with {re.escape(command[0])} and run: largest difference \S+", how)


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_the_numbers_of_the_file_are_computed(tmp_path: Path) -> None:
    for name in MODELS:
        how = build(name).to_c(tmp_path / "model.c")
        assert re.fullmatch(r"computed by fastnet .*: largest difference \S+ \(no C compiler was found\)", how)
    with pytest.raises(RuntimeError, match="cannot be compiled and run: no C compiler was found"):
        small().to_c(tmp_path / "other.c", check=True)
    assert small().to_c(tmp_path / "model.c", check=False) == "not checked"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("compiled", [True, False])
def test_outputs_may_be_infinite(dtype: str, compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fn.Sequential([fn.Dense(3, "exponential", input_shape=(2,)), fn.Rescaling(-1.0)], dtype=dtype)
    model.layers[0].set_weights([np.full((2, 3), 1e4), np.zeros(3)])
    assert np.isinf(to_be_written(model).expected).any()
    if not compiled:
        monkeypatch.setattr(c_source, "find_compiler", lambda: None)
        assert "largest difference 0" in model.to_c(tmp_path / "model.c")
        return
    model.to_c(tmp_path / "model.c", check=bool(compiler()))
    compile_and_run([*compiler(), *STRICT, "-DSELFTEST"], (tmp_path / "model.c").read_text(), tmp_path)


def test_an_export_that_is_not_the_model_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    (tmp_path / "model.c").write_text("before")
    monkeypatch.setitem(c_functions._FUNCTIONS, "relu", c_functions._each("relu", "wrong", "v + (REAL)0.001"))
    with pytest.raises(RuntimeError, match="does not pass its self-test: largest difference 1"):
        small(2, "linear").to_c(tmp_path / "model.c")
    monkeypatch.setitem(
        c_functions._FUNCTIONS, "relu", c_functions._each("relu", "not a number", "v * 1e38~ * 1e38~ * 0")
    )
    with pytest.raises(RuntimeError, match="does not pass its self-test"):
        small(2, "linear").to_c(tmp_path / "model.c")
    monkeypatch.setitem(c_functions._FUNCTIONS, "relu", c_functions._each("relu", "no C", "v ! 0"))
    with pytest.raises(RuntimeError, match=r"(?s)does not pass its self-test: .*error"):
        small(2, "linear").to_c(tmp_path / "model.c")
    assert (tmp_path / "model.c").read_text() == "before"


@pytest.mark.usefixtures("no_compiler")
def test_an_export_of_other_numbers_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = c_text.number_lines
    monkeypatch.setattr(c_file, "number_lines", lambda values: honest(values + np.float32(1e-3)))
    with pytest.raises(RuntimeError, match="the C export differs from the model"):
        small().to_c(tmp_path / "model.c")
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_whose_programs_do_not_run_here_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    command = compiler()
    monkeypatch.setenv("CC", "false --for-another-machine")
    assert c_check.find_compiler() in (["cc"], ["gcc"], ["clang"])
    monkeypatch.setenv("CC", f"{command[0]} -O0")
    assert c_check.find_compiler() == [command[0], "-O0"]


def test_a_compiler_that_does_not_end_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    monkeypatch.setattr(c_check, "_TIMEOUT", 0.001)
    how = small().to_c(tmp_path / "model.c")
    assert how.startswith("computed by fastnet")
    assert "took more than 0.001 s" in how
    with pytest.raises(RuntimeError, match="took more than"):
        small().to_c(tmp_path / "model.c", check=True)
