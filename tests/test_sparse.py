"""Zeros of the first layer's input: skipping them changes no bit, and matrices of scipy.sparse are read as they are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference
from cases import POLICIES, THREADS, dense, random_weights, reference_of, relative_error, rescaling, sequential

FORMS = ["dense", "compressed", "automatic"]
pytestmark = pytest.mark.usefixtures("teams_of_any_size")

FORMATS = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]


def mostly_zeros(rows: int, columns: int, density: float, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns)) if np.dtype(dtype).kind == "f" else rng.integers(1, 5, (rows, columns))
    return np.where(rng.random((rows, columns)) < density, values, 0).astype(dtype)


def csr(x: np.ndarray, index: Any = np.int32) -> Any:
    matrix = scipy.sparse.csr_array(x)
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    return matrix


def classifier(columns: int, units: int = 5, dtype: str = "float32", form: str = "automatic") -> fn.Sequential:
    model = sequential([dense(units, "tanh"), dense(3, "softmax")], columns, dtype=dtype)
    random_weights(model)
    model.compile(fn.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model._network.set_input_form(form)  # type: ignore[union-attr]
    return model


def labels(rows: int) -> np.ndarray:
    return np.arange(rows) % 3


def outcome(model: fn.Sequential, x: Any, batch: int = 32, **options: Any) -> list[bytes]:
    """Return the bytes of everything that a model computes from samples."""
    y = labels(x.shape[0])
    loss, gradients = model.loss_and_gradients(x, y)
    history = model.fit(x, y, batch_size=batch, epochs=2, verbose=0, **options).history
    arrays = [*gradients, *model.get_weights(), model.predict(x, verbose=0), model(x)]
    numbers = [
        loss,
        *model.evaluate(x, y, batch_size=7, verbose=0),
        *(v for values in history.values() for v in values),
    ]
    assert all(np.isfinite(array).all() for array in [*arrays, numbers])
    return [np.asarray(array).tobytes() for array in [*arrays, numbers]]


# --- The same bits ---------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    rows=st.sampled_from([1, 2, 33, 150]),
    columns=st.sampled_from([1, 7, 31, 33, 600, 1000]),
    units=st.integers(1, 70),
    density=st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0]),
    values=st.sampled_from([np.uint8, np.bool_, np.float32, np.float64, np.int64]),
    index=st.sampled_from([np.int32, np.int64]),
    dtype=st.sampled_from(POLICIES),
    batch=st.sampled_from([1, 16, 40, 150]),
    threads=st.sampled_from(THREADS),
)
def test_skipping_zeros_changes_no_bit(
    rows: int, columns: int, units: int, density: float, values: Any, index: Any, dtype: str, batch: int, threads: int
) -> None:
    x = mostly_zeros(rows, columns, density, values)
    fn.set_num_threads(1)
    expected = outcome(classifier(columns, units, dtype, "dense"), x, batch)
    fn.set_num_threads(threads)
    for form in FORMS:
        for samples in (x, csr(x, index)):
            assert outcome(classifier(columns, units, dtype, form), samples, batch) == expected


@pytest.mark.parametrize("dtype", POLICIES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("rows", "columns", "batch"),
    # threads share the inputs; passes along the rows; batches are computed in parts
    [(100, 2100, 32), (1300, 70, 650), (9001, 70, 4500)],
)
def test_every_way_to_share_a_batch_gives_the_same_bits(
    rows: int, columns: int, batch: int, form: str, dtype: str
) -> None:
    x = mostly_zeros(rows, columns, 0.1)
    expected = outcome(classifier(columns, 40, dtype, "dense"), x, batch)
    for threads in (1, 2, 3, 8):
        fn.set_num_threads(threads)
        for samples in (x, csr(x)):
            assert outcome(classifier(columns, 40, dtype, form), samples, batch) == expected


@pytest.mark.parametrize("make", [np.asarray, csr])
@pytest.mark.parametrize("threads", [2, 3, 4])
def test_threads_keep_out_of_each_others_columns(threads: int, make: Callable[[np.ndarray], Any]) -> None:
    x = mostly_zeros(150, 1000, 0.2)
    model = classifier(1000, 64, form="compressed")
    fn.set_num_threads(1)
    expected = [gradient.tobytes() for gradient in model.loss_and_gradients(x, labels(150))[1]]
    fn.set_num_threads(threads)
    samples = make(x)
    for _ in range(150):  # threads that get in each other's way do so only now and then
        assert [gradient.tobytes() for gradient in model.loss_and_gradients(samples, labels(150))[1]] == expected


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_every_optimizer_takes_the_same_steps(optimizer: str) -> None:
    x = mostly_zeros(200, 784, 0.1)
    results = []
    for form in FORMS:
        model = classifier(784, 64, form=form)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        model.fit(x, labels(200), batch_size=32, epochs=3, verbose=0)
        results.append([w.tobytes() for w in model.get_weights()])
    assert results[0] == results[1] == results[2]


def test_a_rescaling_in_front_multiplies_what_is_not_zero() -> None:
    x = mostly_zeros(100, 50, 0.1, np.uint8)
    for offset in (0.0, 0.25):  # with an offset there are no zeros to skip
        results = []
        for form in FORMS:
            for samples in (x, csr(x)):
                model = sequential([rescaling(1 / 3, offset), dense(6, "relu"), dense(3, "softmax")], 50)
                random_weights(model)
                model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
                model._network.set_input_form(form)  # type: ignore[union-attr]
                results.append(outcome(model, samples))
        assert all(result == results[0] for result in results)


# --- The reference ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-13)])
def test_gradients_and_predictions_are_those_of_the_reference(dtype: str, tolerance: float, form: str) -> None:
    x = mostly_zeros(90, 700, 0.05, dtype)
    descriptions = [dense(37, "tanh"), dense(3, "softmax")]
    model = classifier(700, 37, dtype, form)
    network = reference_of(model, descriptions, "categorical_crossentropy")
    loss, gradients = model.loss_and_gradients(csr(x), labels(90))
    expected_loss, expected = network.loss_and_gradients(x, labels(90))
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    for gradient, of_reference in zip(gradients, expected, strict=True):
        assert relative_error(gradient, of_reference) < 10 * tolerance
    assert_allclose(model.predict(csr(x)), network.predict(x), rtol=0, atol=tolerance)


@pytest.mark.parametrize("form", FORMS)
def test_training_is_that_of_the_reference(form: str) -> None:
    x = mostly_zeros(90, 300, 0.05, np.float64)
    model = classifier(300, 20, "float64", form)
    network = reference_of(model, [dense(20, "tanh"), dense(3, "softmax")], "categorical_crossentropy")
    model.fit(csr(x), labels(90), batch_size=16, epochs=2, shuffle=False, verbose=0)
    optimizer = reference.SGD(0.1, momentum=0.9)
    for _ in range(2):
        network.fit(x, labels(90), optimizer, 16)
    for weight, expected in zip(model.get_weights(), network.parameters, strict=True):
        assert relative_error(weight, expected) < 1e-12


# --- Which form ------------------------------------------------------------------------------------------------------


def reads_zeros(x: Any, dtype: str = "float32", layers: Any = (), form: str = "automatic") -> bool:
    """Return whether zeros are multiplied: those of a column whose weights are infinite then give NaN."""
    columns = x.shape[1]
    model = sequential([*layers, dense(64, "relu"), dense(3)], columns, dtype=dtype)
    kernel, *rest = model.get_weights()
    kernel[-1] = np.inf
    model.set_weights([kernel, *rest])
    model.compile("sgd", "mse")
    model._network.set_input_form(form)  # type: ignore[union-attr]
    return bool(np.isnan(model.predict(x, verbose=0)).any())


@pytest.mark.parametrize("make", [np.asarray, csr])
def test_zeros_are_skipped_where_there_are_many(make: Callable[[np.ndarray], Any]) -> None:
    few, many = mostly_zeros(400, 784, 0.8), mostly_zeros(400, 784, 0.1)
    few[:, -1] = many[:, -1] = 0
    assert reads_zeros(make(few))
    assert not reads_zeros(make(many))
    assert not reads_zeros(make(few), form="compressed")
    assert reads_zeros(make(many), form="dense")
    assert reads_zeros(make(many), dtype="mixed_bfloat16")
    assert reads_zeros(make(many), layers=[rescaling(1.0, 1e-3)])
    assert not reads_zeros(make(many), layers=[rescaling(0.5)])


def test_few_rows_are_not_searched_for_zeros() -> None:
    x = mostly_zeros(20, 784, 0.1)
    x[:, -1] = 0
    assert reads_zeros(x)
    assert not reads_zeros(csr(x))


# --- What is accepted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_scipy(name: str, kind: str) -> None:
    x = mostly_zeros(40, 30, 0.1)
    matrix = getattr(scipy.sparse, f"{name}_{kind}")(x)
    assert outcome(classifier(30), matrix) == outcome(classifier(30), x)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.int8, np.uint16, np.int32, np.uint64])
def test_values_of_other_dtypes_are_converted(dtype: Any) -> None:
    x = mostly_zeros(40, 30, 0.1, dtype)
    matrix = csr(x.astype(np.float64))
    matrix.data = matrix.data.astype(dtype)
    assert outcome(classifier(30), matrix) == outcome(classifier(30), x)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.bool_])
def test_columns_may_come_in_any_order_and_more_than_once(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    indices, indptr = rng.integers(0, 9, 200), np.sort(np.r_[0, rng.integers(0, 201, 39), 200])
    matrix = scipy.sparse.csr_array((rng.integers(0, 3, 200).astype(dtype), indices, indptr), shape=(40, 9))
    assert not matrix.has_canonical_format
    before = [part.copy() for part in (matrix.data, matrix.indices, matrix.indptr)]
    assert outcome(classifier(9), matrix) == outcome(classifier(9), matrix.toarray())
    for part, old in zip((matrix.data, matrix.indices, matrix.indptr), before, strict=True):
        assert_array_equal(part, old)


def test_explicit_zeros_and_negative_zeros_are_zeros() -> None:
    x = mostly_zeros(60, 40, 0.3)
    matrix = csr(x)
    matrix.data[::2] = 0
    matrix.data[::4] = -0.0
    assert outcome(classifier(40), matrix) == outcome(classifier(40), matrix.toarray())
    assert outcome(classifier(40, form="compressed"), matrix.toarray()) == outcome(classifier(40), matrix)


def test_parts_may_be_strided_or_read_only() -> None:
    x = mostly_zeros(60, 40, 0.3)
    matrix = csr(x)
    matrix.data, matrix.indices = np.repeat(matrix.data, 2)[::2], np.repeat(matrix.indices, 3)[::3]
    matrix.indptr.flags.writeable = False
    assert outcome(classifier(40), matrix) == outcome(classifier(40), x)


def test_nan_and_infinity_reach_the_outputs_of_their_rows() -> None:
    x = mostly_zeros(60, 40, 0.1)
    x[5, 3], x[7, 9] = np.nan, np.inf
    for form in FORMS:
        predicted = classifier(40, form=form).predict(csr(x), verbose=0)
        assert_array_equal(predicted, classifier(40, form="dense").predict(x, verbose=0))
        assert np.isnan(predicted[5]).all()


def test_no_rows() -> None:
    assert classifier(40).predict(csr(np.zeros((0, 40)))).shape == (0, 3)


# --- The methods of a model ------------------------------------------------------------------------------------------

X = mostly_zeros(120, 64, 0.1)
X[[0, 17, 119]] = 0  # rows without a value


@pytest.mark.parametrize(
    "options",
    [
        {"validation_split": 0.3},
        {"shuffle": False, "validation_split": 0.3},
        {"sample_weight": np.linspace(0, 2, 120)},
        {"class_weight": {0: 2.0, 2: 0.5}},
        {"validation_split": 0.25, "sample_weight": np.linspace(0, 2, 120), "class_weight": {1: 3.0}},
    ],
    ids=", ".join,
)
def test_options_of_fit(options: dict[str, Any]) -> None:
    assert outcome(classifier(64), csr(X), **options) == outcome(classifier(64), X, **options)


def test_validation_data_may_be_sparse() -> None:
    weight = np.linspace(1, 2, 120)
    plain = outcome(classifier(64), X, validation_data=(X, labels(120), weight))
    assert outcome(classifier(64), csr(X), validation_data=(csr(X), labels(120), weight)) == plain


class EveryBatch(fn.callbacks.Callback):
    """Asks for every batch, so that fit, evaluate and predict go through the samples batch by batch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass

    on_test_batch_end = on_predict_batch_end = on_train_batch_end


