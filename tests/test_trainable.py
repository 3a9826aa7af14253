"""What is frozen stays as it is, bit for bit, and the rest learns as if it were undone after every step."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from models_of_all_layers import MODELS, build
from whole_models import OPTIMIZERS, every_layer

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(48, 6)).astype("float32"), RNG.normal(size=(48, 3)).astype("float32")


def parts(model: fn.Sequential) -> list[layers.Layer]:
    """Return the layers with weights, those inside residual blocks instead of the blocks."""
    found: list[layers.Layer] = []
    for layer in model.layers:
        found += list(layer.layers) if isinstance(layer, layers.Residual) else [layer]
    return [layer for layer in found if layer.weights]


def changed(model: fn.Sequential, before: list[np.ndarray]) -> list[bool]:
    return [bool((old != new).any()) for old, new in zip(before, model.get_weights(), strict=True)]


def small(**arguments: Any) -> fn.Sequential:
    return fn.Sequential([fn.Dense(5, "tanh", input_shape=(6,)), fn.Dense(4, "relu"), fn.Dense(3)], seed=0, **arguments)


# --- What stays, and what learns -------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from([name for name in MODELS if "activation" not in name]),
    optimizer=st.sampled_from(OPTIMIZERS),
    seed=st.integers(0, 2**16),
)
def test_weights_that_are_frozen_stay_bit_for_bit_whatever_layer_and_optimizer(
    name: str, optimizer: Callable[[float], fn.optimizers.Optimizer], seed: int
) -> None:
    model = build(name)
    if len(model.output_shape or ()) != 1:
        return
    chosen = [layer for layer in parts(model) if np.random.default_rng([seed, len(layer.name)]).random() < 0.6]
    for layer in chosen:
        layer.trainable = False
    model.compile(optimizer(0.01), "mse")
    before = {id(layer): layer.get_weights() for layer in parts(model)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.fit(X[:, : model.input_shape[0]], RNG.normal(size=(48, model.output_shape[0])), epochs=2, verbose=0)
    for layer in parts(model):
        for old, new, weight in zip(before[id(layer)], layer.get_weights(), layer.weight_names, strict=True):
            if not layer.trainable or weight in ("mean", "variance"):
                assert_array_equal(old, new, f"{weight} of {layer.name}")


def undone(model: fn.Sequential, frozen: list[int], steps: int, batch: Callable[[int], tuple[Any, Any]]) -> None:
    """Train, and put back after every step what is to be frozen."""
    kept = [model.get_weights()[index] for index in frozen]
    for step in range(steps):
        model.train_on_batch(*batch(step))
        weights = model.get_weights()
        for index, array in zip(frozen, kept, strict=True):
            weights[index] = array
        model.set_weights(weights)


@pytest.mark.parametrize("number", range(len(OPTIMIZERS)))
@pytest.mark.parametrize("chosen", ["first", "middle", "last", "two"])
def test_the_others_learn_as_if_what_is_frozen_were_undone_after_every_step(chosen: str, number: int) -> None:
    def made() -> fn.Sequential:
        model = fn.Sequential(
            [
                fn.Dense(7, "tanh", input_shape=(6,)),
                layers.Residual([fn.LayerNormalization(), fn.Dense(7, "gelu", name="inner"), layers.PReLU()]),
                fn.Dense(3),
            ],
            seed=1,
        )
        optimizer = OPTIMIZERS[number](0.01)
        if optimizer.global_clipnorm:  # which depends on what is frozen
            optimizer = fn.optimizers.AdamW(0.01, use_ema=True)
        model.compile(optimizer, "mse", metrics=["mae"])
        return model

    names = {"first": ["dense"], "middle": ["inner"], "last": ["dense_1"], "two": ["layer_normalization", "dense_1"]}
    model, other = made(), made()
    for layer in parts(model):
        layer.trainable = layer.name not in names[chosen]
    frozen = [index for index, trained in enumerate(model._trained()) if not trained]
    assert frozen
    undone(other, frozen, 6, lambda step: (X[step : step + 9], Y[step : step + 9]))
    for step in range(6):
        model.train_on_batch(X[step : step + 9], Y[step : step + 9])
    for now, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(now, expected)


# Rows, widths and what makes a step take another way through the core.
WAYS = {
    "few rows": (32, 6, 16, {}),
    "large kernels, layer by layer": (32, 20, 700, {}),
    "many inputs that are gathered, by stretches": (64, 3000, 64, {}),
    "many rows, in parts": (4200, 6, 16, {}),
    "hooks": (32, 6, 16, {"metrics": ["mae"]}),
    "clipped by norm": (32, 6, 16, {"optimizer": lambda: fn.optimizers.Adam(0.01, clipnorm=0.01)}),
    "clipped by norm, many rows": (4200, 6, 16, {"optimizer": lambda: fn.optimizers.SGD(0.1, clipnorm=0.01)}),
    "accumulated": (32, 6, 16, {"optimizer": lambda: fn.optimizers.Adam(0.01, gradient_accumulation_steps=2)}),
}


@pytest.mark.parametrize("chosen", [(0,), (1,), (0, 1), (2,), (0, 2)], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_a_step_gives_the_same_bits_on_any_number_of_threads(way: str, chosen: tuple[int, ...]) -> None:
    rows, inputs, units, arguments = WAYS[way]
    x = np.random.default_rng(1).normal(size=(rows, inputs)).astype("float32")
    if "gathered" in way:
        x = x.astype("float64")
    y = np.eye(3, dtype="float32")[np.arange(rows) % 3]

    def made() -> fn.Sequential:
        model = fn.Sequential(
            [fn.Dense(units, "relu", input_shape=(inputs,)), fn.Dense(units, "tanh"), fn.Dense(3, "softmax")], seed=2
        )
        optimizer = arguments.get("optimizer", lambda: fn.optimizers.Adam(0.01))()
        model.compile(optimizer, "categorical_crossentropy", metrics=arguments.get("metrics", []))
        return model

    other = made()
    undone(other, [2 * layer + one for layer in chosen for one in (0, 1)], 3, lambda _: (x, y))
    threads = fn.get_num_threads()
    try:
        for n in (1, 2, 3):
            fn.set_num_threads(n)
            model = made()
            for index in chosen:
                model.layers[index].trainable = False
            for _ in range(3):
                model.train_on_batch(x, y)
            for now, expected in zip(model.get_weights(), other.get_weights(), strict=True):
                assert_array_equal(now, expected)
    finally:
        fn.set_num_threads(threads)


def test_moments_of_what_is_frozen_stay_and_go_on_where_they_are() -> None:
    model = small()
    model.compile(fn.optimizers.Adam(0.01), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    network = model._network
    assert network is not None
    steps, before = network.get_optimizer_state()
    model.layers[1].trainable = False
    model.fit(X, Y, epochs=2, verbose=0)
    later, after = network.get_optimizer_state()
    assert later == 2 * steps == model.optimizer.iterations
    slots = model._weights.slots
    size = sum(slot.size for slot in slots)
    for moment in (0, size):
        for index, slot in enumerate(slots):
            where = slice(moment + slot.offset, moment + slot.offset + slot.size)
            assert (before[where] == after[where]).all() == (index in (2, 3))
    model.layers[1].trainable = True
    held = model.get_weights()[2]
    model.train_on_batch(X, Y)
    assert (model.get_weights()[2] != held).any()


def test_the_norm_of_all_gradients_is_that_of_the_gradients_that_are_trained() -> None:
    model = small(dtype="float64")
    model.layers[0].trainable = model.layers[2].trainable = False
    model.compile(fn.optimizers.SGD(1.0, global_clipnorm=1e-3), "mse")
    before = model.get_weights()
    model.train_on_batch(X, Y)
    moved = [new - old for new, old in zip(model.get_weights(), before, strict=True)]
    assert_allclose(np.sqrt(sum(np.sum(one**2) for one in moved)), 1e-3)
    assert_allclose(np.sqrt(sum(np.sum(moved[index] ** 2) for index in (2, 3))), 1e-3)


def test_penalties_of_what_is_frozen_are_no_part_of_the_loss() -> None:
    model = fn.Sequential([fn.Dense(4, kernel_regularizer="l2", input_shape=(6,)), fn.Dense(3)], seed=0)
    model.compile("sgd", "mse")
    penalized = model.evaluate(X, Y, verbose=0)
    model.layers[0].trainable = False
    plain = model.evaluate(X, Y, verbose=0)
    penalty = 0.01 * np.square(model.get_weights()[0]).sum()
    assert_allclose(penalized - plain, penalty, rtol=1e-5)
    assert_allclose(model.train_on_batch(X, Y), plain, rtol=1e-6)
    model.layers[0].trainable = True
    assert model.evaluate(X, Y, verbose=0) > plain


def test_a_moving_average_of_weights_that_were_frozen_is_that_of_what_they_were() -> None:
    model = small()
    model.layers[0].trainable = False
    model.compile(fn.optimizers.SGD(1e-3, use_ema=True, ema_momentum=0.9), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    kernel = model.get_weights()[0]
    model.layers[0].trainable = True
    model.fit(X, Y, epochs=1, verbose=0)
    assert_allclose(model.get_weights()[0], kernel, atol=0.01)
    assert (model.get_weights()[0] != kernel).any()


# --- Batch normalization ---------------------------------------------------------------------------------------------


def normalized(dtype: str = "float64") -> fn.Sequential:
    model = fn.Sequential(
        [
            fn.Dense(5, input_shape=(6,)),
            layers.BatchNormalization(momentum=0.7, name="norm"),
            fn.ReLU(),
            layers.Residual([layers.BatchNormalization(name="inner"), fn.Dense(5)]),
            fn.Dense(3),
        ],
        seed=3,
        dtype=dtype,
    )
    rng = np.random.default_rng(4)
    model.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in model.get_weights()])
    return model


def test_a_frozen_batch_normalization_takes_its_moving_averages_in_training_too() -> None:
    model = normalized()
    for layer in parts(model):
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    model.compile(fn.optimizers.SGD(0.01), "mse")
    expected = model.evaluate(X, Y, verbose=0)
    loss, gradients = model.loss_and_gradients(X, Y)
    assert_allclose(loss, expected, rtol=1e-12)
    before = model.get_weights()
    trained = [index for index, one in enumerate(model._trained()) if one]
    assert len(gradients) == len(trained) == 6
    for index, gradient in zip(trained, gradients, strict=True):
        place = (0,) * gradient.ndim
        sides = []
        for step in (1e-6, -1e-6):
            weights = [array.copy() for array in before]
            weights[index][place] += step
            model.set_weights(weights)
            sides.append(model.evaluate(X, Y, verbose=0))
        assert_allclose((sides[0] - sides[1]) / 2e-6, gradient[place], rtol=1e-5, atol=1e-8)
    model.set_weights(before)
    model.train_on_batch(X, Y)
    assert [index for index, one in enumerate(changed(model, before)) if one] == trained


def test_one_batch_normalization_may_be_frozen_beside_another() -> None:
    model = normalized("float32")
    model.layers[1].trainable = False
    model.compile("adam", "mse")
    before = [layer.get_weights() for layer in parts(model)]
    model.fit(X, Y, epochs=20, verbose=0)
    for layer, arrays in zip(parts(model), before, strict=True):
        for old, new in zip(arrays, layer.weights, strict=True):
            assert (old == new).all() == (layer.name == "norm")


def test_a_frozen_batch_normalization_trains_alike_on_any_number_of_threads_and_in_parts() -> None:
    x = np.random.default_rng(5).normal(size=(4500, 6)).astype("float32")
    y = np.random.default_rng(6).normal(size=(4500, 3)).astype("float32")
    results = []
    threads = fn.get_num_threads()
    try:
        for n in (1, 2, 3):
            fn.set_num_threads(n)
            model = normalized("float32")
            model.layers[1].trainable = model.layers[3].layers[0].trainable = False
            model.compile("sgd", "mse")
            model.fit(x, y, batch_size=4500, epochs=2, verbose=0)
            results.append(np.concatenate([array.ravel() for array in model.get_weights()]))
    finally:
        fn.set_num_threads(threads)
    assert_array_equal(results[0], results[1])
    assert_array_equal(results[0], results[2])


# --- Setting it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before build", "before compile", "after compile", "after fit", "argument"])
def test_a_layer_can_be_frozen_at_any_time(when: str) -> None:
    first = fn.Dense(4, trainable=when != "argument")
    model = fn.Sequential([first, fn.Dense(3)], seed=0)
    if when == "before build":
        first.trainable = False
    model.build((6,))
    if when == "before compile":
        first.trainable = False
    model.compile("adam", "mse")
    if when == "after fit":
        model.fit(X, Y, epochs=1, verbose=0)
    if when.startswith("after"):
        model.layers[0].trainable = False
    before = model.get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    assert changed(model, before) == [False, False, True, True]
    assert first.trainable is False


def test_every_layer_takes_the_argument() -> None:
    for layer in every_layer():
        made = type(layer).from_config({**layer.get_config(), "trainable": False})
        assert made.trainable is False
        assert made.get_config()["trainable"] is False
        assert "trainable" not in type(layer).from_config(layer.get_config()).get_config()


def test_a_callback_can_unfreeze_between_epochs_and_between_batches() -> None:
    for hook, moment in (("on_epoch_begin", 1), ("on_train_batch_begin", 1)):
        model = small()
        model.layers[0].trainable = False
        kernels: list[np.ndarray] = []

        def switch(
            number: int, logs: Any, model: fn.Sequential = model, kernels: Any = kernels, at: int = moment
        ) -> None:
            kernels.append(model.get_weights()[0])
            if number == at:
                model.layers[0].trainable = True

        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=[fn.callbacks.LambdaCallback(**{hook: switch})])
        same = [bool((kernel == kernels[0]).all()) for kernel in [*kernels, model.get_weights()[0]]]
        assert same == [True] * 2 + [False] * (len(same) - 2)


def test_a_model_sets_all_its_layers_and_holds_them_frozen() -> None:
    model = small()
    model.trainable = False
    assert [layer.trainable for layer in model.layers] == [False] * 3
    assert model.trainable_weights == []
    assert len(model.non_trainable_weights) == 6
    model.layers[2].trainable = True  # not enough, as in Keras
    assert model.trainable_weights == []
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.warns(UserWarning, match="not have any trainable weights: its own trainable is False.*'dense_2'"):
        model.fit(X, Y, verbose=0)
    assert changed(model, before) == [False] * 6
    model.trainable = True
    assert [layer.trainable for layer in model.layers] == [True] * 3
    model.layers[0].trainable = False
    model.fit(X, Y, verbose=0)
    assert changed(model, before) == [False, False, True, True, True, True]


def test_a_model_can_be_made_frozen() -> None:
    model = small(trainable=False)
    assert model.trainable is False
    assert not any(layer.trainable for layer in model.layers)


def test_a_block_sets_its_layers_and_holds_them_frozen() -> None:
    block = layers.Residual([fn.Dense(6, name="a"), fn.Dense(6, name="b")], input_shape=(6,))
    model = fn.Sequential([block, fn.Dense(3)], seed=0)
    model.compile("sgd", "mse")
    block.trainable = False
    assert [layer.trainable for layer in block.layers] == [False, False]
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert changed(model, before) == [False] * 4 + [True] * 2
    block.layers[1].trainable = True
    with pytest.warns(UserWarning, match=r"'residual.1.b' is not trained, though .*: that of 'residual' is False"):
        model.fit(X, Y, verbose=0)
    assert changed(model, before) == [False] * 4 + [True] * 2
    block.trainable = True
    block.layers[0].trainable = False
    model.fit(X, Y, verbose=0)
    assert changed(model, before) == [False] * 2 + [True] * 4
    assert block.trainable_names == ["1.b.kernel", "1.b.bias"]
    assert not any(layer.trainable for layer in layers.Residual([fn.Dense(6)], trainable=False).layers)


@pytest.mark.parametrize("value", ["False", None, 2, 0.0, []], ids=repr)
def test_what_is_neither_true_nor_false_is_refused(value: Any) -> None:
    model = small()
    for part in (model, model.layers[0], layers.Residual([fn.Dense(6)])):
        with pytest.raises(TypeError, match="trainable must be True or False; got"):
            part.trainable = value
        assert part.trainable is True
    with pytest.raises(TypeError, match="trainable must be True or False; got"):
        fn.Dense(3, trainable=value)


def test_numpy_and_numbers_may_say_true_and_false() -> None:
    layer = fn.Dense(3)
    for value, expected in ((np.False_, False), (1, True), (0, False), (np.True_, True)):
        layer.trainable = value
        assert layer.trainable is expected


def test_a_model_with_nothing_to_train_warns_and_its_weights_stay() -> None:
    model = normalized("float32")
    model.trainable = False
    model.compile("adam", "mse")
    before = model.get_weights()
    with pytest.warns(UserWarning, match=r"^The model does not have any trainable weights\.$"):
        history = model.fit(X, Y, epochs=2, verbose=0)
    assert history.history["loss"] == [history.history["loss"][0]] * 2
    assert_allclose(history.history["loss"][0], model.evaluate(X, Y, verbose=0), rtol=1e-5)
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        model.train_on_batch(X, Y)
    assert changed(model, before) == [False] * len(before)
    assert model.loss_and_gradients(X, Y)[1] == []
    assert model.gradients(X, Y) == {}


# --- What is told ----------------------------------------------------------------------------------------------------


def test_the_weights_of_a_layer_and_of_a_model_are_told_apart() -> None:
    model = normalized()
    norm = model.layers[1]
    assert [len(norm.weights), len(norm.trainable_weights), len(norm.non_trainable_weights)] == [4, 2, 2]
    assert [len(model.weights), len(model.trainable_weights), len(model.non_trainable_weights)] == [14, 10, 4]
    norm.trainable = False
    assert [len(norm.trainable_weights), len(norm.non_trainable_weights)] == [0, 4]
    assert [len(model.trainable_weights), len(model.non_trainable_weights)] == [8, 6]
    assert len(model.trainable_variables) == 8
    for array, other in zip(model.weights, model.get_weights(), strict=True):
        assert_array_equal(array, other)
    model.compile("sgd", "mse")
    assert [one.shape for one in model.loss_and_gradients(X, Y)[1]] == [one.shape for one in model.trainable_weights]
    assert list(model.gradients(X, Y)) == ["dense", "residual", "dense_1"]
    assert fn.Dense(3).weights == fn.Dense(3).trainable_weights == []
    assert fn.Sequential([fn.Dense(3)]).weights == []


def test_the_summary_counts_and_shows_what_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    model = small()
    model.layers[0].trainable = False
    model.summary(show_trainable=True)
    out = capsys.readouterr().out
    assert "Trainable params: 39 (156.00 B)" in out
    assert "Non-trainable params: 35 (140.00 B)" in out
    rows = [line.split() for line in out.splitlines() if "(Dense)" in line]
    assert [row[-1] for row in rows] == ["No", "Yes", "Yes"]
    model.summary()
    assert "Yes" not in capsys.readouterr().out
    model.trainable = False
    model.layers[1].trainable = True
    model.summary()
    assert "Trainable params: 0 (0.00 B)" in capsys.readouterr().out


def test_the_doctor_finds_nothing_in_a_frozen_model() -> None:
    x, y = fn.datasets.digits.load_data()
    model = fn.Sequential(
        [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(512, "relu"), fn.Dense(10, "softmax")], seed=0
    )
    model.compile(fn.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    model.layers[1].trainable = False
    assert [one.code for one in fn.doctor(model, x, y) if one.severity != "note"] == []
    model.trainable = False
    assert [one.code for one in fn.doctor(model, x, y) if one.severity != "note"] == []


def test_the_doctor_judges_the_learning_rate_by_what_is_trained() -> None:
    x, y = fn.datasets.digits.load_data()
    model = fn.Sequential([fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(10, "softmax")], seed=0)
    big = fn.Sequential(
        [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(64, "relu", trainable=False), fn.Dense(10, "softmax")],
        seed=0,
    )
    big.layers[1].set_weights([1e4 * np.eye(64), np.zeros(64)])
    big.layers[2].set_weights([array * 1e-4 for array in big.layers[2].get_weights()])
    for one in (model, big):
        one.compile(fn.optimizers.SGD(1e-9 if one is big else 0.1), "sparse_categorical_crossentropy")
    assert "FN405" not in fn.doctor(model, x, y).codes
    assert "FN405" not in fn.doctor(big, x, y).codes  # its steps are large for the weights that take them
