"""What a file of Keras says about layers, dtypes and the compilation is what fastnet has, or it is named."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.interchange.keras.configs import compile_arguments
from keras_archives import SMALL, changed, members_of, zipped
from record_interchange_keras import DATA, inputs, values

h5py = pytest.importorskip("h5py")

OUTPUTS = json.loads((DATA / "keras_outputs.json").read_text(encoding="utf-8"))["outputs"]


def settings(number: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    """What gives the layer of a number other settings; 0 is the input."""
    return lambda config: config["config"]["layers"][number]["config"].update(values)


def entry(number: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["config"]["layers"][number].update(values)


FUNCTION = {"module": "builtins", "class_name": "function", "registered_name": "f"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (entry(2, class_name="Lambda"), "layer 'dense' is a Lambda, which holds Python code: nothing .* is executed"),
        (entry(2, class_name="Conv3D"), "layer 'dense' is a Conv3D, which fastnet does not have"),
        (entry(2, class_name="Residual"), "Residual, which fastnet does not have"),
        (
            entry(2, class_name="Functional"),
            "layer 'dense' is a model of class Functional; .* only a Sequential is read",
        ),
        (entry(2, module="own.layers", registered_name="Own>Dense"), "Dense of Own>Dense is not one of Keras's own"),
        (entry(2, module="os"), "Dense of os is not one of Keras's own"),
        (entry(2, class_name=None), "must have a 'class_name'"),
        (settings(2, activation="sparsemax"), "layer 'dense'.*sparsemax"),
        (settings(2, activation={"class_name": "__lambda__", "config": {}}), "'__lambda__'|__lambda__"),
        (settings(2, kernel_constraint={"class_name": "MaxNorm", "config": {}}), "layer 'dense'.*kernel_constraint"),
        (settings(2, strange=1), "layer 'dense'.*unexpected keyword argument 'strange'"),
        (settings(2, dtype={"class_name": "QuantizedDTypePolicy", "config": {"name": "int8"}}), "dtype policy"),
        (settings(2, dtype="float16"), "dtype policy that fastnet has; got float16, float32"),
        (settings(3, axis=[1, 2]), "layer 'batch_normalization'.*axis"),
        (settings(2, units=10**9), r"array 0 of layer 'dense' must have shape \(3, 1000000000\)"),
        (settings(2, units="many"), "units must be an integer"),
        (settings(0, batch_shape=[None, None]), "must be known in every dimension"),
        (settings(0, batch_shape=7), "the shape of its input must be a list; got 7"),
        (lambda config: config["config"].update(layers=[1]), "must have a 'class_name'"),
        (lambda config: config["config"].update(layers=[]), "must have 1 to 10000 layers; got 0"),
        (lambda config: config["config"].pop("layers"), "lacks 'layers'"),
        (lambda config: config.update(class_name="Own"), "a model of class Own; fastnet has Sequential"),
        (lambda config: config.pop("config"), "must be a JSON object"),
    ],
)
def test_what_fastnet_does_not_have_is_named(change: Any, message: str, tmp_path: Path) -> None:
    path = changed(tmp_path / "model.keras", change)
    with pytest.raises(ValueError, match=rf"cannot load .*model.keras: .*({message})"):
        fn.load_model(path)


def test_what_keras_2_writes_of_every_convolution_is_left_out(tmp_path: Path) -> None:
    kernel = {f"kernel_{name}": None for name in ("initializer", "regularizer", "constraint")}
    more = {
        "DepthwiseConv2D": {"groups": 1},
        "SeparableConv2D": {"groups": 1, **kernel},
        "Conv2DTranspose": {"groups": 1},
    }

    def change(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"]:
            layer["config"].update(more.get(layer["class_name"], {}))

    path = changed(tmp_path / "3.keras", change, DATA / "keras_images.keras")
    with pytest.raises(ValueError, match=r"layer 'depthwise_conv2d'.*'groups'"):
        fn.load_model(path)
    members = {**members_of(path), "metadata.json": b'{"keras_version": "2.15.0"}'}
    model = fn.load_model(zipped(tmp_path / "2.keras", members))
    assert_allclose(model.predict(inputs((6, 6, 2))), OUTPUTS["images"], rtol=1e-6, atol=1e-6)


def test_optimizers_of_keras_2_are_its_own(tmp_path: Path) -> None:
    path = changed(
        tmp_path / "m.keras", lambda config: config["compile_config"]["optimizer"].update(class_name="Custom>Adam")
    )
    assert isinstance(fn.load_model(path).optimizer, fn.optimizers.Adam)


def test_channels_first_are_refused_by_name(tmp_path: Path) -> None:
    path = changed(
        tmp_path / "model.keras",
        lambda config: config["config"]["layers"][1]["config"].update(data_format="channels_first"),
        DATA / "keras_images.keras",
    )
    with pytest.raises(ValueError, match=r"layer 'conv2d': .*data_format='channels_first' is not available"):
        fn.load_model(path)


def test_an_activation_may_be_a_layer_or_a_function_of_keras(tmp_path: Path) -> None:
    relu = {"module": "keras.layers", "class_name": "LeakyReLU", "config": {"name": "a", "negative_slope": 0.125}}
    model = fn.load_model(changed(tmp_path / "a.keras", settings(2, activation=relu)))
    assert model.layers[1].activation.alpha == 0.125
    function = {"module": "keras.activations", "class_name": "function", "config": "elu", "registered_name": "elu"}
    model = fn.load_model(changed(tmp_path / "b.keras", settings(2, activation=function)))
    assert model.layers[1].activation.name == "elu"


def test_a_layer_that_is_frozen_in_keras_is_frozen(tmp_path: Path) -> None:
    model = fn.load_model(changed(tmp_path / "model.keras", settings(2, trainable=False)))
    assert model.trainable
    frozen = [layer.name for layer in model.layers if not layer.trainable]
    assert frozen == [model.layers[1].name]


def test_a_model_that_is_frozen_in_keras_is_frozen_though_its_layers_are_not(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["trainable"] = False

    model = fn.load_model(changed(tmp_path / "model.keras", change))
    assert not model.trainable
    assert all(layer.trainable for layer in model.layers)
    assert model.trainable_weights == []


@pytest.mark.parametrize(
    ("policy", "expected"), [("mixed_bfloat16", "mixed_bfloat16"), ("mixed_float16", "float32"), ("float64", "float64")]
)
def test_a_dtype_policy_becomes_that_of_the_model(policy: str, expected: str, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"]:
            layer["config"]["dtype"] = policy

    assert fn.load_model(changed(tmp_path / "model.keras", change)).dtype_policy == expected


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"optimizer": {"class_name": "Ftrl", "config": {}}}, "Ftrl"),
        ({"optimizer": {"class_name": "Own", "config": {}, "registered_name": "Own>Own"}}, "not one of Keras's own"),
        ({"loss": {**FUNCTION, "config": "my_loss"}}, "my_loss"),
        ({"loss": ["mse", "mae"]}, "loss"),
        ({"loss_weights": [1.0]}, "loss_weights"),
        ({"metrics": [{"module": "keras.metrics", "class_name": "MeanIoU", "config": {}}]}, "MeanIoU"),
        ({"metrics": {"a": ["mae"]}}, "metrics must be a list"),
    ],
)
def test_a_model_whose_compilation_is_not_available_is_not_compiled(
    update: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = changed(tmp_path / "model.keras", lambda config: config["compile_config"].update(update))
    with pytest.warns(UserWarning, match=f"model.keras: the model is not compiled as in Keras: .*{message}"):
        model = fn.load_model(path)
    assert model.get_compile_config() is None
    assert_allclose(model.predict(inputs((3,))), OUTPUTS["small"], rtol=1e-6, atol=1e-6)
    fn.load_model(path, compile=False)


def test_functions_of_a_compilation_are_given(tmp_path: Path) -> None:
    update = {"loss": {**FUNCTION, "config": "my_loss"}, "metrics": [{**FUNCTION, "config": "my_metric"}]}
    path = changed(tmp_path / "model.keras", lambda config: config["compile_config"].update(update))

    def my_loss(y: Any, p: Any) -> Any:
        return ((p - y) ** 2).mean(axis=1), 2.0 * (p - y) / p.shape[1]

    def my_metric(y: Any, p: Any) -> Any:
        return np.abs(p - y).mean(axis=1)

    model = fn.load_model(path, custom_objects={"my_loss": my_loss, "my_metric": my_metric})
    assert model.get_compile_config() is not None


def test_the_arguments_of_a_function_are_those_of_the_metric() -> None:
    function = {"module": "builtins", "class_name": "function", "config": "huber", "registered_name": "huber"}
    wrapped = {"class_name": "MeanMetricWrapper", "config": {"name": "bent", "dtype": "float32", "fn": function}}
    wrapped["config"]["delta"] = 0.5  # type: ignore[index]
    (metric,) = compile_arguments({"optimizer": "sgd", "loss": "mse", "metrics": [wrapped]}, {})["metrics"]
    assert (metric.name, metric([[0.0]], [[2.0]])) == ("bent", 0.875)


def test_a_model_that_was_not_compiled_is_not(tmp_path: Path) -> None:
    for number, empty in enumerate((None, {})):
        path = changed(tmp_path / f"{number}.keras", lambda config, empty=empty: config.update(compile_config=empty))
        assert fn.load_model(path).get_compile_config() is None


# ---- Keras 2 --------------------------------------------------------------------------------------------------------


def keras_2_file(path: Path, activation: str = "sigmoid") -> list[np.ndarray]:
    """Write a whole-model file as Keras 2 does, and return the weights."""
    named = {"trainable": True, "dtype": "float32"}
    zeros = {"class_name": "Zeros", "config": {}}
    common = {"use_bias": True, "bias_initializer": zeros, "kernel_regularizer": None, "kernel_constraint": None}
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "dtype": "float32", "name": "in"}},
        {"class_name": "Dense", "config": {**named, **common, "name": "dense", "units": 2, "activation": activation}},
        {"class_name": "LeakyReLU", "config": {**named, "name": "leaky", "alpha": 0.25}},
        {"class_name": "BatchNormalization", "config": {**named, "name": "bn", "axis": [1], "epsilon": 0.001}},
    ]
    metric = {"class_name": "MeanMetricWrapper", "config": {"name": "acc", "dtype": "float32", "fn": "binary_accuracy"}}
    adam = {"name": "Adam", "learning_rate": 0.5, "decay": 0.0, "beta_1": 0.9, "epsilon": 1e-07, "jit_compile": True}
    loss = {"class_name": "BinaryCrossentropy", "config": {"reduction": "auto", "name": "b", "from_logits": False}}
    training = {
        "loss": loss,
        "metrics": [[metric]],
        "weighted_metrics": None,
        "loss_weights": None,
        "optimizer_config": {"class_name": "Adam", "config": adam},
    }
    weights = [values(6, 0).reshape(3, 2), values(2, 1), values(2, 2), values(2, 3), values(2, 4), abs(values(2, 5))]
    weights = [array.astype(np.float32) for array in weights]
    names = [["kernel:0", "bias:0"], ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"]]
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
        file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"in", b"dense", b"leaky", b"bn"]
        remaining = iter(weights)
        for layer, own in zip(("in", "dense", "leaky", "bn"), ([], names[0], [], names[1]), strict=True):
            inside = group.create_group(layer)
            inside.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in own]
            for name in own:
                inside[f"{layer}/{name}"] = next(remaining)
    return weights


def test_a_model_of_keras_2_is_read(tmp_path: Path) -> None:
    weights = keras_2_file(tmp_path / "model.h5")
    model = fn.load_model(tmp_path / "model.h5")
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "LeakyReLU", "BatchNormalization"]
    assert model.layers[1].activation.alpha == 0.25
    for own, expected in zip(model.get_weights(), weights, strict=True):
        assert_array_equal(own, expected)
    assert model.optimizer.learning_rate == 0.5
    assert list(model.evaluate(np.ones((2, 3)), np.ones((2, 2)), return_dict=True, verbose=0)) == [
        *["loss", "binary_accuracy"]
    ]


def test_the_hard_sigmoid_of_keras_2_is_another_function(tmp_path: Path) -> None:
    keras_2_file(tmp_path / "model.h5", "hard_sigmoid")
    with pytest.raises(ValueError, match="'hard_sigmoid' of Keras 2 is another function"):
        fn.load_model(tmp_path / "model.h5")


def test_weights_alone_of_keras_2_are_read(tmp_path: Path) -> None:
    weights = keras_2_file(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as model, h5py.File(tmp_path / "weights.h5", "w") as alone:
        alone.attrs.update(model["model_weights"].attrs)
        for name in model["model_weights"]:
            model.copy(f"model_weights/{name}", alone)
    read = fn.Sequential([fn.Dense(2, input_shape=(3,)), fn.BatchNormalization(), fn.ReLU()])
    read.load_weights(tmp_path / "weights.h5")
    for own, expected in zip(read.get_weights(), weights, strict=True):
        assert_array_equal(own, expected)
    with pytest.raises(ValueError, match="weights of 2 layers; the model has 1 with weights"):
        fn.Sequential([fn.Dense(2, input_shape=(3,))]).load_weights(tmp_path / "weights.h5")


def test_the_layers_of_an_archive_of_keras_2_have_another_group(tmp_path: Path) -> None:
    members = members_of(SMALL)
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    path = zipped(tmp_path / "model.keras", {**members, "model.weights.h5": buffer.getvalue()})
    assert_allclose(fn.load_model(path).predict(inputs((3,))), OUTPUTS["small"], rtol=1e-6, atol=1e-6)


# ---- Forged configurations ------------------------------------------------------------------------------------------

ODD = [
    None,
    True,
    -1,
    0,
    2**70,
    1e308,
    "",
    "relu",
    [],
    [[1]],
    {},
    {"class_name": "A", "config": {}},
    [None, 3],
    "\ud800",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside another."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from places(inside, (*path, key))


@pytest.mark.filterwarnings("ignore:.*is not compiled as in Keras", "ignore:.*is frozen in Keras")
def test_odd_values_in_a_configuration_are_refused_or_mean_nothing(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    refused = 0

    def change(config: dict[str, Any]) -> None:
        every = list(places(config))
        *outer, last = every[generator.integers(len(every))]
        for key in outer:
            config = config[key]
        config[last] = ODD[generator.integers(len(ODD))]

    for _ in range(60):
        path = changed(tmp_path / "model.keras", change, DATA / "keras_layers.keras")
        try:
            model = fn.load_model(path)
        except ValueError:
            refused += 1
        else:
            assert model.predict(np.ones((1, 2, 2))).shape == (1, 3)
    assert 10 < refused < 50
