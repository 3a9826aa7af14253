"""Words for people: control characters are written out, and a mistyped name gets the one that may have been meant."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.support.text import closest, did_you_mean, visible

TEXTS = st.text(st.characters())  # surrogates, too


@given(TEXTS)
def test_visible_text_has_no_control_character_and_stays_as_it_is(text: str) -> None:
    shown = visible(text)
    assert all(unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") for character in shown)
    assert all(unicodedata.bidirectional(character) not in BIDI for character in shown)
    assert visible(shown) == shown


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(TEXTS)
def test_in_json_the_text_comes_back(text: str) -> None:
    assert json.loads(visible(json.dumps(text))) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("a\nb\tc\rd", r"a\u000ab\u0009c\u000dd"),
        ("\x7f\x9b31m", r"\u007f\u009b31m"),
        ("\u202egnp.exe\u202c\u2066\u2069\u200e\u200f\u061c", r"\u202egnp.exe\u202c\u2066\u2069\u200e\u200f\u061c"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("\udcff", r"\udcff"),
        ("Schräge ﷺ, עברית, 日本 👩‍🔬 naïve\\n", "Schräge ﷺ, עברית, 日本 👩‍🔬 naïve\\n"),
    ],
)
def test_only_control_characters_are_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_to_be_kept_stays() -> None:
    assert visible("a\nb\tc\rd", keep="\n\t") == "a\nb\tc\\u000dd"


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("relru", ["relu", "elu", "tanh"], "relu"),
        ("ReLU", ["relu", "elu"], "relu"),
        (" Adam ", ["Adamax", "Adam", "adam"], "adam"),
        ("--batch_size", ["--batch-size", "--help"], "--batch-size"),
        ("mean_sqared_error", ["MeanSquaredError", "mean_squared_error", "mse"], "mean_squared_error"),
        ("dens", ["Dense", "Dropout"], "Dense"),
        ("xyz", ["relu"], None),
        ("", ["relu"], None),
        ("relu" * 10**6, ["relu"], None),
        (";", [".", ","], None),
        (3, ["relu"], None),
        (None, [], None),
    ],
)
def test_the_closest_name_is_found_whatever_its_case_and_punctuation(
    name: object, known: list[str], near: str | None
) -> None:
    assert closest(name, known) == near
    assert did_you_mean(name, known) == (f"; did you mean {near!r}?" if near else "")
