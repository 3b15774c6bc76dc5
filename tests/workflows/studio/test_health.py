"""The doctor's findings as cards, and answers to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from photograft.core.errors import InputError
from photograft.diagnosis.findings import SEVERITIES, Finding, Flagged
from photograft.diagnosis.tables import write_findings
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


def test_a_group_is_answered_whole_where_no_card_shows_all_of_it(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(75):
        Image.new("RGB", (2, 2), (i, 0, 0)).save(photos / f"{i:02}.png")
    job = {"id": "1", "kind": "doctor", "options": {}, "order": {}, "state": "done"}
    past = [{**job, "result": {"num_photos": 75}}]
    with Project.open(photos) as project:
        noted = {"format": 1, "jobs": [], "past": past}
        (project.folder / "jobs.json").write_text(json.dumps(noted), "utf-8")
        (project.folder / "checkup").mkdir()
        paths = [row.photo.path for row in project.view().rows]
        flagged = tuple(Flagged(path, "", int(i >= 70)) for i, path in enumerate(paths))
        finding = Finding("near duplicates", SEVERITIES[0], 0.1, "Copies", "", flagged)
        write_findings(project.folder / "checkup", [finding])
        health = Health(project, Jobs(project))
        card = _card(health, "near duplicates")
        shown = [one["id"] for one in card["photos"]]
        assert len(shown) == 60
        assert (card["photos"][0]["num_together"], card["photos"][0]["num_open"]) == (70, 70)
        together = health.together(card["id"], shown[:1], rest=False)
        assert {project.row(one).photo.path for one in together} == set(paths[:70])
        assert health.together(card["id"], shown[:3], rest=True) == together[1:]
        project.answer(together[:1], "exclude")
        left = health.together(card["id"], shown[:3], rest=True)
        assert left == [together[0], *together[2:]], "one that is not excluded is spared"
        project.answer(together[:1], None)
        said = project.answer(together, "group", "together-x")
        assert said == "Group 70 photos"
        assert project.answer(together, None) == "Take the answer to 70 photos back"
        assert all(project.row(one).answer is None for one in together)
        for finding_id, ids in (("9-near-duplicates", shown[:1]), (card["id"], ["0" * 16])):
            with pytest.raises(InputError, match="no longer"):
                health.together(finding_id, ids, rest=False)
