"""CSVLogger: every figure stands under its name, whatever came before it."""

import csv
from pathlib import Path
from typing import Any

import pytest

import fastnet as fn
from fastnet.callbacks import Callback, CSVLogger
from toy import LABELS, X, classifier


def test_a_csv_file_has_a_row_for_every_epoch(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    history = classifier().fit(X, LABELS, epochs=2, verbose=0, callbacks=[CSVLogger(path, separator=";")])
    classifier().fit(X, LABELS, verbose=0, callbacks=[CSVLogger(path, separator=";", append=True)])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert [float(row["loss"]) for row in rows[:2]] == history.history["loss"]
    with pytest.raises(ValueError, match="separator must be one character"):
        CSVLogger(path, separator="::")


def log(path: Path, *others: Callback, append: bool = False, **options: Any) -> list[list[str]]:
    """Train with a log, and return its cells."""
    model = classifier()
    callbacks = [*others, CSVLogger(path, append=append)]
    model.fit(X, LABELS, verbose=0, callbacks=callbacks, **{"epochs": 4, "initial_epoch": 0, **options})
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("freq", [1, 2, 3, [2], 9])
def test_a_csv_file_has_the_columns_of_the_validation_whenever_it_comes(freq: Any, tmp_path: Path) -> None:
    header, *rows = log(tmp_path / "log.csv", validation_split=0.5, validation_freq=freq)
    assert header == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    validated = [epoch in freq if isinstance(freq, list) else epoch % freq == 0 for epoch in range(1, 5)]
    assert [row[3:] == ["NA", "NA"] for row in rows] == [not yes for yes in validated]
    assert all(float(cell) >= 0.0 for row in rows for cell in row if cell != "NA")
    assert log(tmp_path / "plain.csv")[0] == ["epoch", "accuracy", "loss"]


def test_rows_that_are_appended_stand_under_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log(path, validation_split=0.5, validation_freq=2)
    header, *rows = log(path, append=True, initial_epoch=2)
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "2", "3"]
    assert [row[3:] for row in rows[4:]] == [["NA", "NA"]] * 2
    path.write_text("epoch,val_loss,of another run,loss,val_accuracy,accuracy\n0,1,2,3,4,5")  # its last row was cut off
    header, first, second = log(path, append=True, validation_split=0.5, epochs=1)
    assert first == list("012345")
    assert second[:3] == ["0", second[1], "NA"]
    figures = dict(zip(header, second, strict=True))
    assert set(figures) == {"epoch", "val_loss", "of another run", "loss", "val_accuracy", "accuracy"}
    assert float(figures["val_accuracy"]) <= 1.0 < float(figures["val_loss"]) + 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "epoch,accuracy,loss\n0,0.5,1.0\n",
            "has no column for 'val_loss', 'val_accuracy', only 'epoch', 'accuracy', 'loss'",
        ),
        ("epoch;accuracy;loss\n", "must begin with a header of columns separated by ',', 'epoch' first"),
        ("0,0.5,1.0\n", "must begin with a header of columns separated by ',', 'epoch' first"),
        ("\n", "'epoch' first, to append to it; got an empty line"),
        ("\0\ud800", "is not a file of CSVLogger"),
    ],
)
def test_a_file_with_another_header_is_refused_before_training(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    seen: list[int] = []
    note = fn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        log(path, note, append=True, validation_split=0.5)
    assert not seen
    assert path.read_bytes() == before
    assert len(log(path, validation_split=0.5)) == 5  # anew


def test_a_figure_that_comes_later_than_the_header_is_told(tmp_path: Path) -> None:
    late = fn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update({"f1": 0.5} if epoch else {}))
    with pytest.warns(UserWarning, match=r"log.csv has no column for 'f1', which its header lacks"):
        header, *rows = log(tmp_path / "log.csv", late)
    assert header == ["epoch", "accuracy", "loss"]
    assert all(len(row) == 3 for row in rows)
