"""Trying classifiers on any photo, and why they say what they say."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.core.errors import ImageError, InputError, UnknownNameError
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.learning import Learning
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.refusals import BusyError
from studio_helpers import ids_of, label_all


@pytest.fixture
def learning(unlabelled: Project) -> Iterator[Learning]:
    yield from _learning(unlabelled)


@pytest.fixture
def learned(done: Project) -> Iterator[Learning]:
    yield from _learning(done)


def _learning(project: Project) -> Iterator[Learning]:
    found = Learning(project, Jobs(project), lambda event: None)
    project.on_change(found.live.changed)
    found.start()
    yield found
    found.close()


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_nothing_is_learned_yet(unlabelled: Project, learning: Learning, photo: bytes) -> None:
    with pytest.raises(InputError, match="Label two photos"):
        learning.trying.answer(photo)
    with pytest.raises(InputError, match="Train first"):
        learning.trying.answer(photo, classifier="run")
    with pytest.raises(InputError, match="Train first"):
        learning.trying.explain(ids_of(unlabelled, "circle")[0])
    with pytest.raises(InputError, match="no such classifier"):
        learning.trying.answer(photo, classifier="other")


def test_the_live_classifier_answers(unlabelled: Project, learning: Learning, photos: Path) -> None:
    label_all(unlabelled)
    assert learning.live.wait()
    data = (photos / "triangle" / "17.jpg").read_bytes()
    found = learning.trying.answer(data, heat=True, neighbours=True)
    assert found["classifier"] == "live"
    assert found["answer"] in ("triangle", "unsure")
    names, values = zip(*found["probabilities"], strict=True)
    assert names[0] == "triangle"
    assert list(values) == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-5)
    assert found["ood"]["score"] < found["ood"]["threshold"] + 5
    assert len(found["neighbours"]) == 5
    near = found["neighbours"][0]
    assert unlabelled.row(near["id"]).label == near["label"]
    assert near["thumb"] == f"/thumb/{near['id']}?size=160"
    kind, _, text = found["heat_map"].partition(",")
    assert kind == "data:image/png;base64"
    assert picture(base64.b64decode(text)).size == (96, 96)
    assert "triangle" in found["why"]


def test_what_is_like_no_class_is_unknown(unlabelled: Project, learning: Learning) -> None:
    label_all(unlabelled)
    assert learning.live.wait()
    ramp = np.linspace(0, 255, 200).astype(np.uint8)
    stripes = np.stack([np.tile(ramp[::-1], (200, 1)), np.tile(ramp, (200, 1)).T] * 2, axis=-1)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stripes[..., :3])).save(stream, "PNG")
    assert learning.trying.answer(stream.getvalue())["answer"] == "unknown"


def test_a_label_changes_the_next_answer(
    unlabelled: Project, learning: Learning, photos: Path
) -> None:
    label_all(unlabelled, ("circle", "square"))
    assert learning.live.wait()
    data = (photos / "triangle" / "17.jpg").read_bytes()
    assert learning.trying.answer(data)["probabilities"][0][0] != "triangle"
    label_all(unlabelled, ("triangle",))
    assert learning.live.wait()
    assert learning.trying.answer(data)["probabilities"][0][0] == "triangle"


def test_the_run_answers_as_long_as_it_knows_the_classes(
    done: Project, learned: Learning, photo: bytes
) -> None:
    assert learned.live.wait()
    assert learned.trying.answer(photo)["classifier"] == "run"
    assert learned.trying.answer(photo, classifier="live")["classifier"] == "live"
    near = learned.trying.answer(photo, neighbours=True)["neighbours"]
    assert all(done.row(one["id"]).label == one["label"] for one in near)
    done.change_class("rename", "circle", "disc")
    assert learned.live.wait()
    assert learned.trying.answer(photo)["classifier"] == "live"


def test_why_a_photo_is_taken_for_what_it_is(done: Project, learned: Learning) -> None:
    photos = learned.understanding.cell("square", "square")["photos"]
    photo_id = photos[0]["id"]
    found = learned.trying.explain(photo_id)
    assert (found["predicted"], found["label"]) == ("square", "square")
    assert found["probability"] == photos[0]["probability"], "as it was scored"
    assert found["heat_map"] == f"/heat/{photo_id}"
    assert all(one["id"] != photo_id for one in found["neighbours"])
    data = learned.trying.heat_map(photo_id)
    assert data is not None
    assert picture(data).format == "PNG"
    with pytest.raises(UnknownNameError):
        learned.trying.explain("0" * 16)


@pytest.mark.parametrize("data", [b"", b"no photo", b"\xff\xd8\xff\xe0 torn"])
def test_what_is_no_photo(learned: Learning, data: bytes) -> None:
    with pytest.raises(ImageError):
        learned.trying.answer(data)


def test_photos_do_not_pile_up(learned: Learning, photo: bytes) -> None:
    """More than a few at once are refused at once; those that wait are answered."""
    learned.trying.answer(photo)
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.append(learned.trying.answer(photo, heat=True)["answer"])
        except BusyError:
            answers.append("busy")

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "busy" in answers
    assert answers.count("busy") < 24
    assert learned.trying.answer(photo)["answer"]


def test_a_photo_that_is_gone_is_not_explained(done: Project, learned: Learning) -> None:
    row = done.view().rows[0]
    with open(row.photo.file, "rb") as file:
        data = file.read()
    Path(row.photo.file).unlink()
    try:
        with pytest.raises(ImageError, match="unreadable: No such file"):
            learned.trying.explain(row.photo.id)
    finally:
        Path(row.photo.file).write_bytes(data)
