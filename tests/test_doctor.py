"""The doctor names planted faults, each by its code alone, and is silent where nothing is wrong."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.datasets import digits, mnist
from fastnet.diagnostics.doctor import BROKEN, CHECKS
from fastnet.exceptions import DoctorWarning
from fastnet.layers import BatchNormalization, Dense, Dropout, Rescaling

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 8)).astype(np.float32)
LABELS = (X[:, :3] @ np.eye(3)).argmax(axis=1)
ONE_HOT = np.eye(3)[LABELS]
LINE = X[:, 0] - X[:, 1]


def network(
    units: int = 3,
    last: str = "softmax",
    loss: Any = "sparse_categorical_crossentropy",
    optimizer: Any = "adam",
    features: int = 8,
    hidden: Any = None,
) -> fn.Sequential:
    first = [Dense(16, activation="relu", input_shape=(features,))] if hidden is None else hidden
    model = fn.Sequential([*first, Dense(units, activation=last)], seed=0)
    model.compile(optimizer, loss)
    return model


def regressor(last: str = "linear") -> fn.Sequential:
    return network(1, last, "mse")


def sigmoids(depth: int) -> list[Dense]:
    return [Dense(16, activation="sigmoid", input_shape=(8,)), *(Dense(16, activation="sigmoid") for _ in range(depth))]


def changed(array: Any, row: Any, value: float) -> Any:
    copy = np.array(array, dtype=float)
    copy[row] = value
    return copy


def with_dead_units(count: int = 10) -> fn.Sequential:
    model = network()
    kernel, bias = model.layers[0].get_weights()
    bias[:count] = -100.0
    model.layers[0].set_weights([kernel, bias])
    return model


def with_broken_weights() -> fn.Sequential:
    model = network()
    model.layers[1].set_weights([np.full((16, 3), np.nan), np.zeros(3)])
    return model


def loud() -> fn.Sequential:
    loud_normal = fn.initializers.RandomNormal(stddev=5.0, seed=1)
    layers = [Dense(16, activation="relu", kernel_initializer=loud_normal, input_shape=(8,))]
    return network(1, "linear", "mse", hidden=[*layers, *(Dense(16, "relu", kernel_initializer=fn.initializers.RandomNormal(stddev=5.0, seed=n)) for n in range(4))])  # fmt: skip


THOUSANDS = np.arange(3000) % 3
WIDE = RNG.normal(size=(400, 64))
FAULTS: dict[str, Callable[[], Any]] = {
    "FN101": lambda: fn.doctor(network(), changed(X, (5, 2), np.nan), LABELS),
    "FN103": lambda: fn.doctor(network(), 100 * X + 1000, LABELS),
    "FN102": lambda: fn.doctor(network(features=64), RNG.integers(0, 256, (400, 64)).astype(float), LABELS[:400]),
    "FN104": lambda: fn.doctor(network(), changed(X, (slice(None), 3), 0.5), LABELS),
    "FN105": lambda: fn.doctor(network(), X * np.array([1e-4, *[1.0] * 7]), LABELS),
    "FN106": lambda: fn.doctor(network(), np.concatenate([X[:300], X[:300]]), np.tile(LABELS[:300], 2)),
    "FN107": lambda: fn.doctor(network(), X, LABELS, (X[::10], LABELS[::10])),
    "FN108": lambda: fn.doctor(network(features=64), np.asfortranarray(RNG.normal(size=(3000, 64))), THOUSANDS),
    "FN201": lambda: fn.doctor(regressor(), X, changed(LINE, 7, np.inf)),
    "FN202": lambda: fn.doctor(network(), X, LABELS + 1),
    "FN203": lambda: fn.doctor(network(10, loss="categorical_crossentropy"), X, ONE_HOT),
    "FN204": lambda: fn.doctor(network(loss="categorical_crossentropy"), X, ONE_HOT / 2),
    "FN205": lambda: fn.doctor(network(), X, ONE_HOT),
    "FN206": lambda: fn.doctor(network(2), X, np.arange(600) < 5),
    "FN207": lambda: fn.doctor(regressor(), X, 1e5 * LINE),
    "FN208": lambda: fn.doctor(regressor(), X, np.ones(600)),
    "FN209": lambda: fn.doctor(network(), X[LABELS.argsort()], np.sort(LABELS), shuffle=False),
    "FN301": lambda: fn.doctor(network(last="sigmoid"), X, LABELS),
    "FN302": lambda: fn.doctor(network(loss=fn.losses.SparseCategoricalCrossentropy(from_logits=True)), X, LABELS),
    "FN303": lambda: fn.doctor(regressor("relu"), X, LINE),
    "FN304": lambda: fn.doctor(
        network(hidden=[Dense(16, "relu", kernel_initializer="zeros", input_shape=(8,))]), X, LABELS
    ),
    "FN305": lambda: fn.doctor(with_broken_weights(), X, LABELS),
    "FN306": lambda: fn.doctor(network(hidden=[Dense(16, input_shape=(8,))]), X, LABELS),
    "FN401": lambda: fn.doctor(with_dead_units(), X, LABELS),
    "FN402": lambda: fn.doctor(network(hidden=sigmoids(12)), X, LABELS),
    "FN403": lambda: fn.doctor(loud(), X, LINE),
    "FN404": lambda: fn.doctor(network(optimizer=fn.optimizers.SGD(1000.0)), X, LABELS),
    "FN405": lambda: fn.doctor(network(optimizer=fn.optimizers.Adam(1e-9)), X, LABELS),
    "FN407": lambda: fn.doctor(with_dead_units(1), X, LABELS),
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_planted_fault_is_named_and_nothing_else(code: str) -> None:
    report = FAULTS[code]()
    assert report.codes == [code], report
    assert re.search(r"\d", report[0].message), "a finding has figures"
    assert report[0].severity == CHECKS[code].severity


@pytest.mark.parametrize(("count", "code"), [(0, None), (1, "FN407"), (6, "FN407"), (7, "FN401"), (16, "FN401")])
def test_dead_units_are_counted_from_the_first_on_and_are_a_warning_from_40_percent_on(
    count: int, code: str | None
) -> None:
    report = fn.doctor(with_dead_units(count), X, LABELS)
    assert report.codes == ([] if code is None else [code])
    assert code is None or f"0 for all 600 sampled rows: {count} of 16 in layer 'dense'" in report[0].message


def test_every_layer_with_dead_units_is_named_whatever_its_share() -> None:
    model = network(hidden=[Dense(10, "relu", input_shape=(8,)), Dense(4, activation="relu")])
    for layer, count in zip(model.layers, (1, 2), strict=False):
        kernel, bias = layer.get_weights()
        kernel[:, :count], bias[:] = 0.0, 1.0
        bias[:count] = -1.0
        layer.set_weights([kernel, bias])
    (finding,) = fn.doctor(model, X, LABELS)
    assert finding.code == "FN401"
    assert finding.message.endswith("1 of 10 in layer 'dense', 2 of 4 in layer 'dense_1'")


def test_every_check_has_a_planted_fault() -> None:
    assert FAULTS.keys() == CHECKS.keys()


@pytest.mark.parametrize("last", ["linear", "relu", "tanh"])
def test_crossentropy_without_probabilities_is_named(last: str) -> None:
    assert fn.doctor(network(last=last), X, LABELS).codes == ["FN301"]
    assert fn.doctor(network(1, last, "binary_crossentropy"), X, LABELS == 1).codes == ["FN301"]


# ---- Silence --------------------------------------------------------------------------------------------------------


def sensible(features: int) -> dict[str, fn.Sequential]:
    def classifier(*hidden: Any) -> fn.Sequential:
        return fn.Sequential([fn.Input((features,)), *hidden, Dense(10, activation="softmax")], seed=0)

    return {
        "softmax regression": classifier(),
        "relu": classifier(Dense(64, "relu"), Dense(64, "relu")),
        "tanh": classifier(Dense(64, "tanh"), Dropout(0.2)),
        "sigmoid": classifier(Dense(10, "sigmoid")),
        "batch normalization": classifier(Dense(64), BatchNormalization(), fn.ReLU()),
        "residual": classifier(
            Dense(32), *(fn.Residual([fn.LayerNormalization(), Dense(32, "relu")]) for _ in range(4))
        ),
    }


def assert_silent(x: Any, y: Any, validation: Any) -> None:
    for name, model in sensible(x.shape[1]).items():
        for optimizer in ("adam", "sgd", "rmsprop"):
            model.compile(optimizer, "sparse_categorical_crossentropy")
            report = fn.doctor(model, x, y, validation)
            assert {finding.severity for finding in report} <= {"note"}, (name, optimizer, report)


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_sensible_models_of_digits_have_no_findings_but_notes(offset: float) -> None:
    x, y = digits.load_data()
    scaled = (x / 16 - offset).astype(np.float32)
    assert_silent(scaled[:1500], y[:1500], (scaled[1500:], y[1500:]))


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_sensible_models_of_mnist_have_no_findings_but_notes(offset: float, mnist_dir: Path) -> None:
    assert mnist_dir
    (x, y), (test_x, test_y) = ((x[::5], y[::5]) for x, y in mnist.load_data())
    scaled, test_scaled = ((part.reshape(len(part), -1) / 255 - offset).astype(np.float32) for part in (x, test_x))
    assert_silent(scaled, y, (test_scaled, test_y))


def test_pixels_with_a_rescaling_layer_have_no_findings(mnist_dir: Path) -> None:
    assert mnist_dir
    (x, y), validation = mnist.load_data()
    model = fn.Sequential([Rescaling(1 / 255, input_shape=(28, 28)), fn.Flatten(), Dense(64, "relu"), Dense(10, "softmax")])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    assert not fn.doctor(model, x, y, validation)
    assert fn.doctor(fn.Sequential([fn.Flatten(), Dense(10, "softmax")]), x, y).codes == ["FN102"]


# ---- What the doctor leaves alone -----------------------------------------------------------------------------------


def test_the_model_trains_on_as_if_it_had_not_been_examined() -> None:
    first, second = network(), network()
    for model in (first, second):
        model.fit(X, LABELS, epochs=1, verbose=0)
        if model is first:
            fn.doctor(model, X, LABELS)
        model.fit(X, LABELS, epochs=1, verbose=0)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    assert first.optimizer.iterations == second.optimizer.iterations


def test_sparse_samples_are_examined() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    assert not fn.doctor(network(), sparse.csr_matrix(X), LABELS)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="model must be a Sequential; got int"):
        fn.doctor(1, X, LABELS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"x must have shape \(samples, 8\); got \(600, 3\)"):
        fn.doctor(network(), X[:, :3], LABELS)
    with pytest.raises(ValueError, match="y must have as many rows as x, 600; got shape"):
        fn.doctor(network(), X, LABELS[:5])
    with pytest.raises(ValueError, match=r"validation_data must be \(x, y\); got"):
        fn.doctor(network(), X, LABELS, X)


# ---- fit(debug=True) ------------------------------------------------------------------------------------------------


def test_debugging_warns_with_the_codes_of_the_doctor() -> None:
    with pytest.warns(DoctorWarning, match="FN205: .*sparse_categorical_crossentropy"):
        network().fit(X, ONE_HOT, epochs=2, verbose=0, debug=True)


def test_debugging_says_once_what_it_finds_after_every_epoch() -> None:
    model = network(optimizer=fn.optimizers.SGD(0.0))
    kernel, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel, bias - 100.0])
    with pytest.warns(DoctorWarning) as caught:
        model.fit(X, LABELS, epochs=3, verbose=0, debug=True)
    codes = [str(warning.message)[:5] for warning in caught]
    assert codes == ["FN401"]


def test_debugging_does_not_warn_of_notes() -> None:
    model = with_dead_units(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, LABELS, epochs=1, verbose=0, debug=True)
    assert fn.doctor(model, X, LABELS).codes == ["FN407"]


def test_debugging_changes_no_weight_and_says_nothing_of_sound_training() -> None:
    first, second = network(), network()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first.fit(X, LABELS, epochs=2, verbose=0, debug=True)
    second.fit(X, LABELS, epochs=2, verbose=0)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


def test_debugging_names_layer_epoch_and_batch_of_the_first_infinity() -> None:
    model = fn.Sequential([Dense(4, name="first", input_shape=(8,)), fn.ReLU(), Dense(1, name="second")], seed=0)
    model.compile(fn.optimizers.SGD(0.01), "mse")
    x, y = X[:96].copy(), LINE[:96]
    x[70] = 3e38  # finite, but not what the first layer makes of it
    with pytest.warns(DoctorWarning) as caught:
        model.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0, debug=True)
    (message,) = [str(warning.message) for warning in caught if BROKEN.code in str(warning.message)]
    assert "epoch 1, batch 3, in the output of layer 'first'" in message
    assert not np.isfinite(model.predict(X)).all(), "the weights are those after the batch, not before it"


def test_a_class_of_ones_own_may_have_an_init_of_its_own() -> None:
    class Classifier(fn.Sequential):
        def __init__(self, units: int) -> None:
            super().__init__([Dense(units, "softmax", input_shape=(8,))], seed=0)

    model = Classifier(3)
    model.compile("adam", "sparse_categorical_crossentropy")
    assert fn.doctor(model, X, LABELS).codes == []


def test_the_weights_that_broke_are_named_where_the_outputs_are_sound() -> None:
    from fastnet.diagnostics.doctor import first_not_finite

    assert first_not_finite(network(), X, LABELS) is None
    assert first_not_finite(with_broken_weights(), X, LABELS) == "kernel of layer 'dense_1'"
    model = fn.Sequential([Dense(1, input_shape=(8,))], seed=0)
    model.compile("sgd", "mse")
    assert first_not_finite(model, X, 1e30 * LINE) == "the loss"


# ---- Documents ------------------------------------------------------------------------------------------------------


def test_the_documented_codes_are_those_of_the_code() -> None:
    text = (Path(__file__).parent.parent / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (FN\d+) \| (\w+) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    checks = [*CHECKS.values(), BROKEN]
    assert rows == sorted((check.code, check.severity, check.title, check.advice) for check in checks)


def test_tables_that_are_slow_to_gather() -> None:
    pixels = np.arange(200_000).reshape(2000, 100) % 256
    finding = {finding.code: finding for finding in fn.doctor(network(features=100), np.asfortranarray(pixels))}
    assert "int64 with the values of a row 16,000 bytes apart" in finding["FN108"].message
    assert "a copy of 0.2 MB" in finding["FN108"].message
    signed = fn.doctor(network(features=100), np.asfortranarray(pixels) - 1)
    assert any("a copy of 0.8 MB" in finding.message for finding in signed)
    for x in (pixels, pixels.astype(np.uint8), np.asfortranarray(pixels[:200])):
        assert "FN108" not in fn.doctor(network(features=100), x).codes
