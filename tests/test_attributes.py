"""Attributes that are set count at once and are saved, or are refused with what to do instead."""

import abc
import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import callbacks, initializers, layers, losses, metrics, optimizers, regularizers, schedules
from fastnet.optimizers.base import optimizers as optimizer_names
from fastnet.support.attributes import FixedList, reserved_names
from whole_models import every_layer

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 6)).astype("float32"), RNG.normal(size=(64, 3)).astype("float32")


def compiled(*more: layers.Layer) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(32, "relu", input_shape=(6,)), *more, fn.Dense(3)], seed=0)
    model.compile("sgd", "mse")
    return model


# --- What counts at once ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["learning_rate", "lr"])
def test_a_new_learning_rate_counts_from_the_next_step_on_and_is_saved(name: str, tmp_path: Path) -> None:
    model = compiled()
    setattr(model.optimizer, name, 0.0)
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert_array_equal(old, new)
    assert model.optimizer.lr == model.optimizer.learning_rate == 0.0
    setattr(model.optimizer, name, 0.5)
    model.train_on_batch(X, Y)
    assert (before[0] != model.get_weights()[0]).any()
    model.save(tmp_path / "m.safetensors")
    assert fn.load_model(tmp_path / "m.safetensors").optimizer.lr == 0.5
    with pytest.raises(ValueError, match="learning_rate must be at least 0"):
        setattr(model.optimizer, name, -1.0)


RATES: dict[str, tuple[Callable[[float], layers.Layer], str, float]] = {
    "Dropout": (lambda rate: layers.Dropout(rate, seed=1), "rate", 0.75),
    "GaussianNoise": (lambda rate: layers.GaussianNoise(rate, seed=1), "stddev", 2.0),
}


@pytest.mark.parametrize("inside", [False, True], ids=["", "in a block"])
@pytest.mark.parametrize("kind", RATES)
def test_a_new_rate_trains_as_if_the_layer_had_been_made_with_it(kind: str, inside: bool, tmp_path: Path) -> None:
    make, name, value = RATES[kind]

    def model_with(rate: float) -> tuple[fn.Sequential, layers.Layer]:
        layer = make(rate)
        return compiled(layers.Residual([fn.Dense(32), layer]) if inside else layer), layer

    model, layer = model_with(0.25)
    model._network.predict(X, 16)  # type: ignore[union-attr]
    setattr(layer, name, value)
    expected, _ = model_with(value)
    for one in (model, expected):
        one.fit(X, Y, epochs=2, verbose=0)
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        assert_array_equal(a, b)
    setattr(layer, name, 0.0)  # and once more, after training
    model.fit(X, Y, epochs=1, verbose=0)
    assert getattr(layer, name) == layer.get_config()[name] == 0.0
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again.get_config() == model.get_config()
        assert_array_equal(again.train_on_batch(X, Y), copy.copy(model).train_on_batch(X, Y))
    model.save(tmp_path / "m.safetensors")
    assert fn.load_model(tmp_path / "m.safetensors").get_config() == model.get_config()


@pytest.mark.parametrize(("layer", "name", "value"), [
    (layers.Dropout(0.5), "rate", 1.0),
    (layers.Dropout(0.5), "rate", -0.5),
    (layers.GaussianNoise(0.5), "stddev", -1.0),
    (layers.GaussianNoise(0.5), "stddev", float("nan")),
])  # fmt: skip
def test_a_rate_that_cannot_be_is_refused_as_in_the_constructor(layer: layers.Layer, name: str, value: float) -> None:
    for one in (type(layer)(0.5), compiled(type(layer)(0.5)).layers[1]):
        with pytest.raises(ValueError, match=f"{name} must be"):
            setattr(one, name, value)
        assert getattr(one, name) == 0.5
        with pytest.raises(TypeError, match=f"{name} must be a number; got '0.5'"):
            setattr(one, name, "0.5")


