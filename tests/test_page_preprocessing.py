"""What the page of ``fastnet serve`` makes of a picture, in a real browser, has the bytes of its functions in Python."""

import base64
from typing import Any

import numpy as np
import pytest

from browser import Open
from fastnet.serve.preprocessing import centre_digit, scale_picture, small_digit

pytestmark = pytest.mark.slow


def images_of_all_kinds() -> list[np.ndarray]:
    """Return RGBA images: strokes and noise of all sizes and colours, photos, single pixels, nothing."""
    rng = np.random.default_rng(5)
    images = [np.full((9, 7, 4), value, dtype=np.uint8) for value in (0, 255)]
    for _ in range(120):
        height, width = (int(side) for side in rng.integers(1, 160, 2) // rng.integers(1, 20) + 1)
        ground, ink = rng.integers(0, 256, (2, 4))
        image = np.broadcast_to(ground, (height, width, 4)).copy()
        for _ in range(rng.integers(1, 4)):
            top, left = rng.integers(0, height), rng.integers(0, width)
            image[top : top + rng.integers(1, height + 1), left : left + rng.integers(1, width + 1)] = ink
        noise = rng.normal(0, rng.choice([0, 0, 3, 60]), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
        if rng.random() < 0.7:
            image[..., 3] = 255
        images.append(image)
    return images


@pytest.mark.parametrize(
    ("script", "python", "shape"),
    [
        ("centreDigit", centre_digit, ()),
        ("smallDigit", small_digit, ()),
        ("scalePicture", scale_picture, (20, 30, 3)),
        ("scalePicture", scale_picture, (11, 7, 1)),
    ],
)
def test_the_page_preprocesses_to_the_same_bytes_as_python(
    open_page: Open, digits_server: str, script: str, python: Any, shape: tuple[int, ...]
) -> None:
    arguments = [shape] if shape else []
    page = open_page(digits_server)
    images = images_of_all_kinds()
    results = page.evaluate(
        """async ([name, images, others]) => {
            const preprocess = (await import("/preprocessing.js"))[name];
            return images.map(([width, height, bytes]) => {
                const data = Uint8ClampedArray.from(atob(bytes), (character) => character.charCodeAt(0));
                return Array.from(preprocess({ width, height, data }, ...others));
            });
        }""",
        [
            script,
            [[image.shape[1], image.shape[0], base64.b64encode(image.tobytes()).decode()] for image in images],
            arguments,
        ],
    )
    assert sum(any(result) for result in results) >= 90
    for image, result in zip(images, results, strict=True):
        np.testing.assert_array_equal(np.array(result), python(image, *arguments).ravel())
