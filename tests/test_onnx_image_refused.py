"""Operators of images in ONNX files that fastnet has no layer for are named, and so are sizes that do not fit."""

import numpy as np
import pytest

import fastnet as fn
from onnx_image_graphs import floats, node, proto_of, refused

REFUSED = {
    "a convolution of volumes": ([node("Conv", "x v")], (3, 4, 4, 4), "of samples of shape (3, 4, 4, 4)"),
    "strides and dilations": ([node("Conv", "x w", strides=[2, 2], dilations=[2, 2])], (3, 9, 9), "with strides of"),
    "weights that are computed": ([node("Conv", "x x")], (3, 4, 4), "with weights that are computed"),
    "groups in a transposed one": (
        [node("ConvTranspose", "x g", group=3)],
        (3, 4, 4),
        "operator ConvTranspose (node 'the_convtranspose') is not available: with 3 groups",
    ),
    "a given size": ([node("ConvTranspose", "x g", output_shape=[6, 6])], (3, 4, 4), "with an output_shape of [6, 6]"),
    "indices": ([node("MaxPool", "x", "a y", kernel_shape=[2, 2])], (3, 4, 4), "only its first output is available"),
    "dilated windows": ([node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2])], (3, 4, 4), "with dilations"),
    "pads of other values": ([node("Pad", "x pads one")], (3, 4, 4), "only zeros are added"),
    "reflections": ([node("Pad", "x pads", mode="reflect")], (3, 4, 4), "with mode=reflect"),
    "pads of channels": (
        [node("Pad", "x deep", "a"), node("Conv", "a w")],
        (3, 4, 4),
        "which is not one of the height",
    ),
    "a slice of channels": ([node("Slice", "x begin end channel")], (3, 4, 4), "not one of the height and the width"),
    "a slice of samples": ([node("Slice", "x begin end sample")], (3, 4, 4), "of axis 0 from 0 to 1"),
    "an empty slice": ([node("Slice", "x end end row")], (3, 4, 4), "of axis 2 from 1 to 1"),
    "every second row": ([node("Slice", "x begin four row two_steps")], (3, 4, 4), "of every second value or fewer"),
    "a fraction": ([node("Resize", "x _ half")], (3, 4, 4), "by the factors [1.0, 1.0, 1.5, 2.0]"),
    "corners": (
        [node("Resize", "x _ two", mode="linear", coordinate_transformation_mode="align_corners")],
        (3, 4, 4),
        "with mode=linear and such places of pixels",
    ),
    "cubic": ([node("Resize", "x _ two", mode="cubic")], (3, 4, 4), "with mode=cubic"),
    "a shuffle": (
        [node("Reshape", "x split", "a"), node("Transpose", "a", perm=[0, 2, 1, 3, 4])],
        (4, 3, 3),
        "at most 3",
    ),
    "a concatenation": (
        [node("Conv", "x w", "a"), node("Concat", "a a", axis=1)],
        (3, 4, 4),
        "operator Concat (node 'the_concat') is not available: of values that are computed",
    ),
    "a scale for every sample": (
        [node("GlobalAveragePool", "x", "a"), node("Mul", "x a")],
        (3, 4, 4),
        "it takes more than one value that is computed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_fastnet_has_not_is_named(name: str) -> None:
    nodes, shape, message = REFUSED[name]
    constants = {
        "w": floats(2, 3, 2, 2),
        "v": floats(2, 3, 2, 2, 2),
        "g": floats(3, 2, 2, 2),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "deep": np.array([0, 1, 0, 0, 0, 0, 0, 0]),
        "one": np.float32(1),
        "begin": np.array([0]),
        "end": np.array([1]),
        "four": np.array([4]),
        "two_steps": np.array([2]),
        "sample": np.array([0]),
        "channel": np.array([1]),
        "row": np.array([2]),
        "half": np.array([1, 1, 1.5, 2], np.float32),
        "two": np.array([1, 1, 2, 2], np.float32),
        "split": np.array([0, 2, 2, 3, 3]),
    }
    text = refused(nodes, shape, **constants)
    assert message in text
    assert f"the operator {nodes[-1].op_type}" in text or name == "pads of channels"


def test_sizes_that_do_not_fit_are_named() -> None:
    for nodes, constants in (
        ([node("Conv", "x w")], {"w": floats(2, 4, 2, 2)}),
        ([node("Conv", "x w b")], {"w": floats(2, 3, 2, 2), "b": floats(3)}),
        ([node("Conv", "x w", kernel_shape=[3, 3])], {"w": floats(2, 3, 2, 2)}),
        ([node("Conv", "x w", strides=[0, 1])], {"w": floats(2, 3, 2, 2)}),
        ([node("Conv", "x w", pads=[1, 1])], {"w": floats(2, 3, 2, 2)}),
        ([node("Conv", "x w")], {"w": floats(2, 3, 9, 9)}),
    ):
        with pytest.raises(ValueError, match="cannot load the ONNX model: node 'the_conv'"):
            fn.from_onnx(proto_of(nodes, (3, 5, 6), **constants))