def test_a_callback_can_change_the_rate_between_batches() -> None:
    def trained(change: bool) -> list[np.ndarray]:
        model = compiled(layers.Dropout(0.5, seed=3))

        def less(batch: int, logs: Any) -> None:
            if change:
                model.layers[1].rate = 0.5 - 0.1 * batch

        model.fit(X, Y, batch_size=16, verbose=0, callbacks=[callbacks.LambdaCallback(on_train_batch_begin=less)])
        return model.get_weights()

    first, other = trained(True), trained(False)
    assert (first[0] != other[0]).any()


def test_a_weight_is_read_and_written_by_its_name() -> None:
    model = compiled(layers.BatchNormalization())
    dense, norm = model.layers[0], model.layers[1]
    dense.kernel = np.full((6, 32), 0.5)
    norm.moving_variance = 4.0 * np.ones(32)
    weights = model.get_weights()
    assert (weights[0] == 0.5).all()
    assert (weights[5] == 4.0).all()
    assert_array_equal(dense.kernel, weights[0])
    assert_array_equal(model.predict(np.ones((1, 6))), model(np.ones((1, 6), "float32")))
    with pytest.raises(ValueError, match=r"kernel of layer 'dense' must have shape \(6, 32\); got \(6, 3\)"):
        dense.kernel = np.zeros((6, 3))
    with pytest.raises(TypeError, match="must hold real numbers"):
        dense.bias = ["a"] * 32
    with pytest.raises(AttributeError, match="once its model is built"):
        fn.Dense(3).kernel = np.zeros((2, 3))
    with pytest.raises(AttributeError, match="Dense has no kernel; a layer has its weights once its model is built"):
        fn.Dense(3).kernel  # noqa: B018


def test_what_looks_like_the_weights_and_is_a_copy_cannot_be_written_to() -> None:
    model = compiled(layers.BatchNormalization())
    for array in (
        model.layers[0].kernel,
        *model.weights,
        *model.trainable_weights,
        *model.layers[1].non_trainable_weights,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0
    quantized = model.quantize(X)
    for operation in quantized.operations:
        for name in ("scale", "bias"):
            if getattr(operation, name, None) is not None:
                with pytest.raises(ValueError, match="read-only"):
                    getattr(operation, name)[...] = 0.0


def test_a_layer_can_be_changed_until_it_is_built() -> None:
    layer = fn.Dense(4)
    layer.units = np.int64(7)
    layer.activation = "tanh"
    layer.kernel_initializer = "ones"
    layer.kernel_regularizer = "l2"
    layer.name = "first"
    model = fn.Sequential([layer])
    layer.use_bias = False
    model.build((3,))
    assert (
        model.layers[0].get_config()
        == fn.Dense(
            7, "tanh", use_bias=False, kernel_initializer="ones", kernel_regularizer="l2", name="first"
        ).get_config()
    )
    assert [array.shape for array in model.get_weights()] == [(3, 7)]
    with pytest.raises(ValueError, match="units must be at least 1; got 0"):
        fn.Dense(4).units = 0
    with pytest.raises(TypeError, match="use_bias must be True or False"):
        fn.Dense(4).use_bias = "yes"
    with pytest.raises(ValueError, match="activation must be one of"):
        fn.Dense(4).activation = "rely"


def test_what_a_model_knows_of_itself_can_be_set_and_is_saved(tmp_path: Path) -> None:
    model = compiled()
    model.name, model.class_names, model.feature_names = "mine", ["a", "b", "c"], list("uvwxyz")
    model.figures = {"test": 0.5}
    model.stop_training = True
    model.save(tmp_path / "m.safetensors")
    again = fn.load_model(tmp_path / "m.safetensors")
    assert (again.name, again.class_names, again.feature_names, again.figures) == (
        "mine", ["a", "b", "c"], list("uvwxyz"), {"test": 0.5},
    )  # fmt: skip
    small = model.quantize(X)
    small.class_names = ["d", "e", "f"]
    small.save(tmp_path / "q.safetensors")
    assert fn.load_model(tmp_path / "q.safetensors").class_names == ["d", "e", "f"]


def test_attributes_of_callbacks_count_in_the_next_epoch(tmp_path: Path) -> None:
    model = compiled()
    model.optimizer.learning_rate = 0.0
    stop = callbacks.EarlyStopping("loss", patience=50)
    stop.patience = 2
    assert len(model.fit(X, Y, epochs=10, verbose=0, callbacks=[stop]).epoch) == 3
    saves = callbacks.ModelCheckpoint(tmp_path / "{batch}.safetensors")
    saves.save_freq = 2
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[saves])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.safetensors", "4.safetensors"]
    other = callbacks.ModelCheckpoint(tmp_path / "e{epoch}.safetensors", save_freq=2)
    other.save_freq = "epoch"
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[other])
    assert sorted(path.name for path in tmp_path.glob("e*")) == ["e1.safetensors"]


