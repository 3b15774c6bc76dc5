"""The words in which a run's page says how sure one may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from photograft.classifier.uncertainty.calibration import calibrate
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.ood_fitting import fit_ood_detector
from photograft.classifier.uncertainty.uncertainty import Uncertainty, logs_of
from photograft.evaluation.uncertainty import describe
from photograft.report.certainty_section import Answer, certainty_context

NOTHING = {
    "calibration": Answer(),
    "abstaining": [],
    "rows": [],
    "sets": Answer(),
    "unknown": Answer(),
    "held_out": "",
}


def made_up(n: int = 400, loudness: float = 1.0) -> Uncertainty:
    """Answers that are right as often as they say, or are surer than that."""
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2.5, (n, 1)) * [0.5, -0.5]
    said = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    labels = (rng.random(n) > said[:, 0]).astype(np.int64)
    loud = np.exp(odds * loudness)
    loud /= loud.sum(axis=1, keepdims=True)
    groups = np.arange(n)
    features = rng.normal(size=(n, 6)).astype(np.float32)
    found = calibrate(logs_of(loud), labels, groups, rng=rng, fitted_on=f"{n} made-up photos")
    detector = fit_ood_detector(features, labels, groups, logs_of(loud), widths=[6], rng=rng)
    answers = HeldOutAnswers.of(loud, labels, f"{n} made-up photos")
    return Uncertainty(answers, detector, found.to_json())


@pytest.mark.parametrize("info", [{}, {"certainty": None}, {"certainty": {}}], ids=str)
def test_runs_of_before_say_nothing(info: dict[str, Any]) -> None:
    assert certainty_context(info) == NOTHING


def test_nothing_known_says_nothing() -> None:
    assert certainty_context({"certainty": describe(Uncertainty())}) == NOTHING


def test_all_that_is_known_is_said() -> None:
    uncertainty = made_up()
    assert uncertainty.held_out
    assert uncertainty.ood_detector
    context = certainty_context({"certainty": describe(uncertainty)})
    assert context["held_out"] == "400 made-up photos"
    assert context["sets"].sentence == uncertainty.held_out.sets(0.95).sentence
    threshold = uncertainty.ood_detector.threshold(0.95)
    said, figures = context["unknown"]
    assert f"an OOD score above {threshold:.3f}. Of 400 photos" in figures
    share = uncertainty.ood_detector.share_kept(threshold).share
    assert f"keeps {share:.1%} of photos" in said
    assert f"{share:.1%} (95% interval " in figures
    through = uncertainty.ood_detector.let_through(threshold)
    assert through is not None
    assert f"{through.share:.0%} would pass for one of them" in said
    assert f"{through.share:.1%} (95% interval " in figures
    assert context["abstaining"] == [
        uncertainty.held_out.abstention(target).sentence for target in (0.95, 0.99)
    ]
    for row, target in zip(context["rows"], (0.95, 0.99), strict=True):
        found = uncertainty.held_out.abstention(target)
        assert row[0] == f"{target:.0%}"
        assert row[2].startswith(f"{found.accuracy:.1%} (") or row[2].startswith("100% (")
        assert row[3].startswith(f"{found.share:.1%} (")
        expected = "shown" if found.is_shown else "reached, not shown"
        assert row[4] == (expected if found.is_reached else "not reached")


def test_how_certain_a_target_is_has_three_words() -> None:
    right = np.ones(30, np.int64)
    wrong = np.zeros(30, np.int64)
    said = np.tile([0.2, 0.8], (30, 1)) + np.linspace(0, 0.1, 30)[:, None] * [-1, 1]
    many = np.tile(said, (40, 1))

    def words(said: Any, labels: Any) -> list[str]:
        answers = HeldOutAnswers.of(said, labels, "photos")
        rows = certainty_context({"certainty": describe(Uncertainty(answers))})["rows"]
        return [row[4] for row in rows]

    assert words(many, np.tile(right, 40)) == ["shown", "shown"]
    assert words(said, right) == ["reached, not shown"] * 2
    assert words(said, wrong) == ["not reached"] * 2


@pytest.mark.parametrize(
    ("loudness", "word", "plain"),
    [(1.0, "Not calibrated: ", "as it learned them"), (5.0, "Calibrated: ", "too sure of itself")],
)
def test_calibration_is_a_plain_sentence_and_both_errors(
    loudness: float, word: str, plain: str
) -> None:
    found = made_up(loudness=loudness)
    assert found.calibration
    said, text = certainty_context({"certainty": describe(found)})["calibration"]
    assert plain in said
    assert text.startswith(word)
    assert text.endswith(" with it).")
    assert ". (" not in text
    assert "(on 400 made-up photos; " in text
    before, after = (found.calibration[k]["calibration_error"] for k in ("before", "after"))
    assert f"is {before:.3f} (" in text
    assert f"{after:.3f} (" in text
