"""Every score equals scikit-learn's or SciPy's, or a sum done by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from sklearn import metrics

from photograft.core.statistics import expected_calibration_error, wilson_interval
from photograft.evaluation.metrics import Evaluation, evaluate_probabilities

Labels = npt.NDArray[np.int64]


def predictions(
    n: int, num_classes: int, seed: int, *, used: int | None = None
) -> tuple[npt.NDArray[np.float64], Labels]:
    """Probabilities that are right more often than not; only the first `used` classes occur."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, used or num_classes, n)
    logits = rng.normal(size=(n, num_classes))
    logits[np.arange(n), labels] += 1.5
    probabilities = np.exp(logits)
    return probabilities / probabilities.sum(axis=1, keepdims=True), labels


def score(probabilities: npt.NDArray[np.floating], labels: Labels, majority: int = 0) -> Evaluation:
    names = tuple(f"class {c}" for c in range(probabilities.shape[1]))
    return evaluate_probabilities(probabilities, labels, names, majority)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n", "num_classes", "used"), [(200, 2, 2), (300, 5, 5), (40, 20, 20), (60, 8, 4), (500, 12, 9)]
)
def test_scores_are_those_of_scikit_learn(n: int, num_classes: int, used: int, seed: int) -> None:
    probabilities, labels = predictions(n, num_classes, seed, used=used)
    predicted = probabilities.argmax(axis=1)
    found = score(probabilities, labels)
    every = list(range(num_classes))
    assert found.num_photos == n
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert found.log_loss == pytest.approx(
        metrics.log_loss(labels, probabilities, labels=every), rel=1e-6
    )
    np.testing.assert_array_equal(
        found.confusion, metrics.confusion_matrix(labels, predicted, labels=every)
    )
    if num_classes > 10:
        assert found.top_5_accuracy == pytest.approx(
            metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=every)
        )
        assert (found.top_5_accuracy or 0) > found.accuracy
    else:
        assert found.top_5_accuracy is None
    rows = metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=np.nan
    )
    for c, row in enumerate(found.classes):
        precision, recall, f1, support = (float(values[c]) for values in rows)
        assert row["name"] == f"class {c}"
        assert row["support"] == support
        for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
            if math.isnan(expected):
                assert row[name] is None
            else:
                assert row[name] == pytest.approx(expected)


def test_class_that_never_occurs_and_class_that_is_never_predicted() -> None:
    """The first occurs and is never predicted, the last two never occur, one is predicted."""
    labels = np.array([0, 0, 1, 1])
    predicted = np.array([1, 2, 1, 1])
    found = score(np.eye(4)[predicted], labels)
    assert [row["precision"] for row in found.classes] == [None, pytest.approx(2 / 3), 0, None]
    assert [row["recall"] for row in found.classes] == [0, 1, None, None]
    assert [row["f1"] for row in found.classes] == [0, pytest.approx(0.8), 0, None]
    assert [row["support"] for row in found.classes] == [2, 2, 0, 0]
    assert found.macro_f1 == pytest.approx(0.8 / 3)
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert found.confusion.tolist() == [[0, 1, 1, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("right", [True, False])
def test_one_photo(right: bool) -> None:
    found = score(np.array([[0.25, 0.75]]), np.array([int(right)]))
    assert found.accuracy == float(right)
    assert found.macro_f1 == float(right)
    assert found.log_loss == pytest.approx(-math.log(0.75 if right else 0.25))
    assert found.expected_calibration_error == pytest.approx(0.25 if right else 0.75)
    low, high = found.accuracy_interval
    assert (low, high) == pytest.approx((0.2065, 1) if right else (0, 0.7935), abs=1e-4)


def test_certain_and_wrong_stays_finite() -> None:
    found = score(np.array([[1.0, 0.0], [1.0, 0.0]], np.float32), np.array([1, 0]))
    assert found.log_loss == pytest.approx(-math.log(1e-7) / 2)


def test_baseline_answers_the_commonest_training_class() -> None:
    probabilities, labels = predictions(100, 3, 0)
    for majority in range(3):
        share = float((labels == majority).mean())
        assert score(probabilities, labels, majority).baseline_accuracy == pytest.approx(share)


def test_single_precision_gives_the_same() -> None:
    probabilities, labels = predictions(200, 12, 1)
    double, single = score(probabilities, labels), score(probabilities.astype(np.float32), labels)
    assert single.log_loss == pytest.approx(double.log_loss, rel=1e-5)
    assert single.accuracy == double.accuracy
    assert single.top_5_accuracy == double.top_5_accuracy


def test_json_is_plain() -> None:
    probabilities, labels = predictions(30, 12, 0, used=3)
    found = score(probabilities, labels)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(data) == set(Evaluation.__dataclass_fields__)
    assert data["confusion"] == found.confusion.tolist()
    assert data["accuracy_interval"] == list(found.accuracy_interval)
    assert len(data["classes"]) == 12


# --- the interval


@pytest.mark.parametrize("n", [1, 2, 7, 30, 1000])
def test_wilson_interval_is_that_of_scipy(n: int) -> None:
    for right in {0, 1, n // 3, n // 2, n - 1, n}:
        expected = stats.binomtest(right, n).proportion_ci(method="wilson")
        low, high = wilson_interval(right, n)
        assert low == pytest.approx(expected.low, abs=1e-9)
        assert high == pytest.approx(expected.high, abs=1e-9)
        assert 0 <= low <= right / n + 1e-12
        assert right / n - 1e-12 <= high <= 1


# --- calibration


def ece(confidences: list[float], right: list[bool], num_bins: int = 10) -> float:
    return expected_calibration_error(np.array(confidences), np.array(right), num_bins=num_bins)


def test_calibration_error_by_hand() -> None:
    # Two bins: [0.8, 0.9) holds 0.85 and 0.87, of which one is right; [0.9, 1] holds 0.95, right.
    expected = (2 * abs(0.86 - 0.5) + 1 * abs(0.95 - 1)) / 3
    assert ece([0.85, 0.87, 0.95], [True, False, True]) == pytest.approx(expected)


def test_errors_within_a_bin_cancel_and_across_bins_do_not() -> None:
    assert ece([0.75] * 4, [True, True, True, False]) == pytest.approx(0)
    assert ece([0.5, 0.5, 0.9, 0.9], [True, True, True, False]) == pytest.approx(0.45)
    assert ece([0.5, 0.5, 0.9, 0.9], [True, True, True, False], num_bins=1) == pytest.approx(0.05)


def test_confidence_of_one_is_in_the_last_bin() -> None:
    assert ece([1.0, 1.0], [True, True]) == 0
    assert ece([1.0, 1.0], [True, False]) == pytest.approx(0.5)


def test_calibrated_probabilities_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.3, 1, 50_000)
    right = rng.random(50_000) < confidences
    assert expected_calibration_error(confidences, right) < 0.01
    assert expected_calibration_error(np.sqrt(confidences), right) > 0.05
