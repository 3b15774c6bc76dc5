"""The sum of changes: what each does, that each can be undone, and that replay gives the same."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from photograft.workflows.studio.marks import MAX_UNDO, Mark, Marks, replayed


def label(*paths: str, to: str | None) -> dict[str, Any]:
    return {"do": "label", "paths": list(paths), "label": to}


def named(marks: Marks, path: str, source: str | None = None) -> str | None:
    mark = marks.of(path)
    return mark.label if mark.has_label else marks.named(source)


def test_a_class_of_the_source_is_renamed_merged_and_removed() -> None:
    rename = {"do": "class", "action": "rename", "name": "cat", "to": "tiger"}
    merge = {"do": "class", "action": "merge", "name": "tiger", "to": "lion"}
    remove = {"do": "class", "action": "remove", "name": "lion"}
    marks = replayed([label("b", to="cat"), rename])
    assert (named(marks, "a", "cat"), named(marks, "b", "dog")) == ("tiger", "tiger")
    marks.take(merge)
    assert (named(marks, "a", "cat"), named(marks, "b"), named(marks, "c", "lion")) == ("lion",) * 3
    marks.take(remove)
    assert (named(marks, "a", "cat"), named(marks, "b"), named(marks, "c", "lion")) == (None,) * 3


def test_a_new_class_of_an_old_name_does_not_call_the_old_photos_back() -> None:
    marks = replayed(
        [
            {"do": "class", "action": "rename", "name": "cat", "to": "tiger"},
            label("new", to="cat"),
            {"do": "class", "action": "rename", "name": "cat", "to": "lynx"},
        ]
    )
    assert (named(marks, "old", "cat"), named(marks, "new")) == ("tiger", "lynx")


def test_renaming_there_and_back() -> None:
    marks = replayed(
        [
            {"do": "class", "action": "rename", "name": "cat", "to": "tiger"},
            {"do": "class", "action": "rename", "name": "tiger", "to": "cat"},
        ]
    )
    assert named(marks, "a", "cat") == "cat"
    assert marks.classes == ("cat",)


def test_an_answer_says_more_than_itself_and_a_later_label_takes_it_back() -> None:
    answer = {"do": "answer", "paths": ["a"], "action": "relabel", "value": "bee"}
    marks = replayed([answer])
    assert (marks.of("a").label, marks.of("a").answer) == ("bee", ("relabel", "bee"))
    marks.take(label("a", to="ant"))
    assert (marks.of("a").label, marks.of("a").answer) == ("ant", None)
    marks.take({"do": "answer", "paths": ["a"], "action": "exclude", "value": None})
    assert marks.of("a").excluded
    marks.take({"do": "exclude", "paths": ["a"], "excluded": False})
    assert (marks.of("a").excluded, marks.of("a").answer) == (False, None)


def test_words() -> None:
    marks = Marks()
    assert marks.take(label("a", "b", to="bee")) == "Label 2 photos bee"
    assert marks.can_undo == "Label 2 photos bee"
    assert marks.take({"do": "undo"}) == "Undone: Label 2 photos bee"
    assert [marks.can_undo, marks.can_redo] == [None, "Label 2 photos bee"]
    assert marks.take({"do": "redo"}) == "Done again: Label 2 photos bee"
    assert marks.take(label("a", to=None)) == "Take the label off 1 photo"


def drawn(rng: random.Random, marks: Marks) -> dict[str, Any]:
    """Some change that could come next."""
    paths = rng.sample("abcdefgh", rng.randint(1, 4))
    names = ["ant", "bee", "cat", "dog"]
    one = rng.choice(names)
    kinds: list[dict[str, Any]] = [
        label(*paths, to=rng.choice([*names, None])),
        {"do": "exclude", "paths": paths, "excluded": rng.random() < 0.5},
        {"do": "group", "paths": paths, "group": rng.choice(["g", "h", None])},
        {"do": "answer", "paths": paths, "action": "relabel", "value": one},
        {"do": "answer", "paths": paths, "action": rng.choice(["ok", "exclude", None])},
        {"do": "answer", "paths": paths, "action": "group", "value": "g"},
        {"do": "class", "action": "create", "name": one},
        {"do": "class", "action": "rename", "name": one, "to": rng.choice(names) + "s"},
        {"do": "class", "action": "merge", "name": one, "to": rng.choice(names)},
        {"do": "class", "action": "remove", "name": one},
    ]
    if marks.can_undo:
        kinds += [{"do": "undo"}] * 4
    if marks.can_redo:
        kinds += [{"do": "redo"}] * 4
    return rng.choice(kinds)


def state(marks: Marks) -> tuple[Any, ...]:
    return dict(marks.photos), marks.classes, dict(marks.alias)


def test_each_change_can_be_undone_and_replay_gives_the_same() -> None:
    """500 changes of all kinds, drawn."""
    rng = random.Random(0)
    marks, records = Marks(), []
    before: list[tuple[Any, ...]] = []
    for _ in range(500):
        record = drawn(rng, marks)
        was = copy.deepcopy(state(marks))
        marks.take(record)
        records.append(record)
        if record["do"] == "undo":
            assert state(marks) == before.pop()
        else:
            before.append(was)
    again = replayed(records)
    assert state(again) == state(marks)
    assert (again.can_undo, again.can_redo) == (marks.can_undo, marks.can_redo)


def test_not_all_is_kept_for_undoing() -> None:
    marks = replayed(label(f"{i}", to="bee") for i in range(MAX_UNDO + 50))
    undone = 0
    while marks.can_undo:
        marks.take({"do": "undo"})
        undone += 1
    assert undone == MAX_UNDO


@pytest.mark.parametrize(
    ("action", "value"), [("relabel", "bee"), ("exclude", None), ("group", "g")]
)
def test_an_answer_that_is_taken_back_takes_back_what_it_did(
    action: str, value: str | None
) -> None:
    marks = replayed([label("a", to="ant"), {"do": "group", "paths": ["a"], "group": "old"}])
    before = [state(marks)[0]]
    answer = {"do": "answer", "paths": ["a", "b"], "action": action, "value": value}
    back = {**answer, "action": None, "value": None}
    for record in (answer, answer, back):
        marks.take(record)
    assert [state(marks)[0]] == before
    marks.take({"do": "undo"})
    assert marks.of("a").answer == (action, value or "")
    marks.take({"do": "class", "action": "rename", "name": "ant", "to": "wasp"})
    marks.take(back)
    assert (marks.of("a").label, marks.of("b").has_label) == ("wasp", False)


def test_a_new_photo_of_an_old_name_has_nothing_of_the_old_one() -> None:
    marks = replayed([{"do": "answer", "paths": ["a"], "action": "exclude"}])
    marks.take({"do": "bring", "paths": ["a"], "label": "bee", "group": None})
    for do in ("bring", "undo", "redo"):
        if do != "bring":
            marks.take({"do": do})
        assert marks.of("a") == Mark("bee", has_label=True)
