"""JSON of bounded depth."""

import json
from collections.abc import Callable

import pytest

from fastnet.support import json_values
from fastnet.support.json_values import MOST_LEVELS, parse_bounded


def lists(levels: int) -> str:
    return "[" * levels + "]" * levels


def objects(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "text", ["1", "null", "[]", '{"a": [1, {"b": "[["}]}', lists(500), objects(500), '"' + "[" * 5_000 + '"']
)
def test_other_json_is_that_of_the_standard_library(text: str) -> None:
    assert json.dumps(parse_bounded(text)) == json.dumps(json.loads(text))


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 5_000, 30_000, 1_000_000])
@pytest.mark.parametrize("nested", [lists, objects])
def test_json_that_is_nested_too_deep_is_refused(nested: Callable[[int], str], levels: int) -> None:
    for text in (nested(levels), f'{{"short": [1], "long": [[], {nested(levels)}]}}'):
        with pytest.raises(ValueError, match="it is nested too deep"):
            parse_bounded(text)


# Up to Python 3.11 the standard library's own limit comes before MOST_LEVELS.
@pytest.mark.parametrize("nested", [lists, objects])
def test_the_limit_is_counted_in_levels(nested: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "MOST_LEVELS", 10)
    assert parse_bounded(nested(10)) == json.loads(nested(10))
    with pytest.raises(ValueError, match="it is nested too deep"):
        parse_bounded(nested(11))


def test_hooks_are_those_of_json() -> None:
    assert parse_bounded("[1, 2.5]", parse_int=str, parse_float=len) == ["1", 3]
