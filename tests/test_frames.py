"""Tables: their columns are taken by name wherever a model that knows its features takes samples."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.reports._samples import features_table

RNG = np.random.default_rng(5)
NAMES = ["width", "height", "depth"]
OTHER_ORDER = ["depth", "height", "width"]
FRAME = pd.DataFrame(RNG.normal(size=(90, 3)) * [1.0, 10.0, 100.0], columns=NAMES)
Y = np.arange(90) % 2


class Streamed:
    """A table of a library that only offers its data as Arrow's stream."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


class Interchanged:
    """A table of a library that only offers the dataframe interchange protocol."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __dataframe__(self, **keywords: Any) -> Any:
        return self._table.__dataframe__(**keywords)


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.DataFrame,
    "pyarrow.Table": as_arrow,
    "pyarrow.RecordBatch": lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
    "Arrow's stream": lambda frame: Streamed(as_arrow(frame)),
    "the interchange protocol": lambda frame: Interchanged(as_arrow(frame)),
}


def model_of(seed: int = 0) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(2, "softmax")], seed=seed)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def trained() -> fn.Sequential:
    model = model_of()
    model.fit(FRAME, Y, verbose=0)
    return model


def doors(model: fn.Sequential) -> dict[str, Callable[[Any], Any]]:
    """Return everything that takes samples; what trains does so with a copy."""

    def on_copy(use: Callable[[fn.Sequential], Any]) -> Any:
        other = copy.deepcopy(model)
        return use(other), other.get_weights()

    return {
        "predict": model.predict,
        "call": model,
        "predict_on_batch": model.predict_on_batch,
        "predict of batches": lambda x: model.predict(iter([x, x])),
        "predict of some steps": lambda x: model.predict(x, batch_size=10, steps=2),
        "evaluate": lambda x: model.evaluate(x, Y, verbose=0),
        "evaluate of batches": lambda x: model.evaluate(iter([(x, Y)]), verbose=0),
        "test_on_batch": lambda x: model.test_on_batch(x, Y),
        "activations": lambda x: list(model.activations(x).values()),
        "loss_and_gradients": lambda x: model.loss_and_gradients(x, Y),
        "gradients": lambda x: model.gradients(x, Y)["dense"]["kernel"],
        "jacobian": model.jacobian,
        "input_gradients": lambda x: model.input_gradients(x, Y),
        "quantize": lambda x: model.quantize(x).predict(FRAME),
        "predict of a quantized model": lambda x: model.quantize(FRAME).predict(x),
        "doctor": lambda x: [fn.doctor(model, x, Y).codes, fn.doctor(model, FRAME, Y, (x, Y)).codes],
        "find_learning_rate": lambda x: fn.find_learning_rate(model, x, Y, steps=10).losses,
        "fit": lambda x: on_copy(lambda other: other.fit(x, Y, verbose=0).history),
        "fit on batches": lambda x: on_copy(lambda other: other.fit(iter([(x, Y)]), verbose=0).history),
        "validation_data": lambda x: on_copy(
            lambda other: other.fit(FRAME, Y, validation_data=(x, Y), verbose=0).history
        ),
        "train_on_batch": lambda x: on_copy(lambda other: other.train_on_batch(x, Y)),
    }


DOORS = list(doors(model_of()))


def assert_alike(one: Any, other: Any) -> None:
    if isinstance(one, tuple | list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_alike(first, second)
    elif isinstance(one, np.ndarray):
        assert_array_equal(one, other)
    else:
        assert one == other


# ---- Another order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_columns_in_another_order_are_put_in_that_of_the_model(door: str) -> None:
    model = trained()
    assert_alike(doors(model)[door](FRAME[OTHER_ORDER]), doors(model)[door](FRAME))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_is_taken_by_names(kind: str) -> None:
    model = model_of()
    model.fit(KINDS[kind](FRAME), Y, verbose=0)
    assert model.feature_names == NAMES
    assert_alike(model.get_weights(), trained().get_weights())
    assert_array_equal(model.predict(KINDS[kind](FRAME[OTHER_ORDER])), model.predict(FRAME.to_numpy()))


@pytest.mark.parametrize("quantized", [False, True])
def test_a_model_read_from_a_file_knows_the_names(quantized: bool, tmp_path: Path) -> None:
    model: Any = trained().quantize(FRAME) if quantized else trained()
    model.save(tmp_path / "model.safetensors")
    loaded = fn.load_model(tmp_path / "model.safetensors")
    assert_array_equal(loaded.predict(FRAME[OTHER_ORDER]), model.predict(FRAME))
    with pytest.raises(ValueError, match="now missing: 'depth'"):
        loaded.predict(FRAME[["width", "height"]])


def test_the_first_validation_and_the_first_batches_are_put_in_one_order() -> None:
    batches = [(FRAME[:40], Y[:40]), (FRAME[OTHER_ORDER][40:], Y[40:])]
    expected = model_of().fit(FRAME, Y, validation_data=(FRAME, Y), verbose=0).history
    assert model_of().fit(FRAME, Y, validation_data=(FRAME[OTHER_ORDER], Y), verbose=0).history == expected
    same = [(x[NAMES], y) for x, y in batches]
    assert model_of().fit(iter(batches), verbose=0).history == model_of().fit(iter(same), verbose=0).history
    for order in (NAMES, OTHER_ORDER):
        model = model_of()
        history = model.fit(iter(batches), validation_data=(FRAME[order], Y), verbose=0).history
        assert history["val_loss"][-1] == model.evaluate(FRAME, Y, verbose=0, return_dict=True)["loss"]


def test_a_step_on_a_batch_names_the_features() -> None:
    model = model_of()
    model.train_on_batch(FRAME, Y)
    assert model.feature_names == NAMES
    assert_array_equal(model.predict(FRAME[OTHER_ORDER]), model.predict(FRAME))


def test_a_training_that_is_refused_names_nothing() -> None:
    model = model_of()
    with pytest.raises(ValueError, match="validation_data"):
        model.fit(FRAME, Y, validation_data=(FRAME, Y + 5), verbose=0)
    with pytest.raises(ValueError, match="y has label 5"):
        model.train_on_batch(FRAME, Y + 5)
    assert model.feature_names is None
    fn.find_learning_rate(model, FRAME, Y, steps=10)
    assert model.feature_names is None


def test_what_a_normalization_was_adapted_to_is_what_its_model_takes(tmp_path: Path) -> None:
    normalization = fn.Normalization()
    normalization.adapt(FRAME[OTHER_ORDER])
    model = fn.Sequential([normalization, fn.Dense(2, "softmax")], seed=0)
    expected = model.predict(FRAME[OTHER_ORDER].to_numpy())
    assert model.feature_names == OTHER_ORDER
    assert_array_equal(model.predict(FRAME), expected)
    assert copy.deepcopy(model).feature_names == OTHER_ORDER
    model.save(tmp_path / "model.safetensors")
    for other in (fn.load_model(tmp_path / "model.safetensors"), model.quantize(FRAME)):
        assert_array_equal(other.predict(FRAME), other.predict(FRAME[OTHER_ORDER]))
    model.layers[0].adapt(FRAME)  # again, in the other order
    assert_array_equal(model.predict(FRAME), expected)
    with pytest.raises(ValueError, match="data: The feature names should match"):
        model.layers[0].adapt(FRAME[NAMES[:2]])


def test_a_receipt_is_verified_with_columns_in_any_order() -> None:
    assert fn.verify(trained(), FRAME[OTHER_ORDER], Y).identical


def test_the_rows_of_a_report_are_in_the_order_of_the_model() -> None:
    table, other = (features_table(trained(), frame, np.arange(3), {}, "") for frame in (FRAME, FRAME[OTHER_ORDER]))
    assert (table.headers, table.rows) == (other.headers, other.rows)


# ---- Other names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "other",
    [FRAME[NAMES[:2]], FRAME.assign(more=1.0), FRAME.rename(columns={"height": "heigth"}), FRAME[[*NAMES, "depth"]]],
    ids=["missing", "additional", "misspelled", "doubled"],
)
def test_other_columns_are_refused_everywhere(door: str, other: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        doors(trained())[door](other)


def test_the_names_are_listed_with_the_closest() -> None:
    table = pa.table({name: [1.0] for name in ["width", "heigth", "extra"]})
    with pytest.raises(ValueError, match=r"^x: The feature names should match") as error:
        trained().predict(table)
    assert "unseen at fit time: 'heigth' (did you mean 'height'?), 'extra'." in str(error.value)
    assert "seen at fit time, yet now missing: 'height', 'depth'." in str(error.value)
    many = pd.DataFrame(np.ones((1, 100)), columns=[f"{'n' * 100}{i}" for i in range(100)])
    with pytest.raises(ValueError, match=r"\.\.\.") as error:
        trained().predict(many)
    assert len(str(error.value)) < 700


def test_columns_of_one_name_are_refused() -> None:
    doubled = pa.table([pa.array([1.0])] * 3, names=["width", "width", "depth"])
    with pytest.raises(ValueError, match="x must have columns of different names; got several of 'width'"):
        model_of().fit(doubled, [0])
    with pytest.raises(ValueError, match="that several columns have: 'width'"):
        trained().predict(doubled)
    assert model_of().predict(doubled).shape == (1, 2)  # nothing is known to compare with


def test_names_of_text_and_of_numbers_together_are_refused() -> None:
    with pytest.raises(
        TypeError,
        match=r"column names that are all strings, or none: Feature names are only supported .*; got int, str",
    ):
        model_of().fit(FRAME.rename(columns={"width": 0}), Y)


# ---- By position ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nameless",
    [
        FRAME.to_numpy(),
        FRAME.to_numpy().tolist(),
        FRAME.set_axis([0, 1, 2], axis=1),
        FRAME.set_axis(pd.MultiIndex.from_product([["size"], NAMES]), axis=1),
    ],
    ids=["array", "list", "numbers", "MultiIndex"],
)
def test_what_has_no_names_of_text_is_taken_by_position(nameless: Any) -> None:
    model = trained()
    assert_array_equal(model.predict(nameless), model.predict(FRAME))
    other = model_of()
    other.fit(nameless, Y, verbose=0)
    assert other.feature_names is None
    assert_array_equal(other.predict(FRAME), model.predict(FRAME))  # nor has the model


def test_a_series_has_a_name_too() -> None:
    model = fn.Sequential([fn.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    model.fit(FRAME["width"], Y, verbose=0)
    assert model.feature_names == ["width"]
    assert_array_equal(model.predict(FRAME["width"].rename(None)), model.predict(FRAME["width"].to_numpy()))
    for other in (FRAME["height"], pl.Series("height", [1.0])):
        with pytest.raises(ValueError, match="unseen at fit time: 'height'"):
            model.predict(other)


def test_a_row_of_a_table_tells_how_it_becomes_a_sample() -> None:
    row = FRAME.iloc[0]
    with pytest.raises(ValueError, match=r"one sample is x\.to_frame\(\)\.T"):
        trained().predict(row)
    assert trained().predict(row.to_frame().T).shape == (1, 2)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (pl.LazyFrame({"a": [1.0]}), r"x must have its rows in memory; got LazyFrame: collect\(\) reads them"),
        ({name: [1.0] for name in NAMES}, "got dict .*: pandas.DataFrame makes a table"),
        (np.array([(1.0, 2.0)], dtype=[("a", float), ("b", float)]), "dtype .*: pandas.DataFrame makes a table"),
    ],
)
def test_what_is_no_table_yet_says_how_it_becomes_one(x: Any, message: str) -> None:
    for use in (trained().predict, lambda x: model_of().fit(x, [0])):
        with pytest.raises(TypeError, match=message):
            use(x)


# ---- What columns hold ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "bool[pyarrow]", "int64[pyarrow]", "object"])
def test_missing_values_of_pandas_are_named_by_row_and_column(dtype: str) -> None:
    column = pd.Series([1, 0] * 45).astype(dtype)
    model = model_of()
    frame = pd.DataFrame({"a": FRAME["width"], "b": column})
    model.fit(frame, Y, verbose=0)
    assert_array_equal(model.predict(frame), model.predict(frame.astype(float).to_numpy()))
    frame.loc[3, "b"] = pd.NA
    for use in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match="x has a NaN or an infinity in row 3, column 'b'"):
            use(frame, Y)
    with pytest.raises(ValueError, match="y has a NaN or an infinity in row 3"):
        model.fit(frame.assign(b=1.0), frame["b"])
    assert_array_equal(np.flatnonzero(np.isnan(model.predict(frame)).any(axis=1)), [3])


@pytest.mark.parametrize(
    "column",
    [pl.Series("b", [True, None]), pa.array([True, None]), pa.chunked_array([[1], [None]]), pl.Series([0, None])],
)
def test_nulls_of_polars_and_pyarrow_are_missing(column: Any) -> None:
    model = model_of()
    table: Any = pl.DataFrame({"a": [0.0, 1.0], "b": column}) if isinstance(column, pl.Series) else None
    table = pa.table({"a": [0.0, 1.0], "b": column}) if table is None else table
    with pytest.raises(ValueError, match="x has a NaN or an infinity in row 1, column 'b'"):
        model.fit(table, [0, 1])
    with pytest.raises(ValueError, match="y has a NaN or an infinity in row 1"):
        model.fit(np.ones((2, 2)), column)


def test_a_number_beyond_float64_is_refused() -> None:
    with pytest.raises(ValueError, match="column 'b' of x has a number that is too large for a float64"):
        model_of().fit(pd.DataFrame({"b": [10**400, 1]}), [0, 1])


DAYS = pd.date_range("2020-01-01", periods=90)


@pytest.mark.parametrize(
    "column",
    [
        DAYS,
        DAYS.tz_localize("UTC"),
        DAYS - DAYS[0],
        DAYS.to_period("D"),
        DAYS.date,
        pd.Categorical(["a", "b"] * 45),
        ["1", "2"] * 45,
        np.ones(90) * 1j,
        pd.Series(DAYS).astype("timestamp[us][pyarrow]"),
    ],
    ids=["dates", "zone", "spans", "periods", "objects", "categories", "text", "complex", "arrow"],
)
def test_columns_of_other_things_than_numbers_are_named(column: Any) -> None:
    frame = pd.DataFrame({"a": FRAME["width"], "b": column})
    with pytest.raises(TypeError, match="column 'b' of x must hold numbers"):
        model_of().fit(frame, Y)
    with pytest.raises(TypeError, match="y must hold numbers"):
        model_of().fit(FRAME, frame["b"])


@pytest.mark.parametrize("column", [pl.Series("b", DAYS).cast(pl.Date), pl.Series("b", ["1"] * 90)])
def test_columns_of_polars_are_named_too(column: pl.Series) -> None:
    with pytest.raises(TypeError, match=r"column 'b' of x must hold numbers; got (Date|String)"):
        model_of().fit(pl.DataFrame([column]), Y)
    with pytest.raises(TypeError, match=r"column 'b' of x must hold numbers; got (date32|large_string|string)"):
        model_of().fit(pl.DataFrame([column]).to_arrow(), Y)
