"""`fastnet predict` for contests: a column that names the rows, and the columns of a sample submission."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run, write_flowers


def named(data: Path, path: Path, name: str = "Id", first: bool = True) -> Path:
    """Write a table with one more column, of words, at its begin or its end."""
    head, *rows = data.read_text().splitlines()
    cells = [name, *(f"flower_{row:03}" for row in range(len(rows)))]
    lines = [f"{cell},{row}" if first else f"{row},{cell}" for cell, row in zip(cells, [head, *rows], strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def table(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Six flowers with names and without labels."""
    data = write_flowers(tmp_path / "plain.csv", rows=6, header="width,height", labels=False)
    return named(data, tmp_path / "new.csv")


@pytest.fixture
def trained(run: Run, flowers: Path, tmp_path: Path) -> Path:
    """A model of flowers with names, which are not a feature."""
    data = named(flowers, tmp_path / "named.csv")
    assert run("train", data, "--id", "Id", "--quiet", "--out", "m").status == 0
    return tmp_path / "m"


@pytest.fixture
def two_outputs(tmp_path: Path) -> Path:
    """A regression with two targets."""
    model = fn.Sequential([fn.Dense(2, input_shape=(2,))], seed=0)
    model.compile("sgd", "mse")
    model.save(tmp_path / "two.safetensors")
    return tmp_path / "two.safetensors"


# ---- --id -----------------------------------------------------------------------------------------------------------


def test_a_column_that_names_the_rows_is_not_a_feature(run: Run, trained: Path, new: Path) -> None:
    assert fn.load_model(trained).feature_names == ["width", "height"]
    assert run("evaluate", trained, "named.csv", "--json").json["rows"] == 60
    assert run("verify", trained, "named.csv", "--quiet").out.startswith("identical: ")
    # Nor does it have to be there.
    assert run("predict", trained, new).out == run("predict", trained, "plain.csv").out


def test_a_model_that_does_not_know_it_takes_the_option(run: Run, model: Path, new: Path) -> None:
    assert run("predict", model, new).status == 1
    rows = table(run("predict", model, new, "--id", "Id").out)
    assert rows[0] == ["Id", "class", "probability"]
    assert [row[0] for row in rows[1:]] == [f"flower_{row:03}" for row in range(6)]
    document = run("predict", model, new, "--id", "Id", "--json").json
    assert [row["id"] for row in document["predictions"]] == [f"flower_{row:03}" for row in range(6)]


