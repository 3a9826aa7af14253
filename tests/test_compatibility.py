"""Files of every released format version load for ever: each version has one here, which is never written again.

record_model_files.py wrote them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import fastnet as fn
from fastnet import layers
from fastnet.serialization import FORMAT_VERSION, read_metadata

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.glob("model-v*.safetensors"))
QUANTIZED = sorted(DATA.glob("int8-v*.safetensors"))
file_of_each_version = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_every_version_has_a_file() -> None:
    for files in (FILES, QUANTIZED):
        versions = sorted(int(read_metadata(path)["format_version"]) for path in files)
        assert versions == list(range(1, int(FORMAT_VERSION) + 1))


@file_of_each_version
def test_the_model_predicts_what_it_predicted(path: Path) -> None:
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    predictions = fn.load_model(path).predict(np.array(recorded["x"]), verbose=0)
    np.testing.assert_allclose(predictions, recorded["predictions"], rtol=1e-5, atol=1e-6)
    assert np.ptp(predictions, axis=0).min() > 1e-3  # so that it depends on the samples


@pytest.mark.parametrize("path", QUANTIZED, ids=lambda path: path.stem)
def test_a_quantized_model_predicts_what_it_predicted(path: Path) -> None:
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    predictions = fn.load_model(path).predict(np.array(recorded["x"]))
    # Where the last bit of an activation moves a value to the next integer, by a step.
    np.testing.assert_allclose(predictions, recorded["predictions"], atol=0.005)
    assert np.ptp(predictions, axis=0).min() > 1e-3


@file_of_each_version
def test_everything_that_the_file_says_comes_back(path: Path) -> None:
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model = fn.load_model(path)
    assert [layer.name for layer in model.layers] == recorded["layers"]
    assert [float(array.sum(dtype=np.float64)) for array in model.get_weights()] == pytest.approx(recorded["sums"])
    assert model.class_names == recorded["class_names"]
    assert model.feature_names == recorded["feature_names"]
    compiled = model.get_compile_config()
    assert compiled is not None
    saved = recorded["optimizer"]
    assert compiled["optimizer"]["class_name"] == saved["class_name"]
    assert saved["config"].items() <= compiled["optimizer"]["config"].items()  # a later version may know more


@file_of_each_version
def test_the_model_has_every_kind_of_layer_with_weights(path: Path) -> None:
    kinds = {type(layer) for layer in fn.load_model(path).layers}
    assert {layers.Normalization, layers.Dense, layers.BatchNormalization, layers.Residual} <= kinds


@file_of_each_version
def test_the_model_trains_on_and_is_saved_again(path: Path, tmp_path: Path) -> None:
    model = fn.load_model(path)
    x = np.random.default_rng(0).normal(size=(32, 6))
    model.fit(x, np.arange(32) % 3, epochs=1, verbose=0)
    model.save(tmp_path / "again.safetensors")
    again = fn.load_model(tmp_path / "again.safetensors")
    assert (again.predict(x, verbose=0) == model.predict(x, verbose=0)).all()


@file_of_each_version
def test_the_safetensors_library_reads_the_weights(path: Path) -> None:
    tensors = safetensors.numpy.load_file(path)
    weights = fn.load_model(path).get_weights()
    assert len(tensors) == len(weights)
    assert tensors["layers.0.normalization.mean"].tolist() == weights[0].tolist()
