"""Reports: one HTML file that is whole, true, escaped and small, for classifiers and for models that estimate numbers."""

import base64
import io
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from command import Run
from fastnet.layers import Dense, Rescaling, Residual
from fastnet.reports import write_report
from fastnet.reports._predictions import Classes, predictions_of
from toy import LABELS, X, classifier, regressor

pytest.importorskip("jinja2")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

VOID = {"meta", "img", "source", "br"}


class Page(HTMLParser):
    """A page: its elements with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += f" {data} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


Report = Callable[..., Page]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    def write(*arguments: Any, **keywords: Any) -> Page:
        path = tmp_path / "report.html"
        write_report(path, *arguments, **keywords)
        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
        return Page(path)

    return write


def sure_classifier(wrong: int) -> tuple[fn.Sequential, Any, Any]:
    """A model that tells the largest of three inputs, and 100 samples of which so many are labeled otherwise."""
    model = fn.Sequential([Dense(3, activation="softmax", input_shape=(3,), use_bias=False)])
    model.set_weights([4 * np.eye(3)])
    y = np.arange(100) % 3
    x = np.eye(3)[y]
    y[:wrong] = (y[:wrong] + 1) % 3
    return model, x, y


def test_a_report_of_a_classifier_tells_its_accuracy_with_wilsons_interval(report: Report) -> None:
    page = report(*sure_classifier(wrong=10))
    assert "90.00% 95% confidence interval 82.56% to 94.48% (Wilson)" in page.text  # as statsmodels has it
    assert "wrong predictions 10 of 100 samples" in page.text
    assert "10 of 10 wrong predictions" in page.text
    # 34 samples are predicted as class 0, of which 4 are of class 1; 3 of class 0 are predicted as class 2.
    assert " 0 88.2% 90.9% 89.6% 33 " in page.text
    assert "macro mean" in page.text


def test_a_report_needs_no_other_file(report: Report) -> None:
    page = report(*sure_classifier(wrong=3))
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset")
    ]
    assert addresses
    assert all(str(address).startswith(("data:image/", "#")) for address in addresses)
    assert not re.search(r"url\(|@import|<script|<link|<iframe", page.source)
    assert len(page.source) < 2_000_000


def test_a_report_can_be_read_aloud(report: Report) -> None:
    page = report(*sure_classifier(wrong=3))
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(heading["scope"] in ("col", "row") for heading in page.all("th"))


def test_the_contents_list_every_section(report: Report) -> None:
    page = report(*sure_classifier(wrong=3))
    links = [str(link["href"]) for link in page.all("a")]
    assert links == [f"#{heading['id']}" for heading in page.all("h2")]
    assert {"#classes", "#confusion-matrix", "#thresholds", "#calibration", "#model"} <= set(links)
    assert len(set(links)) == len(links)


def test_tables_can_be_scrolled_by_keyboard_and_have_names(report: Report) -> None:
    page = report(*sure_classifier(wrong=3))
    regions = [part for part in page.all("div") if part.get("class") == "table"]
    assert len(regions) == len(page.all("table")) > 3
    assert all(part["role"] == "region" and part["tabindex"] == "0" for part in regions)
    assert len({part["aria-label"] for part in regions}) == len(regions)


def test_a_report_of_a_classifier_has_curves_and_areas_of_every_class(report: Report) -> None:
    model, x, y = sure_classifier(wrong=10)
    page = report(model, x, y)
    from sklearn.metrics import average_precision_score, roc_auc_score

    for code, column in enumerate(model.predict(x, verbose=0).T):
        scores = [f"{score(y == code, column):.4f}" for score in (roc_auc_score, average_precision_score)]
        assert re.search(rf" {code} [\d.]+% [\d.]+% [\d.]+% \d+ {' '.join(scores)} ", page.text)
    alts = [str(image["alt"]) for image in page.all("img")]
    assert "ROC curves of 3 of 3 classes." in alts
    assert "Precision-recall curves of 3 of 3 classes." in alts
    assert any(alt.startswith("Calibration curves of 3 of 3 classes") for alt in alts)
    assert "Class Mean probability Share of the class Calibration error" in page.text


def test_samples_of_one_class_have_no_curves(report: Report) -> None:
    model, x, y = sure_classifier(wrong=0)
    page = report(model, x[y == 1], y[y == 1])
    assert "#thresholds" not in [link["href"] for link in page.all("a")]
    assert " 1 100.0% 100.0% 100.0% 33 \N{EN DASH} \N{EN DASH} " in page.text


def test_names_are_escaped(report: Report) -> None:
    model, x, y = sure_classifier(wrong=3)
    attack = "<script>alert(1)</script>"
    model.class_names = [
        attack,
        '"><img src=x onerror=alert(2)>',
        "$x_{1}$ \x1b[31m\N{LATIN SMALL LETTER E WITH ACUTE}",
    ]
    model.feature_names = [f"{attack}{number}" for number in range(3)]
    page = report(
        model, x, y, title=attack, data_name=f"{attack}\udcff.csv", history={attack + "\x00\ud800": [1.0, 2.0]}
    )
    assert "<script" not in page.source
    assert page.all("script") == []
    assert all("onerror" not in attributes for attributes in page.all("img"))
    assert page.text.count(attack) >= 8
    for image in page.all("img"):  # pictures hold names, too
        kind, _, content = str(image["src"]).partition(";base64,")
        if kind == "data:image/svg+xml":
            ET.fromstring(base64.b64decode(content))


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "sklearn"])
def test_without_a_package_the_extra_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'a report needs {package}: pip install "fastnet-nn\[report\]"'):
        write_report(tmp_path / "report.html", *sure_classifier(wrong=1))


def test_wrong_images_are_shown_those_first_that_the_model_is_surest_of(report: Report) -> None:
    x = np.zeros((6, 64), np.uint8)
    x[np.arange(6), np.arange(6)] = [10, 30, 20, 40, 50, 60]
    model = fn.Sequential([Rescaling(0.1, input_shape=(64,)), Dense(2, activation="softmax")])
    model.layers[1].set_weights([np.tile([[0.0, 1.0]], (64, 1)), np.zeros(2)])
    page = report(model, x, [0, 0, 0, 1, 1, 1])
    assert [image["alt"] for image in page.all("img") if str(image["alt"]).startswith("row ")] == [
        "row 1: 0 \N{RIGHTWARDS ARROW} 1",
        "row 2: 0 \N{RIGHTWARDS ARROW} 1",
        "row 0: 0 \N{RIGHTWARDS ARROW} 1",
    ]
    assert page.text.index("95.3%; row 1") < page.text.index("88.1%; row 2") < page.text.index("73.1%; row 0")


def test_wrong_rows_of_a_table_are_shown_with_their_features(report: Report) -> None:
    model, x, y = sure_classifier(wrong=2)
    model.feature_names = ["red", "green", "blue"]
    page = report(model, x, y)
    assert "Row True class Predicted Probability Of the true class red green blue" in page.text
    assert re.search(r" 0 1 0 9\d\.\d% 1\.\d% 1 0 0 ", page.text)


def test_learning_curves_come_from_the_model_or_from_what_is_given(report: Report) -> None:
    model = classifier()
    assert "Learning curves" not in report(model, X, LABELS).text
    model.fit(X, LABELS, epochs=3, verbose=0)
    assert "Learning curves After 3 epochs: loss" in report(model, X, LABELS).text
    assert "After 2 epochs: loss 1.5" in report(model, X, LABELS, history={"loss": [2.0, 1.5]}).text


def test_every_kind_of_labels_is_understood() -> None:
    model, x, y = sure_classifier(wrong=10)
    model.class_names = ["a", "b", "c"]
    for labels in (y, y[:, None], np.eye(3)[y], [model.class_names[code] for code in y]):
        found = predictions_of(model, x, labels)
        assert isinstance(found, Classes)
        assert_array_equal(found.true, y)
        assert found.names == ["a", "b", "c"]


@pytest.mark.parametrize("loss", [None, fn.losses.BinaryCrossentropy(from_logits=True)])
def test_two_classes_may_have_one_output_and_logits_are_understood(loss: Any) -> None:
    model = fn.Sequential([Dense(1, activation="linear" if loss else "sigmoid", input_shape=(1,))])
    model.set_weights([[[1.0]], [0.0]])
    if loss:
        model.compile(loss=loss)
    found = predictions_of(model, [[-3.0], [-2.0], [2.0], [1.0]], [0, 0, 1, 0])
    assert isinstance(found, Classes)
    assert_array_equal(found.predicted, [0, 0, 1, 1])
    assert_allclose(found.confidence, 1 / (1 + np.exp([-3.0, -2.0, -2.0, -1.0])), rtol=1e-6)


def test_a_report_of_several_labels_tells_which_are_wrong(report: Report) -> None:
    model = fn.Sequential([Dense(2, activation="sigmoid", input_shape=(2,))])
    model.set_weights([3 * np.eye(2), np.zeros(2)])
    model.class_names = ["urgent", "long"]
    x = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1], [2, 1]])
    page = report(model, x, [[1, 1], [1, 0], [0, 1], [0, 0], [0, 0]])
    assert "samples with all labels right 80.00% 95% confidence interval" in page.text
    assert "wrong labels 2 of 10 in 5 samples" in page.text
    assert "urgent 66.7% 100.0% 80.0% 2 " in page.text
    assert "Row Label True Probability feature 0 feature 1 4 urgent no 99.8% 2 1 4 long no 95.3% 2 1" in page.text


def test_images_are_made_small(report: Report) -> None:
    model = fn.Sequential([fn.Flatten(input_shape=(300, 200, 3)), Dense(2, activation="softmax")], seed=0)
    images = np.random.default_rng(0).integers(0, 256, (30, 300, 200, 3)).astype(np.uint8)
    page = report(model, images, 1 - model.predict(images, verbose=0).argmax(axis=1))
    assert len([image for image in page.all("img") if str(image["alt"]).startswith("row ")]) == 25
    assert len(page.source) < 2_000_000


def color_classifier(*layers: fn.layers.Layer) -> tuple[fn.Sequential, Any, Any]:
    """A convolutional network of color images that are wider than tall, and 6 of them of which all labels are wrong."""
    model = fn.Sequential([fn.Input((6, 9, 3)), *layers, fn.Flatten(), Dense(2, "softmax")], seed=0)
    images = np.random.default_rng(0).integers(0, 256, (6, 6, 9, 3)).astype(np.uint8)
    return model, images, 1 - model.predict(images, verbose=0).argmax(axis=1)


def test_wrong_images_keep_their_colors(report: Report) -> None:
    image = pytest.importorskip("PIL.Image")
    model, images, _ = color_classifier(Rescaling(1 / 255))
    images[0, 0, 0], images[0, 0, 1] = 0, 255  # the range of all, so that no value is stretched
    page = report(model, images, 1 - model.predict(images, verbose=0).argmax(axis=1))
    shown = [one for one in page.all("img") if str(one["alt"]).startswith("row ")]
    assert len(shown) == 6
    for one in shown:
        row = int(str(one["alt"]).split(":")[0].removeprefix("row "))
        content = base64.b64decode(str(one["src"]).partition(";base64,")[2])
        assert_array_equal(np.asarray(image.open(io.BytesIO(content))), images[row])


@pytest.mark.parametrize(
    ("shape", "layers", "filters", "maps"),
    [
        (
            (6, 9, 3),
            [fn.Conv2D(30, (2, 3))],
            "21 of 30 filters.*2 x 3 weights, a row of 3 channels each",
            "30 of 30 .*5 x 7",
        ),
        (
            (9, 6, 1),
            [Rescaling(0.1), fn.Conv2D(5, 3), fn.MaxPooling2D(2)],
            "5 of 5 filters.*3 x 3 weights.",
            "5 of 5 .*7 x 4",
        ),
        ((8, 8, 3), [fn.layers.DepthwiseConv2D(3)], "3 of 3 filters.*3 x 3 weights.", "3 of 3 .*6 x 6"),
        ((64,), [fn.Reshape((8, 8, 1)), fn.Conv2D(70, 3)], "64 of 70 filters.*3 x 3 weights.", "64 of 70 .*6 x 6"),
        ((48,), [fn.Reshape((6, 8, 1)), fn.Conv2D(2, 3)], "2 of 2 filters.*3 x 3 weights.", "2 of 2 .*4 x 6"),
        (
            (8, 8),
            [fn.Reshape((8, 8, 1)), fn.Conv2D(1, 3)],
            "1 of 1 filter .*3 x 3 weights.",
            "1 of 1 feature map .*6 x 6",
        ),
        (
            (6, 9, 3),
            [
                Residual(
                    [fn.layers.ReLU()], [Residual([fn.MaxPooling2D(1), fn.Conv2D(3, 5, padding="same", name="in")])]
                )
            ],
            "3 of 3 filters of the layer in, 5 x 5 weights, a row of 3 channels each",
            "3 of 3 feature maps of the layer in, 6 x 9",
        ),
    ],
)
def test_the_first_convolution_is_shown(
    report: Report, shape: tuple[int, ...], layers: list[fn.layers.Layer], filters: str, maps: str
) -> None:
    model = fn.Sequential([fn.Input(shape), *layers, fn.Flatten(), Dense(2, "softmax")], seed=0)
    image_shape = (6, 8) if shape == (48,) else "auto"
    page = report(model, np.random.default_rng(0).random((5, *shape)), [0, 1, 0, 1, 1], image_shape=image_shape)
    assert re.search(r"First convolution The filters of \w+, .* of 4 samples", page.text)
    first, second = [one for one in page.all("img") if "of the layer" in str(one["alt"])]
    assert re.fullmatch(f"{filters}.*", str(first["alt"]))
    assert re.fullmatch(f"4 samples, and beside each {maps} pixels.", str(second["alt"]))
    dark = [str(one["srcset"]) for one in page.all("source")]
    for picture in (first, second):
        assert int(str(picture["width"])) <= 9 * 96  # the column of the page
        ET.fromstring(base64.b64decode(str(picture["src"]).partition(";base64,")[2]))
        assert all(address != picture["src"] for address in dark)  # the texts have other colors there


def test_the_filters_of_a_convolution_of_sequences_are_shown_alone(report: Report) -> None:
    model = fn.Sequential([fn.Input((12, 2)), fn.Conv1D(5, 3), fn.Flatten(), Dense(2, "softmax")], seed=0)
    page = report(model, np.random.default_rng(0).normal(size=(5, 12, 2)), [0, 1, 0, 1, 1])
    assert "First convolution The filters of conv1d, red above zero and blue below: a row for each channel" in page.text
    (picture,) = [str(one["alt"]) for one in page.all("img") if "of the layer" in str(one["alt"])]
    assert picture == "5 of 5 filters of the layer conv1d, 2 channels of 3 steps."


def test_other_models_have_no_first_convolution(report: Report) -> None:
    assert "First convolution" not in report(*color_classifier(Rescaling(1 / 255))).text
    model, images, y = color_classifier(fn.Conv2D(2, 3))
    assert "First convolution" in report(model, images[:1], y[:1]).text
    assert "First convolution" not in report(model.quantize(images), images, y).text
    assert "First convolution" not in report(model, images, y, image_shape=None).text


def test_a_report_of_a_regression_tells_its_errors(report: Report) -> None:
    model = regressor()
    model.set_weights([[[1.0], [0.0], [0.0], [0.0]], [0.5]])
    page = report(model, X, X[:, 0])
    assert "mean absolute error 0.5 " in page.text
    assert "root mean squared error 0.5 " in page.text
    assert "mean error 0.5 predicted - true, of " in page.text
    assert "Residuals" in page.text
    assert "Largest errors The 25 samples" in page.text
    assert "output 1" in report(regressor(2), X, X[:, :2]).text


def test_quantized_models_and_sparse_samples_have_reports(report: Report) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model, x, y = sure_classifier(wrong=10)
    assert "Operations of the model, in 8-bit integers" in report(model.quantize(x), x, y).text
    assert "90.00% 95%" in report(model, sparse.csr_array(x), y).text


def test_bad_arguments_are_named_and_no_file_is_written(tmp_path: Path) -> None:
    model, x, y = sure_classifier(wrong=1)
    model.class_names = ["a", "b", "c"]
    path = tmp_path / "report.html"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"y": y[:5]}, r"y must have as many rows as x, 100; got shape \(5,\)"),
        ({"y": y + 1}, "y must hold labels from 0 to 2, the classes of the model; got 3"),
        ({"y": ["d"] * 100}, "y must hold the names of the model's classes, 'a', 'b', 'c'; got 'd'"),
        ({"y": y + 0.5}, "y must hold labels"),
        ({"x": x[:0], "y": y[:0]}, "x must have at least one"),
        ({"image_shape": (2, 2)}, "image_shape must be .* 3 values"),
        ({"image_shape": "no"}, "image_shape must be"),
        ({"history": {}}, "the history has no epochs"),
        ({"history": {"loss": ["x"]}}, "loss of the history must hold numbers; got 'x'"),
    ]
    for changed, message in wrong:
        with pytest.raises(ValueError, match=message):
            write_report(path, **{"model": model, "x": x, "y": y, **changed})
    with pytest.raises(TypeError, match="title must be a string"):
        write_report(path, model, x, y, title=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model must be a Sequential or a QuantizedModel; got 3"):
        write_report(path, 3, x, y)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"cannot write .*: the folder"):
        write_report(tmp_path / "none" / "report.html", model, x, y)
    assert list(tmp_path.iterdir()) == []


# ---- The command line -----------------------------------------------------------------------------------------------


def test_evaluate_writes_a_report(run: Run, model: Path, flowers: Path) -> None:
    done = run("evaluate", model, flowers, "--report", "flowers.html", "--json")
    assert done.json["report"] == "flowers.html"
    assert done.err == "report written to flowers.html\n"
    page = Page(Path("flowers.html"))
    assert page.text.startswith(f"flowers.safetensors on flowers.csv flowers.safetensors on flowers.csv {flowers}")
    assert f"{done.json['accuracy']:.2%}" in page.text
    assert "tulip, red" in page.text
    assert "Learning curves After 50 epochs: loss" in page.text  # from the model's file
    assert "width" in page.text or done.json["accuracy"] == 1.0


def test_evaluate_does_not_write_a_report_over_what_it_reads(run: Run, model: Path, flowers: Path) -> None:
    done = run("evaluate", model, flowers, "--report", model)
    assert done.status == 1
    assert f"--report would replace {model}" in done.err
