"""The label column and the separators of a table, which a model remembers from its training."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run, start
from fastnet.cli._arguments import types
from fastnet.datasets import _dialect
from fastnet.training.receipt import Receipt

NAMES = ["width", "height", "depth"]


def write(path: Path, label: int | None, *, seed: int = 0, header: bool = False, name: str = "kind") -> list[str]:
    """Write a table of three whole numbers whose first decides the class; return the labels."""
    x = np.random.default_rng(seed).integers(0, 200, (200, 3))
    labels = ["large" if large else "small" for large in x[:, 0] > 100]
    rows: list[Sequence[object]] = [NAMES, *x.tolist()] if header else x.tolist()
    cells = [name, *labels] if header else labels
    with path.open("w", newline="") as file:
        for row, cell in zip(rows, cells, strict=True):
            values = list(row)
            if label is not None:
                values.insert(label, cell)
            csv.writer(file).writerow(values)
    return labels


def share_right(out: str, labels: list[str]) -> float:
    predicted = [row["class"] for row in csv.DictReader(io.StringIO(out))]
    return float(np.mean([one == other for one, other in zip(predicted, labels, strict=True)]))


def trained(run: Run, table: str, *options: object) -> None:
    done = run("train", table, *options, "--hidden", "16", "--epochs", "40", "--quiet", "--out", "m")
    assert done.status == 0, done.err


@pytest.mark.parametrize("label", [0, 1, 3])
@pytest.mark.parametrize("header", [True, False])
def test_a_table_with_or_without_its_label_is_predicted_alike(
    run: Run, tmp_path: Path, label: int, header: bool
) -> None:
    write(tmp_path / "train.csv", label, header=header)
    trained(run, "train.csv", "--target", "kind" if header else label - 4 if label == 3 else label)
    labels = write(tmp_path / "new.csv", label, seed=1, header=header)
    write(tmp_path / "new_x.csv", None, seed=1, header=header)
    expected = run("predict", "m", "new_x.csv")
    assert expected.err == ""
    assert share_right(expected.out, labels) > 0.9
    assert run("predict", "m", "new.csv").out == expected.out
    assert run("evaluate", "m", "new.csv", "--json").json["accuracy"] > 0.9
    assert run("verify", "m", "train.csv", "--quiet").out.startswith("identical")


def test_a_table_without_a_header_has_the_columns_of_training(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", 3, header=True)
    trained(run, "train.csv", "--target", "kind")
    labels = write(tmp_path / "new.csv", 3, seed=1)
    done = run("predict", "m", "new.csv")
    assert share_right(done.out, labels) > 0.9
    assert (
        "of the columns of new.csv, the last is taken as the label, as in training; --target names another" in done.err
    )
    assert run("predict", "m", "new.csv", "--quiet").err == ""
    write(tmp_path / "new.csv", 0, seed=1, header=True)  # the name counts, not the place
    assert share_right(run("predict", "m", "new.csv").out, labels) > 0.9


def test_a_header_has_the_place_of_the_label_where_there_was_none(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", 3)
    trained(run, "train.csv", "--target", -1)
    labels = write(tmp_path / "new.csv", 3, seed=1, header=True)
    assert share_right(run("predict", "m", "new.csv").out, labels) > 0.9
    write(tmp_path / "new.csv", 0, seed=1, header=True, name="label")
    assert share_right(run("predict", "m", "new.csv").out, labels) > 0.9


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_label_at_the_other_end_is_not_taken_for_a_feature(run: Run, tmp_path: Path, command: str) -> None:
    write(tmp_path / "train.csv", 3)
    trained(run, "train.csv", "--target", -1)
    labels = write(tmp_path / "new.csv", 0, seed=1)
    done = run(command, "m", "new.csv")
    assert done.status == 1
    assert "new.csv" in done.err
    text = (tmp_path / "new.csv").read_text().replace("large", "1").replace("small", "0")
    (tmp_path / "new.csv").write_text(text)
    done = run(command, "m", "new.csv")
    assert done.status == 1
    assert "of the columns of new.csv, the last is taken as the label, as in training, but the label '" in done.err
    assert "--target names another column" in done.err
    write(tmp_path / "new.csv", 0, seed=1)
    assert run(command, "m", "new.csv", "--target", 0).status == 0
    assert share_right(run("predict", "m", "new.csv", "--target", 0).out, labels) > 0.9


def test_a_missing_label_is_an_error_where_it_is_needed(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", 3, header=True)
    trained(run, "train.csv", "--target", "kind")
    write(tmp_path / "new.csv", None)
    assert "expected the 3 features of the model and the label" in run("evaluate", "m", "new.csv").err
    write(tmp_path / "new.csv", None, header=True)
    assert "has no column 'kind' for the labels; its columns are 'width', " in run("evaluate", "m", "new.csv").err
    write(tmp_path / "new.csv", 3, header=True, name="class")
    assert "has no column 'kind' for the labels" in run("evaluate", "m", "new.csv").err
    assert run("predict", "m", "new.csv").status == 1
    assert run("predict", "m", "new.csv", "--target", "class").status == 0


def test_a_quantized_model_and_one_that_was_trained_further_remember_as_well(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", 3)
    trained(run, "train.csv", "--target", -1)
    labels = write(tmp_path / "new.csv", 3, seed=1)
    model = fn.load_model("m")
    x = fn.datasets.load("new.csv", target=-1).x
    model.quantize(x).save("small")
    model.fit(x, [name == "small" for name in labels], epochs=1, verbose=0)
    model.save("more")
    for name in ("small", "more"):
        assert share_right(run("predict", name, "new.csv").out, labels) > 0.9


def test_a_model_that_does_not_know_says_what_it_takes_for_the_label(run: Run, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(3,))])
    model.class_names = ["large", "small"]
    model.save("bare")
    write(tmp_path / "new.csv", 0)
    done = run("evaluate", "bare", "new.csv")
    assert done.status == 0
    assert "of the columns of new.csv, the first is taken as the label; --target names another" in done.err


def test_a_receipt_that_was_changed_is_refused_or_of_no_use(tmp_path: Path) -> None:
    receipt = Receipt.from_dict({"label": {}})
    assert receipt.label == {"name": None, "index": 0}
    for label in (3, [], {"name": 5}, {"index": "last"}):
        with pytest.raises(ValueError, match="of the receipt must be"):
            Receipt.from_dict({"label": label})
    assert Receipt.from_dict({"dialect": {}}).dialect == {"separator": None, "decimal": None}
    for dialect in (3, [], {"separator": 5}, {"decimal": []}):
        with pytest.raises(ValueError, match="of the receipt must be"):
            Receipt.from_dict({"dialect": dialect})
    with pytest.raises(ValueError, match="id of the receipt must be str"):
        Receipt.from_dict({"id": 5})


# ---- Separators -----------------------------------------------------------------------------------------------------

SEMICOLONS = (
    "new.csv: the cells seem to be separated by semicolons, not by commas, and the numbers to have decimal commas; "
    "give separator=';', decimal=',' (--separator ';' --decimal ',')"
)


def rewrite(path: Path, separator: str, decimal: str, to: str = "new.csv") -> None:
    """Write a table again, its whole numbers divided by 10."""
    head, *rows = csv.reader(io.StringIO(path.read_text()))
    lines = [head, *([*(f"{int(cell) / 10}".replace(".", decimal) for cell in row[:3]), *row[3:]] for row in rows)]
    (path.parent / to).write_text("".join(f"{separator.join(line)}\n" for line in lines))


@pytest.mark.parametrize(
    ("separator", "decimal", "typed"),
    [
        (";", ",", ("--separator", ";", "--decimal", ",")),
        ("\t", ".", ("--separator", "tab")),
        (" ", ",", ("--separator", " ", "--decimal", ",")),
    ],
)
def test_a_model_remembers_the_separators_of_its_training(
    run: Run, tmp_path: Path, separator: str, decimal: str, typed: tuple[str, ...]
) -> None:
    labels = write(tmp_path / "train.csv", 3, header=True)
    rewrite(tmp_path / "train.csv", separator, decimal)
    trained(run, "new.csv", "--target", "kind", *typed)
    assert run("verify", "m", "new.csv", "--quiet").out.startswith("identical")
    assert run("evaluate", "m", "new.csv", "--json").json["accuracy"] > 0.9
    assert run("bench", "m", "new.csv", "--seconds", 0.001, "--quiet").status == 0
    out = run("predict", "m", "new.csv").out
    assert share_right(out, labels) > 0.9
    rewrite(tmp_path / "train.csv", ",", ".")
    for command in ("predict", "evaluate", "bench", "verify"):
        done = run(command, "m", "new.csv")
        assert (done.status, done.out) == (1, "")
        assert "new.csv: the cells seem to be separated by commas, not by " in done.err
        assert done.err.endswith("; give separator=',' (--separator ',')\n")
    assert run("predict", "m", "new.csv", "--separator", ",").out == out
    assert run("verify", "m", "new.csv", "--separator", ",", "--quiet").out.startswith("identical")


def test_what_is_written_in_another_way_than_by_default_is_refused_with_the_options(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", 3, header=True)
    assert run("train", "train.csv", "--target", "kind", "--epochs", 1, "--quiet", "--out", "m").status == 0
    rewrite(tmp_path / "train.csv", ";", ",")
    for command in (
        ("train", "new.csv", "--target", "kind"),
        *((name, "m", "new.csv") for name in ("predict", "evaluate", "bench", "verify")),
    ):
        done = run(*command)
        assert (done.status, done.out, done.err) == (1, "", f"fastnet: error: {SEMICOLONS}\n")
        options = ("--separator", ";", "--decimal", ",")
        assert run(*command, *options, "--quiet", *(("--epochs", 1) if command[0] == "train" else ())).err == ""


def test_tabs_of_a_tsv_file_need_no_option(run: Run, tmp_path: Path) -> None:
    labels = write(tmp_path / "train.csv", 3, header=True)
    rewrite(tmp_path / "train.csv", "\t", ".", "new.tsv")
    trained(run, "new.tsv", "--target", "kind")
    assert run("verify", "m", "new.tsv", "--quiet").out.startswith("identical")
    assert share_right(run("predict", "m", "new.tsv").out, labels) > 0.9
    rewrite(tmp_path / "train.csv", ",", ".")
    assert share_right(run("predict", "m", "new.csv").out, labels) > 0.9


def test_separators_are_remembered_whatever_becomes_of_the_model(run: Run, tmp_path: Path) -> None:
    labels = write(tmp_path / "train.csv", 3, header=True)
    rewrite(tmp_path / "train.csv", ";", ",")
    trained(run, "new.csv", "--target", "kind", "--separator", ";", "--decimal", ",")
    model = fn.load_model("m")
    x = fn.datasets.load("new.csv", separator=";", decimal=",", target="kind").x
    model.quantize(x).save("small")
    model.fit(x, [name == "small" for name in labels], epochs=1, verbose=0)
    model.save("more")
    for name in ("small", "more"):
        assert share_right(run("predict", name, "new.csv").out, labels) > 0.9


def test_a_single_feature_is_not_read_from_two_columns(run: Run, tmp_path: Path) -> None:
    """A comma between two columns of another file looks like that in the numbers of training."""
    (tmp_path / "train.csv").write_text("".join(f"{row / 8};{row % 2}\n".replace(".", ",") for row in range(80)))
    trained(run, "train.csv", "--target=-1", "--separator", ";", "--decimal", ",")
    (tmp_path / "new.csv").write_text("a,label\n1.5,0\n2.5,1\n")
    done = run("predict", "m", "new.csv")
    assert done.status == 1
    assert "separated by commas, not by semicolons" in done.err


def test_a_separator_is_typed_in_any_way_that_a_shell_allows(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", 3, header=True)
    rewrite(tmp_path / "train.csv", "\t", ".")
    train = ("train", "new.csv", "--target", "kind", "--epochs", 1, "--quiet")
    models = set()
    for typed in ("tab", "\\t", "\t"):
        assert run(*train, f"--separator={typed}", "--out", "m").status == 0
        models.add(Path("m").read_bytes())
    assert len(models) == 1
    assert "--separator=tab" in run("info", "m").out
    (tmp_path / "run.toml").write_text('[train]\nseparator = "tab"\ndecimal = "."\n')
    assert run(*train, "--config", "run.toml").status == 0
    assert set(types.SEPARATORS.values()) == set(_dialect.SEPARATORS)
    for option, problem in (
        ("--separator=x", "must be one of ',', ';', '|', ' ' or tab; got 'x'"),
        ("--decimal=;", "must be '.' or ','; got ';' (see"),
    ):
        done = run(*train, option)
        assert done.status == 2
        assert f"argument {option.partition('=')[0]}: {problem}" in done.err


# ---- Pipes ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs /dev/stdin")
def test_commands_take_data_from_a_pipe(run: Run, tmp_path: Path) -> None:
    labels = write(tmp_path / "train.csv", 3)
    text = (tmp_path / "train.csv").read_text()
    train = ("train", "/dev/stdin", "--target=-1", "--epochs", 40, "--json", "--quiet", "--out", "m")
    out, err = start(*train, cwd=tmp_path, stdin=-1).communicate(text)
    assert '"data": "/dev/stdin"' in out, err
    for data in ("-", "/dev/fd/0"):
        out, err = start("predict", "m", data, cwd=tmp_path, stdin=-1).communicate(text)
        assert share_right(out, labels) > 0.9, err
    with (tmp_path / "train.csv").open() as file:
        out, err = start("predict", "m", "-", cwd=tmp_path, stdin=file).communicate()
    assert share_right(out, labels) > 0.9, err
