"""ONNX's own tests of the operators that fastnet reads: each passes, or is refused by the name of the operator."""

import importlib
import re
import warnings
from typing import Any

import numpy as np
import pytest

import fastnet as fn

onnx = pytest.importorskip("onnx", reason="needs onnx")

MODULES = (
    *(
        "add",
        "averagepool",
        "batch_normalization",
        "cast",
        "clip",
        "concat",
        "conv",
        "convtranspose",
        "dropout",
        "elu",
        "flatten",
    ),
    *(
        "gelu",
        "gemm",
        "globalaveragepool",
        "globalmaxpool",
        "hardsigmoid",
        "hardswish",
        "identity",
        "layernormalization",
    ),
    *("leakyrelu", "logsoftmax", "lppool", "matmul", "maxpool", "mul", "pad", "prelu", "reducemax", "reducemean"),
    *("reducesum", "relu", "reshape", "resize", "selu", "slice", "softmax", "squeeze", "sub", "tanh", "transpose"),
    *("unsqueeze", "upsample"),
)

# Those that must not be refused, so that the test cannot pass by refusing everything.
TAKEN = [
    *("averagepool_1d_default", "averagepool_2d_ceil", "averagepool_2d_strides"),
    *("averagepool_2d_pads_count_include_pad", "averagepool_2d_same_upper", "basic_conv_with_padding"),
    *("batchnorm_epsilon", "clip_expanded", "conv_with_autopad_same", "conv_with_strides_and_asymmetric_padding"),
    *("convtranspose", "convtranspose_1d", "convtranspose_dilations", "convtranspose_pads", "globalaveragepool"),
    *("globalmaxpool", "maxpool_2d_ceil", "maxpool_1d_default"),
    *("maxpool_2d_same_upper", "maxpool_2d_strides", "resize_upsample_scales_nearest"),
    *("resize_upsample_scales_nearest_axes_2_3", "upsample_nearest"),
]

WITH_FOUR_DIGITS = ["test_averagepool_2d_ceil_last_window_starts_on_pad"]  # in what is expected


def cases() -> list[Any]:
    """Return the cases of the modules alone: those of all operators take half a minute to make."""
    node = importlib.import_module("onnx.backend.test.case.node")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for module in MODULES:
            importlib.import_module(f"onnx.backend.test.case.node.{module}")
    return [case for case in node._NodeTestCases if isinstance(case.data_sets[0][0][0], np.ndarray)]


CASES = {case.name.removeprefix("test_"): case for case in cases()}


def model_of(case: Any) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Return the model with all inputs but the first as constants, that input and the first output."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    ((inputs, outputs),) = case.data_sets
    for entry, array in list(zip(model.graph.input, inputs, strict=True))[1:]:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), entry.name))
    del model.graph.input[1:], model.graph.output[1:]
    return model.SerializeToString(), inputs[0], outputs[0]


def refusal(case: Any) -> str | None:
    """Import the model of a case and compare its outputs; return the message where it is refused."""
    content, x, expected = model_of(case)
    try:
        with np.errstate(all="ignore"):
            model = fn.from_onnx(content)
    except NotImplementedError as error:
        return str(error)
    except ValueError as error:
        if re.search(
            "no dimension beside that of the batch|its input has no size|must be at least 1; got 0", str(error)
        ):
            return str(error)
        raise
    predicted = model.predict(x)
    assert predicted.shape == expected.shape
    precision = 1e-4 if case.name in WITH_FOUR_DIGITS else 1e-5
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=precision)
    return None


@pytest.mark.parametrize("name", CASES)
def test_a_case_passes_or_is_refused_by_name(name: str) -> None:
    case = CASES[name]
    message = refusal(case)
    if message is not None:
        named = {node.op_type for node in case.model.graph.node}
        assert any(operator in message for operator in (*named, "input", "tensor")), message


@pytest.mark.parametrize("name", TAKEN)
def test_a_case_is_not_refused(name: str) -> None:
    assert refusal(CASES[name]) is None
