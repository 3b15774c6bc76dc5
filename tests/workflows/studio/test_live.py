"""The classifier that learns along with labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from photograft.core.store import FeatureStore
from photograft.workflows.studio.live import Live
from photograft.workflows.studio.project import Project
from studio_helpers import Heard, ids_of, label_all


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def live(unlabelled: Project, heard: Heard) -> Iterator[Live]:
    live = Live(unlabelled, heard)
    unlabelled.on_change(live.changed)
    live.start()
    live.changed()
    yield live
    live.close()


def test_it_waits_for_labels_and_says_which(unlabelled: Project, live: Live) -> None:
    assert live.wait()
    found = live.status()
    assert (found["state"], found["num_labelled"]) == ("waiting", 0)
    assert found["looked"] == {"done": 36, "total": 36}, "it looks at photos meanwhile"
    assert "two classes" in found["why"]
    unlabelled.label(ids_of(unlabelled, "circle")[:2], "circle")
    unlabelled.label(ids_of(unlabelled, "square")[:1], "square")
    assert live.wait()
    assert "square" in live.status()["why"]
    assert [live.fit, live.useful(), live.whole()] == [None] * 3
    assert live.guesses(ids_of(unlabelled, "circle")) == [None] * 12


def test_it_learns_of_two_photos_a_class(unlabelled: Project, live: Live, heard: Heard) -> None:
    label_all(unlabelled, num=2)
    assert live.wait()
    found = live.status()
    assert (found["state"], found["num_labelled"]) == ("ready", 6)
    assert 0 <= found["interval"][0] <= found["accuracy"] <= found["interval"][1] <= 1
    assert [row["name"] for row in found["per_class"]] == ["circle", "square", "triangle"]
    assert {"looking", "ready"} <= {event["state"] for event in heard.events} | {"looking"}
    told = heard.events[-1]
    assert told["type"] == "live"
    assert told["accuracy"] == found["accuracy"]
    guess = live.guesses(ids_of(unlabelled, "square")[5:6])[0]
    assert guess is not None
    assert guess[0] in ("circle", "square", "triangle")


def test_more_labels_make_it_better(unlabelled: Project, live: Live) -> None:
    label_all(unlabelled, num=3)
    assert live.wait()
    label_all(unlabelled, num=9)
    assert live.wait()
    found = live.status()
    assert found["accuracy"] > 0.9
    points = [point["num_labelled"] for point in found["history"]]
    assert points == sorted(points)
    assert points[-1] == 27
    rest = [i for name in ("circle", "square", "triangle") for i in ids_of(unlabelled, name)[9:]]
    useful = live.useful()
    assert useful is not None
    assert sorted(useful) == sorted(rest)
    truth = [unlabelled.row(i).photo.name.split("-")[0] for i in rest]
    guesses = [guess[0] for guess in live.guesses(rest) if guess]
    assert sum(a == b for a, b in zip(guesses, truth, strict=True)) >= 8


def test_a_wrong_label_is_the_most_doubtful(unlabelled: Project, live: Live) -> None:
    label_all(unlabelled)
    wrong = ids_of(unlabelled, "square")[4]
    unlabelled.label([wrong], "circle")
    assert live.wait()
    doubtful = live.doubtful("circle")
    assert doubtful is not None
    assert doubtful[0] == wrong
    assert len(doubtful) == 13
    assert live.doubtful("hexagon") is None
    guess = live.guesses([wrong])[0]
    assert guess is not None
    assert guess[0] == "square", "as if its label were not known"


def test_what_is_excluded_or_taken_back_is_unlearned(unlabelled: Project, live: Live) -> None:
    label_all(unlabelled, ("circle", "square"))
    assert live.wait()
    unlabelled.exclude(ids_of(unlabelled, "circle")[:3], True)
    assert live.wait()
    assert live.status()["per_class"][0]["num_photos"] == 9
    unlabelled.label(ids_of(unlabelled, "circle"), None)
    assert live.wait()
    assert live.status()["state"] == "waiting"


def test_a_class_with_one_photo_waits_for_another(unlabelled: Project, live: Live) -> None:
    label_all(unlabelled, ("circle", "square"))
    unlabelled.label(ids_of(unlabelled, "triangle")[:1], "triangle")
    assert live.wait()
    assert [row["name"] for row in live.status()["per_class"]] == ["circle", "square"]


def test_copies_tell_nothing_of_each_other(unlabelled: Project, live: Live) -> None:
    """Photos that are one group are held out together."""
    label_all(unlabelled, ("circle", "square"), num=6)
    unlabelled.group(ids_of(unlabelled, "circle")[:6], "one day")
    assert live.wait()
    assert live.fit is not None
    circles = live.fit.groups[live.fit.labels == 0]
    assert len(set(circles.tolist())) == 1
    assert live.status()["per_class"][0]["recall"] == 0, "no circle is learned from then"


def test_the_whole_classifier_answers_files_and_knows_what_is_unknown(
    unlabelled: Project, live: Live, photos: Path, tmp_path: Path
) -> None:
    label_all(unlabelled)
    assert live.wait()
    whole = live.whole()
    assert whole is not None
    assert whole is live.whole(), "found once for each fit"
    assert whole.reference is not None
    assert set(whole.reference.names) <= {row.photo.id for row in unlabelled.view().rows}
    one = whole.predict(photos / "square" / "15.jpg")
    assert one.label == "square"
    assert one.ood_score is not None
    whole.save(tmp_path / "saved")
    again = type(whole).load(tmp_path / "saved").predict(photos / "square" / "15.jpg")
    assert again.probability == pytest.approx(one.probability, abs=1e-6)


def test_an_unreadable_photo_is_passed_over(unlabelled: Project, live: Live) -> None:
    row = unlabelled.row(ids_of(unlabelled, "circle")[0])
    Path(row.photo.file).write_bytes(b"no photo")
    label_all(unlabelled, ("circle", "square"))
    live.changed()
    assert live.wait()
    assert live.status()["per_class"][0]["num_photos"] in (11, 12)  # it may have been looked at
    assert live.status()["state"] == "ready"


def test_what_goes_wrong_is_told(unlabelled: Project, heard: Heard, tmp_path: Path) -> None:
    """A cache that can't be written: labelling goes on, and the reason is there to read."""
    (tmp_path / "file").write_text("")
    live = Live(unlabelled, heard, FeatureStore(tmp_path / "file" / "cache"))
    live.start()
    live.changed()
    label_all(unlabelled)
    try:
        heard.wait(lambda e: e["state"] == "waiting" and "can't be" in e["why"])
        assert live.wait()
        assert "can't be" in live.status()["why"]
    finally:
        live.close()


def test_looking_lets_go_first_what_is_awaited(unlabelled: Project) -> None:
    awaited = [True]
    live = Live(unlabelled, is_awaited=lambda: awaited[0])
    live.start()
    live.changed()
    try:
        assert not live.wait(0.4)
        awaited[0] = False
        assert live.wait()
        assert live.status()["looked"] == {"done": 36, "total": 36}
    finally:
        live.close()
