"""gemm gives alpha op(a) op(b) + beta out for every size, layout and transposition, within the rounding of a dot product.

The bound is Higham's (Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.5): a product of matrices with
inner dimension k, summed in any order, with or without fused multiply-adds, is off by at most k u |A| |B|, u = eps / 2.
alpha, beta and the last addition add three roundings; the float64 reference rounds as often, hence eps in place of u.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import fastnet as fn
import reference
from cases import DTYPES, LAYOUTS, broadcast

SIZES = [0, 1, 2, 3, 5, 7, 8, 12, 13, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 96, 100, 127, 128, 129, 257]
TRANSPOSITIONS = [(False, False), (False, True), (True, False), (True, True)]

sizes = st.sampled_from(SIZES)
seeds = st.integers(0, 2**32 - 1)
layouts = st.sampled_from(sorted(LAYOUTS))


def stored(op: np.ndarray, transpose: bool, layout: str, dtype: Any) -> np.ndarray:
    """Return the array to pass so that the product sees `op`, in a memory layout."""
    return LAYOUTS[layout]((op.T if transpose else op).astype(dtype))


def assert_gemm(a: np.ndarray, b: np.ndarray, *, result: np.ndarray, old: Any = 0.0, **options: Any) -> None:
    """Hold a result to the reference and Higham's bound."""
    expected = reference.gemm(a, b, out=old, **options)
    alpha, beta = options.get("alpha", 1.0), options.get("beta", 0.0)
    size = {**options, "alpha": abs(alpha), "beta": abs(beta)}
    inner = a.shape[0 if options.get("transpose_a") else 1]
    bound = (inner + 3) * np.finfo(result.dtype).eps * reference.gemm(np.abs(a), np.abs(b), out=np.abs(old), **size)
    assert result.shape == expected.shape
    excess = np.abs(result - expected) - bound
    assert (excess <= 0.0).all(), f"{excess.max()} above the bound at {np.unravel_index(excess.argmax(), excess.shape)}"


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=60)
@given(m=sizes, n=sizes, k=sizes, layout_a=layouts, layout_b=layouts, seed=seeds)
def test_product_of_any_size_and_layout(
    dtype: Any, transpose_a: bool, transpose_b: bool, m: int, n: int, k: int, layout_a: str, layout_b: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a = stored(rng.normal(size=(m, k)), transpose_a, layout_a, dtype)
    b = stored(rng.normal(size=(k, n)), transpose_b, layout_b, dtype)
    result = fn.gemm(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    assert result.dtype == dtype
    assert_gemm(a, b, result=result, transpose_a=transpose_a, transpose_b=transpose_b)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40)
@given(
    m=sizes,
    n=sizes,
    k=sizes,
    layout=st.sampled_from(sorted(set(LAYOUTS) - {"read-only"})),
    alpha=st.sampled_from([0.0, 1.0, -1.5, 0.3]),
    beta=st.sampled_from([0.0, 1.0, -1.5, 0.3]),
    seed=seeds,
)
def test_alpha_and_beta_into_out_of_any_layout(
    dtype: Any,
    transpose_a: bool,
    transpose_b: bool,
    m: int,
    n: int,
    k: int,
    layout: str,
    alpha: float,
    beta: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    a = stored(rng.normal(size=(m, k)), transpose_a, "C", dtype)
    b = stored(rng.normal(size=(k, n)), transpose_b, "C", dtype)
    old = rng.normal(size=(m, n)).astype(dtype)
    out = LAYOUTS[layout](old.copy())
    gaps = out.base.copy() if layout in {"strided", "padded rows"} else None
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "alpha": alpha, "beta": beta}
    result = fn.gemm(a, b, out=out, **options)
    assert result is out
    assert_gemm(a, b, result=out, old=old, **options)
    if gaps is not None:  # what lies between the entries of out is somebody else's
        assert_array_equal(np.isnan(out.base), np.isnan(gaps))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (1000, 1000, 1000),
        (1, 1000, 1000),
        (1000, 1, 1000),
        (1000, 1000, 1),
        (1000, 1000, 0),
        (33, 10, 5000),
        (3, 5000, 7),
    ],
)
def test_large_and_thin_products(dtype: Any, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(m + n + k)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    assert_gemm(a, b, result=fn.gemm(a, b))


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_small_size_around_the_register_tiles(dtype: Any, transpose_a: bool, transpose_b: bool) -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(20, 20)).astype(dtype), rng.normal(size=(20, 53)).astype(dtype)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    for m in range(1, 20):
        for n in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 53):
            for k in (1, 2, 5, 19):
                x, y = a[:m, :k], b[:k, :n]
                x, y = (x.T if transpose_a else x), (y.T if transpose_b else y)
                assert_gemm(x, y, result=fn.gemm(x, y, **options), **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", ["a", "b"])
def test_operands_that_repeat_by_a_zero_stride(dtype: Any, axis: int, side: str) -> None:
    rng = np.random.default_rng(axis)
    a, b = rng.normal(size=(37, 50)).astype(dtype), rng.normal(size=(50, 41)).astype(dtype)
    if side == "a":
        a = broadcast(a, axis)
    else:
        b = broadcast(b, axis)
    assert_gemm(a, b, result=fn.gemm(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 4), (64, 64, 64), (300, 200, 100)])
