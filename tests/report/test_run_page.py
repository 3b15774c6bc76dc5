"""The page of a run and of a comparison: what it says, what it never does, how large it is."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from drawing import draw_folder
from photograft.backbones.engines import Engine
from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from photograft.classifier.heat_maps import HeatMaps
from photograft.classifier.reference import Reference
from photograft.classifier.uncertainty.calibration import calibrate
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.ood_detector import OODDetector
from photograft.classifier.uncertainty.ood_fitting import fit_ood_detector
from photograft.classifier.uncertainty.uncertainty import Uncertainty, logs_of
from photograft.core import palette
from photograft.core.errors import ClassifierError, InputError
from photograft.core.progress import Silent
from photograft.diagnosis.findings import Finding, Flagged
from photograft.diagnosis.tables import write_findings
from photograft.evaluation.uncertainty import describe
from photograft.interfaces.cli.app import app
from photograft.interfaces.cli.views.tables import show_run
from photograft.learning.recipes import read_config
from photograft.learning.settings import TrainConfig
from photograft.report import charts
from photograft.report.confusion import show_confusion
from photograft.report.explanations import MAX_EXPLAINED, explain_mistakes
from photograft.report.model_card import limits
from photograft.report.photo_choice import MAX_MISTAKES, MAX_PHOTOS, PER_CELL, choose
from photograft.report.reliability import reliability
from photograft.report.thumbnails import thumbnail, thumbnails
from photograft.report.tried import looks, tried
from photograft.runs.folder import load_facts
from photograft.runs.photos import find_photos
from photograft.runs.run import Run
from photograft.workflows.report import write_report
from recording import Recorder
from report_helpers import SELECTION, Reads, make_comparison, make_run, photo_bytes
from system_helpers import read_json
from training_helpers import tiny_backbone

HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'quoted'",
    "שלום‮gpj",
    "x" * 300,
    "</script><!--",
    "a\x1b[31mb\u2028c",
)


class Page(HTMLParser):
    """A page, taken apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        kind = self._open[-1] if self._open else ""
        if kind in ("script", "style", "title", "desc"):
            self.inside.setdefault(kind, []).append(data)
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self) -> Any:
        return json.loads(self.inside["script"][0])


def page_of(folder: Path, reads: Reads, out: Path) -> Page:
    write_report(folder, reads, out, progress=Silent())
    return Page(out.read_text(encoding="utf-8"))


@pytest.fixture
def page(tmp_path: Path) -> Page:
    reads = make_run(tmp_path / "run", history=True)
    return page_of(tmp_path / "run", reads, tmp_path / "page.html")


def test_structure(page: Page) -> None:
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    assert page.all("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"] or "" for a in page.all("a")]
    assert links[1:] == [f"#{s['id']}" for s in page.all("section")]
    assert {link[1:] for link in links} <= set(ids)
    assert all(image["alt"] for image in page.all("img"))
    assert len(page.inside["desc"]) == len([s for s in page.all("svg") if s["class"] == "chart"])
    assert all(svg["role"] == "img" for svg in page.all("svg"))


def test_it_says_what_the_run_says(page: Page, tmp_path: Path) -> None:
    scores = read_json(tmp_path / "run" / "metrics.json")["test"]
    low, high = scores["accuracy_interval"]
    assert f"It classifies {scores['accuracy']:.1%} of 24 photos" in page.text
    assert f"(95% interval {low:.1%} to {high:.1%})" in page.text
    assert f"would reach {scores['baseline_accuracy']:.1%}" in page.text
    for row in scores["classes"]:
        assert f"{row['recall']:.3f}" in page.text
    assert "epoch 2 were kept" in page.text
    assert "photograft train /data/insects --config run.json" in page.text
    assert "5-fold cross-validation, 2 times, on 18 training photos" in page.text
    assert "notes.txt" in page.text
    assert "f" * 64 in page.text


def test_confusion_cells_hold_their_photos(page: Page, tmp_path: Path) -> None:
    scores = read_json(tmp_path / "run" / "metrics.json")["test"]
    cells = page.data["cells"]
    for i, row in enumerate(scores["confusion"]):
        for j, number in enumerate(row):
            if not number:
                assert f"{i},{j}" not in cells
                continue
            cell = cells[f"{i},{j}"]
            assert cell["total"] == number
            assert len(cell["photos"]) == min(number, PER_CELL)
            sure = [float(text.strip("%<>")) for _, text, _ in cell["photos"]]
            assert sure == sorted(sure, reverse=i != j)
    marked = {a["data-cell"] for a in page.all("td") if "data-cell" in a}
    assert marked == set(cells)


