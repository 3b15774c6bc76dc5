"""The doctor's findings as cards, and answers to them."""

from __future__ import annotations

from pathlib import Path

from photograft.workflows.studio.health import Health
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
from studio_helpers import flat_photos, ids_of, label_all, working


def test_nobody_has_looked(unlabelled: Project) -> None:
    found = Health(unlabelled, Jobs(unlabelled)).cards()
    assert found == {"state": "none", "num_photos": 0, "findings": []}


def test_cards_with_photos_and_answers(photos: Path, tmp_path: Path, warm_cache: Path) -> None:
    with Project.open(flat_photos(photos, tmp_path / "shapes", num=20)) as project:
        _answered(project)


def _answered(unlabelled: Project) -> None:
    label_all(unlabelled)
    circles = ids_of(unlabelled, "circle")
    wrong = circles[3]
    unlabelled.label([wrong], "square")
    with working(unlabelled) as jobs:
        health = Health(unlabelled, jobs)
        assert jobs.wait(jobs.add("doctor")).state == "done"
        found = health.cards()
        assert (found["state"], found["num_photos"]) == ("fresh", 60)
        card = next(one for one in found["findings"] if one["kind"] == "suspect labels")
        assert card["severity"] in ("high", "medium", "low")
        assert card["num_photos"] >= 1
        photo = next(one for one in card["photos"] if one["id"] == wrong)
        assert (photo["label"], photo["suggested"], photo["answer"]) == ("square", "circle", None)
        assert card["actions"] == ["relabel", "exclude", "ok"]
        assert len({one["id"] for one in found["findings"]}) == len(found["findings"])

        unlabelled.answer([wrong], "ok")
        again = health.cards()
        card = next(one for one in again["findings"] if one["kind"] == "suspect labels")
        assert next(one for one in card["photos"] if one["id"] == wrong)["answer"] == "ok"
        assert again["state"] == "fresh", "no label has changed"

        unlabelled.answer([wrong], "relabel", "circle")
        assert health.cards()["state"] == "stale"
        unlabelled.undo()
        assert health.cards()["state"] == "fresh", "what counts is what the labels are"

        jobs.wait(jobs.add("doctor"))
        kinds = [one["kind"] for one in health.cards()["findings"]]
        assert "suspect labels" not in kinds, "it was called right"


def test_near_duplicates_are_named_together(unlabelled: Project) -> None:
    label_all(unlabelled)
    circles = ids_of(unlabelled, "circle")
    first, second = (unlabelled.row(i).photo.file for i in circles[:2])
    with open(first, "rb") as source, open(second, "wb") as target:
        target.write(source.read())
    with working(unlabelled) as jobs:
        jobs.wait(jobs.add("doctor"))
        cards = Health(unlabelled, jobs).cards()["findings"]
    card = next(one for one in cards if one["kind"] == "near duplicates")
    photo = next(one for one in card["photos"] if one["id"] == circles[0])
    assert circles[1] in photo["with"]
    assert "group" in card["actions"]


def test_a_finding_of_no_photo_has_no_answers(unlabelled: Project) -> None:
    label_all(unlabelled, num=4)
    with working(unlabelled) as jobs:
        jobs.wait(jobs.add("doctor"))
        cards = Health(unlabelled, jobs).cards()["findings"]
    few = next(one for one in cards if one["kind"] == "few photos")
    assert (few["photos"], few["actions"]) == ([], [])
