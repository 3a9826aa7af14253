"""Every loss: its values and gradients against Keras's, its gradient against its own slopes, training with it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from cases import THREADS
from fastnet import losses
from record_losses import DATA

RECORDED = json.loads((Path(__file__).parent / "data" / "losses.json").read_text(encoding="utf-8"))["losses"]
CLASSES = {name for name in losses.__all__ if name[0].isupper()} - {"Loss", "CustomLoss", "Circle"}
CASES = [
    *RECORDED,
    {"name": "Quantile", "arguments": {"quantile": 0.25}, "data": "numbers"},
    {"name": "SparseCategoricalCrossentropy", "arguments": {"from_logits": True}, "data": "class logits"},
    {"name": "SparseCategoricalCrossentropy", "arguments": {}, "data": "classes"},
]
IDS = [f"{case['name']}-{'-'.join(case['arguments'])}" for case in CASES]
STEP = 1e-6


def made(case: dict[str, Any], **more: Any) -> losses.Loss:
    loss: losses.Loss = getattr(losses, case["name"])(**case["arguments"], **more)
    return loss


@pytest.mark.parametrize("entry", RECORDED, ids=IDS[: len(RECORDED)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_are_those_of_keras(dtype: Any, entry: dict[str, Any]) -> None:
    y, p = (array.astype(dtype) for array in DATA[entry["data"]])
    # Keras computes several of them in single precision, whatever it is told.
    tolerance = 2e-5 if dtype == np.float32 else 1e-6
    assert_allclose(made(entry).sample_losses(y, p), entry["losses"], rtol=tolerance, atol=tolerance)
    gradient = made(entry).gradient(y, p) * len(p)
    scale = np.abs(entry["gradient"]).max()
    assert_allclose(gradient, entry["gradient"], rtol=tolerance, atol=tolerance * scale)


def test_every_loss_is_tested() -> None:
    assert {case["name"] for case in CASES} == CLASSES


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradients_are_the_slopes_of_the_values(case: dict[str, Any]) -> None:
    y, p = DATA[case["data"]]
    loss = made(case)
    gradient = loss.gradient(y, p)
    slopes = np.empty_like(p)
    for index in np.ndindex(p.shape):
        moved = [p.copy(), p.copy()]
        moved[0][index] += STEP
        moved[1][index] -= STEP
        slopes[index] = (loss(y, moved[0]) - loss(y, moved[1])) / (2 * STEP)
    assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("last", ["linear", "sigmoid", "softmax", "tanh", "gelu"])
def test_a_model_has_the_true_gradient_whatever_its_last_activation(case: dict[str, Any], last: str) -> None:
    y, _ = DATA[case["data"]]
    if case["arguments"].get("from_logits") and last != "linear":
        return
    rng = np.random.default_rng(3)
    model = fn.Sequential([fn.Dense(y.shape[1], last, input_shape=(3,))], dtype="float64", seed=0)
    model.compile("sgd", made(case))
    kernel, bias = rng.normal(size=(3, y.shape[1])), rng.uniform(1.0, 2.0, size=y.shape[1])
    model.set_weights([kernel, bias])
    x, weight = rng.normal(size=(len(y), 3)) / 4, rng.uniform(0.5, 2.0, len(y))
    value, (by_kernel, _) = model.loss_and_gradients(x, y, weight)
    assert value == pytest.approx(made(case)(y, model.predict(x), weight), rel=1e-6)
    assert value == pytest.approx(model.evaluate(x, y, sample_weight=weight, verbose=0), rel=1e-12)
    slopes = np.empty_like(kernel)
    for index in np.ndindex(kernel.shape):
        losses_ = []
        for step in (STEP, -STEP):
            moved = kernel.copy()
            moved[index] += step
            model.set_weights([moved, bias])
            losses_.append(model.evaluate(x, y, sample_weight=weight, verbose=0))
        slopes[index] = (losses_[0] - losses_[1]) / (2 * STEP)
    assert_allclose(by_kernel, slopes, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(slopes).max()))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reductions_are_those_of_keras(case: dict[str, Any]) -> None:
    y, p = DATA[case["data"]]
    each, weight = made(case).sample_losses(y, p), np.arange(1.0, len(p) + 1)
    assert made(case)(y, p, weight) == pytest.approx((each * weight).sum() / len(p))
    assert made(case, reduction="sum")(y, p, weight) == pytest.approx((each * weight).sum())
    assert made(case, reduction="mean_with_sample_weight")(y, p, weight) == pytest.approx(
        np.average(each, weights=weight)
    )
    assert_allclose(made(case, reduction="none")(y, p, weight), each * weight)
    assert_allclose(made(case, reduction=None)(y, p), each)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_files_keep_the_loss(case: dict[str, Any], tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(4, input_shape=(3,))])
    model.compile("sgd", made(case))
    model.save(tmp_path / "m.safetensors")
    again = fn.load_model(tmp_path / "m.safetensors")
    assert again.loss is not None
    assert (type(again.loss), again.loss.get_config()) == (type(made(case)), made(case).get_config())


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.usefixtures("teams_of_any_size")
def test_training_is_the_same_on_any_number_of_threads(case: dict[str, Any]) -> None:
    y, _ = DATA[case["data"]]
    x = np.random.default_rng(0).normal(size=(len(y) * 60, 20)).astype("f4")
    results = []
    for threads in THREADS[:4]:
        fn.set_num_threads(threads)
        last = "linear" if case["arguments"].get("from_logits") else "sigmoid"
        model = fn.Sequential([fn.Dense(70, "tanh", input_shape=(20,)), fn.Dense(4, last)], seed=0)
        model.compile("adam", made(case))
        model.fit(x, np.tile(y, (60, 1)), batch_size=100, epochs=2, verbose=0)
        results.append(model.get_weights())
    for weights in results[1:]:
        for one, other in zip(weights, results[0], strict=True):
            assert_array_equal(one, other)


# --- Logits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "loss", "last"), [(3, "CategoricalCrossentropy", "softmax"), (1, "BinaryCrossentropy", "sigmoid")])  # fmt: skip
def test_logits_train_as_probabilities_do_and_are_predicted(units: int, loss: str, last: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 4)), np.arange(90) % max(units, 2)
    with_logits = fn.Sequential([fn.Dense(units, input_shape=(4,))], seed=0, dtype="float64")
    with_last = fn.Sequential([fn.Dense(units, last, input_shape=(4,))], seed=0, dtype="float64")
    seen = []

    def range_of(y_true: Any, y_pred: Any) -> float:
        seen.append((y_pred.min(), y_pred.max()))
        return 0.0

    with_logits.compile("adam", getattr(losses, loss)(from_logits=True), metrics=["accuracy", range_of])
    with_last.compile("adam", getattr(losses, loss)(), metrics=["accuracy"])
    histories = [model.fit(x, y, epochs=5, verbose=0, batch_size=16).history for model in (with_logits, with_last)]
    for name in ("loss", "accuracy"):
        assert_allclose(histories[0][name], histories[1][name], rtol=1e-12)
    for one, other in zip(with_logits.get_weights(), with_last.get_weights(), strict=True):
        assert_allclose(one, other, rtol=1e-9)
    activate = fn.softmax if units > 1 else fn.sigmoid
    assert_allclose(activate(with_logits.predict(x)), with_last.predict(x), rtol=1e-9)
    assert min(low for low, _ in seen) < 0.0  # metrics see logits, too


def test_large_logits_have_exact_losses() -> None:
    loss = losses.CategoricalCrossentropy(from_logits=True)
    assert loss([[0.0, 1.0]], [[1e4, -1e4]]) == 2e4
    assert losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[-1e4]]) == 1e4


# --- What they are for -----------------------------------------------------------------------------------------------


def minimum_of(loss: Any, y: np.ndarray, last: str = "linear") -> np.ndarray:
    """Return the constant that a model with a bias alone learns."""
    model = fn.Sequential([fn.Dense(y.shape[1], last, input_shape=(1,))], dtype="float64", seed=0)
    model.compile(fn.optimizers.Adam(fn.schedules.ExponentialDecay(0.1, 100, 0.7)), loss)
    model.fit(np.zeros((len(y), 1)), y, batch_size=len(y), epochs=2500, verbose=0)
    return np.asarray(model.predict(np.zeros((1, 1)))[0])


def test_losses_have_the_minima_that_they_are_known_for() -> None:
    y = np.random.default_rng(0).exponential(size=(501, 1))
    assert_allclose(minimum_of("mse", y), y.mean(), rtol=1e-3)
    assert_allclose(minimum_of("mae", y), np.median(y), rtol=2e-2)
    assert_allclose(minimum_of(losses.Quantile(0.9), y), np.quantile(y, 0.9), rtol=2e-2)
    assert_allclose(minimum_of("poisson", np.round(y), "exponential"), np.round(y).mean(), rtol=1e-3)
    assert_allclose(minimum_of("binary_crossentropy", (y > 1).astype(float), "sigmoid"), (y > 1).mean(), rtol=1e-3)
    several = np.concatenate([y, 2 * y], axis=1)
    assert_allclose(minimum_of("mse", several), several.mean(axis=0), rtol=1e-3)


# --- Losses in Python ------------------------------------------------------------------------------------------------


def squared(y_true: Any, y_pred: Any) -> tuple[float, Any]:
    error = y_pred - y_true
    return float(np.mean(error**2)), 2.0 * error / error.size


@pytest.mark.parametrize("rows", [50, 5000], ids=["few", "many"])
@pytest.mark.parametrize("last", ["linear", "softmax", "gelu"])
def test_a_loss_in_python_trains_as_the_one_of_the_core(last: str, rows: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 6)), rng.normal(size=(rows, 3))
    models = []
    for loss in (squared, "mse"):
        layers = [fn.Dense(8, "tanh", input_shape=(6,)), fn.layers.Dropout(0.2), fn.Dense(3, last)]
        model = fn.Sequential(layers, seed=0, dtype="float64")
        model.compile("adam", loss, metrics=["mae"])
        model.fit(x, y, batch_size=rows // 2, epochs=3, validation_data=(x[:20], y[:20]), verbose=0)
        models.append(model)
    first, second = (model.history.history for model in models if model.history is not None)
    for name in ("loss", "mae", "val_loss", "val_mae"):
        assert_allclose(first[name], second[name], rtol=1e-9)
    for one, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        assert_allclose(one, other, rtol=1e-7, atol=1e-10)
    assert_allclose(models[0].loss_and_gradients(x, y)[0], models[1].loss_and_gradients(x, y)[0], rtol=1e-7)


def weighted_squared(y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[float, Any]:
    error = y_pred - y_true
    weight = np.ones((len(error), 1)) if sample_weight is None else sample_weight[:, None]
    return float(np.mean(weight * error**2)), 2.0 * weight * error / error.size


def test_a_loss_in_python_gets_the_weights_of_samples_and_classes() -> None:
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(50, 6)), rng.normal(size=(50, 3)), rng.uniform(size=50)
    results = []
    for loss in (weighted_squared, "mse"):
        model = fn.Sequential([fn.Dense(3, input_shape=(6,))], seed=0, dtype="float64")
        model.compile("adam", loss)
        model.fit(x, y, epochs=3, sample_weight=weight, class_weight={0: 2.0}, verbose=0)
        results.append([model.evaluate(x, y, sample_weight=weight, verbose=0), *model.get_weights()])
    for one, other in zip(*results, strict=True):
        assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("weights", [{"sample_weight": np.ones(4)}, {"class_weight": {0: 2.0}}])
def test_a_loss_in_python_without_a_parameter_for_weights_refuses_them(weights: dict[str, Any]) -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(2,))], seed=0)
    model.compile("sgd", squared)
    with pytest.raises(ValueError, match="'squared' takes no weights of samples or classes: give it a parameter"):
        model.fit(np.zeros((4, 2)), np.zeros((4, 3)), verbose=0, **weights)


def test_a_loss_in_python_gets_the_targets_as_they_were_given() -> None:
    seen: list[np.ndarray] = []

    def loss(y_true: Any, y_pred: Any) -> tuple[float, Any]:
        seen.append(y_true)
        return 0.0, np.zeros_like(y_pred)

    model = fn.Sequential([fn.Dense(3, input_shape=(2,))])
    model.compile("sgd", loss)
    model.fit(np.zeros((4, 2)), [2, 0, 1, 2], shuffle=False, verbose=0)
    assert_array_equal(seen[0], [2, 0, 1, 2])


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (lambda y, p: 0.0, TypeError, r"must return \(value, gradient\)"),
        (lambda y, p: (0.0, np.zeros((1, 1))), ValueError, "must have the shape of y_pred"),
        (lambda y, p: (np.nan, np.zeros_like(p)), ValueError, "must be finite"),
        (lambda y, p: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_a_faulty_loss_in_python_changes_nothing(loss: Any, error: type[Exception], message: str) -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(2,))], seed=0)
    model.compile("adam", loss)
    before = model.get_weights()
    for call in (model.fit, model.loss_and_gradients, model.evaluate, model.train_on_batch):
        with pytest.raises(error, match=message):
            call(np.zeros((4, 2)), np.zeros((4, 3)))
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)


def test_a_file_asks_for_the_functions_that_it_cannot_hold(tmp_path: Path) -> None:
    def mean_error(y_true: Any, y_pred: Any) -> float:
        return float(np.mean(y_pred - y_true))

    model = fn.Sequential([fn.Dense(1, input_shape=(2,))], seed=0)
    model.compile("sgd", squared, metrics=[mean_error, "mae"])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="'squared', which a file cannot hold: give it as custom_objects"):
        fn.load_model(tmp_path / "m.safetensors")
    assert fn.load_model(tmp_path / "m.safetensors", compile=False).get_compile_config() is None
    functions = {"squared": squared, "mean_error": mean_error}
    again = fn.load_model(tmp_path / "m.safetensors", custom_objects=functions)
    x, y = np.ones((3, 2)), np.zeros(3)
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
