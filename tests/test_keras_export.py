"""Models become files of Keras 3: read back without it, and opened by Keras where it is installed."""

import importlib.util
import json
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from command import Run, run
from fastnet import layers as L
from made_metrics import kinds, made
from models_of_all_layers import MODELS, build
from random_image_models import random_image_model, samples_of

h5py = pytest.importorskip("h5py")

__all__ = ["run"]

WRITTEN = [name for name in MODELS if name != "activation_gelu_tanh"]


def image_model() -> fn.Sequential:
    block = [
        L.Conv2D(4, 3, padding="same", activation=fn.LeakyReLU(0.3)),
        L.Residual([L.BatchNormalization()], name="b"),
    ]
    layers = [
        L.Rescaling(0.5),
        L.Conv2D(4, (3, 2), padding="same", groups=2, activation="elu", kernel_regularizer="l2"),
        L.Residual(block),
        L.SpatialDropout2D(0.25, trainable=False),
        L.SeparableConv2D(3, 2, trainable=False),
        L.PReLU(shared_axes=[1, 2]),
        L.Flatten(),
        L.Normalization(axis=None, mean=0.5, variance=4.0),
        L.Dense(3, "softmax"),
    ]
    model = fn.Sequential([fn.Input((6, 6, 2)), *layers], seed=0, name="images")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.class_names = ["a", "b", "c"]
    return model


def config_in(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        config: dict[str, Any] = json.loads(archive.read("config.json"))
    return config


# ---- Files and fastnet ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITTEN)
def test_a_model_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    model = build(name)
    model.save(tmp_path / "m.keras")
    again = fn.load_model(tmp_path / "m.keras")
    assert again.get_config() == model.get_config()
    for own, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        assert_array_equal(own, expected, strict=True)
    assert again.get_compile_config() is None


def test_a_model_of_images_comes_back_with_its_names_and_its_compilation(tmp_path: Path) -> None:
    model = image_model()
    model.save(tmp_path / "m.keras")
    again = fn.load_model(tmp_path / "m.keras")
    assert again.get_compile_config() == model.get_compile_config()
    assert again.class_names == ["a", "b", "c"]
    assert [layer.trainable for layer in again.layers] == [True] * 4 + [False] + [True] * 4
    x = samples_of(model)
    assert_array_equal(again.predict(x), model.predict(x))
    assert [layer.name for layer in again.layers[2].layers] == ["conv2d", "b"]


@pytest.mark.parametrize("seed", range(12))
def test_random_models_of_images_come_back(seed: int, tmp_path: Path) -> None:
    model = random_image_model(seed)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    again = fn.load_model(tmp_path / "m.keras")
    assert again.get_config() == model.get_config()
    x = samples_of(model)
    assert_array_equal(again.predict(x), model.predict(x))
    again.set_weights([np.ones_like(array) for array in again.get_weights()])
    again.load_weights(tmp_path / "m.weights.h5")
    assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_the_dtype_is_that_of_the_model(dtype: str, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(2, input_shape=(3,))], dtype=dtype)
    model.save(tmp_path / "m.keras")
    assert fn.load_model(tmp_path / "m.keras").dtype_policy == dtype


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        image_model().save(tmp_path / f"{name}.keras")
        image_model().save_weights(tmp_path / f"{name}.weights.h5")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert (tmp_path / "a.weights.h5").read_bytes() == (tmp_path / "b.weights.h5").read_bytes()


def test_a_model_without_blocks_is_a_sequential_one_and_others_add(tmp_path: Path) -> None:
    build("one_layer").save(tmp_path / "m.keras")
    assert [layer["class_name"] for layer in config_in(tmp_path / "m.keras")["config"]["layers"]] == [
        "InputLayer",
        "Dense",
    ]
    model = fn.Sequential([fn.Residual([L.ReLU(), fn.Residual([L.ReLU()])], name="outer", input_shape=(2,)), L.ReLU()])
    model.save(tmp_path / "m.keras")
    config = config_in(tmp_path / "m.keras")
    assert config["class_name"] == "Model"
    sources = {
        layer["name"]: [tensor["config"]["keras_history"][0] for tensor in np.ravel(layer["inbound_nodes"][0]["args"])]
        for layer in config["config"]["layers"][1:]
    }
    assert sources == {
        "outer_0_re_lu": ["input_layer"],
        "outer_1_residual_0_re_lu": ["outer_0_re_lu"],
        "outer_1_residual": ["outer_0_re_lu", "outer_1_residual_0_re_lu"],
        "outer": ["input_layer", "outer_1_residual"],
        "re_lu": ["outer"],
    }


