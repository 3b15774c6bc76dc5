"""Counts in words: one thing is singular wherever a message counts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from photograft.core.text import count, of
from source_trees import FILES, SOURCE, parse

#: What messages count.
NOUNS = (
    "photos|files|folders|groups|classes|rows|labels|epochs|images|names|candidates|folds|others|"
    "values|trials|copies|findings"
)
COUNTED = re.compile(rf"(?: \w+)? (?:{NOUNS})\b")


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 photos"), (1, "1 photo"), (2, "2 photos"), (1200, "1,200 photos")]
)
def test_counts(number: int, words: str) -> None:
    assert count(number, "photo") == words
    assert of(0, number, "photo") == f"0 of {words}"


def numbers_and_what_follows(tree: ast.AST) -> Iterator[str]:
    """What stands in f-strings behind a whole number, be it with thousands or a length."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, behind in zip(node.values, node.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(behind, ast.Constant):
                shown = ast.unparse(value.value)
                spec = ast.unparse(value.format_spec) if value.format_spec else ""
                is_whole = spec == "f','" or shown.startswith(("len(", "num_")) or ".num_" in shown
                if is_whole:
                    yield str(behind.value)


def test_no_message_has_a_plural_behind_a_number() -> None:
    """``count`` says "1 photo"; a number that is followed by "photos" does not."""
    found = {
        (path.relative_to(SOURCE).as_posix(), text)
        for path in FILES
        for text in numbers_and_what_follows(parse(path))
        if COUNTED.match(text)
    }
    assert found == set()
