"""Bad input: the right exception in Python; on the command line one line, status 1, and nothing written over."""

import gzip
import inspect
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.cli import main
from fastnet.datasets import load

KEPT = b"an earlier file"

Failing = Callable[..., str]


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str]) -> Failing:
    """Run a command that must fail, and return its one line."""

    def run(*arguments: object) -> str:
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (status, out) == (1, "")
        assert re.fullmatch(r"fastnet: error: [^\n]+\n", err)
        return err.removeprefix("fastnet: error: ").rstrip()

    return run


@pytest.fixture
def model(tmp_path: Path) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(2, activation="softmax", input_shape=(3,))], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def model_file(model: fn.Sequential, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def idx(values: Any) -> bytes:
    array = np.asarray(values, np.uint8)
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


# ---- Files ----------------------------------------------------------------------------------------------------------

HEADER = b"label,a,b,c\n"
FILES = {
    "ragged row": (HEADER + b"0,1,2,3\n1,1,2\n", "line 3.* 3 values; expected 4"),
    "ragged row without a header": (b"0,1,2,3\n1,1,2,3,4\n", "line 2.* 5 values; expected 4"),
    "letter": (HEADER + b"0,1,2,3\n1,1,x,3\n", "line 3, column 'b': 'x' is not a number"),
    "empty cell": (HEADER + b"0,1,2,3\n1,1,,3\n", "line 3, column 'b': the cell is empty"),
    "missing label": (HEADER + b"0,1,2,3\n,1,2,3\n", "line 3, column 'label': the cell is empty"),
    "label column": (
        b"a,b,c\n1,2,3\n4,5,6\n",
        "no column 'label' for the labels; its columns are 'a', 'b', 'c'; target= \\(--target\\) names it",
    ),
    "not a number": (HEADER + b"0,1,2,3\n1,1,nan,3\n", "line 3, column 'b': 'nan' is not a finite number"),
    "infinity": (HEADER + b"0,1,2,3\n1,inf,2,3\n", "line 3, column 'a': 'inf' is not a finite number"),
    "fractional labels": (HEADER + b"0.5,1,2,3\n1,1,2,3\n", "must be whole numbers or text"),
    "header only": (HEADER, "has a header and no rows"),
    "empty": (b"", "is empty"),
    "one class": (HEADER + b"7,1,2,3\n7,1,2,3\n", "has only one class"),
    "binary": (bytes(range(256)), "is not in a known format"),
    "cut gzip": (gzip.compress(HEADER + b"0,1,2,3\n" * 1000)[:40], "data"),
    "truncated IDX": (idx(np.zeros((5, 4, 4)))[:50], "data"),
    "labels only": (idx(np.zeros(5)), "holds labels; give the file of the images"),
}


# Labels with a fraction are numbers for a regression on the command line.
@pytest.mark.parametrize("case", [case for case in FILES if case != "fractional labels"])
def test_a_bad_file_is_one_line_and_nothing_is_written(case: str, failing: Failing, tmp_path: Path) -> None:
    content, reason = FILES[case]
    data, out = tmp_path / "data", tmp_path / "model.safetensors"
    data.write_bytes(content)
    out.write_bytes(KEPT)
    line = failing("train", data, "--out", out)
    assert str(data) in line
    assert re.search(reason, line)
    assert out.read_bytes() == KEPT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model.safetensors"]


@pytest.mark.parametrize("case", [case for case in FILES if case != "one class"])
def test_a_bad_file_is_a_value_error_in_python(case: str, tmp_path: Path) -> None:
    content, reason = FILES[case]
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        load(tmp_path / "data", require_labels=True)


@pytest.mark.parametrize("cut", ["images", "labels"])
def test_a_truncated_idx_file_in_a_folder_is_named(cut: str, failing: Failing, tmp_path: Path) -> None:
    files = {"images": idx(np.zeros((6, 4, 4))), "labels": idx([0, 1] * 3)}
    for name, content in files.items():
        kept = content[:-2] if name == cut else content
        (tmp_path / f"train-{name}-idx{3 if name == 'images' else 1}-ubyte").write_bytes(kept)
    assert f"train-{cut}-idx" in failing("train", tmp_path)
    with pytest.raises(ValueError, match=f"train-{cut}-idx"):
        load(tmp_path)


def test_missing_data_are_named(failing: Failing) -> None:
    assert "nowhere.csv" in failing("train", "nowhere.csv")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        load("nowhere.csv")


# ---- Arrays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_not_finite_are_named_and_change_nothing(bad: float, dtype: type, model: fn.Sequential) -> None:
    x, y = np.ones((5, 3), dtype), np.array([0, 1, 0, 1, 0])
    x[3, 1] = bad
    before = model.get_weights()
    for method in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match="x has a NaN or an infinity in row 3"):
            method(x, y)
    with pytest.raises(ValueError, match="x has a NaN or an infinity in row 3"):
        model.evaluate(x, y, verbose=0)
    assert all((now == then).all() for now, then in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("label", [2, -1, 255])
def test_labels_out_of_range_are_named(label: int, model: fn.Sequential) -> None:
    y = np.array([0, 1, label])
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=rf"label {label} at row 2.*0\.\.1"):
            method(np.ones((3, 3)), y, verbose=0)


