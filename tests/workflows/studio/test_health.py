"""The doctor's findings as cards, and answers to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photograft.workflows.studio.health import Health
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
from studio_helpers import ids_of, label_all, working


def test_nobody_has_looked(unlabelled: Project) -> None:
    found = Health(unlabelled, Jobs(unlabelled)).cards()
    assert found == {"state": "none", "num_photos": 0, "findings": []}


def test_cards_with_photos_and_answers(unlabelled: Project) -> None:
    label_all(unlabelled)
    right, wrong = _twice_the_same(unlabelled)
    unlabelled.label([wrong], "square")
    with working(unlabelled) as jobs:
        health = Health(unlabelled, jobs)
        assert jobs.wait(jobs.add("doctor")).state == "done"
        found = health.cards()
        assert (found["state"], found["num_photos"]) == ("fresh", 36)
        assert len({one["id"] for one in found["findings"]}) == len(found["findings"])
        card = _card(health, "conflicting labels")
        assert card["severity"] == "high"
        assert card["num_photos"] == 2
        assert card["actions"] == ["relabel", "exclude", "ok"]
        photos = {photo["id"]: photo for photo in card["photos"]}
        assert photos.keys() == {right, wrong}
        assert (photos[wrong]["label"], photos[wrong]["answer"]) == ("square", None)
        assert photos[wrong]["with"] == [right]

        unlabelled.answer([right], "ok")
        answers = {
            one["id"]: one["answer"] for one in _card(health, "conflicting labels")["photos"]
        }
        assert answers == {right: "ok", wrong: None}
        assert health.cards()["state"] == "fresh", "no label has changed"
        unlabelled.answer([wrong], "exclude")
        assert health.cards()["state"] == "stale"
        unlabelled.undo()
        assert health.cards()["state"] == "fresh", "what counts is what the labels are"
        unlabelled.answer([wrong], "relabel", "circle")
        jobs.wait(jobs.add("doctor"))
        kinds = [one["kind"] for one in health.cards()["findings"]]
        assert "conflicting labels" not in kinds


def _card(health: Health, kind: str) -> dict[str, Any]:
    cards: list[dict[str, Any]] = health.cards()["findings"]
    return next(one for one in cards if one["kind"] == kind)


def _twice_the_same(project: Project) -> tuple[str, str]:
    """Let two circles be of the same content; return them."""
    first, second = ids_of(project, "circle")[:2]
    data = project.read(first)
    Path(project.row(second).photo.file).write_bytes(data)
    return first, second


def test_near_duplicates_are_named_together(unlabelled: Project) -> None:
    label_all(unlabelled)
    first, second = _twice_the_same(unlabelled)
    with working(unlabelled) as jobs:
        jobs.wait(jobs.add("doctor"))
        card = _card(Health(unlabelled, jobs), "near duplicates")
    photo = next(one for one in card["photos"] if one["id"] == first)
    assert second in photo["with"]
    assert "group" in card["actions"]


def test_a_finding_of_no_photo_has_no_answers(unlabelled: Project) -> None:
    label_all(unlabelled, num=4)
    with working(unlabelled) as jobs:
        jobs.wait(jobs.add("doctor"))
        few = _card(Health(unlabelled, jobs), "few photos")
    assert (few["photos"], few["actions"]) == ([], [])