def test_a_training_ended_by_ctrl_c_knows_it_too(
    run: Run, flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(self: fn.callbacks.History, epoch: int, logs: object = None) -> None:
        on_epoch_end(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    data = named(flowers, tmp_path / "named.csv")
    on_epoch_end = fn.callbacks.History.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(fn.callbacks.History, "on_epoch_end", press)
        assert run("train", data, "--id", "Id", "--quiet", "--out", "m").status == 130
    assert run("evaluate", "m", data, "--json").json["rows"] == 60
    assert len(run("predict", "m", data).out.splitlines()) == 61


def test_it_may_be_a_feature_of_the_model(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"{row},{row % 5},{row % 2}\n" for row in range(40))
    (tmp_path / "data.csv").write_text(f"number,x,label\n{rows}")
    assert run("train", "data.csv", "--epochs", 1, "--quiet", "--out", "m").status == 0
    assert run("predict", "m", "data.csv", "--id", "number").out.splitlines()[40].startswith("39,")


def test_a_submission_has_the_names_and_the_target_of_training(run: Run, trained: Path, new: Path) -> None:
    rows = table(run("predict", trained, new, "--id", "Id", "--format", "kaggle").out)
    assert rows[:3] == [["Id", "label"], ["flower_000", "rose"], ["flower_001", "tulip, red"]]


def test_parquet_has_such_columns_too(run: Run, trained: Path, new: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.read_csv(new).to_parquet("new.parquet")
    expected = run("predict", trained, new, "--id", "Id").out
    assert run("predict", trained, "new.parquet", "--id", "Id").out == expected


@pytest.mark.parametrize("command", ["train", "predict"])
def test_a_missing_column_is_named(command: str, run: Run, trained: Path, new: Path) -> None:
    arguments = ["train", "named.csv"] if command == "train" else ["predict", trained, new]
    done = run(*arguments, "--id", "ID")
    assert done.status == 1
    assert f"{'named' if command == 'train' else 'new'}.csv has no column 'ID'; its columns are 'Id', " in done.err


# ---- --sample-submission --------------------------------------------------------------------------------------------


def test_the_columns_and_the_rows_are_those_of_the_sample(run: Run, trained: Path, new: Path) -> None:
    Path("sample.csv").write_text("\ufeffflower,kind\n" + "".join(f"f{row},rose\n" for row in range(6)))
    rows = table(run("predict", trained, new, "--sample-submission", "sample.csv").out)
    assert rows[:3] == [["flower", "kind"], ["f0", "rose"], ["f1", "tulip, red"]]
    assert len(rows) == 7


def test_columns_of_classes_get_their_probabilities(run: Run, trained: Path, new: Path) -> None:
    Path("sample.csv").write_text(
        'Id,rose,lily,"tulip, red"\n' + "".join(f"flower_{row:03},0,0,1\n" for row in range(6))
    )
    head, *rows = table(run("predict", trained, new, "--sample-submission", "sample.csv").out)
    assert head == ["Id", "rose", "lily", "tulip, red"]
    written = np.array([row[1:] for row in rows], float)
    expected = fn.load_model(trained).predict(fn.datasets.load("plain.csv", target=None).x, verbose=0)
    np.testing.assert_allclose(written, expected[:, [1, 0, 2]], atol=1e-6)


def test_numbers_of_a_regression_are_written_in_full(run: Run, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    np.savez(tmp_path / "data.npz", x=x, y=1e4 * x[:, 0])
    assert run("train", "data.npz", "--epochs", 1, "--quiet", "--out", "m").status == 0
    Path("sample.csv").write_text("Id,SalePrice\n" + "".join(f"{row},0\n" for row in range(1461, 1521)))
    rows = table(run("predict", "m", "data.npz", "--sample-submission", "sample.csv").out)
    assert rows[0] == ["Id", "SalePrice"]
    assert rows[1][0] == "1461"
    assert [row[1] for row in rows[1:]] == run("predict", "m", "data.npz").out.splitlines()[1:]


def test_with_names_in_the_data_only_the_header_of_the_sample_counts(run: Run, trained: Path, new: Path) -> None:
    Path("sample.csv").write_text("Id,kind\nx,rose\n")
    rows = table(run("predict", trained, new, "--sample-submission", "sample.csv", "--id", "Id").out)
    assert rows[:2] == [["Id", "kind"], ["flower_000", "rose"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Id,kind\n1,rose\n", "sample.csv has 1 rows, new.csv has 6; --id COLUMN takes their names from new.csv"),
        ("Id,rose,oak,lily\n", "sample.csv has the column 'oak'; expected one column for the class, or one for each"),
        ("Id,rose,lily\n", "sample.csv has no column 'tulip, red'; expected one column for the class"),
        ("Id,,lily,rose\n", "sample.csv has the column ''; expected one column for the class"),
        ("Id\n1\n", "sample.csv must have a header with different names of at least two columns"),
        ("", "sample.csv must have a header with different names of at least two columns, .*; got nothing"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(text: str, reason: str, run: Run, trained: Path, new: Path) -> None:
    Path("sample.csv").write_text(text)
    done = run("predict", trained, "new.csv", "--sample-submission", "sample.csv")
    assert (done.status, done.out) == (1, "")
    assert re.search(reason, done.err)


def test_it_is_a_layout_of_its_own(run: Run) -> None:
    for options in (["--format", "json"], ["--probabilities"], ["--json"]):
        done = run("predict", "m", "d", "--sample-submission", "s.csv", *options)
        assert done.status == 2
        assert "argument --" in done.err


def test_standard_input_cannot_be_read_twice(run: Run) -> None:
    done = run("predict", "m", "-", "--id", "Id")
    assert done.status == 2
    assert "argument --id: needs DATA in a file, as standard input can be read only once" in done.err


def test_several_outputs_need_a_sample(run: Run, two_outputs: Path, new: Path) -> None:
    done = run("predict", two_outputs, "plain.csv", "--format", "kaggle")
    assert (done.status, done.out) == (1, "")
    assert "--format kaggle writes one column, the model has 2 outputs: give --sample-submission" in done.err
    Path("sample.csv").write_text("Id,a,b\n" + "".join(f"{row},0,0\n" for row in range(6)))
    rows = table(
        run("predict", two_outputs, "plain.csv", "--format", "kaggle", "--sample-submission", "sample.csv").out
    )
    assert rows[0] == ["Id", "a", "b"]
    assert [row[1:] for row in rows] == [["a", "b"], *table(run("predict", two_outputs, "plain.csv").out)[1:]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_named_as_in_the_sample_go_to_their_names(kind: str, run: Run, trained: Path, new: Path) -> None:
    data = new
    if kind == "parquet":
        pd = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        pd.read_csv(new).to_parquet("new.parquet")
        data = Path("new.parquet")
    order = [3, 0, 5, 1, 2, 4]
    Path("sample.csv").write_text("Id,kind\n" + "".join(f"flower_{row:03},rose\n" for row in order))
    own = dict(table(run("predict", trained, data, "--id", "Id", "--format", "kaggle").out)[1:])
    done = run("predict", trained, data, "--sample-submission", "sample.csv")
    assert table(done.out) == [["Id", "kind"], *([f"flower_{row:03}", own[f"flower_{row:03}"]] for row in order)]
    assert "are put in the order of sample.csv, by Id" in done.err
    Path("same.csv").write_text("Id,kind\n" + "".join(f"flower_{row:03},rose\n" for row in range(6)))
    done = run("predict", trained, data, "--sample-submission", "same.csv")
    assert dict(table(done.out)[1:]) == own
    assert "order" not in done.err


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            "012349",
            "the column 'Id' has 'flower_009' in sample.csv and not in new.csv; --id Id takes the names from new.csv",
        ),
        (
            "012344",
            "the column 'Id' has 'flower_005' in new.csv and not in sample.csv; --id Id takes the names from new.csv",
        ),
    ],
)
def test_rows_with_other_names_than_the_sample_are_refused(
    names: str, reason: str, run: Run, trained: Path, new: Path
) -> None:
    Path("sample.csv").write_text("Id,kind\n" + "".join(f"flower_00{row},rose\n" for row in names))
    done = run("predict", trained, "new.csv", "--sample-submission", "sample.csv")
    assert (done.status, done.out) == (1, "")
    assert reason in done.err


def test_names_that_occur_twice_cannot_give_an_order(run: Run, trained: Path, new: Path) -> None:
    Path("new.csv").write_text(new.read_text().replace("flower_005", "flower_000"))
    Path("sample.csv").write_text("Id,kind\n" + "".join(f"flower_00{row},rose\n" for row in "001234"))
    done = run("predict", trained, "new.csv", "--sample-submission", "sample.csv")
    assert "the column 'Id' has names that occur twice, in another order than in new.csv" in done.err
