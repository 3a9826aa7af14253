"""Products in bfloat16 round their factors and nothing else; models with mixed_bfloat16 are built from such products.

Every instruction set runs in a process of its own, as FASTNET_ISA is read once: this file is that program too.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import fastnet as fn
import reference
from cases import LAYOUTS, dense, random_weights, reference_of, relative_error, sequential
from command import Run
from fastnet import _core
from fastnet.datasets import digits, train_test_split

AVAILABLE = fn.show_config(mode="dict")["available_isas"]
SIZES = [0, 1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 33, 48, 49, 65, 100, 129, 257]
# Along k, around the chains of 16 terms, the blocks of 32 and the passes of 512.
DEPTHS = [0, 1, 2, 15, 16, 17, 18, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100, 511, 512, 513, 545, 1025]
TRANSPOSITIONS = [(False, False), (False, True), (True, False), (True, True)]
sizes = st.sampled_from(SIZES)
depths = st.sampled_from(DEPTHS)
layouts = st.sampled_from(sorted(LAYOUTS))
# m, n and k of every way that a product takes: rows as a stream, few terms, narrow results, several blocks of each axis.
SHAPES = [
    *[(m, n, k) for m in (1, 2, 33) for n in (1, 10, 17, 49) for k in (1, 16, 17, 31, 33, 48, 65, 513)],
    *[(1, 2100, 784), (1, 7, 1500), (5, 3100, 100), (270, 65, 600), (700, 10, 130), (100, 300, 1025), (64, 64, 64)],
]


def product(a: np.ndarray, b: np.ndarray, *, transpose_a: bool = False, transpose_b: bool = False) -> np.ndarray:
    return fn.gemm(a, b, transpose_a=transpose_a, transpose_b=transpose_b, compute_dtype="bfloat16")


# --- Products --------------------------------------------------------------------------------------------------------


def test_factors_are_rounded_to_nearest_even_and_nan_stays() -> None:
    every_exponent = np.arange(0, 2**32, 997, dtype=np.int64)
    ties = (np.arange(0, 2**16, dtype=np.int64) << 16) | 0x8000
    x = np.concatenate([every_exponent, ties, ties + 1, ties - 1]).astype(np.uint32).view(np.float32)
    one = np.ones((1, 1), np.float32)
    for result in (product(x[:, None], one)[:, 0], product(one, x[None])[0]):
        assert_array_equal(result, reference.bfloat16(x))


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@settings(max_examples=60)
@given(m=sizes, n=sizes, k=depths, layout_a=layouts, layout_b=layouts, seed=st.integers(0, 2**32 - 1))
def test_every_element_adds_up_in_the_one_order(
    transpose_a: bool, transpose_b: bool, m: int, n: int, k: int, layout_a: str, layout_b: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
    x, y = LAYOUTS[layout_a](a.T if transpose_a else a), LAYOUTS[layout_b](b.T if transpose_b else b)
    result = product(x, y, transpose_a=transpose_a, transpose_b=transpose_b)
    assert result.dtype == np.float32
    assert_array_equal(result, reference.bfloat16_gemm(a, b))


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
def test_every_small_size_around_the_register_tiles(transpose_a: bool, transpose_b: bool) -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(20, 37)).astype(np.float32), rng.normal(size=(37, 53)).astype(np.float32)
    for k in (1, 2, 5, 18, 37):
        whole = reference.bfloat16_gemm(a[:, :k], b[:k])
        for m in range(1, 20):
            for n in (1, 3, 4, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 53):
                x, y = a[:m, :k], b[:k, :n]
                x, y = (x.T if transpose_a else x), (y.T if transpose_b else y)
                assert_array_equal(product(x, y, transpose_a=transpose_a, transpose_b=transpose_b), whole[:m, :n])


@pytest.mark.parametrize(("m", "n", "k"), [(1, 70, 600), (3, 5, 7), (33, 49, 545), (300, 3, 1025), (300, 10, 1025)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (-0.5, 0.0), (2.0, -0.25)])
def test_alpha_and_beta_come_after_the_sums_of_a_pass(m: int, n: int, k: int, alpha: float, beta: float) -> None:
    rng = np.random.default_rng(k)
    a, b, old = (rng.normal(size=size).astype(np.float32) for size in ((m, k), (k, n), (m, n)))
    expected = reference.bfloat16_gemm(a, b, alpha=alpha, beta=beta, out=old)
    for x, y in ((a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b))):
        result = fn.gemm(x, y, alpha=alpha, beta=beta, out=old.copy(), compute_dtype="bfloat16")
        assert_array_equal(result, expected)


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def operands(m: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([m, n, k])
    return rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)


def digests() -> dict[str, str]:
    """Return the digests of products on one, two and three threads, by shape and by which factors are transposed."""
    found = {}
    _core.rest_teams(False)
    for threads in (1, 2, 3):
        fn.set_num_threads(threads)
        for m, n, k in SHAPES:
            a, b = operands(m, n, k)
            for transpose_a, transpose_b in TRANSPOSITIONS:
                x, y = a.T.copy() if transpose_a else a, b.T.copy() if transpose_b else b
                name = f"{threads} {m} {n} {k} {'NT'[transpose_a]}{'NT'[transpose_b]}"
                found[name] = digest(product(x, y, transpose_a=transpose_a, transpose_b=transpose_b))
    return found


def test_products_have_the_same_bits_on_every_instruction_set_and_any_number_of_threads() -> None:
    expected = {f"{m} {n} {k}": digest(reference.bfloat16_gemm(*operands(m, n, k))) for m, n, k in SHAPES}
    for isa in AVAILABLE:
        done = subprocess.run(
            [sys.executable, __file__],
            env={**os.environ, "FASTNET_ISA": isa},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told, results = json.loads(done.stdout)
        assert told == isa
        assert len(results) == 3 * 4 * len(SHAPES)
        differing = [name for name, value in results.items() if value != expected[name[2:-3]]]
        assert not differing, f"{isa}: {differing[:10]}"


@pytest.mark.parametrize("shape", [(300, 200, 512), (33, 10, 5001), (1000, 10, 999), (10, 1000, 513), (700, 600, 1025)])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
def test_large_products_with_alpha_and_beta(shape: tuple[int, int, int], transpose_a: bool, transpose_b: bool) -> None:
    m, n, k = shape
    rng = np.random.default_rng(k)
    a = rng.normal(size=(k, m) if transpose_a else (m, k)).astype(np.float32)
    b = rng.normal(size=(n, k) if transpose_b else (k, n)).astype(np.float32)
    old = rng.normal(size=(m, n)).astype(np.float32)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    result = fn.gemm(a, b, alpha=0.7, beta=-0.3, out=old.copy(), compute_dtype="bfloat16", **options)
    x, y = reference.bfloat16(a), reference.bfloat16(b)
    # Higham's bound, as in test_gemm: only the additions round, and that in float32
    bound = reference.gemm(np.abs(x), np.abs(y), alpha=0.7, beta=0.3, out=np.abs(old), **options)
    error = np.abs(result - reference.gemm(x, y, alpha=0.7, beta=-0.3, out=old, **options))
    assert (error <= (k + 3) * np.finfo(np.float32).eps * bound).all()


def test_nan_and_infinity_reach_exactly_their_row_and_column() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(70, 91)).astype(np.float32), rng.normal(size=(91, 110)).astype(np.float32)
    a[33, 44], b[90, 66] = np.nan, np.inf
    result = product(a, b)
    expected = np.full(result.shape, True)
    expected[33, :] = expected[:, 66] = False
    assert_array_equal(np.isfinite(result), expected)
    assert np.isnan(result[33]).all()
    rows = np.arange(70) != 33
    assert_array_equal(result[rows, 66], np.copysign(np.inf, a[rows, 90]))


def test_other_dtypes_are_refused() -> None:
    a = np.ones((2, 2), np.float32)
    with pytest.raises(ValueError, match="compute_dtype must be one of 'bfloat16'; got 'float16'"):
        fn.gemm(a, a, compute_dtype="float16")
    with pytest.raises(TypeError, match="a and b must be float32 for compute_dtype='bfloat16'; got float64"):
        fn.gemm(a, a.astype(np.float64), compute_dtype="bfloat16")


def test_core_refuses_bfloat16_of_float64() -> None:
    a = np.ones((2, 2))
    with pytest.raises(TypeError, match="a must be float32 to be multiplied in bfloat16"):
        _core.gemm(a, a, False, False, 1.0, 0.0, None, True)
    with pytest.raises(ValueError, match="a layer computes in bfloat16 in a network of float32 only"):
        _core.Network64(2, [{"type": "dense", "units": 1, "bfloat16": True}])


# --- Models ----------------------------------------------------------------------------------------------------------


def test_gradients_are_those_of_the_reference_with_rounded_factors() -> None:
    rng = np.random.default_rng(2)
    descriptions = [dense(8, "relu"), dense(1)]
    model = sequential(descriptions, 16, dtype="mixed_bfloat16")
    # More than 8 bits, so that rounding shows, and so few that the hidden layer is exact in float32: an error there
    # could tip the rounding of what the next product takes.
    coarse = [rng.choice([-1, 1], w.shape) * (1 + rng.integers(0, 512, w.shape) / 512) for w in model.get_weights()]
    model.set_weights(coarse)
    model.compile("sgd", loss="mse")
    x, y = rng.integers(0, 1024, size=(32, 16)), rng.normal(scale=1000.0, size=(32, 1))
    loss, gradients = model.loss_and_gradients(x, y)

    exact = reference_of(model, descriptions, "mse")
    network = reference_of(model, descriptions, "mse")
    for layer in network.layers:
        layer.rounded = reference.bfloat16  # type: ignore[attr-defined]
    expected_loss, expected = network.loss_and_gradients(x, y)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for gradient, rounded, unrounded in zip(gradients, expected, exact.loss_and_gradients(x, y)[1], strict=True):
        assert gradient.dtype == np.float32
        assert relative_error(gradient, rounded) < 1e-5  # sums of 32 terms in float32
        assert relative_error(unrounded, rounded) > 1e-4  # what not to round would give


def test_predictions_are_those_of_the_reference_with_rounded_factors() -> None:
    descriptions = [dense(37, "tanh"), dense(3, "softmax", use_bias=False)]
    model = sequential(descriptions, 5, dtype="mixed_bfloat16")
    random_weights(model)
    x = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    network = reference_of(model, descriptions, "categorical_crossentropy")
    for layer in network.layers:
        layer.rounded = reference.bfloat16  # type: ignore[attr-defined]
    assert model.predict(x).dtype == model(x).dtype == np.float32
    # A hidden value on the edge between two bfloat16 may go either way: 2^-8 of one term of 37
    assert relative_error(model.predict(x), network.predict(x)) < 2.0**-9
    assert np.median(np.abs(model.predict(x) - network.predict(x))) < 1e-6
    assert_array_equal(model(x), model.predict(x))


def test_mixed_bfloat16_learns_what_float32_learns() -> None:
    x, y = digits.load_data()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    accuracy = {}
    for dtype in ("float32", "mixed_bfloat16"):
        descriptions = [dense(64, "relu"), dense(10, "softmax")]
        model = sequential(descriptions, 64, dtype=dtype)
        model.compile(fn.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train / 16, y_train, epochs=20, verbose=0)
        accuracy[dtype] = model.evaluate(x_test / 16, y_test, verbose=0, return_dict=True)["accuracy"]
    assert accuracy["mixed_bfloat16"] >= 0.96
    assert abs(accuracy["mixed_bfloat16"] - accuracy["float32"]) <= 0.01  # three images


def test_model_keeps_its_policy_and_float32_weights(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(5, activation="relu", input_shape=(4,))], seed=0, dtype="mixed_bfloat16")
    model.add(fn.Dense(2))
    assert (model.dtype_policy, model.dtype, model.compute_dtype) == ("mixed_bfloat16", "float32", "bfloat16")
    assert {w.dtype for w in model.get_weights()} == {np.dtype(np.float32)}
    assert_array_equal(model.get_weights()[0], fn.Sequential([fn.Dense(5, input_shape=(4,))], seed=0).get_weights()[0])
    again = fn.Sequential.from_config(model.get_config())
    assert again.dtype_policy == "mixed_bfloat16"

    model.compile("adam", "mse")
    model.save(tmp_path / "mixed.safetensors")
    loaded = fn.load_model(tmp_path / "mixed.safetensors")
    assert loaded.dtype_policy == "mixed_bfloat16"
    x = np.random.default_rng(0).normal(size=(9, 4))
    assert_array_equal(loaded.predict(x), model.predict(x))
    as_float32 = fn.Sequential.from_config({**model.get_config(), "dtype": "float32"})
    as_float32.set_weights(model.get_weights())
    assert 0 < relative_error(model.predict(x), as_float32.predict(x)) < 2.0**-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_policies_compute_in_what_they_store(dtype: str) -> None:
    model = fn.Sequential(dtype=dtype)
    assert (model.dtype_policy, model.dtype, model.compute_dtype) == (dtype, dtype, dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16", "float16"])
def test_policies_that_do_not_exist_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="dtype must be one of 'float32', 'float64', 'mixed_bfloat16'; got"):
        fn.Sequential(dtype=dtype)


def test_command_trains_in_mixed_bfloat16_and_tells(run: Run, flowers: Path) -> None:
    assert run("train", flowers, "--dtype", "mixed_bfloat16", "--quiet", "--out", "mixed.safetensors").status == 0
    assert fn.load_model("mixed.safetensors").dtype_policy == "mixed_bfloat16"
    assert "of float32, multiplied in bfloat16" in run("info", "mixed.safetensors").out


if __name__ == "__main__":
    print(json.dumps([fn.show_config(mode="dict")["isa"], digests()]))
