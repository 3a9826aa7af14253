"""Files of every released version are read for ever: each version left a folder of them, which is never written again.

record_written_files.py wrote them, and JSON beside them that says what the models predicted.
"""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import fastnet as fn
from fastnet import cli, layers
from fastnet.serialization import FORMAT_VERSION, read_metadata

WRITTEN = Path(__file__).parent / "data" / "written_by"
VERSIONS = sorted(path for path in WRITTEN.iterdir() if path.is_dir())
OTHERS = ("weights", "checkpoint")  # files of other kinds than models
RECORDS = [path for version in VERSIONS for path in sorted(version.glob("*.json")) if path.stem not in OTHERS]
# In bfloat16 a processor with instructions for it rounds otherwise; in 8-bit integers, where the last bit of an
# activation moves a value to the next integer, the result differs by a step.
TOLERANCES: dict[str, dict[str, float]] = {
    "preprocessing": {"atol": 0.01},
    "int8": {"atol": 0.005},
    "int8_images": {"atol": 0.005},
}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}" if path.suffix else path.name


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def samples(recorded: dict[str, Any]) -> Any:
    return np.array(recorded["x"], recorded.get("dtype", "float64"))


def load(record: Path) -> Any:
    return fn.load_model(record.with_suffix(".safetensors"))


def records_of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("record", [path for path in RECORDS if path.stem in names], ids=name_of)


every_version = pytest.mark.parametrize("folder", VERSIONS, ids=name_of)
every_record = pytest.mark.parametrize("record", RECORDS, ids=name_of)
sequential = records_of(*{path.stem for path in RECORDS if not path.stem.startswith("int8")})


def test_this_version_left_its_files() -> None:
    """A release runs record_written_files.py."""
    assert (WRITTEN / fn.__version__).is_dir()


def test_every_version_has_the_files_that_the_one_before_had() -> None:
    held = [{path.relative_to(version).as_posix() for path in version.glob("*.*")} for version in VERSIONS]
    for earlier, later in itertools.pairwise(held):
        assert earlier <= later


def test_every_version_of_the_format_has_files() -> None:
    found = {int(read_metadata(record.with_suffix(".safetensors"))["format_version"]) for record in RECORDS}
    assert found == set(range(1, int(FORMAT_VERSION) + 1))


# ---- Models ---------------------------------------------------------------------------------------------------------


@every_record
def test_the_model_predicts_what_it_predicted(record: Path) -> None:
    recorded = read(record)
    predictions = load(record).predict(samples(recorded))
    tolerance = TOLERANCES.get(record.stem, {"rtol": 1e-5, "atol": 1e-6})
    np.testing.assert_allclose(predictions, recorded["predictions"], **tolerance)
    assert np.ptp(predictions, axis=0).min() > 1e-3  # so that it depends on the samples


@sequential
def test_everything_that_the_file_says_comes_back(record: Path) -> None:
    recorded, model = read(record), load(record)
    if "sums" not in recorded:
        pytest.skip("only the predictions are recorded")
    assert [layer.name for layer in model.layers] == recorded["layers"]
    assert [float(array.sum(dtype=np.float64)) for array in model.get_weights()] == pytest.approx(recorded["sums"])
    assert model.class_names == recorded["class_names"]
    assert model.feature_names == recorded["feature_names"]
    assert model.figures == recorded.get("figures", {})
    if saved := recorded.get("optimizer"):
        compiled = model.get_compile_config()
        assert compiled is not None
        assert compiled["optimizer"]["class_name"] == saved["class_name"]
        assert saved["config"].items() <= compiled["optimizer"]["config"].items()  # a later version may know more


@records_of("layers")
def test_the_model_has_every_kind_of_layer_with_weights(record: Path) -> None:
    kinds = {type(layer) for layer in load(record).layers}
    assert {layers.Normalization, layers.Dense, layers.BatchNormalization, layers.Residual} <= kinds


@sequential
def test_the_model_trains_on_and_is_saved_again(record: Path, tmp_path: Path) -> None:
    model, x = load(record), samples(read(record))
    if model.get_compile_config() is None:
        model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(x, (model.predict(x, verbose=0) > 0.5).astype(float)[:, : y_columns(model)], epochs=1, verbose=0)
    assert any((now != then).any() for now, then in zip(model.get_weights(), before, strict=True))
    model.save(tmp_path / "again.safetensors")
    again = fn.load_model(tmp_path / "again.safetensors")
    assert (again.predict(x, verbose=0) == model.predict(x, verbose=0)).all()


def y_columns(model: fn.Sequential) -> int:
    """One column of labels where the loss takes class numbers."""
    compiled = model.get_compile_config() or {}
    return 1 if str(compiled.get("loss")).startswith("sparse") else model.output_shape[-1]


@records_of("layers")
def test_the_safetensors_library_reads_the_weights(record: Path) -> None:
    tensors = safetensors.numpy.load_file(record.with_suffix(".safetensors"))
    weights = load(record).get_weights()
    assert len(tensors) == len(weights)
    assert tensors["layers.0.normalization.mean"].tolist() == weights[0].tolist()


# ---- Weights, architectures, checkpoints, receipts ------------------------------------------------------------------


@every_version
def test_weights_alone_fit_the_architecture_in_json(folder: Path) -> None:
    recorded = read(folder / "weights.json")
    model = fn.models.model_from_json(recorded["model"])
    model.load_weights(folder / "weights.safetensors")
    np.testing.assert_allclose(model.predict(samples(recorded)), recorded["predictions"], rtol=1e-5, atol=1e-6)


@every_version
def test_training_resumes_from_a_checkpoint_and_ends_as_it_would_have(folder: Path, tmp_path: Path) -> None:
    recorded = read(folder / "checkpoint.json")
    shutil.copytree(folder / "checkpoint", tmp_path / "backup")
    model = fn.models.model_from_json(recorded["model"])
    model.compile(**recorded["compile"])
    backup = fn.callbacks.BackupAndRestore(tmp_path / "backup")
    history = model.fit(samples(recorded), np.array(recorded["y"]), callbacks=[backup], **recorded["fit"])
    assert backup.resumed_from is not None
    assert history.history.keys() == recorded["history"].keys()
    for name, figures in recorded["history"].items():
        assert history.history[name] == pytest.approx(figures, rel=1e-4)
    np.testing.assert_allclose(model.predict(samples(recorded)), recorded["predictions"], rtol=1e-4, atol=1e-5)


@records_of("regression")
def test_a_receipt_repeats_the_training(record: Path) -> None:
    recorded, model = read(record), load(record)
    assert model.receipt["runs"][0]["epochs"] == len(model.history.history["loss"])
    assert {"loss", "mae", "val_loss", "val_mae"} <= model.history.history.keys()
    found = fn.verify(model, samples(recorded), np.array(recorded["y"]))
    assert not {"x", "y", "initial_weights"} & found.differences.keys()
    assert found.largest_difference == pytest.approx(0.0, abs=1e-5)  # another instruction set rounds otherwise


@records_of("command")
def test_the_command_of_a_receipt_trains_the_same_model(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(record.with_suffix(".safetensors"))
    assert cli.main(["verify", model, "digits", "--tolerance", "0.01", "--json", "--quiet"]) == 0
    assert not {"data", "initial_weights"} & json.loads(capsys.readouterr().out)["differences"].keys()
