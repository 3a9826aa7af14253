"""Networks of images and sequences go to PyTorch, and come back from there."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers as L
from fastnet.interchange.state_dict import save_state_dict, torch_code
from fastnet.interchange.torch.modules import modules_of
from fastnet.interchange.torch.writer import is_left_out
from fastnet.layers.geometry import ImageLayer
from models_of_images import MODELS, build
from random_image_models import random_image_model, samples_of, with_random_weights
from record_torch_images import to_torch


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


# ---- Random networks ------------------------------------------------------------------------------------------------


def for_torch(seed: int) -> fn.Sequential:
    """Return a random model that PyTorch has modules for."""
    for number in range(1000):
        model = random_image_model(1000 * seed + number)
        model.add(fn.Dense(3, "softmax"))
        try:
            torch_code(model)
        except NotImplementedError as error:
            assert any(reason in str(error) for reason in REFUSED)  # noqa: PT017
            continue
        return model
    raise AssertionError


REFUSED = (
    "torch.nn has no module for the activation",
    "as much at both ends",
    "nothing like BatchNormalization for",
    "nothing like Normalization for",
)


def network_in(code: str) -> Any:
    """Return the network that code makes."""
    torch = pytest.importorskip("torch")
    namespace: dict[str, Any] = {"torch": torch}
    if code.startswith("torch."):
        return eval(code, namespace)
    exec(code, namespace)
    return namespace["network"]


def loaded(model: fn.Sequential) -> Any:
    """Return the network of PyTorch with the weights of a model."""
    torch = pytest.importorskip("torch")
    network = network_in(torch_code(model))
    network.load_state_dict({name: torch.from_numpy(array) for name, array in model.to_state_dict().items()})
    return network.eval()


def agree(model: fn.Sequential) -> None:
    """Check that PyTorch predicts what a model predicts, and that the model comes back from its network."""
    torch = pytest.importorskip("torch")
    network, x = loaded(model), samples_of(model)
    expected = model.predict(x)
    with torch.no_grad():
        outputs = network(torch.from_numpy(to_torch(x) if is_first(model) else x)).numpy()
    assert_allclose(outputs, to_torch(expected) if is_first(model) else expected, rtol=1e-5, atol=1e-5)
    again = fn.from_state_dict(network, input_shape=model.input_shape)
    assert_allclose(again.predict(x), expected, rtol=1e-5, atol=1e-5)
    by_code = fn.from_state_dict(network.state_dict(), code=torch_code(model), input_shape=model.input_shape)
    assert by_code.get_config() == again.get_config()


def is_first(model: fn.Sequential) -> bool:
    """Return whether channels come first in PyTorch."""
    return any(isinstance(layer, ImageLayer) and not is_left_out(layer) for layer in inside(model.layers))


def inside(layers: list[L.Layer]) -> list[L.Layer]:
    """Return layers and those inside of them."""
    blocks = [layer for layer in layers if isinstance(layer, L.Residual)]
    return [*layers, *(inner for block in blocks for inner in inside([*block.layers, *block.shortcut]))]


@pytest.mark.parametrize("seed", range(12))
def test_random_models_come_back_from_their_state_dicts(seed: int) -> None:
    model = for_torch(seed)
    again = fn.from_state_dict(model.to_state_dict(), code=torch_code(model), input_shape=model.input_shape)
    x = samples_of(model)
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_the_installed_pytorch_predicts_the_same_of_images(seed: int) -> None:
    agree(for_torch(seed))


def test_random_models_have_blocks_with_shortcuts_and_permutations() -> None:
    modules = [module for seed in range(100) for module in modules_of(for_torch(seed))]
    kinds = Counter(module.kind for module in modules)
    kinds["shortcut"] = sum("shortcut" in module.parts for module in modules)
    assert [kind for kind in ("Residual", "shortcut", "Permute", "LayerNorm") if kinds[kind] < 5] == []


# ---- Blocks and axes ------------------------------------------------------------------------------------------------


def resnet() -> fn.Sequential:
    halved = [L.Conv2D(8, 3, strides=2, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()]
    layers = [
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.Residual([L.Conv2D(4, 3, padding="same", activation="relu"), L.Conv2D(4, 3, padding="same")]),
        L.Residual([*halved, L.Conv2D(8, 1)], shortcut=[L.Conv2D(8, 1, strides=2)]),
        L.LayerNormalization(),
        L.GlobalAveragePooling2D(),
        L.Dense(3, "softmax"),
    ]
    return fn.Sequential([fn.Input((8, 6, 2)), *layers], seed=0)


RESNET_CODE = """\
import torch


