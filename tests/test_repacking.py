"""Samples that are slow to gather are copied once, and nothing but the time tells."""

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnet as fn
from fastnet import _core
from fastnet.inputs import columns as columns_module
from fastnet.inputs import repacking as _repacking
from fastnet.inputs import samples as _data_adapter

NATIVE = [np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)] + [np.dtype("f4"), np.dtype("f8")]
DTYPES = [*NATIVE, np.dtype("f2"), *(dtype.newbyteorder() for dtype in (*NATIVE, np.dtype("f2")) if dtype.itemsize > 1)]
SIZES = (0, 1, 7, 31, 33, 127, 129, 1000)
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "a part of Fortran": lambda x: np.asfortranarray(np.pad(x, ((3, 2), (1, 4))))[3 : 3 + x.shape[0], 1 : 1 + x.shape[1]],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "every third row of Fortran": lambda x: np.asfortranarray(np.repeat(x, 3, axis=0))[::3],
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "Fortran backwards": lambda x: np.asfortranarray(x[::-1, ::-1])[::-1, ::-1],
    "at an odd address": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
}  # fmt: skip
VALUES: dict[str, Callable[[np.random.Generator, tuple[int, int]], Any]] = {
    "pixels": lambda random, shape: random.integers(0, 256, shape) * (random.random(shape) < 0.2),
    "numbers": lambda random, shape: random.normal(size=shape) * 10.0 ** random.integers(-6, 5, shape),
    "tiny numbers": lambda random, shape: random.normal(size=shape) * 10.0 ** random.integers(-46, -6, shape),
    "large integers": lambda random, shape: random.integers(-(2**62), 2**62, shape) + 2**53 + 1,
}


def drawn(values: str, dtype: np.dtype[Any], rows: int, columns: int, seed: int = 0) -> Any:
    numbers = VALUES[values](np.random.default_rng(seed), (rows, columns))
    with np.errstate(all="ignore"):
        if dtype.kind in "iu":
            return np.asarray(numbers).astype(np.int64).astype(dtype)
        return np.clip(numbers, np.finfo(dtype).min, np.finfo(dtype).max).astype(dtype)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, teams_of_any_size: None) -> int:
    fn.set_num_threads(request.param)
    return int(request.param)


# --- The copy --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(DTYPES),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(VALUES)),
    st.sampled_from(SIZES),
    st.sampled_from(SIZES),
    st.sampled_from(["u1", "f4", "f8", "own"]),
    st.integers(1, 3),
)
def test_the_copy_has_the_numbers_that_numpy_converts_to(
    dtype: Any, layout: str, values: str, rows: int, columns: int, to: str, threads: int
) -> None:
    x = LAYOUTS[layout](drawn(values, dtype, rows, columns))
    target = dtype.newbyteorder("=") if to == "own" else np.dtype(to)
    with np.errstate(all="ignore"):
        expected = x.astype(target)
    out = np.empty(x.shape, target)
    if (dtype.kind == "f" and target == np.uint8) or target == np.float16:
        with pytest.raises(TypeError, match=r"^(x|out) must"):
            _core.repack(x, out, True)
        return
    before = fn.get_num_threads()
    fn.set_num_threads(threads)
    try:
        row = _core.repack(x, out, True)
    finally:
        fn.set_num_threads(before)
    fits = (
        (expected == x).all(axis=1) if target == np.uint8 and dtype.kind in "iu" else np.isfinite(expected).all(axis=1)
    )
    if fits.all():
        assert row == -1
        assert out.tobytes() == expected.tobytes()
    elif target == np.uint8:
        assert row >= 0
    else:
        assert row == int(fits.argmin())


