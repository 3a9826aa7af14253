"""Pictures and rows on the page of ``fastnet serve``: chosen, dropped or pasted."""

from typing import Any

import numpy as np
import pytest

from browser import DIGITS, Open, canvas_values, draw_by_mouse
from drawn_digits import draw
from fastnet.datasets import digits, mnist
from fastnet.serve.preprocessing import centre_digit, scale_picture
from page_actions import NOTHING, answer, drop, png, shares, wait_for

pytestmark = pytest.mark.slow


def test_a_picture_is_dropped_or_chosen(open_page: Open, mnist_server: str) -> None:
    (_, _), (images, labels) = mnist.load_data()
    paper = 255 - draw(images[0].reshape(28, 28), np.random.default_rng(0))
    page = open_page(mnist_server)
    drop(page, "paper.png", png(paper))
    assert answer(page) == str(labels[0])
    np.testing.assert_array_equal(canvas_values(page, "#seen-picture"), centre_digit(paper))
    page.click("#clear")
    page.set_input_files("#file", {"name": "paper.png", "mimeType": "image/png", "buffer": png(paper)})
    assert answer(page) == str(labels[0])


def test_a_file_that_is_no_picture_is_refused_in_words(open_page: Open, digits_server: str) -> None:
    page = open_page(digits_server)
    drop(page, "notes.txt", b"not a picture")
    wait_for(page, "#error", "^“notes.txt” is not a picture that this browser can read, such as PNG or JPEG.$")


def test_a_row_of_the_csv_is_shown_as_it_is(open_page: Open, mnist_server: str) -> None:
    (_, _), (images, labels) = mnist.load_data()
    page = open_page(mnist_server)
    page.fill("#row", ",".join(map(str, [labels[1], *images[1].ravel()])))
    page.click("text=Show the row")
    assert answer(page) == str(labels[1])
    wait_for(page, "#timing", f"The row's label is {labels[1]}.$")
    np.testing.assert_array_equal(canvas_values(page, "#seen-picture"), images[1].reshape(28, 28))
    draw_by_mouse(page, DIGITS["7"])  # takes the place of the picture
    wait_for(page, "#winner", "^7$")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2,3", "^The row has 3 values: this model takes 64, or 65 with the label.$"),
        (" ", "^There is no row: paste 64 numbers, or a label and 64 numbers.$"),
        (",".join(["0"] * 63 + ["x"]), "^Value 64 of the row is “x”, which is not a number.$"),
        (",".join(["7", "x"] + ["0"] * 63), "^Value 2 of the row is “x”, which is not a number.$"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_in_words(
    open_page: Open, digits_server: str, row: str, message: str
) -> None:
    page = open_page(digits_server)
    page.fill("#row", row)
    page.click("text=Show the row")
    wait_for(page, "#error", message)


def test_a_table_pasted_anywhere_shows_its_first_row(open_page: Open, digits_server: str) -> None:
    images, labels = digits.load_data()
    header = "label\t" + "\t".join(f"pixel{i}" for i in range(64))
    rows = ["\t".join(map(str, [label, *image])) for image, label in zip(images[:2], labels[:2], strict=True)]
    page = open_page(digits_server)
    page.evaluate(
        """text => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        "\n".join([header, *rows]),
    )
    assert answer(page) == str(labels[0])
    np.testing.assert_array_equal(
        canvas_values(page, "#seen-picture"), np.floor(images[0].reshape(8, 8) * (255 / 16) + 0.5)
    )


def colors_of(page: Any, selector: str) -> np.ndarray:
    return np.stack([canvas_values(page, selector, channel) for channel in range(3)], axis=2)


def test_a_picture_is_shown_to_a_model_of_color_images(open_page: Open, colors_server: str) -> None:
    page = open_page(colors_server)
    wait_for(page, "#title", "^Show a picture$")
    photo = np.random.default_rng(0).integers(0, 200, (70, 90, 3)).astype(np.uint8)
    photo[20:, :, 1] += 55
    drop(page, "photo.png", png(photo))
    assert answer(page) == "green"
    seen = scale_picture(photo, (16, 24, 3))
    np.testing.assert_array_equal(colors_of(page, "#seen-picture"), seen)
    wait_for(page, "#seen-caption", "^24 . 16 pixels, as the model sees them$")
    logits = 5 * (seen / 255).mean(axis=(0, 1))
    np.testing.assert_allclose(shares(page), 100 * np.exp(logits) / np.exp(logits).sum(), atol=0.06)
    wait_for(page, "#layers figcaption", "^conv2d: 3 units, linear")  # averaged
    assert page.locator("#weights").is_hidden()
    box = page.locator("#seen-picture").bounding_box()
    assert abs(box["width"] / box["height"] - 24 / 16) < 0.05
    page.click("#clear")
    wait_for(page, "#certainty", NOTHING)
    page.set_input_files("#file", {"name": "photo.png", "mimeType": "image/png", "buffer": png(photo)})
    assert answer(page) == "green"
    page.fill("#row", ",".join(map(str, ["blue", *(seen[..., ::-1].ravel())])))
    page.click("text=Show the row")
    wait_for(page, "#timing", "The row's label is blue.$")
    np.testing.assert_array_equal(colors_of(page, "#seen-picture"), seen[..., ::-1])


def test_pictures_are_not_drawn_but_shown(open_page: Open, colors_server: str) -> None:
    page = open_page(colors_server, viewport={"width": 360, "height": 740})
    draw_by_mouse(page, DIGITS["3"])
    page.locator("#pad").press("Space")
    wait_for(page, "#certainty", NOTHING)
    assert page.get_by_role("application").count() == 0
    assert page.get_by_role("img", name="The picture", exact=True).count() == 1
    assert page.get_by_role("slider", name="Pen").count() == 0
    wait_for(page, "#invitation", "^Drop or paste a picture here$")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_picture_becomes_gray_for_a_model_of_one_channel(open_page: Open, gray_server: str) -> None:
    page = open_page(gray_server)
    photo = np.random.default_rng(0).integers(0, 256, (50, 40, 3)).astype(np.uint8)
    drop(page, "photo.png", png(photo))
    assert answer(page) in {"0", "1"}
    np.testing.assert_array_equal(canvas_values(page, "#seen-picture"), scale_picture(photo, (12, 10)))
    assert page.locator("#scale-choice").inner_text().startswith("Value of white in the data")
    assert page.locator("#weights").inner_text().count("light here") == 2
    assert canvas_values(page, "#layers canvas >> nth=0").shape == (10, 8 * 2 + 1)
