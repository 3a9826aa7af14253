"""`fastnet.models.ensemble`: the mean of the outputs of several models, as one model."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from fastnet.models.classes import is_regression, last_activation

X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)


def member(seed: int, activation: str = "softmax", **options: object) -> fn.Sequential:
    scale = fn.Normalization(input_shape=(6,))
    scale.adapt(X)
    block = fn.layers.Residual([fn.Dense(8, "relu"), fn.Dense(8)])
    inner = [fn.Dense(8, "relu"), fn.layers.BatchNormalization(), fn.layers.Dropout(0.2), block]
    return fn.Sequential([scale, *inner, fn.Dense(3, activation)], seed=seed, **options)


def trained(count: int, **options: object) -> list[fn.Sequential]:
    models = [member(seed, **options) for seed in range(count)]
    for model in models:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(X, Y, epochs=2, verbose=0)
        model.class_names, model.feature_names = ["none", "one", "two"], list("abcdef")
    return models


def mean_of(models: list[fn.Sequential]) -> np.ndarray:
    return np.mean([model.predict(X, verbose=0).astype(np.float64) for model in models], axis=0)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_it_predicts_the_mean(count: int) -> None:
    models = trained(count)
    model = fn.models.ensemble(models)
    np.testing.assert_allclose(model.predict(X, verbose=0), mean_of(models), rtol=1e-6, atol=1e-7)
    assert model.count_params() == sum(one.count_params() for one in models)


def test_float64_is_exact_to_its_rounding() -> None:
    models = trained(3, dtype="float64")
    model = fn.models.ensemble(models)
    assert model.dtype == "float64"
    np.testing.assert_allclose(model.predict(X, verbose=0), mean_of(models), rtol=1e-14)


def test_its_losses_and_metrics_are_those_of_the_mean() -> None:
    models = trained(4)
    figures = fn.models.ensemble(models).evaluate(X, Y, return_dict=True, verbose=0)
    mean = mean_of(models)
    assert figures["loss"] == pytest.approx(-np.log(mean[np.arange(len(Y)), Y]).mean(), rel=1e-5)
    assert figures["accuracy"] == pytest.approx((mean.argmax(axis=1) == Y).mean())


def test_it_keeps_names_and_its_outputs_are_probabilities() -> None:
    model = fn.models.ensemble(trained(3), name="several")
    assert (model.name, model.class_names, model.feature_names) == ("several", ["none", "one", "two"], list("abcdef"))
    assert last_activation(model) == last_activation(model.quantize(X)) == "softmax"
    assert not is_regression(model)


def test_outputs_of_a_sum_that_is_not_a_mean_are_no_probabilities() -> None:
    block = fn.layers.Residual([fn.Dense(3, "softmax")], shortcut=[fn.Dense(3, "softmax")])
    for factor, activation in ((0.5, "softmax"), (0.25, "linear")):
        again = fn.layers.deserialize(fn.layers.serialize(block))
        model = fn.Sequential([fn.Input((6,)), again, fn.Rescaling(factor)])
        assert last_activation(model) == last_activation(model.quantize(X)) == activation
    mixed = fn.layers.Residual([fn.Dense(3, "softmax")], shortcut=[fn.Dense(3, "sigmoid")])
    assert last_activation(fn.Sequential([fn.Input((6,)), mixed, fn.Rescaling(0.5)])) == "linear"


def test_a_file_holds_it(tmp_path: Path) -> None:
    model = fn.models.ensemble(trained(3))
    model.save(tmp_path / "m.safetensors")
    loaded = fn.load_model(tmp_path / "m.safetensors")
    assert (loaded.predict(X, verbose=0) == model.predict(X, verbose=0)).all()
    assert loaded.get_compile_config() == model.get_compile_config()


def test_onnx_and_c_are_checked_against_it(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    models = trained(3)
    model = fn.models.ensemble(models)
    model.to_onnx(tmp_path / "m.onnx")
    model.to_c(tmp_path / "m.c")
    assert "softmax" in (tmp_path / "m.c").read_text()
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {session.get_inputs()[0].name: X})[-1:]
    np.testing.assert_allclose(np.asarray(outputs, np.float64), mean_of(models), atol=1e-5)


def test_it_can_be_trained_further_and_the_models_stay_as_they_are() -> None:
    models = trained(2)
    before = mean_of(models)
    model = fn.models.ensemble(models)
    first, *_ = model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, epochs=5, verbose=0)
    assert model.evaluate(X, Y, verbose=0)[0] < first
    np.testing.assert_array_equal(mean_of(models), before)


def test_models_that_are_not_compiled_give_one_that_is_not() -> None:
    assert fn.models.ensemble([member(0), member(1)]).get_compile_config() is None


@pytest.mark.parametrize(
    ("models", "error", "reason"),
    [
        (member(0), TypeError, "models must be several Sequential models; got Sequential"),
        ([], ValueError, "models must have at least two models; got 0"),
        ([member(0)], ValueError, "models must have at least two models; got 1"),
        ([member(0), "m.safetensors"], TypeError, "models must be Sequential models; got .* at index 1"),
        ([member(0), fn.Sequential([fn.Dense(3)])], ValueError, "the one at index 1, 'sequential', is not"),
        (
            [member(0), fn.Sequential([fn.Dense(3, input_shape=(5,))])],
            ValueError,
            r"the same input_shape; got \(6,\) at index 0 and \(5,\) at index 1",
        ),
        ([member(0), fn.Sequential([fn.Dense(2, input_shape=(6,))])], ValueError, "the same output_shape"),
        ([member(0), member(1, dtype="float64")], ValueError, "the same dtype_policy; got float32 at index 0"),
    ],
)
def test_models_that_differ_are_refused(models: object, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        fn.models.ensemble(models)