# --- What is refused -------------------------------------------------------------------------------------------------

PARTS: list[Any] = [
    *(optimizers.get(name) for name in optimizer_names.names),
    *(losses.get(name) for name in ("mse", "huber", "quantile", "binary_crossentropy", "categorical_crossentropy")),
    *(losses.BinaryFocalCrossentropy(), losses.CategoricalFocalCrossentropy(), losses.Poisson()),
    *(metrics.get(name) for name in ("mse", "auc", "precision", "top_k_categorical_accuracy", "r2_score")),
    *(regularizers.L1(), regularizers.L2(), regularizers.L1L2()),
    *(initializers.get(name) for name in ("zeros", "he_normal", "random_uniform", "constant", "truncated_normal")),
    *(schedules.ExponentialDecay(0.1, 10, 0.9), schedules.CosineDecay(0.1, 10), schedules.OneCycle(0.1, 10)),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_what_a_part_was_made_from_is_fixed(part: Any) -> None:
    before = part.get_config()
    names = reserved_names(type(part)) - {"learning_rate", "lr"}
    assert names or not before
    for name in names:
        with pytest.raises(AttributeError, match=f"{name}.* (cannot change|is fixed|compile)|has no attribute"):
            setattr(part, name, 0.123)
    assert part.get_config() == before


@pytest.mark.parametrize("layer", every_layer(), ids=lambda layer: type(layer).__name__)
def test_what_a_built_layer_was_made_from_is_fixed(layer: layers.Layer) -> None:
    x = X[:, :5] if isinstance(layer, layers.Residual) else X
    model = fn.Sequential([fn.Input(x.shape[1:]), layer], seed=0)
    before, config = model.activations(x), model.get_config()
    names = (reserved_names(type(layer)) | set(config["layers"][0]["config"])) - {"trainable", "rate", "stddev"}
    for name in names - set(layer.weight_names):
        with pytest.raises(AttributeError, match=f"{name}|keeps its name"):
            setattr(layer, name, 2)
    assert model.get_config() == config
    for one, other in zip(before.values(), model.activations(x).values(), strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (lambda m: m.layers[0], "units", r"Dense\.units cannot change after the layer is built: make a new layer"),
        (lambda m: m.layers[0], "activation", r"Dense\.activation cannot change after the layer is built"),
        (lambda m: m.layers[0], "kernel_regularizer", r"Dense\.kernel_regularizer cannot change after the layer is"),
        (lambda m: m.layers[0], "input_shape", r"Dense\.input_shape cannot change after the layer is built"),
        (lambda m: m.layers[0], "output_shape", r"Dense\.output_shape cannot change"),
        (lambda m: m.layers[0], "name", "layer 'dense' is in a model and keeps its name"),
        (lambda m: m.layers[0], "trainble", "Dense has no attribute 'trainble': did you mean 'trainable'"),
        (lambda m: m.layers[0], "requires_grad", "Dense has no attribute 'requires_grad'"),
        (lambda m: fn.LeakyReLU(), "negative_slope", r"LeakyReLU\.negative_slope cannot change: make a new layer"),
        (lambda m: fn.ELU(), "alpha", r"ELU\.alpha cannot change: make a new layer"),
        (lambda m: fn.Dense(3), "input_shape", r"Dense\.input_shape cannot change: make a new layer"),
        (lambda m: fn.Dense(3), "input_dim", r"Dense\.input_dim cannot change"),
        (lambda m: fn.Input((3,)), "shape", r"InputLayer\.shape cannot change: make a new layer"),
        (lambda m: m.optimizer, "momentum", "momentum of SGD is fixed; .*: compile with a new SGD"),
        (lambda m: m.optimizer, "clipnorm", "clipnorm of SGD is fixed"),
        (lambda m: m.optimizer, "iterations", "iterations of SGD counts the batches"),
        (lambda m: m.optimizer, "learning_rte", "SGD has no attribute 'learning_rte': did you mean 'learning_rate'"),
        (lambda m: m.loss, "reduction", r"MeanSquaredError\.reduction cannot change: make a new MeanSquaredError"),
        (lambda m: m, "optimizer", r"Sequential\.optimizer is what compile\(\) was told: call compile"),
        (lambda m: m, "loss", r"Sequential\.loss is what compile\(\) was told: call compile"),
        (lambda m: m, "metrics", r"Sequential\.metrics is what compile\(\) was told: call compile"),
        (lambda m: m, "layers", r"Sequential\.layers cannot be set: use add\(\) and pop\(\)"),
        (lambda m: m, "weights", r"Sequential\.weights cannot be set: use set_weights\(\)"),
        (lambda m: m, "dtype", r"Sequential\.dtype cannot change: make a new Sequential"),
        (lambda m: m, "input_shape", r"Sequential\.input_shape cannot change"),
        (lambda m: m, "output_shape", r"Sequential\.output_shape cannot change"),
        (lambda m: m, "seed", r"Sequential\.seed cannot change"),
        (lambda m: m, "receipt", r"Sequential\.receipt cannot change"),
        (lambda m: m, "clas_names", "Sequential has no attribute 'clas_names': did you mean 'class_names'"),
        (lambda m: m, "batch_size", "Sequential has no attribute 'batch_size'"),
        (lambda m: m, "predict", r"Sequential\.predict cannot change"),
        (lambda m: m.quantize(X), "trainable", "QuantizedModel has no attribute 'trainable'"),
        (lambda m: m.quantize(X), "input_shape", r"QuantizedModel\.input_shape cannot change"),
        (lambda m: callbacks.EarlyStopping(), "patiance", "EarlyStopping has no attribute 'patiance': did you mean"),
        (lambda m: layers.Residual([fn.Dense(6)]), "layers", r"Residual\.layers cannot change: make a new layer"),
    ],
)  # fmt: skip
def test_what_would_change_nothing_is_refused_with_what_to_do(make: Any, name: str, message: str) -> None:
    part = make(compiled())
    with pytest.raises(AttributeError, match=message):
        setattr(part, name, 5)