def test_batch_by_batch() -> None:
    results = []
    for x in (X, csr(X)):
        model = classifier(64)
        history = model.fit(x, labels(120), batch_size=25, epochs=2, verbose=0, callbacks=[EveryBatch()]).history
        evaluated = model.evaluate(x, labels(120), batch_size=25, verbose=0, callbacks=[EveryBatch()])
        predicted = model.predict(x, batch_size=25, callbacks=[EveryBatch()])
        trained = model.train_on_batch(x, labels(120), class_weight={0: 2.0})
        tested = model.test_on_batch(x, labels(120))
        results.append((history, evaluated, predicted.tobytes(), trained, tested, model.predict_on_batch(x).tobytes()))
    assert results[0] == results[1]


def test_a_model_is_built_from_the_shape_of_a_sparse_matrix() -> None:
    models = [fn.Sequential([fn.Dense(5), fn.Dense(3, activation="softmax")], seed=0) for _ in range(2)]
    assert_array_equal(models[0].predict(csr(X)), models[1].predict(X))
    assert models[0].input_shape == (64,)


def test_one_column() -> None:
    x = mostly_zeros(40, 1, 0.5)
    assert outcome(classifier(1), csr(x)) == outcome(classifier(1), x)


def test_train_test_split_takes_rows_of_a_sparse_matrix() -> None:
    parts = fn.datasets.train_test_split(csr(X), X, random_state=0)
    assert_array_equal(parts[0].toarray(), parts[2])
    assert_array_equal(parts[1].toarray(), parts[3])
