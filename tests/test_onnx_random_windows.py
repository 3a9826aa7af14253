"""Random convolutions and poolings from ONNX give what onnxruntime computes, or are refused."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from onnx_image_graphs import computed, floats, node, proto_of


def random_case(rng: np.random.Generator) -> tuple[list[Any], tuple[int, ...], dict[str, Any]]:
    """Return nodes with a random operator that moves a window, with attributes of any kind."""
    rank, channels = int(rng.integers(1, 3)), int(rng.choice([2, 4]))
    sizes = tuple(int(size) for size in rng.integers(3, 12, rank))
    kernel = [int(size) for size in rng.integers(1, 4, rank)]
    attributes: dict[str, Any] = {"kernel_shape": kernel}
    operator = str(rng.choice(["Conv", "ConvTranspose", "MaxPool", "AveragePool"]))
    if rng.random() < 0.7:
        attributes["strides"] = [int(one) for one in rng.integers(1, 4, rank)]
    if rng.random() < 0.3 and operator != "AveragePool":
        attributes["dilations"] = [int(one) for one in rng.integers(1, 3, rank)]
    if rng.random() < 0.3 and operator != "ConvTranspose":
        attributes["auto_pad"] = str(rng.choice(["VALID", "SAME_UPPER", "SAME_LOWER"]))
    elif rng.random() < 0.7:
        attributes["pads"] = [int(rng.integers(0, size)) for size in kernel * 2]
    if "Pool" in operator and rng.random() < 0.3:
        attributes["ceil_mode"] = 1
    if operator == "AveragePool" and rng.random() < 0.3:
        attributes["count_include_pad"] = 1
    if operator == "ConvTranspose" and rng.random() < 0.5:
        attributes["output_padding"] = [int(rng.integers(0, one)) for one in attributes.get("strides", [1] * rank)]
    constants = {}
    if "Conv" in operator:
        groups = int(rng.choice([1, 2, channels])) if operator == "Conv" else 1
        attributes["group"] = groups
        filters = groups * int(rng.integers(1, 3))
        shape = (filters, channels // groups) if operator == "Conv" else (channels, filters)
        constants = {"w": floats(*shape, *kernel), "b": floats(filters)}
    inputs = "a w b" if constants else "a"
    return (
        [node("Relu" if rng.integers(2) else "Tanh", "x", "a"), node(operator, inputs, **attributes)],
        sizes,
        {
            "channels": channels,
            **constants,
        },
    )


def check_case(seed: int) -> bool:
    """Compare a random case with onnxruntime; return whether both take it."""
    nodes, sizes, constants = random_case(np.random.default_rng(seed))
    shape = (constants.pop("channels"), *sizes)
    proto = proto_of(nodes, shape, 22, **constants)
    x = floats(2, *shape, seed=seed)
    try:
        model = fn.from_onnx(proto)
        expected = computed(proto, x)
    except (NotImplementedError, ValueError):
        return False
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            return False
        raise
    predicted = model.predict(x)
    assert predicted.shape == expected.shape, f"seed {seed}: {nodes}"
    assert_allclose(predicted, expected, rtol=1e-5, atol=1e-5, err_msg=f"seed {seed}: {nodes}")
    return True


def test_random_windows_give_what_onnxruntime_computes() -> None:
    assert sum(check_case(seed) for seed in range(150)) > 75


@pytest.mark.slow
def test_many_random_windows_give_what_onnxruntime_computes() -> None:
    assert sum(check_case(seed) for seed in range(150, 2000)) > 900