@pytest.mark.parametrize("block", [False, True])
def test_layers_in_a_frozen_model_or_block_stay_frozen(block: bool, tmp_path: Path) -> None:
    inside = [L.Dense(4), L.Dense(4)]
    first = L.Residual(inside, name="base") if block else fn.Sequential(inside, name="base")
    model = fn.Sequential([fn.Input((4,)), first, L.Dense(2)])
    first.trainable = False
    inside[1].trainable = True
    assert len(model.trainable_weights) == 2
    model.save(tmp_path / "m.keras")
    back = fn.load_model(tmp_path / "m.keras")
    assert [weight.shape for weight in back.trainable_weights] == [(4, 2), (2,)]
    for copy, original in zip(back.get_weights(), model.get_weights(), strict=True):
        assert_array_equal(copy, original)


def test_names_are_those_that_keras_takes_with_every_backend(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(2, name="a.b", input_shape=(3,)), fn.Dense(2, name="a/b")], name="m_0.25/x", seed=0)
    model.save(tmp_path / "m.keras")
    config = config_in(tmp_path / "m.keras")["config"]
    assert config["name"] == "m_0_25_x"
    assert [layer["config"]["name"] for layer in config["layers"]] == ["input_layer", "a_b", "a_b_"]
    x = np.ones((1, 3))
    assert_allclose(fn.load_model(tmp_path / "m.keras").predict(x), model.predict(x))


def test_layers_have_different_names_in_keras(tmp_path: Path) -> None:
    inner = fn.Residual([L.ReLU(name="a")], name="r", input_shape=(2,))
    fn.Sequential([inner, L.ReLU(name="r_0_a"), L.ReLU(name="input_layer")]).save(tmp_path / "m.keras")
    names = [layer["name"] for layer in config_in(tmp_path / "m.keras")["config"]["layers"]]
    assert names == ["input_layer", "r_0_a", "r", "r_0_a_", "input_layer_"]
    assert fn.load_model(tmp_path / "m.keras").predict([[-1.0, 2.0]]).tolist() == [[0.0, 4.0]]


# ---- What cannot be written -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [L.Dense(2, "gelu_tanh"), L.Residual([L.Dense(3), L.Activation("gelu_tanh")])])
def test_a_layer_that_keras_lacks_is_named_before_the_file_is_touched(layer: L.Layer, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"before")
    copy = type(layer).from_config(layer.get_config())
    with pytest.raises(NotImplementedError, match=r"layer '(dense|activation)' cannot be written for Keras.*gelu_tanh"):
        fn.Sequential([fn.Input((3,)), copy]).save(path)
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.keras"]


class OwnInitializer(fn.initializers.Zeros):
    pass


class OwnRegularizer(fn.regularizers.L2):
    pass


def test_an_initializer_of_ones_own_is_left_out_and_a_regularizer_is_refused(tmp_path: Path) -> None:
    dense = fn.Dense(2, kernel_initializer=OwnInitializer(), input_shape=(3,))
    fn.Sequential([dense]).save(tmp_path / "m.keras")
    assert config_in(tmp_path / "m.keras")["config"]["layers"][1]["config"]["kernel_initializer"] is None
    assert not fn.load_model(tmp_path / "m.keras").get_weights()[0].any()
    with pytest.raises(
        NotImplementedError, match=r"layer 'dense' cannot be written for Keras.* regularizer OwnRegularizer"
    ):
        fn.Sequential([fn.Dense(2, kernel_regularizer=OwnRegularizer(), input_shape=(3,))]).save(tmp_path / "m.keras")


def mean_error(y: Any, p: Any) -> Any:
    return (p - y).mean(), (p - y) * 0 + 1


