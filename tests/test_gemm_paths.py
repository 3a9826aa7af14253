"""Every way of computing a product gives the same bits.

How a product is computed depends on its shape, on where its operands lie and on the caches of the machine. What is
special about one is taken away here by a further column, which turns the product of a column into one of a matrix, or
by rows of B that lie a little further apart than a power of two.
"""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from cases import DTYPES, LAYOUTS

AVAILABLE = fn.show_config(mode="dict")["available_isas"]
SIZES = [1, 2, 7, 31, 33, 100, 515, 1000]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, teams_of_any_size: None) -> None:
    fn.set_num_threads(request.param)


def operands(m: int, n: int, k: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([m, n, k])
    return rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", SIZES)
def test_one_column_has_the_bits_that_it_has_among_others(dtype: Any, m: int) -> None:
    for k in (0, *SIZES):
        a, b = operands(m, 2, k, dtype)
        for layout in sorted(LAYOUTS):
            expected = fn.gemm(a, b)[:, :1]
            assert_array_equal(fn.gemm(LAYOUTS[layout](a), LAYOUTS[layout](b[:, :1])), expected)
        old = np.arange(2.0 * m, dtype=dtype).reshape(m, 2)
        for alpha, beta in ((1.0, 1.0), (0.3, 0.0), (-1.5, 0.7)):
            expected = fn.gemm(a, b, alpha=alpha, beta=beta, out=old.copy())[:, :1]
            for out in (old[:, :1].copy(), old.copy()[:, :1]):
                assert_array_equal(fn.gemm(a, b[:, :1], alpha=alpha, beta=beta, out=out), expected)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [512, 1000, 1024, 4096])
def test_the_distance_of_the_rows_of_b_changes_no_bit(dtype: Any, width: int) -> None:
    for k in (7, 300, 515):
        a, b = operands(65, width, k, dtype)
        further = np.empty((k, width + 20), dtype)[:, :width]
        further[...] = b
        for m in (2, 10, 31, 65):
            expected = fn.gemm(a[:m], further)
            assert_array_equal(fn.gemm(a[:m], b), expected)
            assert_array_equal(fn.gemm(a[:m].T.copy(), b, transpose_a=True), expected)
            assert_array_equal(fn.gemm(a[:m], b[:, : width - 3]), expected[:, : width - 3])
            old = np.ones((m, width), dtype)
            expected = fn.gemm(a[:m], further, alpha=0.3, beta=-1.5, out=old.copy())
            assert_array_equal(fn.gemm(a[:m], b, alpha=0.3, beta=-1.5, out=old), expected)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [8, 16, 24, 64, 96, 128, 512])
def test_factors_that_caches_hold_give_the_bits_of_packed_ones(dtype: Any, n: int) -> None:
    for m, k in ((2, 512), (5, 7), (7, 513), (31, 33), (33, 31), (64, 256), (128, 128), (200, 16)):
        a, b = operands(m, n + 3, k, dtype)
        whole = np.ascontiguousarray(b[:, :n])
        expected = fn.gemm(a, b)[:, :n]  # ends within a vector
        assert_array_equal(fn.gemm(a, whole), expected)
        assert_array_equal(fn.gemm(a.T.copy(), whole, transpose_a=True), expected)
        assert_array_equal(fn.gemm(np.repeat(a, 2, axis=1)[:, ::2], whole), expected)
        old = np.arange(m * (n + 3), dtype=dtype).reshape(m, n + 3) / 7
        for alpha, beta in ((0.3, 0.0), (-1.5, 1.0), (1.0, 0.7)):
            expected = fn.gemm(a, b, alpha=alpha, beta=beta, out=old.copy())[:, :n]
            assert_array_equal(fn.gemm(a, whole, alpha=alpha, beta=beta, out=old[:, :n].copy()), expected)


@pytest.mark.parametrize("isa", AVAILABLE[:-1])
def test_so_it_is_with_the_other_instruction_sets(isa: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "not other_instruction_sets", __file__],
        env={**os.environ, "FASTNET_ISA": isa},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
