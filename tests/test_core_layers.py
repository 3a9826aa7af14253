"""The compiled core takes of every type of layer what the type has, and refuses what it would not read."""

from typing import Any

import numpy as np
import pytest

from fastnet import _core

Description = dict[str, Any]
COMMON = {"trainable": True}
IMAGE = {"height": 2, "width": 2, "channels": 1}
WINDOWS = {
    **IMAGE,
    "stride_height": 1,
    "stride_width": 1,
    "top": 0,
    "left": 0,
    "output_height": 2,
    "output_width": 2,
}
CONVOLUTION = {
    **WINDOWS,
    "filters": 1,
    "kernel_height": 1,
    "kernel_width": 1,
    "dilation_height": 1,
    "dilation_width": 1,
    "use_bias": True,
    "activation": "elu",
    "alpha": 0.5,
}
RESAMPLED = {**IMAGE, "fill_mode": "reflect", "fill_value": 0.0, "nearest": False, "seed": 1}
# Every type with all that it takes.
WHOLE: dict[str, Description] = {
    "dense": {"units": 3, "use_bias": True, "activation": "elu", "alpha": 0.5, "bfloat16": True, "positions": 2},
    "quantized_dense": {
        "use_bias": True,
        "activation": "elu",
        "alpha": 0.5,
        "kernel": np.ones((4, 3), np.int8),
        "kernel_scale": np.ones(3, np.float32),
        "input_scale": 0.5,
        "zero_point": 7,
    },
    "activation": {"activation": "elu", "alpha": 0.5, "positions": 2},
    "rescaling": {"scale": 2.0, "offset": 1.0},
    "normalization": {"epsilon": 0.1, "positions": 2},
    "dropout": {"rate": 0.5, "seed": 1},
    "gaussian_noise": {"deviation": 0.5, "seed": 1},
    "prelu": {"positions": 2},
    "batch_normalization": {"momentum": 0.9, "epsilon": 0.1, "use_gamma": True, "use_beta": True, "positions": 2},
    "layer_normalization": {"epsilon": 0.1, "use_gamma": True, "use_beta": True, "positions": 2},
    "residual_begin": {},
    "residual_end": {},
    "conv2d": {**CONVOLUTION, "groups": 1},
    "conv2d_transpose": CONVOLUTION,
    "max_pooling2d": {**WINDOWS, "pool_height": 1, "pool_width": 1},
    "average_pooling2d": {**WINDOWS, "pool_height": 1, "pool_width": 1},
    "padding2d": {**IMAGE, "top": 0, "left": 0, "output_height": 2, "output_width": 2},
    "upsampling2d": {**IMAGE, "factor_height": 1, "factor_width": 1, "bilinear": False},
    "permutation": {"shape": [1, 2, 2], "axes": [0, 2, 1]},
    "spatial_dropout": {"channels": 1, "rate": 0.5, "repeats": 1, "seed": 1, "shared": True},
    "random_affine": {
        **RESAMPLED,
        "transformation": "zoom",
        "lower": -0.5,
        "upper": 0.5,
        "width_lower": 0.0,
        "width_upper": 0.0,
        "proportional": True,
    },
    "random_elastic": {
        **RESAMPLED,
        "lower": 0.0,
        "upper": 1.0,
        "scale_lower": 0.0,
        "scale_upper": 1.0,
        "alpha": 1.0,
        "sigma": 1.0,
        "low": 0.0,
        "high": 1.0,
    },
    "random_flip": {**IMAGE, "horizontal": True, "vertical": True, "seed": 1},
    "random_crop": {**IMAGE, "top": 0, "left": 0, "output_height": 2, "output_width": 2, "seed": 1},
    "random_levels": {
        "channels": 1,
        "contrast": True,
        "lower": 0.5,
        "upper": 1.5,
        "low": 0.0,
        "high": 1.0,
        "seed": 1,
    },
}
KEYS = sorted({key for taken in WHOLE.values() for key in taken} | {"rates", "Units", "", "\udc80"})


def layers(kind: str, **changes: Any) -> list[Description]:
    """Return a network's layers of which one has this type and all that it takes."""
    layer = {"type": kind, **WHOLE[kind], **COMMON, **changes}
    match kind:
        case "residual_begin":
            return [layer, {"type": "residual_end"}]
        case "residual_end":
            return [{"type": "residual_begin"}, layer]
        case _:
            return [layer]


@pytest.mark.parametrize("kind", WHOLE)
def test_a_type_takes_what_it_has_and_nothing_else(kind: str) -> None:
    _core.Network32(4, layers(kind))
    taken = ["type", *WHOLE[kind], *COMMON]
    for key in KEYS:
        if key not in taken:
            with pytest.raises(ValueError, match=f"a layer of the type '{kind}' does not take ") as refusal:
                _core.Network32(4, layers(kind, **{key: 1}))
            named, known = str(refusal.value).split(" does not take ")[1].split("; it takes ")
            assert named == repr(key)
            assert sorted(known.split(", ")) == sorted(map(repr, taken))


def test_a_misspelled_key_is_named_with_those_that_there_are() -> None:
    odd: Any = {"type": "prelu", 7: 8}
    with pytest.raises(
        ValueError,
        match=r"^a layer of the type 'dropout' does not take 'rates'; it takes 'type', 'rate', 'seed', 'trainable'$",
    ):
        _core.Network32(4, [{"type": "dropout", "rates": 0.9}])
    with pytest.raises(
        ValueError, match=r"a layer of the type 'prelu' does not take 7; it takes 'type', 'positions', 'tr"
    ):
        _core.Network32(4, [odd])


def test_types_that_there_are_not_are_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"layer type must be one of dense, .*conv2d.*random_levels; got 'lstm'"):
        _core.Network32(4, [{"type": "lstm", "units": 3}])


def test_layers_that_are_changed_take_what_new_ones_take_and_keep_their_type() -> None:
    network = _core.Network32(4, layers("dropout", rate=0.25))
    network.update_layers(layers("dropout", rate=0.75))
    with pytest.raises(ValueError, match="a layer of the type 'dropout' does not take 'rates'"):
        network.update_layers(layers("dropout", rates=0.75))
    with pytest.raises(ValueError, match="a layer of the type 'dropout' keeps its type"):
        network.update_layers(layers("gaussian_noise"))
