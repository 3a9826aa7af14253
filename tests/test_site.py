"""The built site, opened from its folder in a real browser: search, screens, axe-core. Needs `make docs`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page_actions import axe_findings

pytestmark = pytest.mark.slow

SITE = Path(__file__).resolve().parents[1] / "build" / "site"


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty page of a width and a color scheme, without a network."""
    if not (SITE / "index.html").exists():
        pytest.skip("needs the documentation site: make docs")
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    yield context.new_page()
    context.close()


def test_the_search_finds_pages_in_a_folder(page: Any) -> None:
    page.goto((SITE / "how-to" / "csv.html").as_uri())
    page.click(".md-search__input")
    page.keyboard.type("confusion matrix")
    page.locator(".md-search-result__item").first.wait_for(timeout=20_000)
    assert page.locator(".md-search-result__item").count() > 1


@pytest.mark.parametrize("name", ["404.html", "CHANGELOG.html", "reference/fastnet.layers.html"])
def test_axe_finds_nothing_wrong_with_pages_of_other_kinds(page: Any, name: str) -> None:
    page.goto((SITE / name).as_uri())
    assert axe_findings(page) == []


def test_the_page_for_a_missing_address_has_its_styles_in_a_folder(page: Any) -> None:
    page.goto((SITE / "404.html").as_uri())
    assert page.evaluate("getComputedStyle(document.querySelector('.md-header')).position") == "sticky"
    assert page.locator("a.md-logo").first.get_attribute("href") == "index.html"


def test_an_object_of_two_names_is_documented_once() -> None:
    if not (SITE / "index.html").exists():
        pytest.skip("needs the documentation site: make docs")
    text = (SITE / "reference" / "fastnet.layers.html").read_text(encoding="utf-8")
    assert text.count('id="fastnet.layers.AveragePooling2D"') == 1
    assert text.count('href="#fastnet.layers.AveragePooling2D"><code>AvgPool2D</code>') == 1


@pytest.mark.parametrize("page", [(1280, "dark"), (390, "light")], indirect=True)
@pytest.mark.parametrize("name", ["index.html", "how-to/csv.html", "reports.html", "reference/fastnet.plotting.html"])
def test_axe_finds_nothing_wrong_and_code_of_100_columns_fits(page: Any, name: str) -> None:
    page.goto((SITE / name).as_uri())
    page.locator("nav.md-code__nav[role=none]").first.wait_for(state="attached")
    assert axe_findings(page) == []
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width > 1000:
        columns = page.evaluate("""() => {
            const code = document.querySelector(".md-typeset pre > code");
            const text = document.createElement("span");
            text.textContent = "x".repeat(100);
            code.append(text);
            return (100 * code.clientWidth) / text.getBoundingClientRect().width;
        }""")
        assert columns > 100
    assert "not tested" not in page.content()
