"""The page of ``fastnet serve`` for tables: fields, the answer and its curves, and one number."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from browser import Open, serve
from page_actions import answer, field, settle, shares, wait_for

pytestmark = pytest.mark.slow

NAMES = ["height", "width", "weight"]


@pytest.fixture(scope="module")
def boxes() -> fn.Sequential:
    """A model of three kinds of boxes."""
    x = np.random.default_rng(0).uniform([1, 10, 0], [2, 30, 1], (200, 3)).round(2)
    model = fn.Sequential([fn.Normalization(), fn.Dense(8, "tanh"), fn.Dense(3, "softmax")], seed=0, name="boxes")
    model.layers[0].adapt(x)
    model.feature_names, model.class_names = NAMES, ["small", "large", "huge"]
    model.compile(fn.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, np.digitize(x[:, 0] * x[:, 1], [25, 40]), epochs=40, validation_split=0.25, verbose=0)
    return model


@pytest.fixture(scope="module")
def boxes_server(browser: Any, boxes: fn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of that model, with requests of few instances: a curve takes several."""
    yield from serve(boxes, tmp_path_factory, "--max-batch", 7)


def fields(page: Any) -> list[float]:
    """Return the values of the fields."""
    return [float(field(page, name).input_value()) for name in NAMES]


def test_the_fields_start_with_the_medians_and_say_the_ranges(
    open_page: Open, boxes: fn.Sequential, boxes_server: str
) -> None:
    page = open_page(boxes_server)
    assert boxes.feature_ranges is not None
    np.testing.assert_allclose(fields(page), [one.median for one in boxes.feature_ranges], rtol=1e-3)
    hints = [[float(end) for end in text.split(" to ")] for text in page.locator(".hint").all_inner_texts()]
    np.testing.assert_allclose(hints, [(one.minimum, one.maximum) for one in boxes.feature_ranges], rtol=1e-3)
    probabilities = boxes.predict(np.array([fields(page)]), verbose=0)[0]
    order = np.argsort(-probabilities)
    assert boxes.class_names is not None
    assert answer(page) == boxes.class_names[order[0]]
    np.testing.assert_allclose(shares(page), 100 * probabilities, atol=0.06)
    runners = [f"{boxes.class_names[i]} {100 * probabilities[i]:.1f}%" for i in order[1:]]
    assert page.locator("#runners").inner_text() == f"then {', '.join(runners)}"
    assert [page.locator(f"#bars .{place} .name").inner_text() for place in ("first", "second", "third")] == [
        boxes.class_names[i] for i in order
    ]


def test_the_title_has_the_name_and_the_accuracy(open_page: Open, boxes: fn.Sequential, boxes_server: str) -> None:
    page = open_page(boxes_server)
    accuracy = boxes.figures["last_epoch"]["val_accuracy"]
    wait_for(page, "h1", f"^Ask the model boxes, {100 * accuracy:.1f}% accurate$")
    assert page.title() == f"Ask the model: boxes, {100 * accuracy:.1f}% accurate \N{EN DASH} fastnet"
    wait_for(page, "#model", "parameters; accuracy on validation samples$")


def test_a_value_is_typed_and_one_outside_of_the_training_data_is_said_to_be(
    open_page: Open, boxes: fn.Sequential, boxes_server: str
) -> None:
    page = open_page(boxes_server)
    field(page, "height").fill("3")
    settle(page)
    np.testing.assert_allclose(shares(page), 100 * boxes.predict(np.array([fields(page)]), verbose=0)[0], atol=0.06)
    wait_for(page, "#hint-0", "^not in training: 1")
    field(page, "width").fill("")
    wait_for(page, "#error", "^“width” needs a number.$")
    wait_for(page, "#winner", "^\N{EN DASH}$")
    page.get_by_role("button", name="Start values").click()
    wait_for(page, "#hint-0", r"^1\S* to \d\S*$")
    settle(page)
    assert page.locator("#error").is_hidden()
    assert page.locator("#winner").inner_text() in (boxes.class_names or [])


def test_a_curve_shows_the_answers_over_the_range_of_a_feature(
    open_page: Open, boxes: fn.Sequential, boxes_server: str
) -> None:
    page = open_page(boxes_server)
    answer(page)
    page.locator("#curves polyline").nth(8).wait_for()
    assert boxes.feature_ranges is not None
    low, _, high = boxes.feature_ranges[1]
    rows = np.repeat([fields(page)], 41, axis=0)
    rows[:, 1] = np.linspace(low, high, 41)
    best = int(boxes.predict(np.array([fields(page)]), verbose=0).argmax())
    points = page.locator("#curves figure >> nth=1 >> polyline.line-0").get_attribute("points")
    drawn = np.array([point.split(",") for point in points.split()], dtype=float)
    np.testing.assert_allclose(drawn[:, 0], np.linspace(0, 200, 41), atol=1e-6)
    np.testing.assert_allclose(drawn[:, 1], 100 - 100 * boxes.predict(rows, verbose=0)[:, best], atol=1e-4)
    names = page.locator("#curves figcaption").all_inner_texts()
    assert names == NAMES
    assert page.get_by_role("img", name="Probability of").count() == 3


