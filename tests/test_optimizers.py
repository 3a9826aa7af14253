"""Optimizers by name, as objects and as configurations; their steps are tested in whole training runs."""

from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet import _core, optimizers
from fastnet.optimizers import SGD, Adam, RMSprop


@pytest.mark.parametrize(
    ("cls", "defaults"),
    [
        (SGD, {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False, "dampening": 0.0, "weight_decay": 0.0}),
        (RMSprop, {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7}),
        (Adam, {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
    ],
)
def test_defaults_are_those_of_keras(cls: Any, defaults: dict[str, Any]) -> None:
    config = cls().get_config()
    assert config.pop("name") == cls.__name__.lower()
    assert config == defaults


@pytest.mark.parametrize("cls", [SGD, RMSprop, Adam])
@pytest.mark.parametrize("network", [_core.Network32, _core.Network64])
def test_the_core_takes_the_hyperparameters(cls: Any, network: Any) -> None:
    optimizer = cls()
    assert optimizer.core_name in _core.optimizer_names()
    network(3, []).compile("mse", "", optimizer.core_name, optimizer.hyperparameters)
    assert all(isinstance(value, float) for value in optimizer.hyperparameters.values())


@pytest.mark.parametrize(
    "optimizer", [SGD(0.5, 0.9, True, dampening=0.1, weight_decay=1e-4, name="mine"), RMSprop(rho=0.5), Adam(0.1, 0.8)]
)
def test_a_configuration_makes_an_equal_optimizer(optimizer: optimizers.Optimizer) -> None:
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


def test_name_class_and_object_stand_for_an_optimizer() -> None:
    adam = Adam()
    assert optimizers.get(adam) is adam
    for identifier in ("adam", "Adam", Adam):
        assert isinstance(optimizers.get(identifier), Adam)


def test_the_learning_rate_can_change_and_nothing_else() -> None:
    optimizer = SGD(0.1, momentum=0.9)
    optimizer.learning_rate = np.float32(0.5)
    assert optimizer.hyperparameters["learning_rate"] == 0.5
    with pytest.raises(AttributeError, match="momentum of SGD is fixed; only learning_rate can change"):
        optimizer.momentum = 0.5
    with pytest.raises(ValueError, match="learning_rate must be at least 0; got -1"):
        optimizer.learning_rate = -1.0
    assert optimizer.get_config()["learning_rate"] == 0.5


def test_no_weight_decay_may_be_written_as_in_keras() -> None:
    assert SGD(weight_decay=None).weight_decay == 0.0
    Adam(weight_decay=None, amsgrad=False, clipnorm=None, use_ema=False, ema_momentum=0.99)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(loss_scale_factor=2.0),
        lambda: SGD(lambda step: 0.1),
        lambda: optimizers.get("lamb"),
        lambda: optimizers.get("Adafactor"),
    ],
)
def test_what_only_keras_has_is_refused(make: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"^fastnet: .*; use Keras for this$"):
        make()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(-0.1), ValueError, "learning_rate must be at least 0; got -0.1"),
        (lambda: SGD(float("nan")), ValueError, "learning_rate must be at least 0; got nan"),
        (lambda: SGD("fast"), TypeError, r"learning_rate must be a number; got 'fast' \(str\)"),
        (lambda: SGD(momentum=2.0), ValueError, "momentum must be at least 0 and at most 1; got 2"),
        (lambda: SGD(dampening=1.5), ValueError, "dampening must be at least 0 and at most 1; got 1.5"),
        (lambda: SGD(nesterov=1), TypeError, r"nesterov must be True or False; got 1 \(int\)"),
        (lambda: Adam(beta_2=1.0), ValueError, "beta_2 must be at least 0 and below 1; got 1"),
        (lambda: Adam(lr=0.1), TypeError, r"Adam\(\) got an unexpected keyword argument 'lr'"),
        (lambda: optimizers.get("sgdm"), ValueError, r"optimizer must be one of .*'sgd'.*; got 'sgdm'"),
        (lambda: optimizers.get(0.1), TypeError, r"optimizer must be a name.*; got 0.1 \(float\)"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("optimizer", [Adam(0.5), RMSprop(0.5)], ids=["adam", "rmsprop"])
def test_adaptive_steps_are_exact_to_a_few_ulp_for_gradients_of_any_size(optimizer: optimizers.Optimizer) -> None:
    gradients = np.concatenate([np.logspace(-14, 14, 999), -np.logspace(-14, 14, 999), [0.0]]).astype(np.float32)
    model = fn.Sequential([fn.Dense(gradients.size, use_bias=False, input_shape=(1,))])
    model.compile(optimizer, loss="mse")
    model.set_weights([np.zeros((1, gradients.size))])
    targets = -gradients[None] * (gradients.size / 2)  # the gradient of the mean of (0 - t)^2 is -2 t / n
    _, (computed,) = model.loss_and_gradients([[1.0]], targets)
    g = computed[0].astype(np.float64)
    model.train_on_batch([[1.0]], targets)
    if isinstance(optimizer, Adam):  # after one step m = 0.1 g and v = 0.001 g^2
        expected = -0.5 * np.sqrt(1 - 0.999) / (1 - 0.9) * 0.1 * g / (np.sqrt(0.001 * g * g) + 1e-7)
    else:  # v = 0.1 g^2
        expected = -0.5 * g / np.sqrt(0.1 * g * g + 1e-7)
    np.testing.assert_allclose(model.get_weights()[0][0], expected, rtol=8 * np.finfo(np.float32).eps, atol=0)


# ---- Weight decay ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.AdamW(0.1, weight_decay=0.5),
        lambda: optimizers.Adam(0.1, weight_decay=0.5, clipnorm=1.0),
        lambda: optimizers.SGD(0.1, weight_decay=0.5),
        lambda: optimizers.SGD(0.1, 0.9, weight_decay=0.5, gradient_accumulation_steps=2),
        lambda: optimizers.RMSprop(0.1, weight_decay=0.5, use_ema=True),
        lambda: optimizers.Muon(0.1, weight_decay=0.5),
    ],
    ids=["adamw", "clipped", "sgd", "accumulated", "averaged", "muon"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_that_are_excluded_move_as_without_decay(dtype: str, make: Any) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3))
    moved = {}
    for kind in ("all", "none", "bias"):
        optimizer = make()
        config = optimizer.get_config()
        if kind == "none":
            optimizer = type(optimizer).from_config({**config, "weight_decay": 0.0})
        elif kind == "bias":
            optimizer.exclude_from_weight_decay(var_names=["bias$"])
            assert optimizer.get_config()["excluded_from_weight_decay"] == ["bias$"]
            optimizer = type(optimizer).from_config(optimizer.get_config())
        layers = [fn.Dense(4, "tanh", bias_initializer="ones", input_shape=(3,)), fn.Dense(3, bias_initializer="ones")]
        model = fn.Sequential(layers, seed=0, dtype=dtype)
        model.compile(optimizer, "mse")
        for _ in range(2):  # later steps would mix the weights
            model.train_on_batch(x, y)
            if optimizer.options.gradient_accumulation_steps is None:
                break
        moved[kind] = model.get_weights()
    for index, (all_decay, none, some) in enumerate(zip(*moved.values(), strict=True)):
        expected, other = (none, all_decay) if index % 2 else (all_decay, none)
        assert np.array_equal(some, expected)
        assert not np.allclose(some, other)