class Permute(torch.nn.Module):
    \"\"\"Puts the axes of its input into another order.\"\"\"

    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


class Residual(torch.nn.Module):
    \"\"\"Adds what `body` makes of its input to the input, or to what `shortcut` makes of it.\"\"\"

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = torch.nn.Identity() if shortcut is None else shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


network = torch.nn.Sequential(
    torch.nn.Conv2d(2, 4, 3, padding=1),
    torch.nn.ReLU(),
    Residual(
        torch.nn.Sequential(
            torch.nn.Conv2d(4, 4, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(4, 4, 3, padding=1),
        ),
    ),
    Residual(
        torch.nn.Sequential(
            torch.nn.ZeroPad2d((0, 1, 0, 1)),
            torch.nn.Conv2d(4, 8, 3, stride=2, bias=False),
            torch.nn.BatchNorm2d(8, eps=0.001, momentum=0.01),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, 8, 1),
        ),
        torch.nn.Sequential(
            torch.nn.Conv2d(4, 8, 1, stride=2),
        ),
    ),
    Permute(0, 2, 3, 1),
    torch.nn.LayerNorm(8, eps=0.001),
    Permute(0, 3, 1, 2),
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(8, 3),
    torch.nn.Softmax(dim=-1),
)"""


def test_the_code_for_pytorch_defines_the_classes_that_it_needs() -> None:
    assert torch_code(resnet()) == RESNET_CODE
    assert [name for name in resnet().to_state_dict() if name.startswith("3.")] == [
        *(f"3.body.{name}" for name in ("1.weight", "2.weight", "2.bias", "2.running_mean", "2.running_var")),
        *(f"3.{name}" for name in ("body.2.num_batches_tracked", "body.4.weight", "body.4.bias")),
        *(f"3.shortcut.0.{name}" for name in ("weight", "bias")),
    ]


def test_a_network_with_blocks_comes_back_as_the_layers_that_it_was(tmp_path: Path) -> None:
    model = resnet()
    save_state_dict(model, tmp_path / "state.safetensors")
    again = fn.from_state_dict(tmp_path / "state.safetensors", input_shape=(8, 6, 2))
    kinds = [[type(layer).__name__ for layer in inside(one.layers)] for one in (model, again)]
    assert [kind for kind in kinds[1] if kind not in ("ZeroPadding2D", "Activation")] == [
        kind for kind in kinds[0] if kind != "ReLU"
    ]
    x = samples_of(model)
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)


def test_a_file_with_blocks_is_not_read_as_layers_in_a_row(tmp_path: Path) -> None:
    block = L.Residual([L.Dense(3, "relu"), L.Dense(3)])
    save_state_dict(fn.Sequential([fn.Input((3,)), block], seed=0), tmp_path / "state.safetensors")
    with pytest.raises(
        ValueError, match=r"state\.safetensors: its modules are not all in a row, .*leave activation out"
    ):
        fn.from_state_dict(tmp_path / "state.safetensors", "relu")


NET = Callable[[], list[L.Layer]]
CASES: dict[str, tuple[tuple[int, ...], NET]] = {
    "permuted twice": ((4, 3, 2), lambda: [L.Conv2D(2, 1), L.Permute((2, 3, 1)), L.Permute((2, 1, 3)), L.Conv2D(3, 1)]),
    "permuted at the end": ((4, 3, 2), lambda: [L.Conv2D(5, 1), L.Permute((3, 1, 2))]),
    "permuted sequences": ((4, 3), lambda: [L.Permute((2, 1)), L.Conv1D(2, 2), L.Permute((2, 1)), L.Dense(2)]),
    "normalized axes": (
        (4, 3, 2),
        lambda: [L.Permute((3, 1, 2)), L.LayerNormalization(), L.Permute((2, 3, 1)), L.Conv2D(2, 1)],
    ),
    "normalized sequences": (
        (4, 3),
        lambda: [L.Conv1D(3, 2), L.LayerNormalization(), L.LayerNormalization(), L.MaxPooling1D()],
    ),
    "no layer of images": (
        (4, 3),
        lambda: [L.Dense(5), L.Permute((2, 1)), L.LayerNormalization(), L.Softmax(), L.Flatten()],
    ),
    "softmax of channels": (
        (4, 3, 2),
        lambda: [L.Conv2D(3, 2), L.LayerNormalization(), L.Softmax(), L.Permute((1, 3, 2))],
    ),
    "flat at the end": ((4, 3, 2), lambda: [L.Conv2D(3, 1), L.Flatten(), L.LayerNormalization(), L.PReLU()]),
    "flat after permuting": ((4, 3, 2), lambda: [L.Conv2D(3, 1), L.Permute((2, 3, 1)), L.Flatten()]),
    "reshaped": ((4, 3, 2), lambda: [L.MaxPooling2D(1), L.Reshape((2, 3, 4)), L.Conv2D(2, 2)]),
    "reshaped rows": ((12,), lambda: [L.LayerNormalization(), L.Reshape((2, 3, 2)), L.Conv2D(2, 2)]),
    "reshaped to sequences": (
        (4, 3, 2),
        lambda: [L.Conv2D(3, 2), L.Reshape((6, 3)), L.Conv1D(2, 2), L.Flatten(), L.Dense(2)],
    ),
    "a slope for each pixel": (
        (4, 3, 2),
        lambda: [L.Conv2D(3, 2), L.PReLU(), L.PReLU(shared_axes=[1]), L.MaxPooling2D(2)],
    ),
    "rows in a block": (
        (4, 3, 2),
        lambda: [L.Conv2D(2, 1), L.Flatten(), L.Residual([L.Dense(24, "tanh")]), L.Dense(2)],
    ),
    "other orders in a block": (
        (4, 4, 2),
        lambda: [L.Residual([L.Permute((2, 1, 3)), L.Conv2D(2, 3, padding="same")])],
    ),
    "flat in a block": (
        (4, 3, 2),
        lambda: [L.Residual([L.MaxPooling2D(2), L.Flatten()], [L.Conv2D(4, 1), L.GlobalMaxPooling2D()])],
    ),
    "blocks in blocks": (
        (6, 2),
        lambda: [L.Residual([L.Conv1D(2, 1), L.Residual([L.ReLU()], [L.Dense(2)])], [L.Residual([L.Dense(2)])])],
    ),
    "rescaled blocks": (
        (4, 3, 2),
        lambda: [L.Rescaling(0.5), L.Residual([L.Rescaling(2.0, 1.0), L.Conv2D(2, 1), L.Rescaling(3.0)])],
    ),
    "nothing but augmentation": (
        (4, 3, 2),
        lambda: [L.RandomFlip(), L.Residual([L.RandomFlip()]), L.Flatten(), L.Dense(2)],
    ),
    "images of rows": (
        (4,),
        lambda: [L.Dense(12, "relu"), L.BatchNormalization(), L.Reshape((2, 3, 2)), L.Conv2DTranspose(1, 2)],
    ),
}


def case(name: str) -> fn.Sequential:
    shape, make = CASES[name]
    model = fn.Sequential([fn.Input(shape), *make()], seed=0)
    for layer in model.layers:
        with_random_weights(layer, np.random.default_rng(1))
    return model


@pytest.mark.parametrize("name", CASES)
def test_blocks_and_axes_come_back_from_a_state_dict(name: str) -> None:
    model = case(name)
    again = fn.from_state_dict(model.to_state_dict(), code=torch_code(model), input_shape=model.input_shape)
    x = samples_of(model)
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)
    twice = fn.from_state_dict(again.to_state_dict(), code=torch_code(again), input_shape=model.input_shape)
    assert len(inside(twice.layers)) == len(inside(again.layers))


@pytest.mark.parametrize("name", CASES)
def test_the_installed_pytorch_has_the_same_blocks_and_axes(name: str) -> None:
    agree(case(name))


@pytest.mark.parametrize("name", MODELS)
def test_the_installed_pytorch_has_every_layer_of_images(name: str) -> None:
    agree(build(name))


# ---- Other layers ---------------------------------------------------------------------------------------------------


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
        ([L.Residual([L.BatchNormalization()])], "layer 'batch_normalization' cannot .* samples of shape"),
        ([L.AveragePooling2D(2, 1, padding="same")], "layer 'average_pooling2d' cannot .* as much at both ends"),
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