def test_a_click_on_a_curve_takes_its_value(open_page: Open, boxes: fn.Sequential, boxes_server: str) -> None:
    page = open_page(boxes_server)
    answer(page)
    page.locator("#curves polyline").nth(8).wait_for()
    assert boxes.feature_ranges is not None
    low, _, high = boxes.feature_ranges[1]
    drawing = page.locator("#curves svg").nth(1)
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    assert abs(fields(page)[1] - (low + (high - low) / 4)) < 0.01 * (high - low)


def test_one_number_has_no_bar(open_page: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = fn.Sequential([fn.Dense(4, "tanh", input_shape=(1,)), fn.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x = np.linspace(-1, 1, 21)[:, None]
    model.fit(x, 3 * x, epochs=1, verbose=0)
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        field(page, "feature 0").fill("0.5")
        settle(page)
        expected = model.predict(np.array([[0.5]]), verbose=0)[0, 0]
        wait_for(page, "#winner", f"^{expected:.3f}$")
        assert page.locator("#bars").is_hidden()
        assert page.locator("#legend").is_hidden()
        wait_for(page, "#curves-title", "^How the answer depends on the feature$")
        page.locator("#curves polyline").wait_for()


def test_several_numbers_have_bars_from_zero(open_page: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = fn.Sequential([fn.Dense(3, use_bias=False, input_shape=(1,))])
    model.set_weights([np.array([[2.0, -2.0, 1.0]])])
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        field(page, "feature 0").fill("1")
        settle(page)
        assert page.locator("#bars .number").all_inner_texts() == ["2.000", "-2.000", "1.000"]
        track = page.locator("#bars .track").first.bounding_box()
        fills = [fill.bounding_box() for fill in page.locator("#bars .fill").all()]
        shares = [((one["x"] - track["x"]) / track["width"], one["width"] / track["width"]) for one in fills]
        np.testing.assert_allclose(shares, [(0.5, 0.5), (0, 0.5), (0.5, 0.25)], atol=0.01)


def test_of_many_classes_the_likeliest_have_bars(open_page: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = fn.Sequential([fn.Dense(30, "softmax", use_bias=False, input_shape=(1,))])
    model.set_weights([np.arange(30)[None] / 4])
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        field(page, "feature 0").fill("1")
        settle(page)
        assert page.locator("#bars .name").all_inner_texts() == [str(code) for code in range(29, 19, -1)]


def test_without_ranges_the_page_says_so_and_draws_no_curves(open_page: Open, flowers_server: str) -> None:
    page = open_page(flowers_server)
    wait_for(page, "#features-note", "^The model does not say which values its features had in training.$")
    assert page.locator("#pad").is_hidden()
    assert page.locator(".curves").is_hidden()
    wait_for(page, "#row-help", r"^4 numbers \(sepal length, sepal width, petal length, petal width\)")
    page.fill("#row", "5.1,3.5,1.4,0.2,setosa")
    page.click("text=Show the row")
    wait_for(page, "#timing", "The row's label is setosa.$")
    assert field(page, "sepal length").input_value() == "5.1"
    assert answer(page) in {"setosa", "versicolor", "virginica"}


def test_a_model_of_many_numbers_says_so_and_takes_rows(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(101,))], seed=0)
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        wait_for(page, "#notice", "^This model takes 101 numbers, not a picture of 28 . 28 or 8 . 8 pixels")
        assert page.locator("#fields").is_hidden()
        page.fill("#row", ",".join(["1"] * 101))
        page.click("text=Show the row")
        assert answer(page) in {"0", "1"}


def test_64_features_with_names_are_no_picture(open_page: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(64,))], seed=0)
    model.feature_names = [f"sensor {number}" for number in range(64)]
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        field(page, "sensor 63").wait_for()
        assert page.locator("#pad").is_hidden()


def test_four_channels_are_no_digit_though_they_have_as_many_values(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = fn.Sequential([fn.Flatten(input_shape=(14, 14, 4)), fn.Dense(2, "softmax")], seed=0)
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        wait_for(page, "#notice", "^This model takes images of 4 channels")
        assert page.locator("#pad").is_hidden()