@pytest.mark.parametrize("to", ["f4", "f8"])
def test_every_float16(to: str, threads: int) -> None:
    x = np.asfortranarray(np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(256, 256))
    out = np.empty(x.shape, to)
    _core.repack(x, out, False)
    np.testing.assert_array_equal(out, x.astype(to))
    assert (np.signbit(out) == np.signbit(x))[~np.isnan(x)].all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("dtype", "bad"), [("f4", np.nan), ("f8", -np.inf), ("f8", 1e39), (">f8", 1e300), ("f2", np.inf)]
)
def test_the_first_row_that_is_not_finite_is_told(layout: str, dtype: str, bad: float, threads: int) -> None:
    for shape, rows in (((1000, 33), (999, 600, 129, 1, 0)), ((2, 9000), (1, 0))):
        x = np.ones(shape, dtype)
        for row in rows:
            x[row, -1 if row % 2 else 0] = bad
            assert _core.repack(LAYOUTS[layout](x), np.empty(shape, np.float32), True) == row
            assert _core.repack(LAYOUTS[layout](x), np.empty(shape, np.float32), False) == -1


@pytest.mark.parametrize("value", [-1, 256, 2**40, -(2**63)])
def test_an_integer_that_no_byte_holds_is_noticed(value: int, threads: int) -> None:
    for layout in LAYOUTS.values():
        x = np.full((300, 70), 255, np.int64)
        assert _core.repack(layout(x), np.empty(x.shape, np.uint8), True) == -1
        x[150, 69] = value
        assert _core.repack(layout(x), np.empty(x.shape, np.uint8), True) >= 0


@pytest.mark.parametrize(
    ("x", "out"),
    [
        (np.ones(3), np.ones(3)),
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.ones((2, 3)), np.ones((2, 6))[:, ::2]),
        (np.ones((2, 3)), np.asfortranarray(np.ones((2, 3)))),
        (np.ones((2, 3)), np.broadcast_to(1.0, (2, 3))),
        (np.ones((2, 3)), np.ones((2, 3), np.float16)),
        (np.ones((2, 3)), np.ones((2, 3), np.int64)),
        (np.ones((2, 3), np.int32), np.ones((2, 3), np.int16)),
        (np.ones((2, 3), np.longdouble), np.ones((2, 3))),
        (np.ones((2, 3), complex), np.ones((2, 3))),
        (np.full((2, 3), "x"), np.ones((2, 3))),
        (np.ones((2, 3), object), np.ones((2, 3))),
    ],
)
def test_what_cannot_be_repacked_is_refused(x: Any, out: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"x |out "):
        _core.repack(x, out, True)


def test_an_array_is_not_repacked_into_itself() -> None:
    x = np.ones((4, 4))
    with pytest.raises(ValueError, match="share memory"):
        _core.repack(x.T, x, True)


# --- Columns ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([*NATIVE, np.dtype(bool), np.dtype("f2"), np.dtype(">i8"), np.dtype(">f4")]),
    st.sampled_from(sorted(VALUES)),
    st.sampled_from([1, 7, 31, 127, 129, 1000]),
    st.sampled_from([1, 7, 31, 33, 1000]),
    st.integers(1, 3),
)
def test_columns_that_lie_apart_are_joined_as_numpy_stacks_them(
    dtype: Any, values: str, rows: int, columns: int, threads: int
) -> None:
    x = (
        drawn(values, np.dtype("i8"), rows, columns).astype(dtype)
        if dtype.kind == "b"
        else drawn(values, dtype, rows, columns)
    )
    apart = [x[:, j].copy() for j in range(columns)]
    joined = columns_module.joined(apart)
    np.testing.assert_array_equal(joined, np.stack(apart, axis=1))
    assert joined.dtype == dtype.newbyteorder("=")


def test_columns_of_different_kinds_get_the_dtype_that_numpy_gives_them() -> None:
    columns = [np.arange(2000, dtype=dtype) for dtype in ("i4", "f4", "u1", "f8") * 10]
    np.testing.assert_array_equal(columns_module.joined(columns), np.stack(columns, axis=1))
    assert columns_module.joined(columns).dtype == np.float64
    columns = [np.repeat(np.arange(2000.0), 2)[::2] for _ in range(40)]
    columns[3] = columns[3].copy()
    np.testing.assert_array_equal(columns_module.joined(columns), np.stack(columns, axis=1))


