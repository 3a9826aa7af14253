"""Sparse matrices that are damaged, too large to be made dense, or written to while they are read."""

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import _core
from test_sparse import X, classifier, csr, labels

METHODS = ["fit", "evaluate", "train_on_batch", "loss_and_gradients", "predict", "__call__"]


def call(model: fn.Sequential, method: str, x: Any) -> Any:
    return getattr(model, method)(x) if method in ("predict", "__call__") else getattr(model, method)(x, labels(120))


def with_part(**parts: Any) -> Any:
    """Return a matrix some of whose parts were replaced after scipy had checked them."""
    matrix = csr(X)
    for name, value in parts.items():
        setattr(matrix, name, value(getattr(matrix, name)))
    return matrix


def put(position: int, value: Any) -> Any:
    def changed(part: np.ndarray) -> np.ndarray:
        part = part.copy()
        part[position] = value
        return part

    return changed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        (with_part(indices=put(9, 64)), ValueError, r"x is not a valid sparse matrix: indices must be in 0\.\.63, got 64"),
        (with_part(indices=put(9, -1)), ValueError, r"x is not a valid sparse matrix: indices must be in 0\.\.63, got -1"),
        (with_part(indptr=put(5, 10**6)), ValueError, "x is not a valid sparse matrix: indptr must ascend"),
        (with_part(indptr=put(5, 0)), ValueError, "x is not a valid sparse matrix: indptr must ascend"),
        (with_part(indptr=put(0, -1)), ValueError, "x is not a valid sparse matrix: indptr must ascend from 0"),
        (with_part(indptr=lambda p: p[:-1]), ValueError, r"indptr of x must have shape \(121,\); got \(120,\)"),
        (with_part(indptr=lambda p: p[:, None]), ValueError, r"indptr of x must have shape \(121,\); got \(121, 1\)"),
        (with_part(indptr=lambda p: p.astype(float)), TypeError, "indptr of x must hold integers; got dtype float64"),
        (with_part(indices=lambda p: p.astype(float)), TypeError, "indices of x must hold integers; got dtype float64"),
        (with_part(data=lambda d: d[:50]), ValueError, "indptr must ascend from 0 to at most 50, the number of values"),
        (with_part(data=lambda d: d[:, None]), ValueError, "x is not a valid sparse matrix: data must have 1 dim"),
        (with_part(data=lambda d: d.astype(object)), TypeError, "x must hold real numbers; got csr_array .* dtype obj"),
        (with_part(data=lambda d: d * 1j), TypeError, "x must hold real numbers; got csr_array .* dtype complex64"),
        (csr(X[:, :63]), ValueError, r"x must have shape \(samples, 64\); got \(120, 63\)"),
        (csr(np.zeros((120, 0))), ValueError, r"x must have shape \(samples, 64\); got \(120, 0\)"),
        (scipy.sparse.coo_array(X[0]), ValueError, r"x must have shape \(samples, 64\); got \(64,\)"),
    ],
)  # fmt: skip
def test_a_matrix_that_does_not_fit_is_refused(matrix: Any, error: Any, message: str, method: str) -> None:
    with pytest.raises(error, match=message):
        call(classifier(64), method, matrix)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (with_part(data=put(200, np.nan)), r"x has a NaN or an infinity in row \d+$"),
        (with_part(data=put(200, -np.inf)), r"x has a NaN or an infinity in row \d+$"),
        (with_part(data=lambda d: put(200, 1e39)(d.astype(float))), r"x has a number in row \d+ that is too large for"),
    ],
)
def test_numbers_that_are_not_finite_are_refused_by_what_trains_or_evaluates(matrix: Any, message: str) -> None:
    row = int(np.searchsorted(matrix.indptr, 200, side="right")) - 1
    for method in METHODS[:4]:
        with pytest.raises(ValueError, match=message.replace(r"\d+", str(row))):
            call(classifier(64), method, matrix)
        with pytest.raises(ValueError, match="x of validation_data has"):
            classifier(64).fit(X, labels(120), validation_data=(matrix, labels(120)), verbose=0)


def test_numbers_of_rows_and_columns_are_checked_before_a_matrix_is_converted() -> None:
    csc, coo = scipy.sparse.csc_array(X), scipy.sparse.coo_array(X)
    csc.indices[7] = 10**9
    coo.row[7] = -5
    for matrix in (csc, coo):
        with pytest.raises(ValueError, match="x is not a valid sparse matrix: "):
            classifier(64).predict(matrix)


def test_a_number_that_float64_holds_is_accepted_in_float64() -> None:
    large = with_part(data=lambda d: put(200, 1e39)(d.astype(float)))
    assert np.isfinite(classifier(64, dtype="float64").evaluate(large, labels(120), verbose=0)).all()


def test_samples_of_two_dimensions_are_not_sparse() -> None:
    model = fn.Sequential([fn.layers.Flatten(input_shape=(8, 8)), fn.Dense(3)], seed=0)
    with pytest.raises(ValueError, match=r"x must have shape \(samples, 8, 8\); got \(120, 64\)"):
        model.predict(csr(X))
    cube = scipy.sparse.coo_array(X.reshape(120, 8, 8))
    with pytest.raises(ValueError, match=r"x must have two dimensions to be sparse; got shape \(120, 8, 8\)"):
        model.predict(cube)


def test_a_model_is_not_built_from_what_has_no_rows_or_columns() -> None:
    for matrix in (scipy.sparse.coo_array(X[0]), csr(np.zeros((5, 0)))):
        with pytest.raises(ValueError, match=r"\w"):
            fn.Sequential([fn.Dense(3)]).predict(matrix)