class OwnMetric(fn.metrics.Mean):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_pred)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": fn.optimizers.SGD(0.1, momentum=0.9, dampening=0.5)}, "SGD with dampening"),
        ({"optimizer": fn.optimizers.Adam(fn.schedules.OneCycle(0.1, 10))}, "the learning rate schedule OneCycle"),
        ({"loss": "quantile"}, "the loss 'quantile'"),
        ({"loss": fn.losses.Quantile(0.75)}, "Quantile among its losses"),
        ({"loss": mean_error}, "the function 'mean_error'"),
        ({"metrics": [OwnMetric()]}, "OwnMetric among its metrics"),
    ],
)
def test_what_keras_cannot_compile_is_left_out_with_a_warning(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = build("one_layer")
    model.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    with pytest.warns(
        UserWarning, match=f"m.keras: the model is not compiled in the file: Keras has not {message}"
    ) as caught:
        model.save(tmp_path / "m.keras")
    assert caught[0].filename == __file__
    assert fn.load_model(tmp_path / "m.keras").get_compile_config() is None


def test_the_extra_is_named_where_h5py_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    for write in (lambda m: m.save(tmp_path / "m.keras"), lambda m: m.save_weights(tmp_path / "m.weights.h5")):
        with pytest.raises(ImportError, match=r'h5py: pip install "fastnet-nn\[keras\]"'):
            write(build("one_layer"))
    assert not [*tmp_path.iterdir()]


def test_an_existing_file_may_be_kept(tmp_path: Path) -> None:
    model = build("one_layer")
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(tmp_path / "m.keras", overwrite=False)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save_weights(tmp_path / "m.weights.h5", overwrite=False)


def test_a_model_that_is_not_built_has_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="build it"):
        fn.Sequential([fn.Dense(2)]).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="build it"):
        fn.Sequential([fn.Dense(2)]).save_weights(tmp_path / "m.weights.h5")


def test_damaged_names_of_classes_are_refused(tmp_path: Path) -> None:
    image_model().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = members["metadata.json"].replace(b'"a"', b"1")
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="'class_names' in it must be a list of names"):
        fn.load_model(tmp_path / "m.keras")


def test_the_command_line_writes_a_compiled_model(run: Run, tmp_path: Path) -> None:
    image_model().save(tmp_path / "m.safetensors")
    done = run("export", tmp_path / "m.safetensors", "--to", "keras")
    assert (done.status, done.out) == (0, "")
    assert fn.load_model(tmp_path / "m.keras").get_compile_config() == image_model().get_compile_config()


