"""The inside of the network on the page of ``fastnet serve``: layers, feature maps, and the weights of a unit."""

import re

import numpy as np
import pytest

import fastnet as fn
from browser import DIGITS, Open, canvas_values, draw_by_mouse, serve
from page_actions import answer, wait_for

pytestmark = pytest.mark.slow


def test_the_inside_of_the_network_is_shown_while_drawing(open_page: Open, mnist_server: str) -> None:
    page = open_page(mnist_server)
    draw_by_mouse(page, DIGITS["3"])
    answer(page)
    seen = canvas_values(page, "#seen-picture")
    assert seen.shape == (28, 28)
    assert seen[4:24].max() == 255
    assert seen.any(axis=1).sum() == 20  # the box of MNIST's digits
    wait_for(page, "#layers figcaption", r"^dense: 64 units, relu; \d+ not zero, the strongest \d")
    strongest = [float(text.split()[-1]) for text in page.locator("#units figcaption").all_inner_texts()]
    assert len(strongest) == 12
    assert strongest == sorted(strongest, reverse=True)


def test_a_convolution_shows_its_feature_maps_and_filters(open_page: Open, convolutional_server: str) -> None:
    page = open_page(convolutional_server)
    draw_by_mouse(page, DIGITS["7"])
    assert answer(page) == "7"
    assert page.locator("#model").inner_text().split(", ")[0].split(" \N{EN DASH} ") == ["784 inputs", "8", "32", "10"]
    first, second = page.locator("#layers figcaption > span").all_inner_texts()
    assert re.match(r"conv2d: 8 maps of 6 . 6, relu; \d+ not zero, the strongest \d", first)
    assert second.startswith("dense: 32 units, relu; ")
    assert canvas_values(page, "#layers canvas >> nth=0").shape == (6, 8 * 7 - 1)
    filters = page.locator("#units canvas")
    assert 1 < filters.count() <= 8
    assert canvas_values(page, "#units canvas >> nth=0").shape == (5, 5)
    strongest = [float(text.split()[-1]) for text in page.locator("#units figcaption").all_inner_texts()]
    assert strongest == sorted(strongest, reverse=True)
    assert first.endswith(f"the strongest {strongest[0]:.3f}")


def test_a_click_on_a_unit_shows_its_incoming_weights(
    open_page: Open, mnist_model: fn.Sequential, mnist_server: str
) -> None:
    page = open_page(mnist_server, color_scheme="light")
    draw_by_mouse(page, DIGITS["3"])
    answer(page)
    assert page.locator("#unit").is_hidden()
    strip = page.locator("#layers canvas").bounding_box()
    page.mouse.click(strip["x"] + strip["width"] * 17.5 / 64, strip["y"] + strip["height"] / 2)
    wait_for(page, "#unit-title", r"^dense, unit 17: output \d+\.\d{3}$")
    assert page.locator("#layers input").input_value() == "17"
    weights = mnist_model.get_weights()[0][:, 17].reshape(28, 28)
    red, blue = (canvas_values(page, "#unit-picture", channel).astype(int) for channel in (0, 2))
    strong = np.abs(weights) > 0.1 * np.abs(weights).max()
    np.testing.assert_array_equal((red > blue)[strong], (weights > 0)[strong])
    page.locator("#units canvas").first.click()
    shown = page.locator("#units figcaption").first.inner_text()
    wait_for(page, "#unit-title", f"^dense, {shown.replace(':', ': output')}$")


def test_the_number_of_a_unit_is_typed_and_its_output_follows_the_drawing(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    layers = [fn.Dense(3, "tanh", input_shape=(2,)), fn.Dense(4, "relu"), fn.Dense(2, "softmax")]
    model = fn.Sequential(layers, seed=0)
    model.feature_names = ["height", "width"]
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        answer(page)
        page.fill("#feature-0", "2")
        page.get_by_label("Unit of the layer dense", exact=True).fill("1")
        kernel, _ = model.layers[0].get_weights()
        wait_for(page, "#unit-title", f"^dense, unit 1: output {np.tanh(2 * kernel[0, 1]):.3f}$")
        wait_for(page, "#unit-note", "^Its weights from the features: .* The bias is 0.000.$")
        names = page.locator("#unit-bars .name").all_inner_texts()
        numbers = page.locator("#unit-bars .number").all_inner_texts()
        assert dict(zip(names, numbers, strict=True)) == {
            "height": f"{kernel[0, 1]:.3f}",
            "width": f"{kernel[1, 1]:.3f}",
        }
        page.fill("#feature-0", "0")
        wait_for(page, "#unit-title", "^dense, unit 1: output 0.000$")
        page.get_by_label("Unit of the layer dense_1").fill("2")
        wait_for(page, "#unit-title", "^dense_1, unit 2: ")
        wait_for(page, "#unit-note", "^Its weights from the outputs of dense: ")
        assert page.locator("#unit-bars .name").all_inner_texts() == ["unit 0", "unit 1", "unit 2"]
        assert page.get_by_label("Unit of the layer dense", exact=True).input_value() == ""


def test_a_click_on_a_feature_map_shows_its_filter(open_page: Open, convolutional_server: str) -> None:
    page = open_page(convolutional_server)
    draw_by_mouse(page, DIGITS["7"])
    answer(page)
    maps = page.locator("#layers canvas").first.bounding_box()
    page.mouse.click(maps["x"] + maps["width"] * 3.5 / 8, maps["y"] + maps["height"] / 2)
    wait_for(page, "#unit-title", "^conv2d, unit 3: at most ")
    wait_for(page, "#unit-note", "^Its filter: ")
    assert canvas_values(page, "#unit-picture").shape == (5, 5)
