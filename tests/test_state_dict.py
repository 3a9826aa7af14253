"""Weights go to PyTorch and come from it: against recorded outputs, and live where torch is installed."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file, save_file

import fastnet as fn
from fastnet import layers as L
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.state_dict import save_state_dict, torch_code
from fastnet.interchange.torch.modules import modules_of
from record_interchange_torch import BFLOAT16, DATA, NETWORKS, inputs, recorded, state_of

RECORDED = json.loads((DATA / "torch_networks.json").read_text(encoding="utf-8"))["networks"]
LINEARS = {"0.weight": np.ones((3, 2)), "0.bias": np.ones(3), "2.weight": np.ones((1, 3)), "2.bias": np.ones(1)}


def name_of(entry: dict[str, Any]) -> str:
    return "-".join(re.sub(r"\W.*", "", module) for module in entry["modules"])


# ---- From PyTorch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", RECORDED, ids=name_of)
def test_a_network_predicts_what_pytorch_predicts(entry: dict[str, Any]) -> None:
    model = fn.from_state_dict(state_of(entry["shapes"]), **entry["arguments"])
    assert_allclose(model.predict(inputs()), entry["outputs"], rtol=1e-6, atol=1e-6)


def test_a_network_of_the_installed_pytorch_predicts_the_same() -> None:
    pytest.importorskip("torch")
    for modules, arguments in NETWORKS:
        entry: Any = recorded(modules, arguments)
        model = fn.from_state_dict(state_of(entry["shapes"]), **arguments)
        assert_allclose(model.predict(inputs()), entry["outputs"], rtol=1e-6, atol=1e-6)


def test_tensors_of_the_installed_pytorch_are_taken_without_their_gradients() -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Linear(4, 2)
    model = fn.from_state_dict(dict(network.named_parameters()), None)
    assert_array_equal(model.get_weights()[0], network.weight.detach().numpy().T)
    half = fn.from_state_dict(network.bfloat16().state_dict(), None)
    assert_array_equal(half.get_weights()[0], network.weight.float().detach().numpy().T)


def test_a_file_gives_the_model_of_its_tensors(tmp_path: Path) -> None:
    state = state_of(RECORDED[0]["shapes"])
    save_file(state, tmp_path / "state.safetensors")
    for path in (tmp_path / "state.safetensors", str(tmp_path / "state.safetensors")):
        model = fn.from_state_dict(path, "relu")
        assert_array_equal(model.predict(inputs()), fn.from_state_dict(state, "relu").predict(inputs()))


def test_bfloat16_in_a_file_becomes_float32() -> None:
    state = state_of(RECORDED[0]["shapes"])
    model = fn.from_state_dict(BFLOAT16, "relu")
    assert model.dtype == "float32"
    for own, exact in zip(model.get_weights(), [state["0.weight"].T, state["0.bias"]], strict=False):
        assert_allclose(own, exact, rtol=2.0**-8)
        assert not (own.view(np.uint32) & 0xFFFF).any()
        assert (own != exact).any()


@pytest.mark.parametrize(
    ("dtype", "expected"), [("float16", "float32"), ("float32", "float32"), ("float64", "float64")]
)
def test_the_dtype_is_that_of_the_tensors(dtype: str, expected: str) -> None:
    state = {name: array.astype(dtype) for name, array in LINEARS.items()}
    assert fn.from_state_dict(state, "relu").dtype == expected
    assert fn.from_state_dict(state, "relu", dtype="float64").dtype == "float64"


def test_leaky_relu_has_the_slope_of_pytorch_unless_another_is_given() -> None:
    state = {"0.weight": -np.ones((1, 1)), "2.weight": np.ones((1, 1))}
    assert_allclose(fn.from_state_dict(state, "leaky_relu").predict([[1.0]]), -0.01)
    assert_allclose(fn.from_state_dict(state, fn.LeakyReLU(0.5)).predict([[1.0]]), -0.5)
    assert_allclose(fn.from_state_dict(state, fn.leaky_relu).predict([[1.0]]), -0.01)


@pytest.mark.parametrize("names", [["0", "2", "10"], ["net.0", "net.2", "net.10"], ["m.fc1", "m.fc2", "m.fc3"]])
def test_modules_go_by_their_numbers_where_only_these_differ(names: list[str], tmp_path: Path) -> None:
    shapes = dict(zip(names, [(5, 2), (5, 5), (1, 5)], strict=True))
    state = {f"{name}.weight": np.ones(shapes[name], np.float32) for name in sorted(names)}
    save_file(state, tmp_path / "state.safetensors")
    for source in (state, tmp_path / "state.safetensors"):
        assert fn.from_state_dict(source, "relu").output_shape == (1,)


def test_other_modules_go_in_the_order_of_a_dictionary_which_a_file_has_not(tmp_path: Path) -> None:
    state = {"hidden.weight": np.ones((3, 2)), "head.weight": np.ones((1, 3))}
    assert fn.from_state_dict(state, "relu").output_shape == (1,)
    save_file(state, tmp_path / "state.safetensors")
    with pytest.raises(ValueError, match=r"a file does not say in which order"):
        fn.from_state_dict(tmp_path / "state.safetensors", "relu")


def test_modules_of_a_list_have_the_activation_between_them() -> None:
    state = {"layers.0.weight": -np.ones((1, 1)), "layers.1.weight": np.ones((1, 1))}
    assert fn.from_state_dict(state, "relu").predict([[1.0]]) == 0.0


def test_the_model_trains_like_any_other() -> None:
    model = fn.from_state_dict(LINEARS, "tanh")
    model.compile("sgd", "mse")
    before = model.evaluate(np.ones((8, 2)), np.zeros(8), verbose=0)
    model.fit(np.ones((8, 2)), np.zeros(8), epochs=3, verbose=0)
    assert model.evaluate(np.ones((8, 2)), np.zeros(8), verbose=0) < before


ONES = np.ones(3)
NORM = {"0.weight": np.ones((3, 2)), "2.weight": ONES, "2.bias": ONES, "4.weight": np.ones((1, 3))}


@pytest.mark.parametrize(
    ("state", "arguments", "message"),
    [
        ({}, {}, "no weight of a Linear layer"),
        ({"0.weight": ONES, "0.bias": ONES}, {}, "no weight of a Linear layer"),
        ({"0.kernel": np.ones((3, 2))}, {}, "tensor '0.kernel' is not understood: names must end in weight, bias"),
        ({"conv.weight": np.ones((3, 2, 3, 3))}, {}, "tensor 'conv.weight' is not understood"),
        ({"0.weight": np.ones((3, 2)), "0.bias": np.ones(2)}, {}, r"tensor '0.weight' is not understood.*bias \(2,\)"),
        ({"bias": ONES}, {}, "tensor 'bias' is not understood"),
        ({**LINEARS, "3.running_mean": np.ones(1)}, {}, "tensor '3.running_mean' is not understood"),
        ({**LINEARS, "1.weight": ONES}, {}, "tensor '1.weight' is not understood: it may hold the slopes of a PReLU"),
        ({**LINEARS, "1.weight": ONES}, {"output_activation": "prelu"}, "tensor '1.weight' has slopes of a PReLU"),
        (LINEARS, {"activation": "prelu"}, "behind '0.weight' there is not one PReLU"),
        (
            {"0.weight": np.ones((3, 2)), "2.weight": np.ones((1, 4))},
            {},
            r"tensor '2.weight' has shape \(1, 4\).*give 3",
        ),
        ({"0.weight": np.ones((4, 2)), "1.weight": ONES, "1.bias": ONES}, {}, r"'1.weight' has shape \(3,\).*give 4"),
        (LINEARS, {"activation": ["relu", "relu"]}, "an entry for each of 1 hidden layers; got 2"),
        (LINEARS, {"activation": "sparsemax"}, "sparsemax"),
        (LINEARS, {"epsilon": -1.0}, "epsilon must be at least 0"),
        (LINEARS, {"dtype": "float16"}, "dtype must be one of"),
        (NORM, {}, "place of the activation behind '0.weight' cannot be told"),
        ({name.replace("2.", "bn."): array for name, array in NORM.items()}, {}, "place of the activation"),
        ({"0.weight": np.ones((0, 2))}, {}, "units must be at least 1"),
    ],
)
def test_what_is_not_understood_is_named(state: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, NotImplementedError), match=message):
        fn.from_state_dict(state, **{"activation": "relu", **arguments})


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1], "state must be a dictionary of tensors or the path"),
        ({0: ONES}, "names in state must be strings"),
        ({"0.weight": np.ones((3, 2), np.int8)}, "tensor '0.weight' must hold floating-point numbers; got dtype int8"),
        ({"0.weight": "text"}, "must hold floating-point numbers"),
        ({"0.weight": np.ones((3, 2), complex)}, "must hold floating-point numbers"),
        ({"model": LINEARS}, r"pass state\['model'\]"),
    ],
)
def test_what_is_no_state_dict_is_refused(state: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        fn.from_state_dict(state, "relu")


def test_files_that_are_no_state_dicts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(FileNotFoundError):
        fn.from_state_dict(path, "relu")
    for content, message in [
        (b"PK\x03\x04" + bytes(99), "torch.save can execute code"),
        (bytes(99), "not a safetensors"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            fn.from_state_dict(path, "relu")
    save_file({"0.weight": np.ones((3, 2), np.int64)}, path)
    with pytest.raises(ValueError, match=r"tensor '0.weight' must have dtype F64, F32, F16, BF16; got I64"):
        fn.from_state_dict(path, "relu")
    fn.Sequential([fn.Dense(2, input_shape=(3,))]).save(path)
    with pytest.raises(ValueError, match=r"layers.0.dense.*is not understood"):
        fn.from_state_dict(path, "relu")


# ---- To PyTorch -----------------------------------------------------------------------------------------------------


def with_random_weights(layers: list[fn.layers.Layer], dtype: str = "float32") -> fn.Sequential:
    model = fn.Sequential(layers, dtype=dtype)
    generator = np.random.default_rng(0)
    model.set_weights(
        [generator.uniform(0.25, 1.0, array.shape) - 0.5 * (array.ndim > 1) for array in model.get_weights()]
    )
    return model


def every_counterpart() -> list[fn.layers.Layer]:
    return [
        L.Rescaling(0.5, -0.25, input_shape=(2, 3)),
        L.Rescaling(2.0, 0.125),
        L.Reshape((3, 2)),
        L.Flatten(),
        L.Dense(5, "relu", use_bias=False),
        L.Normalization(),
        L.Dense(5, "leaky_relu"),
        L.BatchNormalization(),
        L.Activation("elu"),
        L.Dropout(0.25),
        L.Dense(5, "selu", use_bias=False),
        L.LayerNormalization(),
        L.Softmax(),
        L.Dense(4),
        L.PReLU(),
        L.GaussianNoise(0.1),
        L.Dense(4, "tanh"),
        L.LayerNormalization(center=False, scale=False),
        L.Dense(4, "gelu_tanh"),
        L.BatchNormalization(momentum=0.5, epsilon=0.125, scale=False),
        L.ELU(0.5),
        L.LeakyReLU(),
        L.Activation("sigmoid"),
        L.Dense(2, "log_softmax"),
    ]


EVERY_CODE = """\
torch.nn.Sequential(
    torch.nn.Flatten(),
    torch.nn.Unflatten(1, (3, 2)),
    torch.nn.Flatten(),
    torch.nn.Linear(6, 5),
    torch.nn.ReLU(),
    torch.nn.BatchNorm1d(5, eps=1e-14, momentum=0.0, affine=False),
    torch.nn.Linear(5, 5),
    torch.nn.LeakyReLU(0.2),
    torch.nn.BatchNorm1d(5, eps=0.001, momentum=0.01),
    torch.nn.ELU(1.0),
    torch.nn.Dropout(0.25),
    torch.nn.Linear(5, 5, bias=False),
    torch.nn.SELU(),
    torch.nn.LayerNorm(5, eps=0.001),
    torch.nn.Softmax(dim=-1),
    torch.nn.Linear(5, 4),
    torch.nn.PReLU(4),
    torch.nn.Identity(),
    torch.nn.Linear(4, 4),
    torch.nn.Tanh(),
    torch.nn.LayerNorm(4, eps=0.001),
    torch.nn.Linear(4, 4),
    torch.nn.GELU(approximate='tanh'),
    torch.nn.BatchNorm1d(4, eps=0.125, momentum=0.5),
    torch.nn.ELU(0.5),
    torch.nn.LeakyReLU(0.3),
    torch.nn.Sigmoid(),
    torch.nn.Linear(4, 2),
    torch.nn.LogSoftmax(dim=-1),
)"""


def test_the_code_for_pytorch_has_a_module_for_every_layer() -> None:
    assert torch_code(with_random_weights(every_counterpart())) == EVERY_CODE
    assert torch_code(with_random_weights(every_counterpart(), "float64")) == f"{EVERY_CODE}.double()"


@pytest.mark.parametrize("name", [name for name, facts in ACTIVATIONS.items() if facts.torch])
def test_the_module_of_an_activation_is_the_recorded_one(name: str) -> None:
    (recorded,) = [entry["modules"][1] for entry in RECORDED if name in entry["arguments"].values()][:1]
    of_torch = {"leaky_relu": "LeakyReLU(0.2)", "elu": "ELU(1.0)"}.get(name, recorded.replace("(1)", "(dim=-1)"))
    assert [module.code for module in modules_of(fn.Sequential([L.Activation(name, input_shape=(4,))]))] == [of_torch]


def test_a_state_dict_has_the_names_and_the_layout_of_pytorch() -> None:
    state = with_random_weights(every_counterpart()).to_state_dict()
    shapes = {name: array.shape for name, array in state.items()}
    assert shapes["3.weight"] == (5, 6)
    assert {name.partition(".")[2] for name in shapes if name.startswith("8.")} == {
        *["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    }
    assert state["8.num_batches_tracked"].shape == ()
    assert all(array.flags.c_contiguous for array in state.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_installed_pytorch_loads_what_is_written_and_predicts_the_same(tmp_path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file as load_tensors

    model = with_random_weights(every_counterpart(), dtype)
    save_state_dict(model, tmp_path / "state.safetensors")
    network = eval(torch_code(model), {"torch": torch})
    network.load_state_dict(load_tensors(tmp_path / "state.safetensors"), strict=True)
    network.eval()
    x = np.random.default_rng(1).normal(size=(7, 2, 3)).astype(dtype)
    with torch.no_grad():
        outputs = network(torch.from_numpy(x)).numpy()
    tolerance = 1e-6 if dtype == "float32" else 1e-8  # Softplus of PyTorch is linear from 20 on, which costs 2e-9
    assert_allclose(model.predict(x), outputs, rtol=tolerance, atol=tolerance)


def test_a_file_has_the_state_dict_and_its_code(tmp_path: Path) -> None:
    from safetensors import safe_open

    model = with_random_weights(every_counterpart())
    path = tmp_path / "state.safetensors"
    save_state_dict(model, path)
    state = model.to_state_dict()
    loaded = load_file(path)
    assert loaded.keys() == state.keys()
    for name, array in state.items():
        assert_array_equal(loaded[name], array, strict=True)
    with safe_open(path, "numpy") as file:
        assert file.metadata()["torch_code"] == EVERY_CODE
    before = path.read_bytes()
    save_state_dict(model, path)
    assert path.read_bytes() == before


def test_a_model_comes_back_from_its_state_dict() -> None:
    layers = [
        L.Dense(4, input_shape=(3,)),
        L.BatchNormalization(),
        L.ReLU(),
        L.Dense(4),
        L.PReLU(),
        L.Dense(2, "softmax"),
    ]
    model = with_random_weights(layers)
    again = fn.from_state_dict(
        model.to_state_dict(), ["relu", "prelu"], output_activation="softmax", epsilon=model.layers[1].epsilon
    )
    x = np.random.default_rng(1).normal(size=(7, 3))
    assert_array_equal(again.predict(x), model.predict(x))


def test_rescaling_goes_into_the_weights_behind_it() -> None:
    model = with_random_weights([L.Rescaling(1 / 255, -0.5, input_shape=(3,)), L.Dense(2, use_bias=False)], "float64")
    again = fn.from_state_dict(model.to_state_dict(), None)
    x = np.random.default_rng(1).integers(0, 256, (7, 3))
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-12, atol=1e-12)


def test_rescaling_elsewhere_is_a_batch_normalization() -> None:
    model = with_random_weights(
        [L.Rescaling(0.5, 1.0, input_shape=(3,)), L.LayerNormalization(), L.Rescaling(2.0, -1.0)]
    )
    assert [module.code for module in modules_of(model)] == [
        "BatchNorm1d(3, eps=0.0, momentum=0.0)",
        "LayerNorm(3, eps=0.001)",
        "BatchNorm1d(3, eps=0.0, momentum=0.0)",
    ]
    again = fn.from_state_dict(model.to_state_dict(), code=torch_code(model))
    x = np.random.default_rng(1).normal(size=(7, 3))
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [L.Residual([L.Dense(3, "exponential")], input_shape=(3,))],
            "layer 'dense' cannot.*no module for the activation",
        ),
        (
            [L.Dense(2, "exponential", input_shape=(3,))],
            "layer 'dense' cannot.*no module for the activation 'exponential'",
        ),
        ([L.Rescaling(0.5, input_shape=(2, 3)), L.LayerNormalization()], "layer 'rescaling' cannot.*samples of shape"),
    ],
)
def test_a_layer_without_a_counterpart_is_named(layers: list[fn.layers.Layer], message: str, tmp_path: Path) -> None:
    model = fn.Sequential([type(layer).from_config(layer.get_config()) for layer in layers])
    model.build(layers[0].given_input_shape)
    with pytest.raises(NotImplementedError, match=message):
        save_state_dict(model, tmp_path / "state.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_model_without_weights_has_no_state_dict() -> None:
    with pytest.raises(ValueError, match="build it"):
        fn.Sequential([fn.Dense(2)]).to_state_dict()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"0.bias": np.ones(2)}, r"tensor '0\.bias' is not understood"),
        ({"0.weight": np.ones(2), "0.bias": np.ones(2)}, "no weight of a Linear layer"),
        ({"0.weight": np.ones((2, 3)), "2.weight": np.ones((2, 5))}, r"tensor '2\.weight' has shape \(2, 5\)"),
    ],
)
def test_an_error_about_the_tensors_of_a_file_names_it(tensors: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file(tensors, path)
    with pytest.raises(ValueError, match=rf"^cannot load .*state\.safetensors: .*{message}"):
        fn.from_state_dict(path, "relu")