@pytest.mark.parametrize(
    ("columns", "out"),
    [
        ([], np.ones((3, 0))),
        ([np.ones(3), np.ones(2)], np.ones((3, 2))),
        ([np.ones(3), np.ones(3, np.float32)], np.ones((3, 2))),
        ([np.ones(3), np.ones(6)[::2]], np.ones((3, 2))),
        ([np.ones(3), np.ones((3, 1))], np.ones((3, 2))),
        ([np.ones((3, 1))], np.ones((3, 1))),
        ([np.ones(3)], np.ones((3, 2))),
        ([np.ones(3)], np.ones((3, 1), np.uint8)),
        ([np.ones(3, object)], np.ones((3, 1))),
    ],
)
def test_columns_that_cannot_be_joined_are_refused(columns: list[Any], out: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^(columns|x|out)"):
        _core.repack_columns(columns, out, True)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_receipt_tells_of_a_table_what_it_tells_of_its_array(library: str) -> None:
    x = drawn("pixels", np.dtype("i8"), 1000, 70)
    columns = {f"pixel{j}": x[:, j].copy() for j in range(70)}
    make = getattr(pytest.importorskip(library), "table" if library == "pyarrow" else "DataFrame")
    models = []
    for data in (x, make(columns)):
        model = fn.Sequential([fn.Rescaling(1 / 255, input_shape=(70,)), fn.Dense(1)], seed=0)
        model.compile("sgd", "mse")
        model.fit(data, x[:, 0], epochs=1, verbose=0)
        models.append(model)
    receipts = [model.receipt["runs"][0]["data"]["x"] for model in models]
    assert receipts[0] == receipts[1]
    np.testing.assert_array_equal(models[0].get_weights()[0], models[1].get_weights()[0])


# --- When it pays ----------------------------------------------------------------------------------------------------


def dtype_of_copy(x: Any, dtype: str = "float32", passes: float = 10.0) -> Any:
    copied = _repacking.repacked(x, dtype, passes)
    if copied is None:
        return None
    assert copied[0].flags.c_contiguous
    np.testing.assert_array_equal(copied[0], np.asarray(x).astype(copied[0].dtype))
    return copied[0].dtype


PIXELS = np.random.default_rng(1).integers(0, 256, (600, 100))
SIGNED = PIXELS - 100


@pytest.mark.parametrize(
    ("x", "passes", "copy"),
    [
        (PIXELS.astype(np.uint8), 1000, None),
        (PIXELS.astype(np.float32), 1000, None),
        (PIXELS.astype(np.float32)[:, 1:], 1000, None),
        (PIXELS.astype(np.int16), 1000, None),
        (PIXELS.astype(np.int32), 1000, None),
        (PIXELS, 1, None),
        (PIXELS, 3, "uint8"),
        (SIGNED, 3, "float32"),
        (PIXELS.astype(float), 3, "float32"),
        (np.asfortranarray(PIXELS), 1, "uint8"),
        (np.asfortranarray(PIXELS), 0.1, None),
        (np.asfortranarray(PIXELS)[10:, 1:], 1, "uint8"),
        (np.asfortranarray(SIGNED), 1, "float32"),
        (np.asfortranarray(PIXELS.astype(float)), 1, "float32"),
        (np.asfortranarray(PIXELS.astype(np.float32)), 1, "float32"),
        (np.asfortranarray(PIXELS.astype(np.uint8)), 1, "uint8"),
        (np.asfortranarray(SIGNED.astype(np.int16)), 1, "int16"),
        (np.asfortranarray(PIXELS.astype(np.int16)), 1, "uint8"),
        (np.asfortranarray(PIXELS.astype(np.int8)), 1, "int8"),
        (PIXELS.astype(">i8"), 0.1, "uint8"),
        (PIXELS.astype(np.float16), 0.1, "float32"),
        (np.asfortranarray(PIXELS)[:40], 1000, None),  # few
        (np.broadcast_to(PIXELS[0], (600, 100)), 1000, None),  # smaller than its copy
        (np.lib.stride_tricks.sliding_window_view(np.arange(2000), 500), 1000, None),
    ],
)
def test_the_form_of_the_copy(x: Any, passes: float, copy: str | None) -> None:
    assert dtype_of_copy(x, passes=passes) == copy


@pytest.mark.parametrize(
    ("x", "copy"),
    [
        (SIGNED, None),
        (PIXELS, "uint8"),
        (np.asfortranarray(SIGNED), "float64"),
        (np.asfortranarray(PIXELS.astype(np.float32)), "float32"),
        (np.asfortranarray(SIGNED.astype(np.int32)), "int32"),
        (PIXELS.astype(float), None),
    ],
)
def test_the_form_of_the_copy_for_float64(x: Any, copy: str | None) -> None:
    assert dtype_of_copy(x, "float64") == copy


def test_rows_in_a_file_are_read_where_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PIXELS)
    assert dtype_of_copy(np.load(tmp_path / "x.npy", mmap_mode="r")[5:]) is None
    np.save(tmp_path / "x.npy", np.asfortranarray(PIXELS))
    assert dtype_of_copy(np.load(tmp_path / "x.npy", mmap_mode="r")[5:]) == "uint8"


