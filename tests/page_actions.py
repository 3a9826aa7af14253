"""What tests do on the page of ``fastnet serve``, and what they wait for."""

import base64
import io
import re
from typing import Any

import numpy as np

NOTHING = "nothing to answer yet"
SHARE = r"\d+\.\d%"


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


def field(page: Any, name: str) -> Any:
    """Return the field of a feature."""
    return page.get_by_role("spinbutton", name=name, exact=True)


def axe_findings(page: Any) -> list[str]:
    """Return what axe-core finds wrong with a page for people who cannot see it or use a mouse: needs `bypass_csp`."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
