"""A report in a real browser: for all people, on a phone, in light and dark."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.reports import write_report
from page_actions import axe_findings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Reports of a classifier and of a model of numbers."""
    rng = np.random.default_rng(0)
    x = rng.random((200, 12))
    classifier = fn.Sequential([fn.Dense(3, "softmax", input_shape=(12,))], seed=0)
    regressor = fn.Sequential([fn.Dense(2, input_shape=(12,))], seed=0)
    folder = tmp_path_factory.mktemp("reports")
    paths = [folder / "classifier.html", folder / "regressor.html"]
    write_report(paths[0], classifier, x, rng.integers(0, 3, 200), history={"loss": [2.0, 1.0], "val_loss": [2.0, 1.5]})
    write_report(paths[1], regressor, x, x[:, :2])
    return paths


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_wrong_and_the_page_fits(browser: Any, reports: list[Path], width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True, offline=True
    )
    try:
        for path in reports:
            page = context.new_page()
            page.goto(path.as_uri())
            assert axe_findings(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            column = page.locator("main").bounding_box()["width"]
            for group in page.locator(".pictures").all():
                covered = sum(one.bounding_box()["width"] for one in group.locator("picture").all())
                assert covered > 0.85 * column
    finally:
        context.close()
