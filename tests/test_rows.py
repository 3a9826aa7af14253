"""A row's prediction has the same bits alone and in any batch, order, memory layout, dtype of the data and number of threads."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

import fastnet as fn
from cases import POLICIES
from models_of_all_layers import INPUTS, MODELS, build

pytestmark = pytest.mark.usefixtures("teams_of_any_size")

# Every layer and activation, and networks whose products have edges in every direction, one pass along k and several,
# few columns and many.
SIZES = [(1, 1, 1), (31, 33, 7), (100, 16, 1), (784, 64, 10), (600, 130, 33)]
ROWS = 300
BATCHES = (1, 2, 7, 31, 32, 33, 299, 1000)
THREADS = (1, 2, 3, 8)
Array = NDArray[Any]


def of_sizes(inputs: int, hidden: int, outputs: int, dtype: str) -> fn.Sequential:
    layers = [fn.Input((inputs,)), fn.Dense(hidden, "relu"), fn.Dense(hidden, "tanh"), fn.Dense(outputs, "softmax")]
    return fn.Sequential(layers, seed=inputs, dtype=dtype)


def samples(inputs: int) -> Array:
    """Whole numbers, which every dtype has, with zeros among them."""
    random = np.random.default_rng(inputs)
    return random.integers(0, 3, (ROWS, inputs)) * (random.random((ROWS, inputs)) < 0.6)


def layouts(x: Array) -> Iterator[tuple[str, Any]]:
    """Yield the same rows as arrays of other dtypes, orders and strides, and as a sparse matrix."""
    for dtype in ("uint8", "int8", "uint16", "int64", "float32", "float64", ">f8", ">i4", "float16"):
        yield dtype, x.astype(dtype)
    wide = np.full((2 * len(x), 3 * x.shape[1]), -1, np.int32)
    wide[::2, 1::3] = x
    unaligned = np.frombuffer(b"-" + x.astype(np.float64).tobytes(), np.uint8)[1:].view(np.float64).reshape(x.shape)
    yield "column-major", np.asfortranarray(x.astype(np.float32))
    yield "column-major integers", np.asfortranarray(x)
    yield "strided", wide[::2, 1::3]
    yield "backwards in memory", x[::-1, ::-1].copy()[::-1, ::-1]
    yield "unaligned", unaligned
    yield "read-only", np.broadcast_to(x, x.shape)
    yield "a list", x.tolist()
    yield "sparse", scipy.sparse.csr_matrix(x.astype(np.float32))


def check_rows(model: Any, x: Array) -> None:
    """Compare predictions, as bytes, with those of all rows at once on one thread."""
    fn.set_num_threads(1)
    expected = model.predict(x)
    assert np.isfinite(expected).all()

    def same(what: str, outputs: Array, of: Any = slice(None)) -> None:
        assert outputs.tobytes() == expected[of].tobytes(), what

    order = np.random.default_rng(0).permutation(ROWS)
    for threads in THREADS:
        fn.set_num_threads(threads)
        for batch_size in BATCHES:
            same(f"batches of {batch_size} on {threads} threads", model.predict(x, batch_size=batch_size))
        same(f"shuffled, on {threads} threads", model.predict(x[order]), order)
        for first in (0, 1, ROWS - 1):
            same(f"row {first} alone, on {threads} threads", model.predict(x[first : first + 1]), [first])
    for first, last in ((3, 5), (11, 42), (0, 33)):
        same(f"rows {first} to {last}", model.predict(x[first:last]), slice(first, last))
    for what, given in layouts(x):
        same(what, model.predict(given))
    if isinstance(model, fn.Sequential):
        same("called", model(x))
        same("one row called", model(x[5:6]), [5])


@pytest.mark.parametrize("dtype", POLICIES)
@pytest.mark.parametrize("name", MODELS)
def test_a_row_has_the_same_bits_wherever_it_stands(name: str, dtype: str) -> None:
    check_rows(build(name, dtype), samples(INPUTS))


@pytest.mark.parametrize("dtype", POLICIES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_row_has_the_same_bits_in_a_network_of_any_size(sizes: tuple[int, int, int], dtype: str) -> None:
    check_rows(of_sizes(*sizes, dtype), samples(sizes[0]))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_row_has_the_same_bits_in_a_quantized_network(sizes: tuple[int, int, int]) -> None:
    x = samples(sizes[0])
    check_rows(of_sizes(*sizes, "float32").quantize(x), x)