def test_a_copy_leaves_most_of_the_memory_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_repacking, "_memory", lambda: 4.0 * PIXELS.size)
    assert dtype_of_copy(np.asfortranarray(PIXELS)) == "uint8"
    assert dtype_of_copy(np.asfortranarray(SIGNED)) is None
    monkeypatch.undo()
    monkeypatch.setattr(_repacking.np, "empty", lambda shape, dtype: (_ for _ in ()).throw(MemoryError))
    assert dtype_of_copy(np.asfortranarray(PIXELS)) is None
    monkeypatch.undo()
    assert _repacking._memory() > 1e8
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert _repacking._memory() == float("inf")


# --- The network sees the same numbers -------------------------------------------------------------------------------


def outcome(x: Any, dtype: str, monkeypatch: pytest.MonkeyPatch, *, packs: bool, batch_size: int = 64) -> list[bytes]:
    """Return the bits of all that training, evaluation and prediction give."""
    with monkeypatch.context() as patch:
        if not packs:
            patch.setattr(_repacking, "FEW_VALUES", 1 << 60)
        labels = np.arange(len(x)) % 3
        model = fn.Sequential([fn.Dense(6, "relu"), fn.Dense(3, "softmax")], dtype=dtype, seed=3)
        model.compile(fn.optimizers.SGD(1e-4, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, labels, batch_size, epochs=3, validation_split=0.2, verbose=0).history
        history = {**history, **model.fit(x, labels, len(x), validation_data=(x, labels), verbose=0).history}
        loss, gradients = model.loss_and_gradients(x, labels)
        return [
            *(array.tobytes() for array in (*model.get_weights(), *gradients)),
            np.array([*history["loss"], *history["val_loss"], loss, *model.evaluate(x, labels, verbose=0)]).tobytes(),
            model.predict(x, 32).tobytes(),
            str([(run["data"], run["validation"]) for run in model.receipt["runs"]]).encode(),
        ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["<i8", "u1", "i2", "f4", "f8", ">i8", ">f4", "f2", "?"])
@pytest.mark.parametrize("layout", ["C", "a part of Fortran", "backwards"])
def test_training_and_prediction_give_the_same_bits(
    kind: str, layout: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = "numbers" if kind.endswith(("f4", "f8", "f2")) else "pixels"
    x = LAYOUTS[layout](
        drawn(values, np.dtype(kind), 1000, 40) if kind != "?" else np.arange(40000).reshape(1000, 40) % 3 > 0
    )
    assert outcome(x, dtype, monkeypatch, packs=True) == outcome(x, dtype, monkeypatch, packs=False)


def test_predictions_come_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(100,))], seed=1)
    expected = model.predict(PIXELS)
    shapes = []
    real = _repacking.repack
    monkeypatch.setattr(_repacking, "_CHUNK_BYTES", 100 * 4 * 330)
    monkeypatch.setattr(_repacking, "FEW_VALUES", 1)
    monkeypatch.setattr(
        _repacking, "repack", lambda x, out, finite: shapes.append((x.shape, finite)) or real(x, out, finite)
    )
    assert model.predict(np.asfortranarray(PIXELS), 64).tobytes() == expected.tobytes()
    assert shapes == [((320, 100), False), ((280, 100), False)]
    shapes.clear()
    assert model.predict(PIXELS, 64).tobytes() == expected.tobytes()
    assert shapes == []


