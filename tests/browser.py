"""Chromium in tests, driven by Playwright; what draws and looks at the page."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastnet as fn
from command import serving
from fastnet.datasets import digits

Point = tuple[float, float]  # as fractions of the pad's side
Strokes = Sequence[Sequence[Point]]


def _stroke(*numbers: float) -> list[Point]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


DIGITS: dict[str, Strokes] = {
    "0": [
        _stroke(0.5, 0.15, 0.36, 0.22, 0.28, 0.5, 0.36, 0.78, 0.5, 0.85, 0.64, 0.78, 0.72, 0.5, 0.64, 0.22, 0.5, 0.15)
    ],
    "3": [
        _stroke(0.3, 0.22, 0.48, 0.15, 0.66, 0.26, 0.6, 0.42, 0.45, 0.48, 0.63, 0.55, 0.7, 0.7, 0.55, 0.84, 0.3, 0.78)
    ],
    "7": [_stroke(0.25, 0.2, 0.75, 0.2, 0.45, 0.85)],
}


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a headless Chromium; the test is skipped where there is none, or no Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs a Chromium; on Debian and Ubuntu: apt-get install chromium")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if as_root else [])
        yield browser
        browser.close()


def points_on(page: Any, stroke: Sequence[Point]) -> list[Point]:
    """Return where the points of a stroke are on the screen."""
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]


def draw_by_mouse(page: Any, strokes: Strokes) -> None:
    """Draw strokes with the left button of the mouse."""
    for stroke in strokes:
        first, *others = points_on(page, stroke)
        page.mouse.move(*first)
        page.mouse.down()
        for point in others:
            page.mouse.move(*point, steps=6)
        page.mouse.up()


def draw_by_touch(page: Any, strokes: Strokes) -> None:
    """Draw strokes with a finger."""
    devtools = page.context.new_cdp_session(page)

    def touch(kind: str, *points: Point) -> None:
        touched = [{"x": x, "y": y} for x, y in points]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})

    for stroke in strokes:
        first, *others = points_on(page, stroke)
        touch("touchStart", first)
        for point in others:
            touch("touchMove", point)
        touch("touchEnd")


def canvas_values(page: Any, selector: str, channel: int = 0) -> NDArray[np.uint8]:
    """Return a channel of a canvas, by default the red one: the grey levels of one without colours."""
    rows, columns, values = page.eval_on_selector(
        selector,
        """(canvas, channel) => {
            const { width, height } = canvas;
            const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
            context.drawImage(canvas, 0, 0);
            const { data } = context.getImageData(0, 0, width, height);
            return [height, width, Array.from(data.filter((_, i) => i % 4 === channel))];
        }""",
        channel,
    )
    return np.array(values, dtype=np.uint8).reshape(rows, columns)


# ---- Fixtures -------------------------------------------------------------------------------------------------------

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def serve(model: fn.Sequential, folders: pytest.TempPathFactory, *options: object) -> Iterator[str]:
    path = folders.mktemp("served") / "model.safetensors"
    model.save(path)
    with serving(path, *options) as (_, address):
        yield address


@pytest.fixture(scope="module")
def digits_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model of the small digits."""
    images, labels = digits.load_data()
    layers = [fn.layers.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(32, "tanh"), fn.Dense(10, "softmax")]
    model = fn.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=20, verbose=0)
    yield from serve(model, tmp_path_factory)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open the page of a server; it must ask no other host for anything and leave nothing in the console."""
    contexts, complaints = [], []

    def open_page(address: str, *, expected: str = "$.", **options: Any) -> Any:
        def complain(text: str) -> None:
            if not re.search(expected, text):
                complaints.append(text)

        def watch(request: Any) -> None:
            if not request.url.startswith(address + "/"):
                complain(f"asks for {request.url}")

        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complain(message.text))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("request", watch)
        page.goto(address)
        page.locator("#bars li").first.wait_for(state="attached")  # of one number alone they are hidden
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