def test_arguments_that_only_keras_has_are_refused_as_attributes_too() -> None:
    layer = fn.Dense(3)
    layer.kernel_constraint = None
    with pytest.raises(NotImplementedError, match="use Keras for this"):
        layer.kernel_constraint = "non_neg"
    with pytest.raises(NotImplementedError, match="use Keras for this"):
        compiled().layers[0].activity_regularizer = "l2"


CHANGES: dict[str, Callable[[Any], Any]] = {
    "append": lambda one: one.append(fn.Dense(2)),
    "extend": lambda one: one.extend([fn.Dense(2)]),
    "insert": lambda one: one.insert(0, fn.Dense(2)),
    "remove": lambda one: one.remove(one[0]),
    "pop": lambda one: one.pop(),
    "clear": lambda one: one.clear(),
    "sort": lambda one: one.sort(key=id),
    "reverse": lambda one: one.reverse(),
    "item": lambda one: one.__setitem__(0, fn.Dense(2)),
    "slice": lambda one: one.__delitem__(slice(1, 2)),
    "iadd": lambda one: one.__iadd__([fn.Dense(2)]),
    "imul": lambda one: one.__imul__(2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_lists_of_layers_refuse_changes_and_name_the_methods(change: str) -> None:
    model = compiled()
    with pytest.raises(AttributeError, match=r"use add\(\) and pop\(\) of the model"):
        CHANGES[change](model.layers)
    with pytest.raises(AttributeError, match="make a new Residual"):
        CHANGES[change](layers.Residual([fn.Dense(6), fn.Dense(6)]).layers)
    assert len(model.layers) == 2


def test_lists_of_layers_are_lists_in_all_else() -> None:
    model = compiled()
    found = model.layers
    assert isinstance(found, list)
    assert found == [found[0], found[1]] == model.layers
    assert found[-1] is model.layers[1]
    for other in (found[:], [*found], copy.copy(found), found.copy(), list(found)):
        assert type(other) is list
        other.append(fn.Dense(2))
        assert len(other) == 3
    assert pickle.loads(pickle.dumps(FixedList([1, 2], "no"))) == [1, 2]


# --- Names of one's own ----------------------------------------------------------------------------------------------


def test_names_that_begin_with_an_underscore_are_free() -> None:
    model = compiled()
    for part in (model, model.layers[0], model.optimizer, model.loss, callbacks.EarlyStopping(), regularizers.L2()):
        part._mine = 5
        assert part._mine == 5
    assert copy.deepcopy(model)._mine == 5


def test_classes_of_ones_own_take_names_of_their_own() -> None:
    class Net(fn.Sequential):
        def __init__(self, width: int) -> None:
            super().__init__([fn.Dense(width, input_shape=(6,)), fn.Dense(3)], seed=0)
            self.width = width

    class Largest(metrics.Metric):
        def reset_state(self) -> None:
            self.largest = -np.inf

        def _update(self, true: Any, pred: Any, weight: Any, /) -> None:
            self.largest = max(self.largest, float(pred.max()))
            self.seen = len(pred)

        def result(self) -> float:
            return self.largest

    class Linear(schedules.LearningRateSchedule, abc.ABC):
        def __init__(self, first: float) -> None:
            self.first = first

        def __call__(self, step: Any) -> Any:
            return self.first / (np.asarray(step) + 1.0)

    class Losses(callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.models, self.losses = [self.model], []

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.losses.append(logs["loss"])

    net = Net(8)
    net.width = 9
    net.label_encoder = "mine"
    schedule, metric, callback = Linear(0.5), Largest(), Losses()
    schedule.first = 0.25
    assert schedule.get_config() == {"first": 0.25}
    net.compile(optimizers.SGD(schedule), "mse", metrics=[metric])
    net.fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    assert len(callback.losses) == 2
    assert metric.seen
    assert copy.deepcopy(net).label_encoder == "mine"
    with pytest.raises(AttributeError, match=r"Net\.dtype cannot change"):
        net.dtype = "float64"
    with pytest.raises(AttributeError, match=r"Net\.optimizer is what compile\(\) was told"):
        net.optimizer = "adam"


def test_a_method_can_be_replaced_for_a_test() -> None:
    model = compiled()
    with mock.patch.object(model, "predict", return_value=5):
        assert model.predict(X) == 5
    assert model.predict(X).shape == (64, 3)


def test_an_object_that_is_initialized_again_is_made_anew() -> None:
    layer = layers.Dropout(0.5)
    layer.__init__(0.25)  # type: ignore[misc]
    assert layer.rate == 0.25
    with pytest.raises(AttributeError, match="has no attribute"):
        layer.rat = 1


def test_signatures_and_documentation_of_classes_stay() -> None:
    import inspect

    assert list(inspect.signature(fn.Dense).parameters)[:2] == ["units", "activation"]
    assert list(inspect.signature(optimizers.Adam).parameters)[:2] == ["learning_rate", "beta_1"]
    assert list(inspect.signature(fn.Sequential).parameters)[:2] == ["layers", "seed"]
