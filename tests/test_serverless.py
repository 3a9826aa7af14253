"""The serverless example: its function answers requests, and the zip has what it needs and no more."""

import base64
import importlib.util
import json
import shutil
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fastnet as fn

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "serverless"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"serverless_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(tmp_path: Path) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(4, "relu", input_shape=(3,)), fn.Dense(2, "softmax")], seed=0)
    model.class_names = ["no", "yes"]
    model.save(tmp_path / "model.safetensors")
    return model


@pytest.fixture
def function(model: fn.Sequential, tmp_path: Path) -> ModuleType:
    """The handler beside a model, as in the zip."""
    shutil.copy(EXAMPLE / "handler.py", tmp_path)
    return load(tmp_path / "handler.py")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return load(EXAMPLE / "build.py")


# ---- The function ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [False, True])
def test_a_request_is_answered_with_predictions(function: ModuleType, model: fn.Sequential, encoded: bool) -> None:
    x = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]], np.float32)
    body = json.dumps({"instances": x.tolist()})
    event = {"body": base64.b64encode(body.encode()).decode() if encoded else body, "isBase64Encoded": encoded}
    answer = function.handler(event, None)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    expected = model.predict(x, verbose=0)
    content = json.loads(answer["body"])
    np.testing.assert_array_equal(np.array(content["predictions"], np.float32), expected)
    assert content["classes"] == [["no", "yes"][best] for best in expected.argmax(axis=1)]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, "Expecting value"),
        ({"body": "{"}, "Expecting property name"),
        ({"body": "[1]"}, 'the body must be JSON: {"instances"'),
        ({"body": '{"instances": 3}'}, 'the body must be JSON: {"instances"'),
        ({"body": '{"instances": []}'}, "there must be 1 to 1024 instances; got 0"),
        ({"body": json.dumps({"instances": [[0, 0, 0]] * 1025})}, "there must be 1 to 1024 instances; got 1025"),
        ({"body": '{"instances": [[1, 2]]}'}, "x must have shape (samples, 3); got (1, 2)"),
        ({"body": '{"instances": [["a", 1, 2]]}'}, "could not convert string to float"),
        ({"body": '{"instances": [[1], [1, 2]]}'}, "inhomogeneous shape"),
        ({"body": '{"instances": [{}]}'}, "float() argument must be"),
        ({"body": "!", "isBase64Encoded": True}, "base64"),
    ],
)
def test_bad_input_is_answered_with_its_fault(function: ModuleType, event: dict[str, Any], words: str) -> None:
    answer = function.handler(event, None)
    assert answer["statusCode"] == 400
    assert words in json.loads(answer["body"])["error"]


# ---- The zip --------------------------------------------------------------------------------------------------------


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1\n", encoding="utf-8")


def test_what_no_prediction_needs_is_left_out_and_licenses_stay(build: ModuleType, tmp_path: Path) -> None:
    kept = [
        "fastnet/__init__.pyi",
        "fastnet/models/sequential.py",
        "numpy/_core/multiarray.py",
        "numpy-2.dist-info/licenses/tests/LICENSE.h",
    ]
    write(tmp_path, *kept, "numpy/f2py/a.py", "numpy/_core/tests/a/b.py", "numpy/random/c.pxd", "fastnet/_core.pyi")
    write(tmp_path, "numpy/_core/include/numpy/d.h", "bin/f2py")
    build.remove_unneeded(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        kept
    )


def test_equal_files_give_equal_zips_whose_modules_are_compiled(build: ModuleType, tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"{number}", "b/a.py", "handler.py")
        build.compile_modules(tmp_path / f"{number}")
        build.write_zip(tmp_path / f"{number}", tmp_path / f"{number}.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    tag = sys.implementation.cache_tag
    assert names == sorted(names)
    assert set(names) == {"b/a.py", f"b/__pycache__/a.{tag}.pyc", "handler.py", f"__pycache__/handler.{tag}.pyc"}


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], []),
        (
            ["--platform", "manylinux_2_28_aarch64", "--python-version", "3.13"],
            ["--platform", "manylinux_2_28_aarch64", "--python-version", "3.13", "--only-binary", ":all:"],
        ),
    ],
)
def test_a_zip_may_be_for_another_machine(
    build: ModuleType, words: list[str], options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(build, "pip", lambda *given: asked.append(given))
    model, out = tmp_path / "given.safetensors", tmp_path / "function.zip"
    model.write_bytes(b"model")
    monkeypatch.setattr(
        "sys.argv", ["build.py", "--wheel", "fastnet-nn", "--model", str(model), "--out", str(out), *words]
    )
    build.main()
    (install,) = asked
    assert install[:2] == ("install", "--target")
    assert [*install[4:]] == [*options, "fastnet-nn"]
    with zipfile.ZipFile(out) as archive:
        assert archive.read("model.safetensors") == b"model"
        compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
    assert len(compiled) == (0 if words else 1)
