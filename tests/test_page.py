"""The page of ``fastnet serve`` in a real browser: it draws, asks the model and shows the answer, offline and in words."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from browser import DIGITS, Open, canvas_values, draw_by_mouse, draw_by_touch, serve
from drawn_digits import draw
from fastnet.datasets import digits, mnist
from fastnet.serve.preprocessing import centre_digit, scale_picture

pytestmark = pytest.mark.slow

NOTHING = "nothing to answer yet"
SHARE = r"\d+\.\d%"


@pytest.fixture(scope="module")
def mnist_server(browser: Any, mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model of MNIST with 64 hidden units."""
    (images, labels), _ = mnist.load_data()
    layers = [fn.layers.Rescaling(1 / 255, input_shape=(784,)), fn.Dense(64, "relu"), fn.Dense(10, "softmax")]
    model = fn.Sequential(layers, seed=0, name="mnist-64")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images.reshape(-1, 784), labels, batch_size=64, epochs=3, verbose=0)
    model.class_names = [str(digit) for digit in range(10)]
    yield from serve(model, tmp_path_factory)


@pytest.fixture(scope="module")
def convolutional_server(browser: Any, mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a convolutional model of MNIST's images."""
    (images, labels), _ = mnist.load_data()
    inner = [
        fn.Conv2D(8, 5, activation="relu"),
        fn.MaxPooling2D(4),
        fn.Dropout(0.2),
        fn.Flatten(),
        fn.Dense(32, "relu"),
    ]
    layers = [fn.layers.Rescaling(1 / 255, input_shape=(28, 28, 1)), *inner, fn.Dense(10, "softmax")]
    model = fn.Sequential(layers, seed=0)
    model.compile(fn.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(images[:20_000], labels[:20_000], batch_size=64, epochs=2, verbose=0)
    yield from serve(model, tmp_path_factory)


@pytest.fixture(scope="module")
def flowers_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model that takes no pictures."""
    model = fn.Sequential([fn.Dense(3, "softmax", input_shape=(4,))], seed=0)
    model.class_names = ["setosa", "versicolor", "virginica"]
    model.feature_names = ["sepal length", "sepal width", "petal length", "petal width"]
    yield from serve(model, tmp_path_factory)


@pytest.fixture(scope="module")
def colors_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a convolutional model of color images, which tells the strongest color."""
    layers = [fn.Conv2D(3, 1, use_bias=False), fn.AveragePooling2D(4), fn.GlobalAveragePooling2D()]
    last = fn.Dense(3, "softmax", use_bias=False)
    model = fn.Sequential([fn.layers.Rescaling(1 / 255, input_shape=(16, 24, 3)), *layers, last])
    model.set_weights([np.eye(3)[None, None], 5 * np.eye(3)])
    model.class_names = ["red", "green", "blue"]
    yield from serve(model, tmp_path_factory)


@pytest.fixture(scope="module")
def gray_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model of gray images that are no digits and whose scale is unknown."""
    layers = [fn.Conv2D(2, 3, input_shape=(12, 10, 1)), fn.Flatten(), fn.Dense(2, "softmax")]
    yield from serve(fn.Sequential(layers, seed=0), tmp_path_factory)


def wait_for(page: Any, selector: str, pattern: str) -> str:
    """Wait until an element's text matches, and return the text."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(re.compile(pattern))
    return str(page.locator(selector).inner_text())


def answer(page: Any) -> str:
    """Return the class that the page names when all that was drawn has been answered."""
    settle(page)
    return str(page.locator("#winner").inner_text())


def settle(page: Any) -> None:
    """Wait until the page shows the answer to what is on its pad."""
    page.locator('.answer[aria-busy="false"]').wait_for()


def shares(page: Any) -> list[float]:
    """Return the percentages beside the bars."""
    return [float(text.rstrip("%")) for text in page.locator("#bars .number").all_inner_texts()]


# ---- Drawing --------------------------------------------------------------------------------------------------------


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
    first, second = page.locator("#layers figcaption").all_inner_texts()
    assert re.match(r"conv2d: 8 maps of 6 . 6, relu; \d+ not zero, the strongest \d", first)
    assert second.startswith("dense: 32 units, relu; ")
    assert canvas_values(page, "#layers canvas >> nth=0").shape == (6, 8 * 7 - 1)
    filters = page.locator("#units canvas")
    assert 1 < filters.count() <= 8
    assert canvas_values(page, "#units canvas >> nth=0").shape == (5, 5)
    strongest = [float(text.split()[-1]) for text in page.locator("#units figcaption").all_inner_texts()]
    assert strongest == sorted(strongest, reverse=True)
    assert first.endswith(f"the strongest {strongest[0]:.3f}")


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


# ---- Pictures and rows ----------------------------------------------------------------------------------------------


def png(image: np.ndarray) -> bytes:
    import matplotlib.image

    stream = io.BytesIO()
    matplotlib.image.imsave(stream, image, cmap="gray", vmin=0, vmax=255, format="png")
    return stream.getvalue()


def drop(page: Any, name: str, content: bytes) -> None:
    page.evaluate(
        """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        [name, base64.b64encode(content).decode()],
    )


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


# ---- Other models, other screens, no server -------------------------------------------------------------------------


def test_small_digits_are_drawn_too(open_page: Open, digits_server: str) -> None:
    page = open_page(digits_server)
    draw_by_mouse(page, DIGITS["0"])
    assert answer(page) == "0"
    assert canvas_values(page, "#seen-picture").shape == (8, 8)


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


def test_a_model_that_takes_no_picture_says_so_and_takes_rows(open_page: Open, flowers_server: str) -> None:
    page = open_page(flowers_server)
    wait_for(page, "#notice", "^This model takes 4 numbers, not a picture of 28 . 28 or 8 . 8 pixels")
    assert page.locator("#pad").is_hidden()
    wait_for(page, "#row-help", r"^4 numbers \(sepal length, sepal width, petal length, petal width\)")
    page.fill("#row", "5.1,3.5,1.4,0.2,setosa")
    page.click("text=Show the row")
    assert answer(page) in {"setosa", "versicolor", "virginica"}
    wait_for(page, "#timing", "The row's label is setosa.$")


def test_four_channels_are_no_digit_though_they_have_as_many_values(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = fn.Sequential([fn.Flatten(input_shape=(14, 14, 4)), fn.Dense(2, "softmax")], seed=0)
    for address in serve(model, tmp_path_factory):
        page = open_page(address)
        wait_for(page, "#notice", "^This model takes images of 4 channels")
        assert page.locator("#pad").is_hidden()


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
