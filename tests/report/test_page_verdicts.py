"""What a run's page says of how good it is: calibration, limits, what was tried, certainty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from page_helpers import Page, page_of
from photograft.classifier.uncertainty.calibration import calibrate
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.ood_fitting import fit_ood_detector
from photograft.classifier.uncertainty.uncertainty import Uncertainty, logs_of
from photograft.evaluation.uncertainty import describe
from photograft.report.model_card import limits
from photograft.report.reliability import reliability
from photograft.report.tried import looks, tried
from photograft.runs.folder import load_facts
from report_helpers import SELECTION, make_run
from system_helpers import read_json


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
        ("efficientnet_lite0", "1.0", "cross-validation", "90.0%", "kept"),
        ("efficientnet_lite2", "2.2", "cross-validation", "95.0%", "kept"),
        ("efficientnet_lite0@320", "2.0", "cross-validation", "94.0%", "no better beyond noise"),
        ("efficientnet_lite0@mirror", "2.0", "cross-validation", "–", "auditioned"),
    ]
    replaced = [{**STEPS[0], "replaced": True}, STEPS[1]]
    assert [row[-1] for row in looks({"steps": replaced})] == ["replaced", "kept"]
    # One alone is told of elsewhere, whoever judged it; and older runs have no steps.
    again = {**STEPS[0], "judges": "validation"}
    assert looks({"steps": [STEPS[0], again]}) == looks(SELECTION) == []


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
    assert "had the last word" not in page.text
    steps = [*STEPS, {**STEPS[1], "judges": "validation", "accuracy": 0.62}]
    selection.write_text(json.dumps({**SELECTION, "steps": steps}), encoding="utf-8")
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    for words in ("had the last word", "62.0%"):
        assert words in page.text


def test_candidates_that_validation_photos_judged() -> None:
    (table,) = tried({**SELECTION, "judges": "validation", "num_photos": 80})
    assert table.how == "80 validation photos, of what heads learned from the training photos"
    (table,) = tried({**SELECTION, "judges": "train"})
    assert "cross-validation" in table.how


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
