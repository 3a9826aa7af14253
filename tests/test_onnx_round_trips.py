"""Models of images to ONNX and back: the same predictions, or a refusal that names what cannot come back."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
import models_of_images as images

pytest.importorskip("onnx", reason="needs onnx")


def come_back(model: fn.Sequential, folder: Path) -> None:
    model.to_onnx(folder / "model.onnx")
    again = fn.from_onnx(folder / "model.onnx")
    assert model.input_shape is not None
    x = np.random.default_rng(0).normal(size=(6, *model.input_shape)).astype(np.float32)
    expected, outputs = model.predict(x), again.predict(x.reshape(6, *again.input_shape))
    assert_allclose(outputs.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", images.MODELS)
def test_every_layer(name: str, tmp_path: Path) -> None:
    come_back(images.build(name), tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_random_stacks(seed: int, tmp_path: Path) -> None:
    come_back(images.random_model(seed), tmp_path)