@pytest.mark.parametrize("kind", ["f4", "f8", ">f8", "f2"])
@pytest.mark.parametrize("layout", ["C", "a part of Fortran"])
def test_fit_names_the_row_that_is_not_finite(kind: str, layout: str) -> None:
    x = PIXELS.astype(kind)
    x[317, 5] = np.nan
    model = fn.Sequential([fn.Dense(3, input_shape=(100,))], seed=1)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"^x has a NaN or an infinity in row 317$"):
        model.fit(LAYOUTS[layout](x), np.zeros((600, 3)), epochs=5, verbose=0)
    if kind.endswith("f8"):
        x[317, 5] = 1e39
        with pytest.raises(ValueError, match=r"^x has a number in row 317 that is too large for float32"):
            model.fit(LAYOUTS[layout](x), np.zeros((600, 3)), epochs=5, verbose=0)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("kind", ["i8", "u1", "i2", "i1", "f4", "f8"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_table_gives_the_bits_and_the_receipt_of_its_array(
    library: str, kind: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip(library)
    for values in ("numbers",) if kind[0] == "f" else ("pixels", "numbers"):
        x = drawn(values, np.dtype(kind), 1000, 40)
        table = module.DataFrame({f"pixel{i}": x[:, i] for i in range(40)})
        assert outcome(table, dtype, monkeypatch, packs=True) == outcome(x, dtype, monkeypatch, packs=False)


@pytest.mark.parametrize("epochs", [1, 5])
def test_columns_that_lie_apart_become_bytes_where_bytes_hold_them(epochs: int) -> None:
    table = columns_module.as_columns([PIXELS[:, i].copy() for i in range(100)])
    assert isinstance(table, columns_module.Columns)
    features = _data_adapter.finite_features("x", table, "float32", epochs)
    assert isinstance(features, np.ndarray)
    assert features.dtype == np.uint8
    np.testing.assert_array_equal(features, PIXELS)
    beyond = columns_module.as_columns([PIXELS[:, i] + 200 for i in range(100)])
    features = _data_adapter.finite_features("x", beyond, "float32", epochs)
    assert isinstance(features, np.ndarray)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, PIXELS + 200.0)


def test_fit_names_the_row_and_the_column_of_a_table_that_are_not_finite() -> None:
    polars = pytest.importorskip("polars")
    x = PIXELS.astype(float)
    x[317, 5] = np.inf
    model = fn.Sequential([fn.Dense(3, input_shape=(100,))], seed=1)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"^x has a NaN or an infinity in row 317, column 'pixel5'$"):
        model.fit(polars.DataFrame({f"pixel{i}": x[:, i] for i in range(100)}), np.zeros((600, 3)), verbose=0)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")
def test_estimators_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    estimators = pytest.importorskip("fastnet.sklearn")
    labels = np.arange(600) % 3

    def bits(x: Any, **options: Any) -> bytes:
        model = estimators.MLPClassifier((8,), max_iter=4, random_state=0, **options).fit(x, labels)
        return b"".join(array.tobytes() for array in (*model.coefs_, model.predict_proba(x)))

    for options in ({}, {"early_stopping": True}, {"solver": "lbfgs", "tol": 1e9}):
        expected = bits(PIXELS, **options)
        assert bits(np.asfortranarray(PIXELS), **options) == expected
        with monkeypatch.context() as patch:
            patch.setattr(_repacking, "FEW_VALUES", 1 << 60)
            assert bits(np.asfortranarray(PIXELS), **options) == expected


def test_what_was_copied_is_free_while_the_model_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    copied, alive = [], []
    real = _repacking.repacked
    monkeypatch.setattr(_data_adapter, "repacked", lambda x, *rest: (copied.append(weakref.ref(x)), real(x, *rest))[1])
    model = fn.Sequential([fn.Dense(3, input_shape=(100,))], seed=1)
    model.compile(fn.optimizers.SGD(1e-6), "mse")
    look = fn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: alive.extend(x() is not None for x in copied))
    given = PIXELS.tolist(), np.zeros((600, 3))
    model.fit(*given, epochs=3, validation_data=given, callbacks=[look], verbose=0)
    assert alive == [False] * 6
