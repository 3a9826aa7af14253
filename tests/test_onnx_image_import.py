"""Convolutional networks from ONNX files predict what onnxruntime computes, in every form; the rest is named."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from onnx_image_graphs import computed, floats, network, node, proto_of, refused

onnx = pytest.importorskip("onnx", reason="needs onnx")


def check(nodes: Sequence[Any], shape: Sequence[int], opset: int = 18, **constants: Any) -> fn.Sequential:
    """Import a graph and compare its predictions with those of onnxruntime, with the channels first and last."""
    proto = proto_of(nodes, shape, opset, **constants)
    x = floats(3, *shape, seed=7)
    expected = computed(proto, x)
    model = fn.from_onnx(proto)
    predicted = model.predict(x)
    assert predicted.shape == expected.shape
    assert_allclose(predicted, expected, rtol=1e-5, atol=1e-5)
    return model


def names(model: fn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


# ---- Convolutions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "attributes", "layers"),
    [
        ((5, 6, 3, 3), {}, ["Conv2D"]),
        ((5, 6, 3, 2), {"pads": [1, 0, 1, 1]}, ["Conv2D"]),  # "same"
        ((5, 6, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}, ["ZeroPadding2D", "Conv2D"]),
        ((5, 6, 3, 3), {"strides": [2, 3], "auto_pad": "SAME_UPPER"}, ["Conv2D"]),
        ((5, 6, 2, 2), {"auto_pad": "SAME_LOWER"}, ["ZeroPadding2D", "Conv2D"]),
        ((5, 6, 3, 2), {"auto_pad": "VALID", "strides": [1, 2]}, ["Conv2D"]),
        ((5, 6, 1, 1), {"strides": [2, 2]}, ["Conv2D"]),
        ((5, 6, 3, 2), {"dilations": [2, 3], "pads": [2, 1, 2, 2]}, ["Conv2D"]),
        ((4, 3, 3, 3), {"group": 2, "pads": [0, 2, 1, 0]}, ["ZeroPadding2D", "Conv2D"]),
        ((12, 1, 3, 3), {"group": 6}, ["DepthwiseConv2D"]),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution(kernel: tuple[int, ...], attributes: dict[str, Any], layers: list[str], bias: bool) -> None:
    constants = {"w": floats(*kernel), **({"b": floats(kernel[0], seed=1)} if bias else {})}
    model = check([node("Conv", "x w b" if bias else "x w", **attributes)], (6, 9, 8), **constants)
    assert names(model) == ["Permute", *layers, "Permute"]


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ((4, 3, 4), {"pads": [3, 0]}),
        ((4, 3, 3), {"strides": [2], "pads": [1, 1]}),
        ((6, 1, 3), {"group": 3, "dilations": [2]}),
    ],
)
def test_a_convolution_of_sequences(kernel: tuple[int, ...], attributes: dict[str, Any]) -> None:
    check([node("Conv", "x w b", **attributes)], (3, 13), w=floats(*kernel), b=floats(kernel[0]))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 2]},
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        {"strides": [2, 3], "pads": [0, 1, 1, 0]},
        {"strides": [3, 4], "output_padding": [1, 0]},
        {"dilations": [2, 1], "pads": [1, 1, 1, 1]},
        {"auto_pad": "VALID"},
    ],
)
def test_a_transposed_convolution(attributes: dict[str, Any]) -> None:
    check([node("ConvTranspose", "x w b", **attributes)], (4, 5, 3), w=floats(4, 2, 3, 3), b=floats(2))
    one = {
        name: value[:1] if len(value) == 2 else value[::2] for name, value in attributes.items() if name != "auto_pad"
    }
    check([node("ConvTranspose", "x w", **one)], (4, 5), w=floats(4, 2, 3))


# ---- Poolings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [5, 3], "strides": [2, 3], "pads": [1, 1, 2, 0]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
    ],
)
def test_a_pooling(operator: str, attributes: dict[str, Any]) -> None:
    check([node(operator, "x", **attributes)], (3, 9, 11))
    if operator == "MaxPool" or "ceil_mode" not in attributes:
        check([node("Relu", "x", "a"), node(operator, "a", **attributes)], (3, 8, 10))
    one = {name: value[:1] if isinstance(value, list) else value for name, value in attributes.items()}
    one |= {"pads": attributes["pads"][::2]} if "pads" in attributes else {}
    check([node(operator, "x", **one)], (3, 13))


def test_an_average_that_counts_the_padding() -> None:
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1}
    assert "ZeroPadding2D" in names(check([node("AveragePool", "x", **attributes)], (3, 9, 8)))
    message = refused([node("AveragePool", "x", **attributes, ceil_mode=1)], (3, 10, 8))
    assert "the operator AveragePool (node 'the_averagepool') is not available" in message


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
def test_a_global_pooling(operator: str) -> None:
    layers = ["Permute", operator.replace("Pool", "Pooling2D"), "Dense"]
    nodes = [node(operator, "x", "a"), node("Flatten", "a", "b"), node("MatMul", "b w")]
    assert names(check(nodes, (3, 5, 4), w=floats(3, 2))) == layers
    check([node(operator, "x")], (3, 5, 4))
    check([node(operator, "x")], (3, 5))


@pytest.mark.parametrize(("axes", "keepdims"), [([2, 3], 1), ([-1, -2], 0), ([3, 2], 0)])
def test_a_mean_over_the_image_is_a_global_pooling(axes: list[int], keepdims: int) -> None:
    nodes = [node("Conv", "x w", "a"), node("ReduceMean", "a axes", "b", keepdims=keepdims), node("Reshape", "b to")]
    constants = {"w": floats(4, 3, 2, 2), "axes": np.array(axes), "to": np.array([0, -1])}
    assert names(check(nodes, (3, 5, 4), **constants)) == ["Permute", "Conv2D", "GlobalAveragePooling2D"]


# ---- Other layers of images -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 6)])
def test_a_batch_normalization_of_channels(shape: tuple[int, ...]) -> None:
    weights = {"g": floats(4), "b": floats(4, seed=1), "m": floats(4, seed=2), "v": np.abs(floats(4, seed=3))}
    check([node("BatchNormalization", "x g b m v", epsilon=1e-3)], shape, **weights)


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 6)])
def test_constants_for_each_channel(shape: tuple[int, ...]) -> None:
    ones = (1,) * (len(shape) - 1)
    weights = {"w": floats(4, 4, *ones), "s": floats(4, *ones), "b": floats(1, 4, *ones), "p": np.abs(floats(4, *ones))}
    nodes = [node("Conv", "x w", "a"), node("Add", "a b", "c"), node("PRelu", "c p", "d"), node("Mul", "d s")]
    model = check(nodes, shape, **weights)
    assert names(model)[1:4] == ["Conv2D" if len(shape) == 3 else "Conv1D", "PReLU", "BatchNormalization"]
    assert model.layers[1].use_bias


def test_constants_for_each_pixel() -> None:
    nodes = [node("Sub", "x m", "a"), node("Div", "a s", "b"), node("Conv", "b w")]
    check(nodes, (3, 5, 4), m=floats(3, 5, 4), s=np.abs(floats(1, 3, 5, 4)) + 0.5, w=floats(2, 3, 2, 2))


@pytest.mark.parametrize(
    ("opset", "inputs", "attributes", "constants"),
    [
        (18, "x p", {}, {"p": [0, 0, 1, 2, 0, 0, 0, 3]}),
        (18, "x p", {}, {"p": [0, 0, 1, -2, 0, 0, -1, 3]}),
        (18, "x p _ axes", {}, {"p": [1, 2, 0, 3], "axes": [2, -1]}),
        (13, "x p v", {"mode": "constant"}, {"p": [0, 0, 1, 2, 0, 0, 0, 3], "v": np.float32(0)}),
        (10, "x", {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}, {}),
    ],
)
def test_padding(opset: int, inputs: str, attributes: dict[str, Any], constants: dict[str, Any]) -> None:
    nodes = [node("Pad", inputs, "a", **attributes), node("Conv", "a w")]
    check(nodes, (3, 5, 6), opset, w=floats(2, 3, 2, 2), **{name: np.array(one) for name, one in constants.items()})


@pytest.mark.parametrize(
    ("attributes", "layer"),
    [
        ({"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, "nearest"),
        ({"mode": "nearest"}, "nearest"),
        ({"mode": "nearest", "coordinate_transformation_mode": "pytorch_half_pixel"}, "nearest"),
        ({"mode": "linear"}, "bilinear"),
        ({"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}, "bilinear"),
    ],
)
@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (2, 4)])
def test_resizing(attributes: dict[str, Any], layer: str, factors: tuple[int, int]) -> None:
    scales = np.array([1, 1, *factors], np.float32)
    model = check([node("Resize", "x _ s", **attributes)], (3, 4, 5), s=scales)
    assert model.layers[1].interpolation == layer
    sizes = np.array([4 * factors[0], 5 * factors[1]])
    check([node("Resize", "x _ _ s", axes=[2, 3], **attributes)], (3, 4, 5), s=sizes)


# ---- Orders of pixels -----------------------------------------------------------------------------------------------

KERNEL = {"w": floats(4, 3, 3, 3), "d": floats(4 * 3 * 4, 5), "b": floats(5)}


@pytest.mark.parametrize("flatten", [node("Flatten", "f", "g"), node("Reshape", "f to", "g")])
def test_the_kernel_behind_a_flatten_is_permuted(flatten: Any) -> None:
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "f"), flatten, node("Tanh", "g", "h"), node("Gemm", "h d b")]
    model = check(nodes, (3, 5, 6), **KERNEL, to=np.array([-1, 48]))
    assert names(model) == ["Permute", "Conv2D", "Activation", "Flatten", "Dense"]


def test_values_for_each_pixel_behind_a_flatten_are_permuted() -> None:
    nodes = [node("Conv", "x w", "a"), node("Flatten", "a", "f"), node("Sub", "f m", "g"), node("Div", "g s")]
    check(nodes, (3, 5, 6), **KERNEL, m=floats(48), s=np.abs(floats(48)) + 0.5)
    nodes[2:] = [node("Softmax", "f")]
    check(nodes, (3, 5, 6), **KERNEL)


def nhwc(*inner: Any) -> list[Any]:
    """Return nodes between the transpositions that Keras and tf2onnx write."""
    to_first = node("Transpose", "x", "first", perm=[0, 3, 1, 2])
    return [to_first, *inner, node("Transpose", "last", perm=[0, 2, 3, 1])]


def test_images_with_channels_last_as_keras_writes_them() -> None:
    inner = [node("Conv", "first w", "a"), node("Add", "a c", "b"), node("Relu", "b", "last")]
    constants = {"w": floats(4, 3, 3, 3), "c": floats(1, 4, 1, 1)}
    model = check(nhwc(*inner), (5, 6, 3), **constants)
    assert names(model) == ["Conv2D"]
    nodes = [*nhwc(*inner)[:-1], node("Transpose", "last", "l", perm=[0, 2, 3, 1]), node("Reshape", "l to", "f")]
    nodes.append(node("MatMul", "f d"))
    assert names(check(nodes, (5, 6, 3), **constants, to=np.array([-1, 48]), d=KERNEL["d"])) == [
        "Conv2D",
        "Flatten",
        "Dense",
    ]


def test_the_model_takes_channels_where_it_is_told() -> None:
    proto = proto_of([node("Conv", "x w", "a"), node("Relu", "a")], (3, 5, 6), w=KERNEL["w"])
    x = floats(2, 3, 5, 6, seed=3)
    expected = computed(proto, x)
    for channels, layers in (("first", ["Permute", "Conv2D", "Permute"]), ("last", ["Conv2D"])):
        model = fn.from_onnx(proto, channels)
        assert names(model) == layers
        given = x if channels == "first" else np.moveaxis(x, 1, -1)
        predicted = model.predict(given)
        assert_allclose(predicted if channels == "first" else np.moveaxis(predicted, -1, 1), expected, atol=1e-5)
    keras = proto_of(nhwc(node("Conv", "first w", "last")), (5, 6, 3), w=KERNEL["w"])
    assert names(fn.from_onnx(keras, "last")) == ["Conv2D"]
    model = fn.from_onnx(keras, "first")
    assert_allclose(np.moveaxis(model.predict(x), 1, -1), computed(keras, np.moveaxis(x, 1, -1)), atol=1e-5)


@pytest.mark.parametrize("channels", ["middle", 1])
def test_channels_are_first_or_last(channels: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="channels must be"):
        fn.from_onnx(proto_of([node("Relu", "x")], (4,)), channels)
    with pytest.raises(ValueError, match=r"its input, of shape \(4,\), is neither an image nor a sequence"):
        fn.from_onnx(proto_of([node("Relu", "x")], (4,)), "last")


def test_rows_become_images() -> None:
    nodes = [node("Reshape", "x to", "a"), node("Conv", "a w", "b"), node("GlobalAveragePool", "b", "c")]
    nodes.append(node("Squeeze", "c axes"))
    constants = {"to": np.array([-1, 1, 5, 6]), "w": floats(4, 1, 3, 3), "axes": np.array([2, 3])}
    assert names(check(nodes, (30,), **constants)) == ["Reshape", "Conv2D", "GlobalAveragePooling2D"]
    check([node("Unsqueeze", "x axes", "a"), node("Conv", "a w")], (5, 6), axes=np.array([1]), w=constants["w"])


def test_layers_of_the_last_axis() -> None:
    model = check([node("Conv", "x w", "a"), node("Softmax", "a", axis=1)], (3, 5, 6), **KERNEL)
    assert model.layers[1].activation.name == "softmax"
    nodes = [node("MatMul", "x k", "a"), node("LayerNormalization", "a g b", "c"), node("Gelu", "c", "d")]
    nodes.append(node("ReduceMean", "d axes", keepdims=0))
    constants = {"k": floats(4, 6), "g": floats(6), "b": floats(6), "axes": np.array([1])}
    assert names(check(nodes, (5, 4), 20, **constants)) == [
        *["Dense", "LayerNormalization", "Activation", "GlobalAveragePooling1D"]
    ]
    assert "along the axes [2]" in refused(
        [node("Conv", "x w", "a"), node("Softmax", "a", axis=2)], (3, 5, 6), **KERNEL
    )


# ---- Sums -----------------------------------------------------------------------------------------------------------


def test_a_sum_with_a_convolution_in_its_shortcut() -> None:
    nodes = [
        node("Relu", "x", "r"),
        node("Conv", "r a", "f", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", "f", "g"),
        node("Conv", "g b", "h", pads=[1, 1, 1, 1]),
        node("Conv", "r s", "t", strides=[2, 2]),
        node("Add", "h t", "u"),
        node("Relu", "u"),
    ]
    constants = {"a": floats(5, 3, 3, 3), "b": floats(5, 5, 3, 3), "s": floats(5, 3, 1, 1)}
    model = check(nodes, (3, 7, 6), **constants)
    (block,) = [layer for layer in model.layers if isinstance(layer, fn.layers.Residual)]
    assert [type(layer).__name__ for layer in block.shortcut] == ["Conv2D"]
    model.compile("adam", "mse")
    x, y = floats(8, 3, 7, 6), floats(8, 5, 4, 3)
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_sums_in_sums() -> None:
    nodes = [
        node("Conv", "x a", "b", pads=[1, 1, 1, 1]),
        node("Add", "b x", "c"),
        node("MaxPool", "c", "d", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]),
        node("Add", "d c", "e"),
        node("Clip", "e low high", "f"),
        node("Add", "f e"),
    ]
    check(nodes, (3, 7, 6), a=floats(3, 3, 3, 3), low=np.float32(-1), high=np.float32(2))


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-1, 1), (-np.inf, 2), (0.5, np.inf), (-3, 8)])
def test_limits(low: float, high: float) -> None:
    limits = {name: np.float32(one) for name, one in (("low", low), ("high", high)) if np.isfinite(one)}
    inputs = " ".join(["a", *("low" if "low" in limits else "_", "high" if "high" in limits else "_")])
    check([node("MatMul", "x w", "a"), node("Clip", inputs)], (4,), w=4 * floats(4, 5), **limits)


def test_a_network_of_every_operator() -> None:
    proto = network()
    x = floats(4, 7, 6, 3)
    model = fn.from_onnx(proto)
    assert_allclose(model.predict(x), computed(proto, x), rtol=1e-5, atol=1e-6)
    assert not any(isinstance(layer, fn.layers.Permute) for layer in model.layers)


# ---- Files and bytes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [True, False])
def test_weights_of_half_precision(raw: bool) -> None:
    kernel = floats(4, 3, 2, 2).astype(np.float16)
    proto = proto_of(
        [node("Cast", "x", "h", to=10), node("Conv", "h w", "c"), node("Cast", "c", to=1)], (3, 5, 6), w=kernel
    )
    if not raw:
        tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT16, kernel.shape, kernel.reshape(-1))
        proto.graph.initializer[0].CopyFrom(tensor)
        assert not proto.graph.initializer[0].HasField("raw_data") or len(proto.graph.initializer[0].int32_data)
    x = floats(2, 3, 5, 6)
    model = fn.from_onnx(proto)
    assert model.dtype == "float32"
    assert_allclose(model.predict(x), computed(proto, x), atol=2e-2)
    assert_allclose(model.layers[1].kernel, kernel.astype(np.float32).transpose(2, 3, 1, 0))


def test_models_come_from_bytes_and_protocol_buffers() -> None:
    proto = proto_of([node("Conv", "x w")], (3, 5, 6), w=KERNEL["w"])
    content = proto.SerializeToString()
    for source in (content, bytearray(content), memoryview(content), proto):
        assert fn.from_onnx(source).output_shape == (4, 3, 4)
    with pytest.raises(TypeError, match=r"path must be a path, bytes or an onnx\.ModelProto; got 3"):
        fn.from_onnx(3)
    with pytest.raises(ValueError, match="cannot load the ONNX model: it is not an ONNX file"):
        fn.from_onnx(content[:40])
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights")
    with pytest.raises(ValueError, match="from_onnx needs the path of the model"):
        fn.from_onnx(proto)


# ---- Slices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "ends", "axes"),
    [
        ([1, 2], [5, 7], [2, 3]),
        ([-4], [-1], [3]),
        ([0, 0, 1], [2**63 - 1, 9, 99], [0, 1, 2]),
        ([0, 0, 2, 0], [2**31 - 1, 3, 6, -2], None),
        ([1], [4], [-1]),
        ([0], [100], [2]),
    ],
)
def test_a_slice_of_an_image_is_a_crop(starts: list[int], ends: list[int], axes: list[int] | None) -> None:
    constants = {"starts": np.array(starts), "ends": np.array(ends)}
    inputs = "x starts ends"
    if axes is not None:
        constants["axes"], inputs = np.array(axes), f"{inputs} axes"
    nodes = [node("Slice", inputs, "a"), node("Conv", "a w")]
    model = check(nodes, (3, 6, 8), **constants, w=floats(2, 3, 2, 2))
    assert ("Cropping2D" in names(model)) == (ends != [100])


def test_an_old_slice_has_attributes() -> None:
    check([node("Slice", "x", starts=[1], ends=[4], axes=[2])], (3, 6, 8), 9)