def test_beta_zero_never_reads_out(dtype: Any, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    out = np.full((m, n), np.nan, dtype)
    fn.gemm(a, b, out=out)
    assert_gemm(a, b, result=out)


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_inner_dimension_gives_beta_times_out(dtype: Any) -> None:
    a, b = np.empty((3, 0), dtype), np.empty((0, 4), dtype)
    old = np.arange(12, dtype=dtype).reshape(3, 4)
    assert_array_equal(fn.gemm(a, b), np.zeros((3, 4)))
    assert_array_equal(fn.gemm(a, b, beta=-1.5, out=old.copy()), -1.5 * old)
    assert_array_equal(fn.gemm(a, b, out=np.full((3, 4), np.nan, dtype)), np.zeros((3, 4)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_reach_exactly_their_row_and_column(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(70, 90)).astype(dtype), rng.normal(size=(90, 110)).astype(dtype)
    a[33, 44] = np.nan
    b[55, 66] = np.inf
    result = fn.gemm(a, b)
    expected = np.full((70, 110), True)
    expected[33, :] = False
    expected[:, 66] = False
    assert_array_equal(np.isfinite(result), expected)
    assert np.isnan(result[33]).all()
    # a[i, 55] * inf has the sign of a[i, 55]
    rows = np.arange(70) != 33
    assert_array_equal(result[rows, 66], np.copysign(np.inf, a[rows, 55]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [5, 65, 200])
def test_out_may_be_one_of_the_inputs(dtype: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(2, n, n)).astype(dtype)
    for transpose_a, transpose_b in TRANSPOSITIONS:
        options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "beta": 0.5}
        for aliased in ("a", "b", "both"):
            out = a.copy()
            x, y = {"a": (out, b), "b": (b, out), "both": (out, out)}[aliased]
            before = x.copy(), y.copy()
            assert fn.gemm(x, y, out=out, **options) is out
            assert_gemm(*before, result=out, old=a, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_may_overlap_an_input_in_part(dtype: Any) -> None:
    rng = np.random.default_rng(9)
    memory = rng.normal(size=100 * 80 + 40).astype(dtype)
    b = rng.normal(size=(80, 80)).astype(dtype)
    a, out = memory[:8000].reshape(100, 80), memory[40:].reshape(100, 80)
    before = a.copy()
    fn.gemm(a, b, out=out)
    assert_gemm(before, b, result=out)


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_stay_as_they_are(dtype: Any) -> None:
    rng = np.random.default_rng(10)
    a, b = rng.normal(size=(100, 80)).astype(dtype), rng.normal(size=(80, 90)).astype(dtype)
    before = a.tobytes(), b.tobytes()
    fn.gemm(a, b, alpha=2.0)
    assert (a.tobytes(), b.tobytes()) == before


def test_integers_become_float64_and_mixed_types_the_wider_one() -> None:
    integers = np.arange(6).reshape(2, 3)
    assert fn.gemm(integers, integers.T).dtype == np.float64
    assert_array_equal(fn.gemm(integers, integers.T), [[5, 14], [14, 50]])
    assert_array_equal(fn.gemm([[1, 2]], [[3], [4]]), [[11.0]])
    mixed = fn.gemm(np.ones((2, 3), np.float32), np.ones((3, 2), np.float64))
    assert mixed.dtype == np.float64


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("alpha", "x", r"alpha must be a number; got 'x' \(str\)"),
        ("beta", None, "beta must be a number; got NoneType"),
        ("transpose_a", "no", r"transpose_a must be True or False; got 'no' \(str\)"),
        ("transpose_b", "T", r"transpose_b must be True or False; got 'T' \(str\)"),
    ],
)
def test_arguments_of_another_type_are_refused_by_name(argument: str, value: Any, message: str) -> None:
    a = np.ones((2, 2))
    with pytest.raises(TypeError, match=message):
        fn.gemm(a, a, out=np.zeros((2, 2)), **{argument: value})


def test_shapes_that_do_not_fit_are_refused_by_name() -> None:
    a = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"3.*2|2.*3"):
        fn.gemm(a, a)
    with pytest.raises(ValueError, match="out"):
        fn.gemm(a, a.T, out=np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"2-D|two|dimension"):
        fn.gemm(np.ones(3), a.T)
    with pytest.raises(ValueError, match="out"):
        fn.gemm(a, a.T, out=LAYOUTS["read-only"](np.ones((2, 2))))
    with pytest.raises((TypeError, ValueError), match="out"):
        fn.gemm(a, a.T, out=np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match="out"):
        fn.gemm(a, a.T, beta=1.0)
