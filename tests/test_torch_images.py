"""Networks of images and sequences go to PyTorch and come from it: recorded, and live where torch is installed."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers as L
from fastnet.interchange.state_dict import save_state_dict, torch_code
from fastnet.interchange.torch.calls import calls_in_code
from fastnet.interchange.torch.modules import modules_of
from fastnet.layers.geometry import ImageLayer
from random_image_models import random_image_model, samples_of
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
        ("AvgPool2d(2), Flatten()", "the network ends in a flattened image"),
        ("AvgPool2d(2), Softmax(dim=2)", "module '1', Softmax: dim=2 is not available, only the channels, 1"),
        ("AvgPool2d(2), LayerNorm(2)", "module '1', LayerNorm: it normalizes 2"),
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
    for entry in RECORDED[:4]:
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


# ---- To PyTorch -----------------------------------------------------------------------------------------------------


def lenet() -> fn.Sequential:
    layers = [
        L.Rescaling(1 / 255),
        L.Conv2D(4, 5, padding="same", activation="relu"),
        L.MaxPooling2D(2),
        L.Conv2D(6, (3, 2), strides=(2, 1), padding="same"),
        L.BatchNormalization(),
        L.Activation("softmax"),
        L.AveragePooling2D(2, padding="same"),
        L.DepthwiseConv2D(2, depth_multiplier=2),
        L.SpatialDropout2D(0.25),
        L.Flatten(),
        L.PReLU(),
        L.Dense(3, "softmax"),
    ]
    model = fn.Sequential([fn.Input((12, 10, 1)), *layers], seed=0)
    model.set_weights([array + 0.1 * np.arange(array.size).reshape(array.shape) % 1 for array in model.get_weights()])
    return model


LENET_CODE = """\
torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 5, padding=2),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.ZeroPad2d((0, 1, 0, 1)),
    torch.nn.Conv2d(4, 6, (3, 2), stride=(2, 1)),
    torch.nn.BatchNorm2d(6, eps=0.001, momentum=0.01),
    torch.nn.Softmax(dim=1),
    torch.nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
    torch.nn.Conv2d(6, 12, 2, groups=6),
    torch.nn.Dropout2d(0.25),
    torch.nn.Flatten(),
    torch.nn.PReLU(24),
    torch.nn.Linear(24, 3),
    torch.nn.Softmax(dim=-1),
)"""


def test_the_code_for_pytorch_has_the_modules_of_images() -> None:
    assert torch_code(lenet()) == LENET_CODE


def test_a_file_has_all_that_a_network_of_images_needs(tmp_path: Path) -> None:
    model = lenet()
    save_state_dict(model, tmp_path / "state.safetensors")
    again = fn.from_state_dict(tmp_path / "state.safetensors", input_shape=(12, 10, 1))
    x = 255 * samples_of(model)
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"^cannot load .*state.safetensors: module '11', PReLU"):
        fn.from_state_dict(tmp_path / "state.safetensors", input_shape=(12, 14, 1))


def for_torch(seed: int) -> fn.Sequential:
    """Return a random model that PyTorch has modules for."""
    for number in range(1000):
        model = random_image_model(1000 * seed + number)
        model.add(fn.Dense(3, "softmax"))
        try:
            torch_code(model)
        except NotImplementedError:
            continue
        return model
    raise AssertionError


@pytest.mark.parametrize("seed", range(12))
def test_random_models_come_back_from_their_state_dicts(seed: int) -> None:
    model = for_torch(seed)
    again = fn.from_state_dict(model.to_state_dict(), code=torch_code(model), input_shape=model.input_shape)
    x = samples_of(model)
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_the_installed_pytorch_predicts_the_same_of_images(seed: int) -> None:
    torch = pytest.importorskip("torch")
    model = for_torch(seed)
    network = eval(torch_code(model), {"torch": torch})
    network.load_state_dict({name: torch.from_numpy(array) for name, array in model.to_state_dict().items()})
    x = samples_of(model)
    with torch.no_grad():
        outputs = network.eval()(torch.from_numpy(to_torch(x) if is_first(model) else x)).numpy()
    assert_allclose(outputs, to_torch(model.predict(x)) if is_first(model) else model.predict(x), rtol=1e-5, atol=1e-5)
    again = fn.from_state_dict(network, input_shape=model.input_shape)
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-5)


def is_first(model: fn.Sequential) -> bool:
    """Return whether channels come first in PyTorch."""
    return any(isinstance(layer, ImageLayer) for layer in model.layers)


def test_the_installed_pytorch_makes_images_of_rows() -> None:
    torch = pytest.importorskip("torch")
    layers = [L.Dense(12, "relu"), L.BatchNormalization(), L.Reshape((2, 3, 2)), L.Conv2DTranspose(1, 2)]
    model = fn.Sequential([fn.Input((4,)), *layers], seed=0)
    network = eval(torch_code(model), {"torch": torch}).eval()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in model.to_state_dict().items()})
    x = samples_of(model)
    with torch.no_grad():
        assert_allclose(network(torch.from_numpy(x)).numpy(), to_torch(model.predict(x)), rtol=1e-5, atol=1e-6)


def test_rescaling_goes_into_convolutions_that_see_no_zeros() -> None:
    def modules(*layers: L.Layer) -> list[str]:
        return [module.kind for module in modules_of(fn.Sequential([fn.Input((5, 5, 2)), *layers]))]

    assert modules(L.Rescaling(0.5, 1.0), L.Conv2D(2, 3)) == ["Conv2d"]
    assert modules(L.Rescaling(0.5), L.Conv2D(2, 3, padding="same")) == ["Conv2d"]
    assert modules(L.Rescaling(0.5, 1.0), L.Conv2D(2, 3, padding="same")) == ["BatchNorm2d", "Conv2d"]
    assert modules(L.Rescaling(0.5), L.MaxPooling2D()) == ["BatchNorm2d", "MaxPool2d"]
    for layer in (L.Conv2D(2, 3, use_bias=False), L.Conv2D(2, 3, groups=2), L.Conv2D(2, 3, padding="same"), L.Dense(3)):
        model = fn.Sequential([fn.Input((5, 5, 2)), L.Rescaling(0.5, 1.0), layer, L.MaxPooling2D()], seed=0)
        again = fn.from_state_dict(model.to_state_dict(), code=torch_code(model), input_shape=(5, 5, 2))
        x = samples_of(model)
        assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [L.Conv2D(2, 1), L.Flatten()],
            "layer 'flatten' cannot .* another order in PyTorch, and no Dense layer follows",
        ),
        ([L.AveragePooling2D(2, 1, padding="same")], "layer 'average_pooling2d' cannot .* as much at both ends"),
        ([L.Conv2D(2, 1), L.Permute((2, 1, 3))], "layer 'permute' cannot .*nothing like Permute"),
        ([L.Conv2D(2, 1), L.LayerNormalization()], "nothing like LayerNormalization for samples of shape"),
        ([L.Conv2D(2, 1), L.PReLU()], "nothing like PReLU"),
        ([L.MaxPooling2D(1), L.Reshape((6, 6, 1))], "layer 'reshape' cannot .* no module that moves values"),
        ([L.Residual([L.Conv2D(2, 1)])], "nothing like Residual"),
    ],
)
def test_a_layer_without_a_counterpart_is_named(layers: list[L.Layer], message: str) -> None:
    copies = [type(layer).from_config(layer.get_config()) for layer in layers]
    with pytest.raises(NotImplementedError, match=message):
        fn.Sequential([fn.Input((6, 3, 2)), *copies]).to_state_dict()


def test_augmentation_is_left_out() -> None:
    augmented = [L.RandomFlip(), L.Rescaling(0.5), L.RandomRotation(0.1), L.Conv2D(2, 1)]
    model = fn.Sequential([fn.Input((6, 3, 2)), *augmented], seed=0)
    state = model.to_state_dict()
    assert list(state) == ["0.weight", "0.bias"]
    assert_array_equal(state["0.weight"][:, :, 0, 0], 0.5 * model.layers[-1].get_weights()[0][0, 0].T)


def test_a_state_dict_of_images_is_contiguous() -> None:
    state = lenet().to_state_dict()
    assert all(array.flags.c_contiguous for array in state.values())
    assert_array_equal(state["8.weight"][3, 0], lenet().layers[7].get_weights()[0][:, :, 1, 1])
