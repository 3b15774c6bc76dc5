"""Mistakes that a run's page explains, and which it does not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from page_helpers import Page, add_classifier, assert_closed, page_of
from photograft.backbones.engines import Engine
from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from photograft.classifier.uncertainty.ood_detector import OODDetector
from photograft.classifier.uncertainty.uncertainty import Uncertainty
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.report.explanations import MAX_EXPLAINED, explain_mistakes
from photograft.report.photo_choice import MAX_MISTAKES
from photograft.report.run_page import write_run_page
from photograft.runs.folder import load_facts
from photograft.workflows.report import report
from recording import Recorder
from report_helpers import Reads, make_run
from training_helpers import tiny_backbone


def make_run_of_files(folder: Path, photos: Path) -> Reads:
    """A run with mistakes, whose photos are there as files; returns what reads them."""
    reads = make_run(folder, per_class=(6, 4, 20), margin=0.5, data={"source": str(photos)})
    for name, read in reads.items():
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(read())
    return reads


def test_confident_mistakes_are_explained(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", per_class=(6, 4, 20), margin=0.5)
    plain = page_of(tmp_path / "run", reads, tmp_path / "plain.html")
    assert "Further mistakes" not in plain.text
    add_classifier(tmp_path / "run", reads)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert_closed(page)
    maps = [i for i in page.all("img") if (i["alt"] or "").startswith("Heat map of it: ")]
    assert len(maps) == len({i["src"] for i in maps}) == MAX_EXPLAINED
    assert all("at the" in (i["alt"] or "") or "nothing" in (i["alt"] or "") for i in maps)
    near = [i for i in page.all("img") if (i["alt"] or "").startswith("Training photo of")]
    assert len(near) == 18 + 4 * MAX_EXPLAINED  # of the gallery, and those nearest
    # All mistakes are there, explained or not, and no more is said of them than before.
    facts = load_facts(tmp_path / "run")
    wrong = [i for i in page.all("img") if ", taken for " in (i["alt"] or "")]
    assert len(wrong) == min(len(facts.mistakes), MAX_MISTAKES)
    assert [i["title"] for i in wrong] == [a.name for a in facts.mistakes[: len(wrong)]]
    assert "Further mistakes" in page.text
    assert not [i for i in page.data["pictures"].values() if i in {n["src"] for n in near}]


def test_explanations_are_of_the_class_that_was_said(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", per_class=(6, 4, 20), margin=0.5)
    add_classifier(tmp_path / "run", reads)
    classifier = Classifier.load(tmp_path / "run")
    wrong = load_facts(tmp_path / "run").mistakes
    one = replace(wrong[0], predicted=0)
    others = [
        explain_mistakes(
            replace(classifier, reference=None),
            [replace(one, predicted=c)],
            reads,
            progress=Silent(),
        )[one.name]
        for c in range(3)
    ]
    assert len({e.overlay for e in others}) == 3
    assert all(e.neighbours == () for e in others)


@pytest.mark.parametrize(("held_out", "is_said"), [(-100.0, True), (100.0, False)])
def test_mistakes_that_are_like_no_class_are_said_to_be(
    tmp_path: Path, held_out: float, is_said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "cache"))
    folder, store = tmp_path / "run", tmp_path / "store"
    reads = make_run_of_files(folder, tmp_path / "photos")
    add_classifier(folder, reads)
    known = Classifier.load(folder)
    width = known.backbone.num_features
    detector = OODDetector(
        bounds=np.array([[0, width]]),
        projection=np.eye(width, dtype=np.float32),
        rows=np.eye(width, dtype=np.float32),
        radii=np.zeros(width, np.float32),
        neighbour=1,
        spread=1.0,
        held_out=np.array([held_out], np.float32),
        left_out=np.empty(0, np.float32),
    )
    known = replace(known, uncertainty=Uncertainty(ood_detector=detector))
    known.save(tmp_path / "new", include_weights=True)
    shutil.rmtree(folder / "classifier")
    (tmp_path / "new").rename(folder / "classifier")
    page = report(folder, store=FeatureStore(store), progress=False).path.read_text()
    assert Page(page).text.count("calls it unknown") == (MAX_EXPLAINED if is_said else 0)
    assert list(store.rglob("*.keys"))
    assert not list((tmp_path / "cache").rglob("*.keys"))


@pytest.mark.parametrize("damage", ["head", "reference", "weights", "classes"])
def test_without_a_sound_classifier_nothing_is_explained(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    reads = make_run_of_files(folder, tmp_path / "photos")
    plain = report(folder, progress=False).path.read_bytes()
    add_classifier(folder, reads)
    assert report(folder, progress=False).path.read_bytes() != plain
    if damage == "classes":
        shutil.rmtree(folder / "classifier")
        Classifier(("a",), tiny_backbone(), Engine("torch", "fp32"), ("last",), Head((), ())).save(
            folder / "classifier", include_weights=True
        )
    else:
        name = {"weights": "backbone"}.get(damage, damage)
        (folder / "classifier" / f"{name}.safetensors").write_bytes(b"nothing")
    assert report(folder, progress=False).path.read_bytes() == plain


def test_a_photo_that_is_gone_leaves_the_others_explained(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", per_class=(6, 4, 20), margin=0.5)
    add_classifier(tmp_path / "run", reads)
    wrong = load_facts(tmp_path / "run").mistakes
    reads[wrong[1].name] = lambda: b"gone"
    recorder = Recorder()
    found = explain_mistakes(Classifier.load(tmp_path / "run"), wrong, reads, progress=recorder)
    assert list(found) == [a.name for a in wrong[:MAX_EXPLAINED] if a != wrong[1]]
    assert recorder.done == recorder.totals == {"Explaining mistakes": MAX_EXPLAINED}


def test_only_photos_that_are_shown_are_read(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", per_class=(300, 10, 400), photos=60)
    read: list[str] = []

    def watched(name: str) -> bytes:
        read.append(name)
        return reads[name]()

    recorder = Recorder()
    write_run_page(
        load_facts(tmp_path / "run"),
        {name: lambda name=name: watched(name) for name in reads},  # type: ignore[misc]
        tmp_path / "page.html",
        classifier=None,
        progress=recorder,
    )
    assert len(read) == len(set(read)) == recorder.done["Drawing thumbnails"]
    assert len(read) < 200
