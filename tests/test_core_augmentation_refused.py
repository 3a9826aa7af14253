"""The compiled core refuses descriptions of layers for augmentation that do not fit, whatever the numbers."""

from typing import Any

import numpy as np
import pytest

from fastnet import _core
from image_cases import core_of

IMAGE = {"height": 5, "width": 6, "channels": 2}
SIZE = 60
AFFINE = {"type": "random_affine", **IMAGE, "seed": 3, "transformation": "rotation", "lower": -0.5, "upper": 0.5}
ELASTIC = {"type": "random_elastic", **IMAGE, "seed": 3, "alpha": 2.0, "sigma": 1.0, "low": 0.0, "high": 1.0}
CROP = {"type": "random_crop", **IMAGE, "output_height": 3, "output_width": 4, "top": -1, "left": -2, "seed": 3}
LEVELS = {"type": "random_levels", "channels": 2, "lower": 0.5, "upper": 1.5, "low": 0.0, "high": 1.0, "seed": 3}
FLIP = {"type": "random_flip", **IMAGE, "seed": 3}
ALL = {layer["type"]: layer for layer in (AFFINE, ELASTIC, CROP, LEVELS, FLIP)}
NUMBERS = [float("nan"), float("inf"), -float("inf"), 1e30, -1e30]


@pytest.mark.parametrize("network", [_core.Network32, _core.Network64])
@pytest.mark.parametrize("kind", ALL)
def test_layers_that_fit_are_taken(network: Any, kind: str) -> None:
    core = network(SIZE, [ALL[kind]])
    assert core.output_size == (24 if kind == "random_crop" else SIZE)


@pytest.mark.parametrize("kind", ALL)
def test_sizes_that_are_none_are_refused(kind: str) -> None:
    layer = ALL[kind]
    for key in layer.keys() & {"height", "width", "channels", "output_height", "output_width"}:
        for value in (0, -1, -(2**63), 2**62, 2**63 - 1, 7):
            with pytest.raises(ValueError, match=r"."):
                _core.Network32(SIZE, [{**layer, key: value}])
    with pytest.raises(ValueError, match=r"."):
        _core.Network32(SIZE + 1, [layer])


@pytest.mark.parametrize(
    ("layer", "keys"),
    [
        (AFFINE, ["lower", "upper", "width_lower", "width_upper"]),
        (ELASTIC, ["lower", "upper", "scale_lower", "scale_upper", "alpha", "sigma"]),
        (LEVELS, ["lower", "upper"]),
    ],
)
def test_numbers_out_of_range_are_refused(layer: dict[str, Any], keys: list[str]) -> None:
    for key in keys:
        for value in NUMBERS if layer is not LEVELS else NUMBERS[:3]:
            with pytest.raises(ValueError, match="must be a range"):
                _core.Network32(SIZE, [{**layer, key: value}])
    for key in ("low", "high"):
        if key in layer:
            for value in NUMBERS[:3]:
                with pytest.raises(ValueError, match="limits of values"):
                    _core.Network32(SIZE, [{**layer, key: value}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fill_mode": "mirror"}, "fill_mode must be one of reflect, constant, nearest, wrap; got 'mirror'"),
        ({"transformation": "shear"}, "transformation must be one of translation, rotation, zoom"),
        ({"fill_value": float("nan")}, "fill_value must be finite"),
    ],
)
def test_names_that_there_are_not_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.Network32(SIZE, [{**AFFINE, **change}])


@pytest.mark.parametrize("key", ["top", "left"])
@pytest.mark.parametrize("value", [1, -3, 2**62, -(2**63)])
def test_parts_that_are_beside_the_image_are_refused(key: str, value: int) -> None:
    with pytest.raises(ValueError, match="is not part of an image"):
        _core.Network32(SIZE, [{**CROP, key: value}])


@pytest.mark.parametrize("height", [2**20 + 1, 2**17])
def test_images_whose_values_cannot_be_counted_are_refused(height: int) -> None:
    for layer in (AFFINE, ELASTIC):
        with pytest.raises(ValueError, match="with its margins is too large"):
            _core.Network32(height * 2**15, [{**layer, "height": height, "width": 2**15, "channels": 1}])


@pytest.mark.parametrize("fill_mode", ["reflect", "constant", "nearest", "wrap"])
@pytest.mark.parametrize("transformation", ["translation", "rotation", "zoom"])
def test_the_largest_factors_stay_inside_of_the_margins(fill_mode: str, transformation: str) -> None:
    given = {"fill_mode": fill_mode, "transformation": transformation, "lower": -1.0, "width_lower": -1.0}
    for lower in (-1.0, 1.0):
        layer = {**AFFINE, **given, "lower": lower, "upper": 1.0, "width_lower": lower, "width_upper": 1.0}
        core, _ = core_of([{"type": "prelu"}, layer, {"type": "dense", "units": 1, "use_bias": False}], SIZE)
        loss, gradients = core.loss_and_gradients(np.ones((50, SIZE)), np.zeros((50, 1)), None)
        assert np.isfinite(loss)
        assert np.isfinite(gradients).all()