def test_a_command_checks_before_it_works_that_it_can_write(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.csv").write_text("label,a,b\n0,1,2\n1,2,3\n0,3,4\n1,4,5\n")
    train = ["train", tmp_path / "x.csv", "--out", tmp_path / "m.keras", "--epochs", "2"]
    done = run(*train, "--activation", "gelu_tanh")
    assert (done.status, "gelu_tanh" in done.err, "epoch" in done.err) == (1, True, False)
    assert run(*train).status == 0
    assert fn.load_model(tmp_path / "m.keras").class_names == ["0", "1"]
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("fastnet.cli._output.find_spec", lambda name: None if name == "h5py" else find_spec(name))
    done = run(*train)
    assert (done.status, 'h5py: pip install "fastnet-nn[keras]"' in done.err) == (1, True)


def test_checkpoints_may_be_files_of_keras(tmp_path: Path) -> None:
    model = image_model()
    x = samples_of(model)
    saved = [
        fn.callbacks.ModelCheckpoint(tmp_path / "m.keras"),
        fn.callbacks.ModelCheckpoint(tmp_path / "m.weights.h5", save_weights_only=True),
    ]
    model.fit(x, np.zeros(len(x)), epochs=1, verbose=0, callbacks=saved)
    assert_array_equal(fn.load_model(tmp_path / "m.keras").predict(x), model.predict(x))
    again = image_model()
    again.load_weights(tmp_path / "m.weights.h5")
    assert_array_equal(again.predict(x), model.predict(x))


# ---- Keras itself ---------------------------------------------------------------------------------------------------


def for_keras(seed: int) -> fn.Sequential:
    """Return a random model that Keras computes alike with each of its backends.

    With PyTorch it repeats the last pixel where a mean of padding="same" has more windows beyond one end; with TensorFlow, as in
    fastnet, the mean leaves out what is beyond.
    """
    models = (random_image_model(seed + 1000 * number) for number in range(100))
    return next(model for model in models if not any(averages_beyond(layer) for layer in model.layers))


def averages_beyond(layer: L.Layer) -> bool:
    return isinstance(layer, L.AveragePooling1D | L.AveragePooling2D) and layer.padding == "same"


def agree(keras: Any, model: fn.Sequential, folder: Path) -> None:
    """Check that Keras opens what fastnet writes, and fastnet what Keras writes of that, with equal predictions."""
    x = samples_of(model)
    expected = model.predict(x)
    model.save(folder / "m.keras")
    model.save_weights(folder / "m.weights.h5")
    opened = keras.saving.load_model(folder / "m.keras")
    assert_allclose(opened.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
    opened.set_weights([np.zeros_like(array) for array in opened.get_weights()])
    opened.load_weights(folder / "m.weights.h5")
    assert_allclose(opened.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
    for ending in (".keras", ".h5"):
        opened.save(folder / f"k{ending}")
        again = fn.load_model(folder / f"k{ending}")
        assert_allclose(again.predict(x), expected, rtol=1e-6, atol=1e-6)
        assert again.layers[0].name == model.layers[0].name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRITTEN)
def test_the_installed_keras_opens_what_is_written(name: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    agree(keras, build(name), tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(40))
def test_the_installed_keras_predicts_the_same_of_images(seed: int, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    agree(keras, for_keras(seed), tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_installed_keras_is_compiled_alike(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    from fastnet.losses.base import losses
    from fastnet.optimizers.base import optimizers

    x, y = np.eye(3).repeat(4, axis=0), np.eye(6)[np.arange(12) % 6]
    rates = [
        fn.schedules.ExponentialDecay(0.1, 10, 0.5),
        fn.schedules.CosineDecay(0.1, 10),
        fn.schedules.CosineDecayRestarts(0.1, 10),
        fn.schedules.PiecewiseConstantDecay([2], [0.1, 0.01]),
        fn.schedules.PolynomialDecay(0.1, 10),
        fn.schedules.InverseTimeDecay(0.1, 10, 0.5),
    ]
    cases: list[dict[str, Any]] = [{"optimizer": name} for name in optimizers.names]
    cases += [{"optimizer": fn.optimizers.SGD(rate, momentum=0.5, weight_decay=0.01, clipnorm=1.0)} for rate in rates]
    cases += [{"loss": name} for name in losses.names if name != "quantile"]
    cases += [{"loss": fn.losses.BinaryCrossentropy(label_smoothing=0.1)}, {"loss": fn.losses.Huber(0.5)}]
    cases += [{"metrics": [made(kind)]} for name, kind in kinds().items() if name not in ("IoU", "MeanIoU")]
    cases += [{"metrics": ["accuracy", "mae"], "weighted_metrics": [fn.metrics.F1Score(average="macro"), "mse"]}]
    for case in cases:
        sparse = any(word in str(case).lower() for word in ("sparse", "generalized", "circle"))
        own_loss = "sparse_categorical_crossentropy" if sparse else "mse"
        targets = y.argmax(axis=1) if sparse else y
        model = fn.Sequential([fn.Dense(6, "softmax", input_shape=(3,))], seed=0)
        model.compile(**{"optimizer": "sgd", "loss": own_loss, **case})
        with warnings.catch_warnings(action="error"):
            model.save(tmp_path / "m.keras")
        assert fn.load_model(tmp_path / "m.keras").get_compile_config() == model.get_compile_config()
        opened = keras.saving.load_model(tmp_path / "m.keras")
        ours = model.evaluate(x, targets, verbose=0)
        assert_allclose(np.ravel(opened.evaluate(x, targets, verbose=0)), np.ravel(ours), rtol=1e-4, atol=1e-5)
        opened.train_on_batch(x, targets)
        model.train_on_batch(x, targets)
        for own, theirs in zip(model.get_weights(), opened.get_weights(), strict=True):
            assert_allclose(own, theirs, rtol=1e-3, atol=1e-4)
