"""The page of ``fastnet serve`` on all screens, for all people, and without its server."""

import pytest

import fastnet as fn
from browser import DIGITS, Open, canvas_values, draw_by_mouse, serve
from page_actions import SHARE, answer, axe_findings, field, wait_for

pytestmark = pytest.mark.slow


def test_a_server_that_is_gone_is_told_in_words(open_page: Open, digits_server: str) -> None:
    page = open_page(digits_server, expected="net::ERR_FAILED")
    page.route("**/explain", lambda route: route.abort())
    draw_by_mouse(page, [[(0.5, 0.2), (0.5, 0.8)]])
    wait_for(page, "#error", "^The server does not answer. Is “fastnet serve” still running\\?$")
    page.unroute("**/explain")
    draw_by_mouse(page, [[(0.5, 0.2), (0.5, 0.8)]])
    wait_for(page, "#certainty", SHARE)
    assert page.locator("#error").is_hidden()


def test_it_fits_a_narrow_phone_and_follows_light_and_dark(open_page: Open, digits_server: str) -> None:
    page = open_page(digits_server, viewport={"width": 360, "height": 740}, color_scheme="light")
    draw_by_mouse(page, DIGITS["3"])
    answer(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    last_bar = page.locator("#bars li").last.bounding_box()
    assert last_bar["y"] + last_bar["height"] <= 740  # pad and bars are seen together

    def look() -> tuple[str, int]:
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return ground, int(canvas_values(page, "#units canvas").sum())

    light = look()
    page.emulate_media(color_scheme="dark")
    for _ in range(100):  # until the next frames have painted the pictures again
        dark = look()
        if dark[1] < light[1]:
            break
        page.wait_for_timeout(50)
    assert light[0] != dark[0]
    assert light[1] > dark[1]


def test_every_control_has_a_name(open_page: Open, digits_server: str) -> None:
    page = open_page(digits_server)
    names = {
        "application": ["Drawing pad"],
        "button": ["Undo", "Clear", "Show the row"],
        "slider": ["Pen"],
        "textbox": ["Paste a row of a CSV file"],
        "img": ["The picture as the model sees it"],
    }
    for role, expected in names.items():
        for name in expected:
            assert page.get_by_role(role, name=name).count() == 1, (role, name)
    assert page.get_by_label("Choose a picture").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_wrong_where_digits_are_drawn(
    open_page: Open, digits_server: str, width: int, scheme: str
) -> None:
    page = open_page(digits_server, viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    draw_by_mouse(page, DIGITS["3"])
    answer(page)
    page.get_by_label("Unit of the layer dense", exact=True).fill("3")
    wait_for(page, "#unit-title", "^dense, unit 3")
    assert axe_findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_wrong_with_the_fields_of_a_table(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory, width: int, scheme: str
) -> None:
    model = fn.Sequential([fn.Dense(8, "relu", input_shape=(3,)), fn.Dense(3, "softmax")], seed=0)
    model.feature_ranges = [(0.0, 0.5, 1.0)] * 3
    for address in serve(model, tmp_path_factory):
        page = open_page(address, viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
        page.locator("#curves polyline").nth(8).wait_for()
        field(page, "feature 1").fill("2")
        field(page, "feature 2").fill("")
        wait_for(page, "#error", "needs a number")
        assert axe_findings(page) == []
        field(page, "feature 2").fill("0")
        answer(page)
        assert axe_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