def test_every_picture_is_embedded_once(page: Page) -> None:
    in_place = [image["src"] for image in page.all("img")]
    embedded = [*in_place, *page.data["pictures"].values()]
    assert len(embedded) == len(set(embedded)) > 20
    assert all((uri or "").startswith("data:image/jpeg;base64,") for uri in embedded)
    numbers = {n for cell in page.data["cells"].values() for _, _, n in cell["photos"]}
    drawn = {int(i["data-photo"] or "") for i in page.all("img")} | set(
        map(int, page.data["pictures"])
    )
    assert numbers <= drawn
    assert "/9j/" in page.html  # how a JPEG begins


def assert_closed(page: Page) -> None:
    """Nothing from elsewhere, and no script or style but ours."""
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (name, value)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    style = page.inside["style"][0]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(
        m["content"] or ""
        for m in page.all("meta")
        if m.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    script = page.inside["script"][1]
    for rule, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert len(page.all("script")) == 2
    assert page.all("script")[0]["type"] == "application/json"
    assert "innerHTML" not in script


def test_nothing_from_elsewhere(page: Page) -> None:
    assert_closed(page)


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    reads = make_run(
        tmp_path / "run",
        HOSTILE,
        per_class=(2, 2, 3),
        file_name="{label}" + f"{HOSTILE[0]}'\"&" + "{part}{i}",
        name=HOSTILE[0],
        warnings=[HOSTILE[1]],
        notes=[HOSTILE[4]],
        recipe={"id": HOSTILE[0], "title": HOSTILE[1], "reference": {HOSTILE[0]: HOSTILE[4]}},
        data={"source": HOSTILE[0], "notes": [HOSTILE[2]]},
    )
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert_closed(page)
    assert page.all("html")
    assert HOSTILE[0] in page.text
    assert "שלום\\u202egpj" in page.text
    assert "\u202e" not in page.html
    assert "\x1b" not in page.html
    assert "\u2028" not in page.html
    assert page.data["classes"]["4"] == HOSTILE[4]
    assert "x" * 100 not in page.text  # shortened; in full in the title
    assert any(a.get("title") == HOSTILE[3] for a in page.all("bdi"))


def test_same_run_same_bytes(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", history=True)
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    write_report(tmp_path / "run", reads, first, progress=Silent())
    shutil.move(tmp_path / "run", tmp_path / "moved")
    backwards = dict(reversed(reads.items()))
    write_report(tmp_path / "moved", backwards, second, progress=Silent())
    assert first.read_bytes() == second.read_bytes()


def add_classifier(folder: Path, reads: Reads, num_near: int = 12) -> None:
    """Put a small classifier into a run folder, with some training photos to compare with."""
    names = read_json(folder / "run.json")["data"]["class_names"]
    backbone = tiny_backbone()
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (backbone.num_features, len(names))).astype(np.float32)
    head = Head((weight,), (np.zeros(len(names), np.float32),))
    classifier = Classifier(tuple(names), backbone, Engine("torch", "fp32"), ("last",), head)
    maps = HeatMaps(classifier)
    files = [f for f in load_facts(folder).files if f.used and f.split == "train"][:num_near]
    rows = np.stack([maps.features(reads[f.name]()) for f in files])
    labels = np.array([names.index(f.label) for f in files], np.int64)
    reference = Reference.fit(rows, labels, [f.name for f in files], rng=rng)
    known = replace(classifier, reference=reference)
    known.save(folder / "classifier", include_weights=True)


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
    folder = tmp_path / "run"
    reads = make_run(folder, per_class=(6, 4, 20), margin=0.5)
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
    page = page_of(folder, reads, tmp_path / "page.html")
    assert page.text.count("calls it unknown") == (MAX_EXPLAINED if is_said else 0)


@pytest.mark.parametrize("damage", ["head", "reference", "weights", "classes"])
def test_without_a_sound_classifier_nothing_is_explained(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    reads = make_run(folder, per_class=(6, 4, 20), margin=0.5)
    plain = page_of(folder, reads, tmp_path / "plain.html")
    add_classifier(folder, reads)
    if damage == "classes":
        shutil.rmtree(folder / "classifier")
        Classifier(("a",), tiny_backbone(), Engine("torch", "fp32"), ("last",), Head((), ())).save(
            folder / "classifier", include_weights=True
        )
    else:
        name = {"weights": "backbone"}.get(damage, damage)
        (folder / "classifier" / f"{name}.safetensors").write_bytes(b"nothing")
    assert page_of(folder, reads, tmp_path / "page.html").html == plain.html


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
    write_report(
        tmp_path / "run",
        {name: lambda name=name: watched(name) for name in reads},  # type: ignore[misc]
        tmp_path / "page.html",
        progress=recorder,
    )
    assert len(read) == len(set(read)) == recorder.done["Drawing thumbnails"]
    assert len(read) < 200


def test_five_thousand_photos_make_a_small_page(tmp_path: Path) -> None:
    reads = make_run(
        tmp_path / "run", [f"c{i}" for i in range(10)], per_class=(200, 100, 200), photos=700
    )
    add_classifier(tmp_path / "run", reads, num_near=60)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    pictures = len(page.all("img")) + len(page.data["pictures"])
    # And those that explain: a heat map of each, and training photos.
    assert MAX_PHOTOS * 0.9 < pictures <= MAX_PHOTOS + 5 * MAX_EXPLAINED
    assert (tmp_path / "page.html").stat().st_size < 3_000_000
    # All cells have their turn: none is empty while another is full.
    assert all(cell["photos"] for cell in page.data["cells"].values())


def test_large_photos_are_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "run")
    facts = load_facts(tmp_path / "run")
    everything = show_confusion(facts.metrics["test"]["confusion"]).openable()
    monkeypatch.setattr("photograft.report.photo_choice.MAX_PIXELS", 10 * 48 * 48)
    choice = choose(facts, everything)
    assert len(choice.drawn) == 10
    assert len(choice.mistakes) == len(facts.mistakes)  # they are named all the same
    assert all(choice.cells.values())


def test_without_photos_it_says_so(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    page = page_of(tmp_path / "run", {}, tmp_path / "page.html")
    assert "This page has no pictures" in page.text
    assert page.all("img") == []
    assert page.data["pictures"] == {}
    assert_closed(page)


def test_photos_that_are_gone_get_a_grey_tile(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run")

    def gone() -> bytes:
        raise OSError("gone")

    broken = [name for name in sorted(reads) if name.startswith("train/ants")][:2]
    reads[broken[0]] = gone
    reads[broken[1]] = lambda: b"not a picture"
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "2 photos of those to be shown can't be read any more" in page.text
    tiles = [span for span in page.all("span") if span.get("class") == "tile gone"]
    assert [tile["title"] for tile in tiles] == broken


def test_a_thumbnail_never_fails() -> None:
    def fails() -> bytes:
        raise RuntimeError("anything")

    assert thumbnail(fails) == ""
    assert thumbnail(lambda: b"") == ""
    assert thumbnail(lambda: photo_bytes(1, 1), max_pixels=5) == ""
    found = thumbnails(
        ["a", "b", "c"], {"a": fails, "c": lambda: photo_bytes(1, 1)}, progress=Silent()
    )
    assert list(found) == ["c"]


@pytest.mark.parametrize("parts", [("train", "validation"), ("train", "test"), ("train",)])
def test_parts_that_are_missing(tmp_path: Path, parts: tuple[str, ...]) -> None:
    reads = make_run(tmp_path / "run", parts=parts)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert ("There is no test part" in page.text) == ("validation" in parts)
    assert ("How good this classifier is has not been measured" in page.text) == (len(parts) == 1)
    assert ("heads like it classified" in page.text) == (len(parts) == 1)
    assert bool(page.data["cells"]) == (len(parts) > 1)
    assert {a["href"] for a in page.all("a")} - {"#main"} == {
        f"#{section['id']}" for section in page.all("section")
    }


def test_classes_of_one_photo(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", ["a", "b"], per_class=(1, 1, 1))
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "Few photos to learn from (fewer than 30): a (1) and b (1)" in page.text


def test_three_hundred_classes(tmp_path: Path) -> None:
    names = [f"species {i:03}" for i in range(300)]
    reads = make_run(tmp_path / "run", names, per_class=(3, 0, 3), photos=30, margin=5)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "The 20 of 300 classes that are confused most" in page.text
    assert "the first 60 of 300 classes" in page.text
    assert (tmp_path / "page.html").stat().st_size < 2_000_000
    assert "among top 5" in page.text


def test_most_confused_classes_are_shown() -> None:
    confusion = [[5 if i == j else 0 for j in range(40)] for i in range(40)]
    confusion[30][7] = 4
    matrix = show_confusion(confusion)
    assert len(matrix.classes) == 20
    assert {7, 30} <= set(matrix.classes)
    assert [(c.label, c.predicted, c.num_photos) for c in matrix.pairs] == [(30, 7, 4)]
    assert matrix.pairs[0].share == pytest.approx(4 / 9)


def test_no_mistakes(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", ["a", "b"], per_class=(2, 0, 1), margin=9)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert read_json(tmp_path / "run" / "metrics.json")["test"]["accuracy"] == 1
    assert "it made no mistake" in page.text.lower()


def test_reliability_adds_up_to_the_calibration_error(tmp_path: Path) -> None:
    make_run(tmp_path / "run", per_class=(2, 0, 40))
    facts = load_facts(tmp_path / "run")
    bins = reliability(facts.answers)
    gap = sum(b.num_photos * abs(b.confidence - b.accuracy) for b in bins) / len(facts.answers)
    error = facts.metrics["test"]["expected_calibration_error"]
    assert gap == pytest.approx(error, abs=1e-6)
    assert sum(b.num_photos for b in bins) == 120


def test_limits_speak_of_what_is_there(tmp_path: Path) -> None:
    make_run(tmp_path / "run", warnings=["a leak"])
    found = " ".join(limits(load_facts(tmp_path / "run")))
    assert "A leak." in found
    assert "Scored on fewer than 20 photos" in found
    assert "The accuracy is known only to within" in found
    make_run(tmp_path / "large", per_class=(50, 0, 400))
    found = " ".join(limits(load_facts(tmp_path / "large")))
    assert "fewer than" not in found
    assert "known only" not in found


def test_what_was_tried_however_deep() -> None:
    tables = list(tried({"features": {**SELECTION, "plain": SELECTION, "augmented": SELECTION}}))
    assert [table.title for table in tables] == ["Photos as they are", "With augmented views"]
    first = tables[0].candidates
    assert [row.share for row in first] == ["100%", ""]  # the best first
    assert [row.head for row in first] == ["logistic"] * 2  # from before there were others
    assert [row.strength for row in first] == ["penalty 0.3"] * 2
    (scratch,) = tried({"network": "convnet:c8 p"})
    assert scratch.facts == (("Network", "convnet:c8 p"),)
    (tuned, frozen) = tried({"boundary": "", "frozen": SELECTION})
    assert tuned.facts == (("Trained from", "all of it"),)
    assert len(frozen.candidates) == 2


def test_heads_of_a_blend_and_their_shares() -> None:
    def row(head: str, layers: list[str], strength: float, loss: float) -> dict[str, Any]:
        known = {"head": head, "layers": layers, "strength": strength, "log_loss": loss}
        return {**known, "num_features": 8, "log_loss_se": 0.02, "accuracy": 0.9, "path": []}

    wide = ["blocks.4", "last"]
    heads = [
        {"head": "discriminant", "layers": wide, "strength": 0.0, "share": 0.75},
        {"head": "logistic", "layers": ["last"], "strength": 0.03, "share": 0.25},
    ]
    selection = {
        "chosen": {"layers": wide, "accuracy": 0.95, "heads": heads},
        "candidates": [
            row("logistic", ["last"], 0.03, 0.3),
            row("logistic", wide, 0.1, 0.2),
            row("discriminant", wide, 0.0, 0.1),
            row("discriminant", ["last"], 0.6, 0.4),
        ],
    }
    (table,) = tried(selection)
    found = [(row.head, row.layers, row.strength, row.share) for row in table.candidates]
    assert found == [
        ("discriminant", "blocks.4, last", "shrunk by Ledoit and Wolf", "75.0%"),
        ("logistic", "blocks.4, last", "penalty 0.1", ""),
        ("logistic", "last", "penalty 0.03", "25.0%"),
        ("discriminant", "last", "shrunk by 0.6", ""),
    ]


STEPS = [
    {"look": look, "cost": cost, "promised": promised, "log_loss": 0.3, "accuracy": right,
     "kept": kept}
    for look, cost, promised, right, kept in (
        ("efficientnet_lite0", 1.0, None, 0.9, True),
        ("efficientnet_lite2", 2.24, 0.1, 0.95, True),
        ("efficientnet_lite0@320", 2.04, 0.02, 0.94, False),
        ("efficientnet_lite0@mirror", 2.0, 0.0, None, False),
    )
]  # fmt: skip


def test_looks_that_were_tried() -> None:
    assert looks({"steps": STEPS}) == [
        ("efficientnet_lite0", "1.0", "90.0%", "kept"),
        ("efficientnet_lite2", "2.2", "95.0%", "kept"),
        ("efficientnet_lite0@320", "2.0", "94.0%", "no better beyond noise"),
        ("efficientnet_lite0@mirror", "2.0", "–", "auditioned"),
    ]
    replaced = [{**STEPS[0], "replaced": True}, STEPS[1]]
    assert [row[3] for row in looks({"steps": replaced})] == ["replaced", "kept"]
    # One alone is told of elsewhere; and older runs have no steps.
    assert looks({"steps": STEPS[:1]}) == looks(SELECTION) == []


def test_page_shows_the_looks_that_were_tried(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run")
    note = "a look with efficientnet_lite2 as well (2.2 times the work of the first) is kept"
    info = read_json(tmp_path / "run" / "run.json")
    (tmp_path / "run" / "run.json").write_text(json.dumps({**info, "notes": [note]}))
    before = page_of(tmp_path / "run", reads, tmp_path / "before.html")
    assert "Looks at each photo" not in before.text
    selection = tmp_path / "run" / "selection.json"
    selection.write_text(json.dumps({**SELECTION, "steps": STEPS}), encoding="utf-8")
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "Looks at each photo" in page.text
    assert note in page.text
    for words in ("efficientnet_lite0@320", "no better beyond noise", "auditioned", "95.0%"):
        assert words in page.text


def test_candidates_that_validation_photos_judged() -> None:
    (table,) = tried({**SELECTION, "judges": "validation", "num_photos": 80})
    assert table.how == "80 validation photos, of what heads learned from the training photos"
    (table,) = tried({**SELECTION, "judges": "train"})
    assert "cross-validation" in table.how


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_colours_can_be_read(theme: dict[str, str]) -> None:
    for text in ("ink", "faint", "accent", "wrong"):
        for ground in ("ground", "surface"):
            assert palette.contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    assert palette.contrast(theme["on-accent"], theme["accent"]) >= 4.5
    assert palette.contrast(theme["ink"], theme["tile"]) >= 4.5
    assert palette.contrast(theme["faint"], theme["tile"]) >= 4.5
    for kind in ("accent", "wrong", "faint"):  # the numbers in the points of a chart
        assert palette.contrast(theme["surface"], theme[kind]) >= 4.5
    values = dict(re.findall(r"--([\w-]+):(#\w{6})", palette.variables(theme)))
    shades = [name for name in values if re.fullmatch(r"(right|wrong)-\d", name)]
    assert len(shades) == 2 * len(palette.SHADES)
    for name in shades:
        assert palette.contrast(values[name], values[f"on-{name}"]) >= 4.5, name


def test_every_colour_of_the_style_sheet_is_defined(page: Page) -> None:
    style = page.inside["style"][0]
    assert set(re.findall(r"var\(--([\w-]+)\)", style)) <= set(re.findall(r"--([\w-]+):", style))


def test_charts_take_odd_values() -> None:
    flat = charts.epoch_chart(
        "t", [charts.Series("a", "train", [0.0, float("inf")])], 1, lambda v: f"{v:g}"
    )
    assert "inf" not in flat.split("</desc>")[1]
    assert "nan" not in flat
    points = [charts.ScatterPoint(1, "<b>", "best", 5.0, 1.0, 1.0, 1.0)] * 2
    assert "<b>" not in charts.cost_scatter(points, "ms", lambda v: f"{v:g}")


def test_comparison(tmp_path: Path) -> None:
    reads = make_comparison(tmp_path / "c")
    write_report(tmp_path / "c", reads, tmp_path / "page.html", progress=Silent())
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert_closed(page)
    assert len(page.all("h1")) == 1
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] or "" for a in page.all("a")} <= {f"#{i}" for i in ids}
    order = [page.text.index(name) for name in ("efficientnet_lite0 features is best", "a warning")]
    assert order == sorted(order)
    leaderboard = page.text[page.text.index("Leaderboard\n") :]
    names = ["efficientnet_lite0 features", "mobilenet features", "scratch", "vgg16 features"]
    places = [leaderboard.index(name) for name in [*names, "resnet50 features"]]
    assert places == sorted(places)
    assert "no <weights> here" in page.text
    assert "as good" in page.text
    assert "out of time" in page.text
    assert "Model card" in page.text
    assert "Differences are tested with a corrected t-test." in page.text
    (ms, adds) = (text for text in page.inside["title"] if text.startswith("Accuracy against"))
    assert "milliseconds" in ms
    assert "multiply-adds" in adds
    assert page.data["cells"]


def test_comparison_without_a_winner(tmp_path: Path) -> None:
    make_comparison(tmp_path / "c", winner=False, candidates=[{"id": "a", "status": "not run"}])
    write_report(tmp_path / "c", {}, tmp_path / "page.html", progress=Silent())
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert [s["id"] for s in page.all("section")] == ["winner", "leaderboard", "how"]
    assert page.data == {}


def certainty_of(*, shown_target: bool = True) -> dict[str, Any]:
    """What ``run.json`` says of certainty: made up by the code that makes it in earnest."""
    rng = np.random.default_rng(0)
    n = 500 if shown_target else 20
    said = rng.dirichlet((9, 0.5, 0.5), n)
    groups, labels = np.arange(n), np.zeros(n, np.int64)
    features = rng.normal(size=(n, 6)).astype(np.float32)
    detector = fit_ood_detector(features, labels, groups, logs_of(said), widths=[6], rng=rng)
    found = calibrate(logs_of(said), labels, groups, rng=rng, fitted_on=f"{n} <b>photos</b>")
    answers = HeldOutAnswers.of(said, labels, f"{n} <b>photos</b>")
    return describe(Uncertainty(answers, detector, found.to_json()))


@pytest.mark.parametrize("shown_target", [True, False])
def test_certainty_is_told_on_the_page(tmp_path: Path, shown_target: bool) -> None:
    said = certainty_of(shown_target=shown_target)
    reads = make_run(tmp_path / "run", certainty=said)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    text = " ".join(page.text.split())
    assert "When should a person look instead?" in text
    n = 500 if shown_target else 20
    assert f"Found out on {n} <b>photos</b>." in text  # as text
    assert "<b>photos" not in page.html
    assert said["calibration"]["reason"].rstrip(".") in text
    assert said["sets"]["sentence"] in text
    assert f"Unknown is an OOD score above {said['unknown']['threshold']:.3f}" in text
    for row in said["abstaining"]:
        assert row["sentence"] in text
        assert f"{row['share']:.1%} (" in text or f"{row['share']:.0%} (" in text
    assert ("reached, not shown" in text) != shown_target


@pytest.mark.parametrize("certainty", [None, {}, {"calibration": None}], ids=str)
def test_a_run_without_certainty_says_nothing_of_it(tmp_path: Path, certainty: Any) -> None:
    more = {} if certainty is None else {"certainty": certainty}
    reads = make_run(tmp_path / "run", **more)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "Do its percentages mean what they say?" in page.text
    for words in ("should a person look", "Unknown is", "come into question", "alibrated:"):
        assert words not in page.text


def test_a_runs_page_has_the_certainty_that_it_found(run_path: Path) -> None:
    said = read_json(run_path / "run.json")["certainty"]
    text = " ".join(Page((run_path / "report.html").read_text(encoding="utf-8")).text.split())
    assert said["held_out"] in text
    assert said["sets"]["sentence"] in text
    assert f"{said['unknown']['num_photos']:,} photos of these classes" in text


def test_findings_are_a_section_of_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    reads = make_run(folder)
    without = page_of(folder, reads, tmp_path / "page.html")
    assert "findings" not in {s["id"] for s in without.all("section")}
    names = list(reads)[:2]
    finding = Finding(
        kind="suspect label",
        severity="worth a look",
        cost=0.1,
        title="2 labels <i>may</i> be wrong",
        fix="Look at them.",
        photos=tuple(Flagged(name, label="ants", suggestion="bees") for name in names),
    )
    write_findings(folder, [finding])
    page = page_of(folder, reads, tmp_path / "page.html")
    assert "findings" in {s["id"] for s in page.all("section")}
    assert "#findings" in {a["href"] for a in page.all("a")}
    assert "2 labels <i>may</i> be wrong" in page.text
    assert "<i>may" not in page.html
    for name in names:
        assert any(name in (image["alt"] or "") for image in page.all("img"))
    write_findings(folder, [])
    clean = page_of(folder, reads, tmp_path / "page.html")
    assert "2 labels" not in clean.text


@pytest.mark.parametrize("text", ["{", "{}"])
def test_damaged_comparison(tmp_path: Path, text: str) -> None:
    (tmp_path / "comparison.json").write_text(text)
    with pytest.raises(ClassifierError, match="holds no comparison"):
        write_report(tmp_path, {}, tmp_path / "page.html", progress=Silent())


@pytest.mark.parametrize("name", ["run.json", "files.parquet", "predictions.parquet"])
def test_damaged_run(tmp_path: Path, name: str) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"{}")
    with pytest.raises(ClassifierError, match="no run folder, or a damaged one"):
        write_report(tmp_path / "run", {}, tmp_path / "page.html", progress=Silent())
    assert not list(tmp_path.glob("*.html"))


def command(*arguments: object) -> str:
    given = ["report", *(str(a) for a in arguments)]
    result = CliRunner().invoke(app, given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_train_writes_the_page_and_the_command_the_same(run_path: Path, tmp_path: Path) -> None:
    written = (run_path / "report.html").read_bytes()
    assert b"circle" in written
    said = command(run_path, "--output", tmp_path / "again.html")
    assert said.strip() == f"Report: {tmp_path / 'again.html'}"
    assert (tmp_path / "again.html").read_bytes() == written


def test_command_where_photos_changed_or_are_gone(run_path: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_path, tmp_path / "run")
    photos = draw_folder(tmp_path / "photos", ("circle", "square", "triangle"), n=20, seed=1)
    info = read_json(copy / "run.json")
    for source, words in (
        (photos, "can't be read any more"),
        (tmp_path / "nowhere", "This page has no pictures"),
    ):
        info["data"]["source"] = str(source)
        (copy / "run.json").write_text(json.dumps(info))
        said = command(copy)
        assert ("no photos of it are found" in said) == (source != photos)
        page = Page((copy / "report.html").read_text(encoding="utf-8"))
        assert words in page.text
        assert page.all("img") == []


def test_command_on_a_comparison(tmp_path: Path) -> None:
    make_comparison(tmp_path / "c")
    assert f"Report: {tmp_path / 'c' / 'report.html'}" in command(tmp_path / "c")
    assert (tmp_path / "c" / "report.html").is_file()


def test_train_says_where_the_page_is(run_path: Path, tmp_path: Path) -> None:
    written = io.StringIO()
    show_run(Console(file=written, width=500), Run.load(run_path))
    assert f"Report:     {run_path / 'report.html'}\n" in written.getvalue()
    copy = shutil.copytree(run_path, tmp_path / "older")
    (copy / "report.html").unlink()
    written = io.StringIO()
    show_run(Console(file=written, width=500), Run.load(copy))
    assert "Report:" not in written.getvalue()


def test_photos_are_found_by_name_and_content(run_path: Path, photos: Path) -> None:
    facts = load_facts(run_path)
    reads = find_photos(str(photos), facts.files)
    used = {file.name: file.sha256 for file in facts.files if file.used}
    assert reads.keys() == used.keys()
    name = next(iter(reads))
    assert hashlib.sha256(reads[name]()).hexdigest() == used[name]


def test_config_of_a_run_repeats_it(run_path: Path) -> None:
    config = read_config(run_path / "run.json")
    assert config == TrainConfig.from_json(read_json(run_path / "run.json")["config"])


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON file"), ("[1]", "is no table"), ('{"config": {"sed": 1}}', "named 'sed'")],
)
def test_config_from_json_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_config(tmp_path / "run.json")
