"""Drawing on the page of ``fastnet serve`` in a real browser: strokes, answers while drawing, the keyboard alone."""

import re
from typing import Any

import numpy as np
import pytest

from browser import DIGITS, Open, canvas_values, draw_by_mouse, draw_by_touch
from page_actions import NOTHING, SHARE, answer, settle, shares, wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("draw_by", "digit"), [*((draw_by_mouse, digit) for digit in sorted(DIGITS)), (draw_by_touch, "7")]
)
def test_a_drawn_digit_is_recognized(open_page: Open, mnist_server: str, digit: str, draw_by: Any) -> None:
    page = open_page(mnist_server, has_touch=draw_by is draw_by_touch)
    draw_by(page, DIGITS[digit])
    assert answer(page) == digit
    assert abs(sum(shares(page)) - 100) < 0.6
    assert page.locator("#bars .first .name").inner_text() == digit
    assert int(np.argmax(shares(page))) == int(digit)


def test_answers_come_before_the_stroke_ends(open_page: Open, mnist_server: str) -> None:
    page = open_page(mnist_server)
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 60, steps=5)
    first = answer(page)
    assert re.fullmatch(r"\d", first)
    page.mouse.up()


def test_strokes_are_undone_and_cleared(open_page: Open, digits_server: str) -> None:
    page = open_page(digits_server)
    assert page.locator("#undo").is_disabled()
    draw_by_mouse(page, [[(0.5, 0.1), (0.5, 0.9)]])
    answer(page)
    upright = canvas_values(page, "#seen-picture")
    draw_by_mouse(page, [[(0.1, 0.5), (0.9, 0.5)]])
    settle(page)
    assert (canvas_values(page, "#seen-picture") != upright).any()
    page.click("#undo")
    settle(page)
    np.testing.assert_array_equal(canvas_values(page, "#seen-picture"), upright)
    page.click("#clear")
    wait_for(page, "#certainty", NOTHING)
    assert not canvas_values(page, "#seen-picture").any()
    page.keyboard.press("Control+z")  # the clearing, too
    wait_for(page, "#certainty", SHARE)
    np.testing.assert_array_equal(canvas_values(page, "#seen-picture"), upright)


def test_a_digit_is_drawn_with_the_keyboard_alone(open_page: Open, mnist_server: str) -> None:
    page = open_page(mnist_server)
    page.locator("#pad").focus()
    for key in ["ArrowUp"] * 9 + ["Space"] + ["ArrowDown"] * 18 + ["Space"]:
        page.keyboard.press(key)
    assert answer(page) == "1"
    wait_for(page, "#spoken", f"^1, {SHARE}$")  # read aloud by a screen reader
    page.keyboard.press("Delete")
    wait_for(page, "#certainty", NOTHING)


def test_only_the_newest_drawing_waits_for_its_turn(open_page: Open, mnist_server: str) -> None:
    page = open_page(mnist_server)
    page.evaluate("""() => {
        const original = window.fetch;
        window.asked = []; window.running = 0; window.mostRunning = 0;
        window.fetch = async (...request) => {
            window.asked.push(request[1].body);
            window.mostRunning = Math.max(window.mostRunning, ++window.running);
            await new Promise((resolve) => setTimeout(resolve, 150));
            return original(...request).finally(() => window.running--);
        };
    }""")
    draw_by_mouse(page, DIGITS["7"])
    settle(page)
    assert page.evaluate("window.mostRunning") == 1
    assert page.evaluate("window.asked.length") < 12  # of more than twelve events
    last = np.array(page.evaluate("JSON.parse(window.asked.at(-1)).instance")).reshape(28, 28)
    np.testing.assert_array_equal(last, canvas_values(page, "#seen-picture"))
    wait_for(page, "#winner", "^7$")


def test_small_digits_are_drawn_too(open_page: Open, digits_server: str) -> None:
    page = open_page(digits_server)
    draw_by_mouse(page, DIGITS["0"])
    assert answer(page) == "0"
    assert canvas_values(page, "#seen-picture").shape == (8, 8)
