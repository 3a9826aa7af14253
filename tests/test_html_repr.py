"""What a notebook shows of a model and of a history: well-formed, escaped, and never an error."""

import math
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.callbacks import History
from fastnet.layers import Dense, Dropout, Rescaling
from toy import LABELS, X, classifier

ATTACK = "<script>alert(1)</script>"


def shown(thing: Any) -> ET.Element:
    """The elements that a notebook makes of an object; it must be one, and whole."""
    return ET.fromstring(thing._repr_html_().replace("<br>", "<br/>"))


def table(element: ET.Element) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in element.iter("tr")]


def history_of(**figures: Any) -> History:
    history = History()
    history.on_train_begin()
    for epoch in range(max(map(len, figures.values()), default=0)):
        history.on_epoch_end(epoch, {name: values[epoch] for name, values in figures.items()})
    return history


# ---- Models ---------------------------------------------------------------------------------------------------------


def test_a_model_shows_the_table_of_its_summary() -> None:
    layers = [Rescaling(0.5, input_shape=(2, 2)), fn.Flatten(), Dense(6, activation="relu"), Dropout(0.5), Dense(3)]
    model = fn.Sequential(layers, name="flowers")
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    element = shown(model)
    rows = table(element)
    assert rows[0] == ["Layer (type)", "Output Shape", "Param #", "FLOPs"]
    assert [" ".join(row).split() for row in rows] == [lines[2].split(), *(line.split() for line in lines[4:9])]
    text = "".join(element.itertext())
    assert text.startswith("flowers")
    assert "Total params: 51 (204.00 B)" in text


def test_a_model_without_layers_or_weights_is_shown() -> None:
    assert table(shown(fn.Sequential())) == [["Layer (type)", "Output Shape", "Param #", "FLOPs"]]
    assert table(shown(fn.Sequential([Dense(3)])))[1] == ["dense (Dense)", "?", "0 (unbuilt)", "?"]


def test_a_quantized_model_shows_its_operations() -> None:
    rows = table(shown(classifier().quantize(X)))
    assert rows[0] == ["Layer", "Operation", "Outputs", "Bytes"]
    assert [row[0] for row in rows[1:]] == ["dense", "dense", "dense_1", "dense_1"]


def test_names_are_escaped() -> None:
    model = fn.Sequential([Dense(3, name=ATTACK, input_shape=(4,))], name=ATTACK)
    assert "<script" not in model._repr_html_()
    assert table(shown(model))[1][0] == f"{ATTACK} (Dense)"
    history = history_of(**{ATTACK: [1.0, 2.0], '"onload="': [1.0, 2.0]})
    assert "<script" not in history._repr_html_()
    assert [row[0] for row in table(shown(history))[1:]] == [ATTACK, '"onload="']
    assert [svg.get("onload") for svg in shown(history).iter("svg")] == [None, None]


# ---- Histories ------------------------------------------------------------------------------------------------------


def test_a_history_shows_its_last_figures_and_a_curve_of_each() -> None:
    history = classifier().fit(X, LABELS, epochs=3, validation_split=0.2, verbose=0)
    element = shown(history)
    last = {name: f"{values[-1]:.4g}" for name, values in history.history.items()}
    assert table(element) == [
        ["3 epochs", "training", "validation"],
        ["loss", last["loss"], last["val_loss"]],
        ["accuracy", last["accuracy"], last["val_accuracy"]],
    ]
    assert [svg.get("aria-label") for svg in element.iter("svg")] == [
        "loss over the epochs, validation dashed",
        "accuracy over the epochs, validation dashed",
    ]


def test_a_curve_goes_through_its_values() -> None:
    svg = next(shown(history_of(loss=[3.0, 1.0, 2.0])).iter("svg"))
    assert [text.text for text in svg.iter("text")] == ["3", "1", "1", "3"]
    assert list(svg.iter("path"))[-1].get("d") == "M52.0 8.0h0L152.0 108.0L252.0 58.0"


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [2.0, 2.0],
        [math.nan, math.inf, -math.inf],
        [1.0, math.nan, 3.0, 2.0],
        [-1.7e308, 1.7e308],
        [5e-324, 0.0],
        [np.float32(1.5), 2],
        [None, "text"],
        [10**400, 1.0],
        np.linspace(3, 0, 5000).tolist(),
    ],
    ids=str,
)
def test_any_values_are_shown(values: list[Any]) -> None:
    history = history_of(loss=[1.0] * len(values))
    history.history["loss"] = values
    element = shown(history)
    for path in element.iter("path"):
        assert re.fullmatch(r"([MLVHh]-?\d+(\.\d)?( -?\d+(\.\d)?)?)+", path.get("d") or "")
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d", path.get("d") or "")]
        assert len(numbers) <= 400
        assert all(0 <= number <= 260 for number in numbers)


def test_histories_without_epochs_and_with_figures_of_ones_own_are_shown() -> None:
    assert "History of 0 epochs" in "".join(shown(History()).itertext())
    history = history_of(loss=[1.0, 2.0])
    history.history["mine"] = [3.0, 4.0]
    history.history["empty"] = []
    assert table(shown(history)) == [["2 epochs", "training"], ["loss", "2"], ["mine", "4"]]


def test_the_plain_texts_stay() -> None:
    assert repr(classifier()) == "<Sequential 'sequential': 4 -> 5 -> 3>"
    assert repr(history_of(loss=[1.0])).startswith("<History of 1 epochs: loss: 1")