def test_no_rows_are_refused_by_what_trains_or_evaluates() -> None:
    with pytest.raises(ValueError, match=r"x must have at least one row; got shape \(0, 64\)"):
        classifier(64).fit(csr(X[:0]), [])


def test_targets_and_weights_are_not_sparse() -> None:
    with pytest.raises(TypeError, match="y must be an array of real numbers; got csr_array"):
        classifier(64).fit(csr(X), csr(np.eye(3)[labels(120)]))
    with pytest.raises(TypeError, match="sample_weight must be an array of real numbers; got csr_array"):
        classifier(64).fit(csr(X), labels(120), sample_weight=csr(np.ones((120, 1))))


# --- The core's rows -------------------------------------------------------------------------------------------------


def rows_of(matrix: Any) -> _core.SparseRows:
    return _core.SparseRows(matrix.data, matrix.indices, matrix.indptr.astype(np.int64), matrix.shape[1])


def test_slices_of_rows() -> None:
    rows = rows_of(csr(X))
    network = classifier(64)._network
    assert network is not None
    for part in (slice(0, 0), slice(3, 50), slice(100, None), slice(-5, 1000)):
        assert rows[part].shape == X[part].shape
        assert_array_equal(network.predict(rows[part], 7), network.predict(X[part], 7))
        assert_array_equal(network.predict(rows[10:][part], 7), network.predict(X[10:][part], 7))
    with pytest.raises(ValueError, match="rows can be sliced with step 1, got 2"):
        rows[::2]


@pytest.mark.parametrize(
    "arguments",
    [
        (np.ones(3, np.complex128), np.arange(3), np.array([0, 3]), 5),
        (np.ones(3), np.arange(3, dtype=np.int16), np.array([0, 3]), 5),
        (np.ones(3), np.arange(3), np.array([0, 3], np.int32), 5),
        (np.ones(3), np.arange(3), np.array([], np.int64), 5),
        (np.ones((3, 1)), np.arange(3), np.array([0, 3]), 5),
        (np.ones(3), np.arange(3), np.array([0, 3]), -1),
        (np.ones(3), np.arange(3), np.array([0, 2**62]), 5),
        (None, np.arange(3), np.array([0, 3]), 5),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"\w"):
        _core.SparseRows(*arguments)


def test_a_network_refuses_rows_whose_columns_do_not_ascend() -> None:
    rows = _core.SparseRows(np.ones(2), np.array([1, 1]), np.array([0, 2]), 64)
    assert not rows.canonical
    network = classifier(64)._network
    assert network is not None
    with pytest.raises(ValueError, match="columns of every row of x must ascend"):
        network.predict(rows, 1)
    with pytest.raises(TypeError, match="x must be an array or SparseRows"):
        network.predict("x", 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="form must be one of 'automatic', 'dense', 'compressed'; got 'full'"):
        network.set_input_form("full")


@pytest.mark.filterwarnings("ignore:Setting the dtype")
def test_parts_keep_the_dtype_with_which_they_were_checked() -> None:
    data = np.ones(16, np.uint8)
    rows = _core.SparseRows(data, np.arange(16), np.array([0, 16]), 16)
    network = _core.Network32(16, [])
    data.dtype = np.float64  # 2 values; to read 16 of them would go beyond their memory
    assert_array_equal(network.predict(rows, 1), np.ones((1, 16)))


@pytest.mark.parametrize("form", ["dense", "compressed"])
def test_a_matrix_that_changes_while_it_is_read_is_read_within_bounds(form: str) -> None:
    matrix = csr(X, np.int64)
    indices, stop = matrix.indices.copy(), threading.Event()

    def disturb() -> None:
        rng = np.random.default_rng(0)
        while not stop.is_set():
            matrix.indices[rng.integers(0, len(indices), 50)] = rng.integers(-(2**62), 2**62, 50)
            matrix.indices[:] = rng.permutation(indices)

    writer = threading.Thread(target=disturb)
    model = classifier(64, form=form)
    model.evaluate(X, labels(120), verbose=0)
    network = model._network
    assert network is not None
    rows = rows_of(matrix)
    writer.start()
    try:
        for _ in range(200):
            network.predict(rows, 32)
            network.train_epoch(rows, labels(120), None, 32, None, None)
    finally:
        stop.set()
        writer.join()
    matrix.indices[:] = indices
    fresh = classifier(64, form=form)._network
    assert fresh is not None
    assert_array_equal(fresh.predict(rows, 32), fresh.predict(X, 32))


# --- Memory ----------------------------------------------------------------------------------------------------------

LARGE = """
import resource
import sys

import numpy as np
import scipy.sparse

import fastnet as fn

rows, columns = 20_000, 50_000  # 4 GB of float32
x = scipy.sparse.random_array((rows, columns), density=1e-4, format="csr", dtype=np.float32, rng=0)
model = fn.Sequential([fn.Dense(2, input_shape=(columns,), activation="softmax")], seed=0)
model.compile("sgd", "sparse_categorical_crossentropy")
model._network.set_input_form(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y = np.arange(rows) % 2
{}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory in the units of Linux")
@pytest.mark.parametrize(
    ("form", "work"),
    [
        ("dense", "model.predict(x)"),
        ("automatic", "model.predict(x)\nmodel.evaluate(x, y, verbose=0)\nmodel.fit(x, y, epochs=1, verbose=0)"),
    ],
)
def test_a_sparse_matrix_is_never_made_dense_as_a_whole(form: str, work: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE.format(work), form], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 300  # MiB
