"""Networks of images and sequences come from PyTorch: recorded, and live where torch is installed."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from fastnet.interchange.torch.calls import calls_in_code
from record_interchange_torch import DATA, state_of
from record_torch_images import NETWORKS, code_of, inputs, made, recorded, to_torch

RECORDED = json.loads((DATA / "torch_images.json").read_text(encoding="utf-8"))["networks"]


def name_of(entry: dict[str, Any]) -> str:
    return "-".join(call.kind for call in calls_in_code(entry["code"]))


# ---- From PyTorch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", RECORDED, ids=name_of)
def test_a_network_predicts_what_pytorch_predicts(entry: dict[str, Any], tmp_path: Path) -> None:
    shape = tuple(entry["input_shape"])
    model = fn.from_state_dict(state_of(entry["shapes"]), code=entry["code"], input_shape=shape)
    assert_allclose(model.predict(inputs(shape)), entry["outputs"], rtol=1e-5, atol=1e-6)


def test_the_installed_pytorch_predicts_the_same_of_its_networks() -> None:
    pytest.importorskip("torch")
    for modules, shape in NETWORKS:
        entry, network = recorded(modules, shape), made(code_of(modules))
        model = fn.from_state_dict(network, input_shape=shape)
        assert_allclose(model.predict(inputs(shape)), entry["outputs"], rtol=1e-5, atol=1e-6)
        by_code = fn.from_state_dict(network.state_dict(), code=entry["code"], input_shape=shape)
        assert by_code.get_config() == model.get_config()


def test_modules_of_the_installed_pytorch_may_have_names_and_be_half_as_exact() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    parts = {"conv": torch.nn.Conv2d(2, 3, 2), "rest": torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten())}
    network = torch.nn.Sequential()
    for name, module in {**parts, "head": torch.nn.Linear(48, 2)}.items():
        network.add_module(name, module)
    x = np.random.default_rng(0).normal(size=(3, 5, 5, 2)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(to_torch(x))).numpy()
    model = fn.from_state_dict(network, input_shape=(5, 5, 2))
    assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
    assert_allclose(
        fn.from_state_dict(network.bfloat16(), input_shape=(5, 5, 2)).predict(x), expected, rtol=0.05, atol=0.02
    )


def test_padding_is_that_of_fastnet_where_it_is_the_same() -> None:
    def layers(modules: str, shape: tuple[int, ...], **shapes: list[int]) -> list[str]:
        model = fn.from_state_dict(state_of(shapes), code=code_of(modules), input_shape=shape)
        paddings = (getattr(layer, "padding", "") for layer in model.layers)
        return [
            type(layer).__name__ + (padding if isinstance(padding, str) else "")
            for layer, padding in zip(model.layers, paddings, strict=True)
        ]

    one = {"0.weight": [1, 1, 3, 3], "0.bias": [1]}
    assert layers("Conv2d(1, 1, 3, padding=1)", (5, 5, 1), **one) == ["Conv2Dsame"]
    assert layers("Conv2d(1, 1, 3, padding=1, stride=2)", (5, 5, 1), **one) == ["Conv2Dsame"]
    assert layers("Conv2d(1, 1, 3, padding=1, stride=2)", (6, 6, 1), **one) == ["ZeroPadding2D", "Conv2Dvalid"]
    assert layers("Conv2d(1, 1, 3)", (5, 5, 1), **one) == ["Conv2Dvalid"]
    assert layers("MaxPool2d(2, ceil_mode=True)", (5, 4, 1)) == ["MaxPooling2Dsame"]
    assert layers("ReLU(), MaxPool2d(3, 2, 1)", (6, 6, 1)) == ["Activation", "ZeroPadding2D", "MaxPooling2Dvalid"]
    assert layers("AdaptiveAvgPool2d(1), Flatten()", (6, 6, 1)) == ["GlobalAveragePooling2D"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("GroupNorm(1, 2)", "module '0' is a GroupNorm, which fastnet does not read"),
        (
            "Identity(), Conv2d(2, 2, 1, padding_mode='reflect')",
            "module '1', Conv2d: padding_mode='reflect' is not available",
        ),
        (
            "Tanh(), MaxPool2d(3, stride=2, padding=1)",
            r"module '1', MaxPool2d: padding=1 .* \(6, 6, 2\), whose values may be negative",
        ),
        ("AvgPool2d(4, 3, ceil_mode=True, padding=1)", "module '0', AvgPool2d: padding=1 and ceil_mode=True"),
        ("AvgPool2d(2, divisor_override=3)", "divisor_override is not available"),
        ("MaxPool2d(2, dilation=2)", "a dilation is not available"),
        ("AdaptiveAvgPool2d(4)", "output_size=4 does not divide"),
        ("Upsample(scale_factor=1.5)", r"only whole factors are available; got 1\.5"),
        ("Upsample(scale_factor=2, mode='bilinear', align_corners=True)", "align_corners=True is not available"),
        ("ConstantPad2d(1, 3.0)", r"padding with 3\.0 is not available"),
        (
            "ConstantPad2d(1, float('-inf')), AvgPool2d(2)",
            "module '1', AvgPool2d: padding with minus infinity is read in front of MaxPool",
        ),
        ("AvgPool2d(2), Softmax(dim=2)", "module '1', Softmax: dim=2 is not available, only the channels, 1"),
        ("AvgPool2d(2), LayerNorm(2)", "module '1', LayerNorm: it normalizes 2; only the last axis .* has 3 values"),
        ("AvgPool2d(2), LayerNorm((3, 3))", r"module '1', LayerNorm: it normalizes \(3, 3\); only the last axis"),
        (
            "AvgPool2d(2), Linear(2, 3)",
            "module '1', Linear: it takes rows of 2 values; got samples of shape .*: a Flatten may lack",
        ),
        ("Conv2d(3, 2, 1)", r"module '0', Conv2d: it takes 3 channels in 1 groups; got samples of shape \(6, 6, 2\)"),
        ("Conv2d(2, 2, 1, groups=0)", "module '0', Conv2d: "),
        ("Conv2d(2, 2, 1)", "module '0', Conv2d: tensor '0.weight' is missing"),
        ("MaxPool1d(2)", r"module '0', MaxPool1d: it takes samples of shape \(steps, channels\); got \(6, 6, 2\)"),
        ("MaxPool2d(9)", "module '0', MaxPool2d: layer 'max_pooling2d' would make an output"),
        ("MaxPool2d()", r"module '0' must be MaxPool2d\(kernel_size, stride=None"),
        ("MaxPool2d(2, size=3)", r"module '0' must be MaxPool2d\("),
        ("MaxPool2d(2, kernel_size=3)", r"module '0' must be MaxPool2d\("),
        ("MaxPool2d('2')", "module '0', MaxPool2d: kernel_size must be an integer or 2 integers; got '2'"),
        ("MaxPool2d(2), 3", "must have modules; got 3"),
        ("MaxPool2d(2", "code is not understood at ''"),
        ("MaxPool2d(2 + 3)", r"code is not understood at '\+ 3"),
        ("(" * 30 + ")" * 30, "brackets nested deeper"),
        ("", "has no modules"),
        ("Dropout2d(), Upsample(scale_factor=9999), Flatten(), Linear(1, 1)", "more than the tensors account for"),
    ],
)
def test_what_is_not_understood_is_named(code: str, message: str) -> None:
    with pytest.raises((ValueError, NotImplementedError), match=message):
        fn.from_state_dict({}, code=f"nn.Sequential({code})", input_shape=(6, 6, 2))


def test_tensors_that_do_not_fit_are_named() -> None:
    code = "nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())"
    state = state_of({"0.weight": [2, 1, 3, 3], "0.bias": [2]})
    with pytest.raises(
        ValueError, match=r"module '0', Conv2d: tensor '0.weight' must have shape \(2, 1, 3, 3\); got \(2, 1, 3, 2\)"
    ):
        fn.from_state_dict({**state, "0.weight": np.ones((2, 1, 3, 2))}, code=code, input_shape=(5, 5, 1))
    with pytest.raises(ValueError, match=r"tensor '1.weight' belongs to none of the modules"):
        fn.from_state_dict({**state, "1.weight": np.ones(2)}, code=code, input_shape=(5, 5, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "it has tensors alone: give activation, or code"),
        ({"code": "nn.Conv2d(1, 1, 1)"}, "code must be that of a torch.nn.Sequential"),
        ({"code": "nn.Sequential(nn.Conv2d(1, 1, 1))"}, "input_shape is needed: .* channels last"),
        ({"code": "nn.Sequential()", "activation": "relu"}, "give activation, or code and input_shape"),
        ({"input_shape": (3,), "activation": "relu"}, "give activation, or code and input_shape"),
        ({"code": "nn.Sequential(nn.ReLU())", "input_shape": (0,)}, "input_shape"),
        ({"code": 3}, "code must be a string; got 3"),
    ],
)
def test_what_is_missing_is_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        fn.from_state_dict({}, **arguments)


def test_damaged_code_is_refused_or_read() -> None:
    random = np.random.default_rng(0)
    characters = list("()[],=.'\"-0129e aLinearConv2d\n\\")
    for entry in [*RECORDED[:4], *RECORDED[-3:]]:
        state, shape = state_of(entry["shapes"]), entry["input_shape"]
        for _ in range(150):
            code = list(entry["code"])
            for _ in range(int(random.integers(1, 4))):
                at = int(random.integers(len(code)))
                code[at : at + int(random.integers(0, 3))] = random.choice(characters, int(random.integers(0, 3)))
            with suppress(ValueError, NotImplementedError):
                fn.from_state_dict(state, code="".join(code), input_shape=shape)


def test_classes_that_are_not_the_installed_pytorch_s_are_refused() -> None:
    torch = pytest.importorskip("torch")

    class Doubled(torch.nn.Sequential):
        pass

    for network in (torch.nn.Sequential(Doubled()), Doubled()):
        with pytest.raises(
            NotImplementedError, match=r"(module '0'|the network) is of class .*Doubled: only a torch.nn.Sequential"
        ):
            fn.from_state_dict(network, input_shape=(3,))
    with pytest.raises(ValueError, match="a network has its modules"):
        fn.from_state_dict(torch.nn.Sequential(), code="nn.Sequential()", input_shape=(3,))


def test_relu6_ends_at_6() -> None:
    kernel = np.ones((1, 1, 1, 1))
    model = fn.from_state_dict(
        {"0.weight": kernel, "0.bias": np.zeros(1)},
        code="nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU6())",
        input_shape=(1, 4, 1),
    )
    x = np.array([-1.0, 5.5, 6.5, 9.0]).reshape(1, 1, 4, 1)
    assert_allclose(model.predict(x).ravel(), [0.0, 5.5, 6.0, 6.0])
