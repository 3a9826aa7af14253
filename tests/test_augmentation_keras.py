"""Layers that change images at random do what Keras's do with the same factors, and come in from its files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from reference_augmentation import FILL_MODES
from test_augmentation import trained_through

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

FACTORS: dict[str, tuple[Any, ...]] = {
    "RandomTranslation": ((0.23, 0.23), (-0.31, -0.31)),
    "RandomRotation": ((0.13, 0.13),),
    "RandomZoom": ((0.37, 0.37), (-0.22, -0.22)),
}


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("name", FACTORS)
def test_images_are_moved_as_keras_moves_them(name: str, fill_mode: str, interpolation: str) -> None:
    keras = pytest.importorskip("keras")
    if keras.backend.backend() == "torch" and fill_mode in ("reflect", "wrap"):
        pytest.skip("Keras on PyTorch has another 'reflect', and no 'wrap'")
    x = np.random.default_rng(0).random((2, 9, 11, 3), np.float32)
    how = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 0.25}
    expected = np.asarray(getattr(keras.layers, name)(*FACTORS[name], **how)(x, training=True))
    found = trained_through([getattr(fn.layers, name)(*FACTORS[name], **how)], x, "float32")
    assert_allclose(found, expected, atol=2e-6)


def test_brightness_and_contrast_are_those_of_keras() -> None:
    keras = pytest.importorskip("keras")
    x = np.random.default_rng(0).random((2, 5, 4, 3), np.float32)
    for factor in (0.3, -0.6):
        expected = keras.layers.RandomBrightness((factor, factor), (0.1, 0.9))(x, training=True)
        found = trained_through([fn.RandomBrightness((factor, factor), (0.1, 0.9))], x, "float32")
        assert_allclose(found, np.asarray(expected), atol=1e-6)
    expected = keras.layers.RandomContrast((0, 0), (0.1, 0.9))(x, training=True)
    assert_allclose(trained_through([fn.RandomContrast(0, (0.1, 0.9))], x, "float32"), np.asarray(expected), atol=1e-6)


def test_a_file_of_keras_with_these_layers_comes_in(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    made = [
        keras.layers.RandomFlip("vertical"),
        keras.layers.RandomTranslation(0.1, (-0.2, 0.1), seed=5),
        keras.layers.RandomRotation(0.1, fill_mode="constant", fill_value=0.5),
        keras.layers.RandomZoom(0.2, interpolation="nearest"),
        keras.layers.RandomContrast(0.2),
        keras.layers.RandomBrightness(0.1, value_range=(0, 1)),
        keras.layers.RandomElasticTransform(0.5, scale=(0.2, 0.4)),
        keras.layers.RandomCrop(6, 5),
    ]
    model = keras.Sequential([keras.Input((6, 5, 3)), *made, keras.layers.Flatten(), keras.layers.Dense(3)])
    model.save(tmp_path / "m.keras")
    again = fn.load_model(tmp_path / "m.keras")
    for layer, own in zip(made, again.layers, strict=False):
        assert type(own).__name__ == type(layer).__name__
        given, config = layer.get_config(), own.get_config()
        for key in config.keys() & given.keys() - {"dtype"}:
            assert_array_equal(config[key], given[key]) if given[key] is not None else None
    x = np.random.default_rng(0).random((2, 6, 5, 3), np.float32)
    assert_allclose(again.predict(x), model.predict(x, verbose=0), atol=1e-5)
