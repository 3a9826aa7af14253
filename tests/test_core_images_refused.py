"""The compiled core refuses layers whose images, windows and channels do not fit, whatever the numbers."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import image_descriptions as describe
from fastnet import _core
from image_cases import LAYERS, arrays_of, assert_near, core_of
from image_descriptions import Description
from reference_networks import Network

SHAPE = 5, 6, 4
SIZE = prod(SHAPE)
AXES, TRANSPOSED = describe.windows(SHAPE, (3, 2), (2, 1), "same"), describe.transposed_windows(SHAPE, (3, 2), (2, 1))
POOLED = describe.windows(SHAPE, (2, 3), (2, 3), "same")
NORMALIZED = {"epsilon": 0.1, "use_gamma": True, "use_beta": True}
WHOLE: dict[str, Description] = {
    "conv2d": describe.conv2d(SHAPE, AXES, 6, "relu", groups=2),
    "conv2d_transpose": describe.conv2d_transpose(SHAPE, TRANSPOSED, 6, "relu"),
    "max_pooling2d": describe.pooling("max", SHAPE, POOLED),
    "average_pooling2d": describe.pooling("average", SHAPE, POOLED),
    "padding2d": describe.padding2d(SHAPE, (1, -2), (-1, 3)),
    "upsampling2d": describe.upsampling2d(SHAPE, (2, 3), bilinear=True),
    "permutation": describe.permutation(SHAPE, (2, 0, 1)),
    "spatial_dropout": describe.spatial_dropout(SHAPE, 0.5, 1),
    "dense": describe.dense(SHAPE, 3),
    "batch_normalization": describe.by_channel("batch_normalization", SHAPE, momentum=0.9, **NORMALIZED),
    "layer_normalization": describe.by_channel("layer_normalization", SHAPE, **NORMALIZED),
    "normalization": describe.by_channel("normalization", SHAPE, epsilon=0.1),
    "prelu": describe.by_channel("prelu", SHAPE),
    "activation": describe.by_channel("activation", SHAPE, activation="softmax", alpha=0.0),
}
NUMBERS = [*range(-3, 10), SIZE, 2**62, -(2**62), 2**63 - 1, -(2**63)]
PLACES = "top", "left"  # which may be negative in padding, or 0
SIZES = [
    (kind, key)
    for kind, layer in WHOLE.items()
    for key, value in layer.items()
    if type(value) is int and key not in (*PLACES, "seed")
]


def refused(layer: Mapping[str, Any], size: int = SIZE, match: str | None = None) -> None:
    for network in (_core.Network32, _core.Network64):
        with pytest.raises(ValueError, match=match):
            network(size, [layer])


def test_all_layers_are_tried_and_taken() -> None:
    assert WHOLE.keys() == LAYERS.keys()
    for layer in WHOLE.values():
        assert _core.Network32(SIZE, [layer]).output_size == describe.output_size(layer, SIZE)


@pytest.mark.parametrize(("kind", "key"), SIZES)
def test_sizes_that_are_none_are_refused(kind: str, key: str) -> None:
    for value in (0, -1, -(2**63), 2**62, 2**63 - 1):
        refused({**WHOLE[kind], key: value})


@pytest.mark.parametrize(("kind", "key"), SIZES)
def test_what_is_no_number_of_the_core_is_refused(kind: str, key: str) -> None:
    for value in (2**63, -(2**63) - 1, 2**100, 2.5, "3", None, [3]):
        with pytest.raises((ValueError, TypeError)):
            _core.Network32(SIZE, [{**WHOLE[kind], key: value}])


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("size", [1, SIZE - 1, SIZE + 1, 2 * SIZE - 1])
def test_another_number_of_inputs_is_refused(kind: str, size: int) -> None:
    refused(WHOLE[kind], size)
    behind = describe.dense((3,), size)
    with pytest.raises(ValueError):  # noqa: PT011
        _core.Network32(3, [behind, WHOLE[kind]])


@pytest.mark.parametrize("kind", ["conv2d", "conv2d_transpose", "max_pooling2d", "average_pooling2d"])
@pytest.mark.parametrize("side", ["height", "width"])
def test_windows_that_lie_beside_the_image_are_refused(kind: str, side: str) -> None:
    layer = WHOLE[kind]
    before = "top" if side == "height" else "left"
    image, output = layer[side], layer[f"output_{side}"]
    if kind == "conv2d_transpose":
        image, output = output, image  # windows lie on its output, one for each input
        key, most = side, 1 + (image - 1 + layer[before]) // layer[f"stride_{side}"]
        refused({**layer, f"output_{side}": (layer[side] - 1) * layer[f"stride_{side}"]})  # the last is behind it
    else:
        key, most = f"output_{side}", 1 + (image - 1 + layer[before]) // layer[f"stride_{side}"]
        assert _core.Network32(SIZE, [{**layer, key: most}]).output_size > 0
        refused({**layer, key: most + 1})
    window = layer.get(f"kernel_{side}", layer.get(f"pool_{side}"))
    refused({**layer, before: window})  # the first is in front of it
    refused({**layer, before: 2**62})
    refused({**layer, before: -1})
    assert output <= most
    assert key in layer


@pytest.mark.parametrize("groups", [0, -1, 3, 4, 5, 8, 2**62])
def test_groups_that_do_not_divide_are_refused(groups: int) -> None:
    refused({**WHOLE["conv2d"], "groups": groups}, match="groups")


@pytest.mark.parametrize("side", ["height", "width"])
def test_strides_together_with_dilations_are_refused(side: str) -> None:
    for kind in ("conv2d", "conv2d_transpose"):
        refused({**WHOLE[kind], f"stride_{side}": 2, f"dilation_{side}": 2}, match="strides and dilations")


@pytest.mark.parametrize("axes", [(), (0,), (0, 1), (0, 1, 1), (1, 2, 3), (-1, 0, 1), (0, 1, 2, 3), (0, 1, 2**62)])
def test_axes_in_no_order_are_refused(axes: tuple[int, ...]) -> None:
    refused({**WHOLE["permutation"], "axes": list(axes)})


@pytest.mark.parametrize(
    "shape", [(), (SIZE,), (5, 24), (5, 6, 3), (5, 6, 4, 1), (-5, -6, 4), (0, 6, 4), (2**62, 4, 4)]
)
def test_shapes_of_other_images_are_refused(shape: tuple[int, ...]) -> None:
    refused({**WHOLE["permutation"], "shape": list(shape)})


@pytest.mark.parametrize("value", [-(2**63), -(2**62), 2**62, 2**63 - 1])
@pytest.mark.parametrize("key", PLACES)
def test_images_can_be_moved_out_of_sight_but_not_out_of_memory(key: str, value: int) -> None:
    refused({**WHOLE["padding2d"], key: value})


@pytest.mark.parametrize("kind", ["conv2d", "conv2d_transpose"])
def test_a_kernel_that_reaches_far_beyond_the_image_is_refused(kind: str) -> None:
    apart = {"dilation_width": 2**20, "stride_width": 1, "kernel_width": 2}
    refused({**WHOLE[kind], **apart}, match=r"a kernel may reach over 1048576 values of a smaller image, got 1048577")


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=100)
@given(data=st.data())
def test_any_numbers_are_refused_or_computed(kind: str, data: st.DataObject) -> None:
    """A layer with a few numbers changed is refused, or it is the reference."""
    layer = dict(WHOLE[kind])
    keys = [key for key, value in layer.items() if type(value) is int and key != "seed"]
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=4, unique=True)) if keys else []:
        apart = [2**31, 2**32 + 1] if key.startswith(("stride", "dilation")) else []
        layer[key] = data.draw(st.sampled_from(NUMBERS + apart))
    try:
        core, weights = core_of([layer], SIZE)
    except (ValueError, MemoryError):
        return
    assume(core.output_size < 100_000)
    x = np.random.default_rng(0).normal(size=(2, SIZE))
    network = Network([layer], SIZE, weights)
    network.in_training(False)
    assert_near([core.predict(x, 2)], [network.predict(x)], 1e-12)
    network.in_training(True)
    y = np.ones((2, core.output_size))
    assert_near(arrays_of(core, core.loss_and_gradients(x, y, None)[1]), network.loss_and_gradients(x, y)[1], 1e-11)
