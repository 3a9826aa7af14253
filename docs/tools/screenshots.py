"""Take the pictures of the home page: python docs/tools/screenshots.py (needs MNIST, Chromium, Playwright and Pillow).

They are kept in docs/assets, so that the site is built without a browser. Take them again when the page of `fastnet serve` or
the report looks different.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

import fastnet as fn
from fastnet.reports import write_report

ASSETS = Path(__file__).resolve().parents[1] / "assets"
SIZE = {"width": 1000, "height": 760}
COLORS = 64  # of a picture, which make it a third as large
SEVEN = [(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)]  # as fractions of the pad


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder)
        with serving(folder / "digits.safetensors") as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport=SIZE, color_scheme=scheme)
                page.goto(address)
                draw(page)
                keep(page.screenshot(), f"page-{scheme}.png")
                page.goto((folder / "report.html").as_uri())
                keep(page.screenshot(), f"report-{scheme}.png")
            browser.close()


def train(folder: Path) -> None:
    """Train a classifier of MNIST, and write its file and its report."""
    (x, y), (x_test, y_test) = fn.datasets.mnist.load_data()
    layers = [
        fn.Rescaling(1 / 255, input_shape=(784,)),
        fn.Dense(64, "relu"),
        fn.Dense(32, "relu"),
        fn.Dense(10, "softmax"),
    ]
    model = fn.Sequential(layers, seed=0, name="digits")
    model.class_names = [str(digit) for digit in range(10)]
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x.reshape(-1, 784), y, batch_size=64, epochs=3, verbose=0)
    model.figures["test"] = model.evaluate(x_test.reshape(-1, 784), y_test, return_dict=True, verbose=0)
    model.save(folder / "digits.safetensors")
    write_report(folder / "report.html", model, x_test.reshape(-1, 784), y_test, title="Handwritten digits")


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """Serve a model on a free port; yields the address."""
    command = [sys.executable, "-m", "fastnet", "serve", str(model), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def draw(page: Any) -> None:
    """Draw a seven, and wait for the answer."""
    page.locator("#bars li").first.wait_for()
    box = page.locator("#pad").bounding_box()
    (first, *others) = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=8)
    page.mouse.up()
    page.locator('.answer[aria-busy="false"]').wait_for()


def keep(picture: bytes, name: str) -> None:
    """Write a picture with few colors."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    image.save(ASSETS / name, optimize=True)


if __name__ == "__main__":
    main()