def test_excluding_comes_before_compiling_and_names_weights() -> None:
    optimizer = optimizers.AdamW()
    with pytest.raises(NotImplementedError, match="give var_names"):
        optimizer.exclude_from_weight_decay(var_list=["bias"])
    with pytest.raises(ValueError, match="at least one regular expression"):
        optimizer.exclude_from_weight_decay()
    with pytest.raises(TypeError, match="var_names must be a list of regular expressions; got 'bias'"):
        optimizer.exclude_from_weight_decay(var_names="bias")
    with pytest.raises(ValueError, match=r"'\(' is none"):
        optimizer.exclude_from_weight_decay(var_names=["("])
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.exclude_from_weight_decay(var_names=["gamma"])
    assert optimizer.excluded_from_weight_decay == ("bias", "gamma")
    model = fn.Sequential([fn.Dense(1, input_shape=(2,))])
    model.compile(optimizer, "mse")
    model.train_on_batch(np.ones((1, 2)), np.ones(1))
    with pytest.raises(ValueError, match="before the model is compiled"):
        optimizer.exclude_from_weight_decay(var_names=["beta"])


def undecayed(patterns: list[str], model: fn.Sequential) -> list[int]:
    """Return which weights do not move under a decay without gradients."""
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=patterns)
    model.compile(optimizer, "mse")
    before = model.get_weights()
    x = np.zeros((1, 4))
    model.train_on_batch(x, model.predict(x), sample_weight=np.zeros(1))
    return [
        i for i, (now, then) in enumerate(zip(model.get_weights(), before, strict=True)) if np.array_equal(now, then)
    ]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["^bias$"], [1, 3, 5, 7]),
        (["layer", "of", "'"], []),
        (["^inner$"], [0, 1]),
        (["^base$"], [0, 1, 2, 3]),
        (["^block/.*kernel$"], [4]),
        (["^dense/bias$"], [7]),
    ],
)
def test_weights_in_models_and_blocks_are_excluded_by_names_and_paths(patterns: list[str], expected: list[int]) -> None:
    def dense(name: str | None = None) -> fn.Dense:
        return fn.Dense(4, bias_initializer="ones", name=name)

    base = fn.Sequential([dense("inner"), dense("other")], name="base")
    model = fn.Sequential([fn.Input((4,)), base, fn.layers.Residual([dense("last")], name="block"), dense()], seed=0)
    assert undecayed(patterns, model) == expected
