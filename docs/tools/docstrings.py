"""Make Markdown of what numpydoc's docstrings have of reStructuredText: formulas and literal blocks.

Formulas become MathML, which browsers draw themselves: no script and no font is needed.
"""

import re
import textwrap
from typing import Any

import griffe
from latex2mathml.converter import convert


class Numpydoc(griffe.Extension):
    """Rewrite every docstring before mkdocstrings reads it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """Return a docstring with its formulas and literal blocks in Markdown."""
    text = re.sub(r"^( *)\.\. math::[ \n]+((?:.+\n?)+)", _block, text, flags=re.MULTILINE)
    text = re.sub(r":math:`([^`]+)`", lambda found: f"`#!math {' '.join(found[1].split())}`", text)
    text = re.sub(r":(?:func|class|meth|mod):`~?([^`]+)`", r"`\1`", text)
    text = re.sub(
        r"\bshape \(", "shape\N{NO-BREAK SPACE}(", text
    )  # or "array, shape (n, m)" would be read as Python, a call
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)


def _block(found: re.Match[str]) -> str:
    formula = " ".join(found[2].split())
    return textwrap.indent(f"```math\n{formula}\n```\n", found[1])


def mathml(source: str, *_: Any, **__: Any) -> str:
    """Return a formula of LaTeX as MathML in a line of text: a formatter of pymdownx.inlinehilite."""
    return convert(source)


def mathml_block(source: str, *_: Any, **__: Any) -> str:
    """Return a formula of LaTeX as MathML in a line of its own: a formatter of pymdownx.superfences."""
    return f'<div class="formula">{convert(source, display="block")}</div>'