def test_the_wrong_number_of_features_is_named(model: fn.Sequential) -> None:
    for call in (lambda x: model.fit(x, [0, 1]), model.predict, lambda x: model.evaluate(x, [0, 1])):
        with pytest.raises(ValueError, match=r"x must have shape \(samples, 3\); got \(2, 4\)"):
            call(np.ones((2, 4)))


# ---- A model and data that do not fit --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_data_with_other_features_than_the_model_are_refused(
    command: str, failing: Failing, model_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_bytes(b"label,a,b,c,d\n0,1,2,3,4\n1,1,2,3,4\n")
    line = failing(command, model_file, tmp_path / "data.csv")
    assert line.endswith("data.csv has 4 features in a row; the model takes 3")


def test_labels_that_the_model_does_not_know_are_refused(failing: Failing, model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(HEADER + b"0,1,2,3\n7,1,2,3\n")
    line = failing("evaluate", model_file, tmp_path / "data.csv")
    assert "the label '7' is not one of the 2 known classes ('0', '1')" in line


def test_evaluate_needs_labels(failing: Failing, model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"a,b,c\n1,2,3\n")
    assert "no column 'label'" in failing("evaluate", model_file, tmp_path / "data.csv")


# ---- Model files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["info", "evaluate", "predict"])
def test_a_model_file_cut_in_half_is_refused(command: str, failing: Failing, model_file: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "predictions.csv"
    data.write_bytes(HEADER + b"0,1,2,3\n1,1,2,3\n")
    out.write_bytes(KEPT)
    whole = model_file.read_bytes()
    model_file.write_bytes(whole[: len(whole) // 2])
    arguments = {"info": [], "evaluate": [data], "predict": [data, "--out", out]}[command]
    line = failing(command, model_file, *arguments)
    assert line.startswith(f"cannot load {model_file}: it is cut short")
    assert out.read_bytes() == KEPT
    with pytest.raises(ValueError, match="cut short"):
        fn.load_model(model_file)


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_model_that_gives_nan_has_no_answer(
    command: str, failing: Failing, model: fn.Sequential, model_file: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "predictions.csv"
    data.write_bytes(HEADER + b"0,1,2,3\n1,1,2,3\n")
    out.write_bytes(KEPT)
    model.set_weights([np.full_like(array, np.nan) for array in model.get_weights()])
    model.save(model_file)
    line = failing(command, model_file, data, *(["--out", out] if command == "predict" else []))
    assert "the model's output for row 0 is NaN" in line
    assert out.read_bytes() == KEPT


@pytest.mark.parametrize("option", ["--batch-size", "--threads", "--epochs"])
def test_numbers_beyond_all_bounds_are_refused(option: str, failing: Failing) -> None:
    assert re.search(r"must be at most \d+; got 10{30}$", failing("train", "--quiet", option, 10**30))


def test_a_model_that_is_no_model_is_refused(failing: Failing, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(HEADER + b"0,1,2,3\n")
    assert failing("info", tmp_path / "data.csv").endswith("data.csv: it is not a safetensors file")
    assert "nothing" in failing("info", tmp_path / "nothing")
    assert "folder" in failing("info", tmp_path)


# ---- Mistyped names -------------------------------------------------------------------------------------------------

X, Y = np.ones((4, 3)), np.zeros(4)
MISTYPED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "activation": (lambda: fn.Dense(2, activation="relru"), ValueError, "relu"),
    "activation in another case": (lambda: fn.layers.Activation("ReLU"), ValueError, "relu"),
    "optimizer": (lambda: fn.optimizers.get("adamm"), ValueError, "adam"),
    "optimizer of compile": (lambda: fn.Sequential().compile("Adam "), ValueError, "adam"),
    "loss": (lambda: fn.losses.get("mean_sqared_error"), ValueError, "mean_squared_error"),
    "loss of compile": (
        lambda: fn.Sequential().compile(loss="cross_entropy_binary"),
        ValueError,
        "binary_crossentropy",
    ),
    "metric": (lambda: fn.metrics.get("precison"), ValueError, "precision"),
    "metric of compile": (lambda: fn.Sequential().compile(metrics=["accurracy"]), ValueError, "accuracy"),
    "layer": (lambda: fn.layers.deserialize({"class_name": "Dens"}), ValueError, "Dense"),
    "entry": (lambda: fn.layers.deserialize({"class_name": "Dense", "conifg": {}}), ValueError, "config"),
    "initializer": (lambda: fn.Dense(2, kernel_initializer="he_nromal"), ValueError, "he_normal"),
    "regularizer": (lambda: fn.regularizers.get("L1 "), ValueError, "l1"),
    "schedule": (lambda: fn.schedules.get({"class_name": "CosinDecay"}), ValueError, "CosineDecay"),
    "choice": (lambda: fn.callbacks.EarlyStopping(mode="mx"), ValueError, "max"),
    "dtype": (lambda: fn.Sequential(dtype="flaot32"), ValueError, "float32"),
    "data set": (lambda: load("mnits"), FileNotFoundError, "mnist"),
    "keyword of a layer": (lambda: fn.Dense(2, activaton="relu"), TypeError, "activation"),
    "keyword of every layer": (lambda: fn.layers.Flatten(input_shpe=(2,)), TypeError, "input_shape"),
    "keyword of Keras": (lambda: fn.Dense(2, kernel_constrain=None), TypeError, "kernel_constraint"),
    "keyword of an optimizer": (lambda: fn.optimizers.Adam(learning_rte=0.1), TypeError, "learning_rate"),
    "keyword of every optimizer": (lambda: fn.optimizers.SGD(clip_norm=1), TypeError, "clipnorm"),
    "keyword of a loss": (lambda: fn.losses.BinaryCrossentropy(from_logit=True), TypeError, "from_logits"),
    "keyword of a metric": (lambda: fn.metrics.Precision(treshold=0.5), TypeError, "thresholds"),
    "keyword of an initializer": (lambda: fn.initializers.HeNormal(sed=1), TypeError, "seed"),
    "keyword of a regularizer": (lambda: fn.regularizers.L1L2(l_2=1), TypeError, "l2"),
    "keyword of a schedule": (lambda: fn.schedules.CosineDecay(0.1, decay_step=9), TypeError, "decay_steps"),
    "keyword of a callback": (lambda: fn.callbacks.EarlyStopping(patiance=3), TypeError, "patience"),
    "hook": (lambda: fn.callbacks.LambdaCallback(on_epoch_ends=print), TypeError, "on_epoch_end"),
    "keyword of a model": (lambda: fn.Sequential(sead=1), TypeError, "seed"),
    "keyword of compile": (lambda: fn.Sequential().compile(optimiser="adam"), TypeError, "optimizer"),
    "keyword of fit": (lambda: fn.Sequential().fit(X, Y, epoch=3), TypeError, "epochs"),
    "keyword of evaluate": (lambda: fn.Sequential().evaluate(X, Y, batchsize=3), TypeError, "batch_size"),
    "keyword of predict": (lambda: fn.Sequential().predict(X, verbos=0), TypeError, "verbose"),
    "keyword of train_on_batch": (
        lambda: fn.Sequential().train_on_batch(X, Y, class_weights={}),
        TypeError,
        "class_weight",
    ),
    "keyword of summary": (lambda: fn.Sequential().summary(linelength=3), TypeError, "line_length"),
}


@pytest.mark.parametrize("case", MISTYPED)
def test_a_mistyped_name_gets_the_one_that_may_have_been_meant(case: str) -> None:
    call, kind, meant = MISTYPED[case]
    with pytest.raises(kind, match=rf"; did you mean '{meant}'\?$"):
        call()


def test_a_keyword_that_is_near_to_none_gets_no_hint() -> None:
    with pytest.raises(TypeError, match=r"^HeNormal\(\) got an unexpected keyword argument 'wxyz'$"):
        fn.initializers.HeNormal(wxyz=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Zeros\(\) got an unexpected keyword argument 'wxyz'$"):
        fn.initializers.Zeros(wxyz=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        fn.initializers.Zeros(1)  # type: ignore[call-arg]


def test_classes_that_name_their_arguments_are_classes_like_others() -> None:
    class Own(fn.callbacks.Callback):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.options = options

    assert Own(anything=1).options == {"anything": 1}
    assert list(inspect.signature(fn.initializers.HeNormal).parameters) == ["seed"]
    assert list(inspect.signature(fn.Sequential.fit).parameters)[:3] == ["self", "x", "y"]
    assert pickle.loads(pickle.dumps(fn.initializers.HeNormal(seed=3))).seed == 3


def test_a_monitored_figure_that_is_mistyped_is_told_with_the_nearest(model: fn.Sequential) -> None:
    stop = fn.callbacks.EarlyStopping(monitor="acuracy", mode="max")
    with pytest.warns(UserWarning, match="did you mean 'accuracy'"):
        model.fit(np.ones((4, 3)), [0, 1, 0, 1], verbose=0, callbacks=[stop])
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):  # whose direction is asked for
        model.fit(np.ones((4, 3)), [0, 1, 0, 1], verbose=0, callbacks=[fn.callbacks.EarlyStopping("acuracy")])


def test_a_label_column_that_is_mistyped_is_told_with_the_nearest(failing: Failing, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"species,width\na,1\nb,2\n")
    assert failing("train", tmp_path / "data.csv", "--target", "specie").endswith(
        "; target= (--target) names it; did you mean 'species'?"
    )


def test_the_label_column_of_training_is_told_with_the_nearest(
    failing: Failing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.csv").write_bytes(b"species,width\n" + b"a,1\nb,2\n" * 9)
    model = tmp_path / "m.safetensors"
    assert main(["train", str(tmp_path / "data.csv"), "--target", "species", "--epochs", "1", "--out", str(model)]) == 0
    capsys.readouterr()
    (tmp_path / "data.csv").write_bytes(b"Species ,width\na,1\nb,2\n")
    assert failing("evaluate", model, tmp_path / "data.csv").endswith("; did you mean 'Species'?")
