"""What the package hands out to Python users: which names, from where, of which types."""

from __future__ import annotations

import ast
import sys
import typing
from collections.abc import Iterator

import pytest

import photograft
from source_trees import SOURCE, parse


def test_public_names() -> None:
    names = photograft.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names)) <= 31, "30, and the version"
    assert dir(photograft) == names


@pytest.mark.parametrize("name", sorted(photograft._HOMES))
def test_public_name_is_the_one_of_its_home(name: str) -> None:
    thing = getattr(photograft, name)
    assert thing.__module__ == f"photograft.{photograft._HOMES[name]}"
    assert thing.__doc__


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = photograft.trian


def test_type_checkers_see_the_same_public_names() -> None:
    """The block for type checkers in ``__init__`` and the table of homes agree."""
    tree = parse(SOURCE / "__init__.py")
    declared = {
        alias.asname: f"{node.module}.{alias.name}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == {n: f"photograft.{home}.{n}" for n, home in photograft._HOMES.items()}


#: What Python users call: the functions, and how the classes are made and asked.
CALLED = [
    *(name for name in photograft._HOMES if name.islower()),
    *("Classifier.load", "Classifier.predict", "Classifier.predict_proba", "Classifier.save"),
    *("Comparison.load", "Comparison.leaderboard", "Dataset.from_frame", "Dataset.from_arrays"),
    *("Dataset.load", "Dataset.to_frame", "PhotoClassifier.load", "Run.load", "Run.plot"),
    *("Run.files", "Run.predictions"),
]


@pytest.mark.parametrize("name", CALLED)
def test_types_in_public_signatures_are_public(name: str) -> None:
    """Options are keyword arguments, no class to make."""
    thing: object = photograft
    for part in name.split("."):
        thing = getattr(thing, part)
    module = sys.modules[thing.__module__]
    scope = {**vars(module), "Self": object}
    hints = [
        eval(text, scope) if isinstance(text, str) else text
        for text in thing.__annotations__.values()
    ]
    found = {kind for hint in hints for kind in classes_in(hint)}
    ours = {k.__name__ for k in found if k.__module__.startswith("photograft.")}
    assert {n for n in ours if not n.endswith("Options")} <= set(photograft.__all__)


def classes_in(hint: object) -> Iterator[type]:
    """The classes that a type hint is made of."""
    if isinstance(hint, type) and not typing.get_args(hint):
        yield hint
    for part in typing.get_args(hint):
        for inner in part if isinstance(part, list) else [part]:
            yield from classes_in(inner)
