"""Calibration is fitted rightly, kept where it helps and only there, and folded into heads."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize

from photograft.classifier.head import Head
from photograft.classifier.uncertainty.calibration import (
    ACCEPTABLE_ERROR,
    MIN_PHOTOS,
    Calibration,
    apply,
    apply_to_head,
    calibrate,
)
from photograft.classifier.uncertainty.temperature import fit, transformed
from photograft.core.errors import InputError
from photograft.core.statistics import expected_calibration_error

Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def photos(
    n: int, num_classes: int, seed: int = 0, *, slope: float = 1.0, offset: float = 0.0
) -> tuple[Doubles, Labels]:
    """Log-probabilities that are right once multiplied by the slope, the offset added."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, num_classes))
    truth = np.exp(transformed(logits, 1, 0))
    labels = (rng.random(n)[:, None] > truth.cumsum(axis=1)).sum(axis=1).clip(0, num_classes - 1)
    if offset:
        logits[:, 1] -= offset
    return transformed(logits / slope, 1, 0), labels


def run(logs: Doubles, labels: Labels, groups: Labels | None = None, seed: int = 0) -> Calibration:
    own = np.arange(len(labels)) if groups is None else groups
    rng = np.random.default_rng(seed)
    return calibrate(logs, labels, own, rng=rng, fitted_on="drawn photos")


def error(probabilities: npt.NDArray[np.float32], labels: Labels) -> float:
    right = probabilities.argmax(axis=1) == labels
    return expected_calibration_error(probabilities.max(axis=1), right)


def made(kind: str, slope: float, offset: float = 0.0) -> Calibration:
    logs, labels = photos(60, 2)
    scores = run(logs, labels).before
    return Calibration(kind, slope, offset, kind != "none", "So.", scores, scores, 60, "drawn")


# --- the two numbers


@pytest.mark.parametrize("num_classes", [2, 3, 8])
def test_fit_is_the_minimum_that_scipy_finds(num_classes: int) -> None:
    logs, labels = photos(300, num_classes, slope=0.4, offset=0.7 * (num_classes == 2))
    n = len(labels)

    def loss(theta: Doubles) -> float:
        new = transformed(logs, theta[0], theta[1] if num_classes == 2 else 0)
        own = new[np.arange(n), labels].sum()
        # Five more photos, as the head itself has them.
        return -float(own + 5 / n * (np.exp(logs) * new).sum())

    expected = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7}).x
    slope, offset = fit(logs[:, None], labels)
    assert slope == pytest.approx(expected[0], abs=1e-4)
    assert offset == pytest.approx(expected[1] if num_classes == 2 else 0, abs=1e-4)


@pytest.mark.parametrize(
    ("num_classes", "slope", "offset"), [(2, 0.3, 0.8), (2, 1.8, -0.5), (5, 0.3, 0), (5, 2.0, 0)]
)
def test_the_numbers_that_were_put_in_come_out(
    num_classes: int, slope: float, offset: float
) -> None:
    logs, labels = photos(20_000, num_classes, 1, slope=slope, offset=offset)
    found = fit(logs[:, None], labels)
    assert found[0] == pytest.approx(slope, rel=0.05)
    assert found[1] == pytest.approx(offset, abs=0.06)


def test_repeats_count_once() -> None:
    logs, labels = photos(200, 3, slope=0.5)
    once, thrice = fit(logs[:, None], labels), fit(np.repeat(logs[:, None], 3, axis=1), labels)
    assert once == pytest.approx(thrice, abs=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("certainty", [0.6, 0.999, 1 - 1e-15])
def test_all_right_stays_finite(num_classes: int, certainty: float) -> None:
    labels = np.arange(100) % num_classes
    other = max((1 - certainty) / (num_classes - 1), 1e-30)
    logs = np.log(np.where(np.eye(num_classes)[labels] > 0, certainty, other))
    slope, offset = fit(logs[:, None], labels)
    assert 1 <= slope <= 20
    assert abs(offset) < 1e-3
    new = transformed(logs, slope, offset)
    assert np.isfinite(new).all()


@pytest.mark.parametrize("num_classes", [2, 3])
def test_all_wrong_stays_within_bounds(num_classes: int) -> None:
    labels = np.arange(100) % num_classes
    logs = np.log(np.where(np.eye(num_classes)[(labels + 1) % num_classes] > 0, 0.98, 0.01))
    slope, offset = fit(logs[:, None], labels)
    assert 0.05 <= slope < 0.1
    assert abs(offset) < 0.1


def test_head_that_knows_nothing_is_left_as_it_is() -> None:
    labels = np.arange(100) % 3
    assert fit(np.full((100, 1, 3), -math.log(3)), labels) == (1.0, 0.0)


# --- whether it is kept


@pytest.mark.parametrize("num_classes", [2, 4])
def test_overconfident_head_is_calibrated_and_better_on_other_photos(num_classes: int) -> None:
    found = run(*photos(800, num_classes, slope=0.4))
    assert found.kept
    assert found.kind == ("platt" if num_classes == 2 else "temperature")
    assert found.slope == pytest.approx(0.4, abs=0.1)
    assert found.reason.startswith("Calibrated: the head was too sure of itself;")
    assert found.after.log_loss < found.before.log_loss
    assert found.after.calibration_error < found.before.calibration_error
    logs, labels = photos(5000, num_classes, 9, slope=0.4)
    assert error(np.exp(logs), labels) > 0.08
    assert error(apply(logs, found), labels) < 0.03


def test_head_that_is_much_too_unsure_is_calibrated() -> None:
    found = run(*photos(800, 4, slope=2.5))
    assert found.kept
    assert found.slope == pytest.approx(2.5, abs=0.4)
    assert "not sure enough of itself" in found.reason
    assert found.before.interval[0] > ACCEPTABLE_ERROR


def test_head_is_not_made_surer_for_a_small_error() -> None:
    """Clearly better on held-out photos, by log loss and error both, and still not kept."""
    rng = np.random.default_rng(0)
    labels = np.zeros(4000, np.int64)
    right = rng.random(4000) < 0.998
    logs = np.log(np.where(right[:, None], [0.985, 0.015], [0.015, 0.985]))
    labels[::2] = 1
    logs[::2] = logs[::2, ::-1]
    found = run(logs, labels)
    assert fit(logs[:, None], labels)[0] > 1.2
    assert found.before.log_loss - found.after.log_loss > 0.002
    assert found.after.calibration_error < found.before.calibration_error < ACCEPTABLE_ERROR
    assert (found.kept, found.kind, found.slope) == (False, "none", 1.0)
    assert "surer of itself" in found.reason


@pytest.mark.parametrize("num_classes", [2, 4])
def test_calibrated_head_is_left_alone(num_classes: int) -> None:
    kept = [run(*photos(400, num_classes, seed), seed=seed).kept for seed in range(20)]
    assert sum(kept) <= 1


def test_calibration_that_is_not_kept_changes_nothing() -> None:
    logs, labels = photos(400, 3)
    found = run(logs, labels)
    assert (found.kind, found.slope, found.offset, found.kept) == ("none", 1.0, 0.0, False)
    assert found.reason == (
        f"Not calibrated: it would take the log loss of held-out photos from "
        f"{found.before.log_loss:.4f} to {found.after.log_loss:.4f}, which is no clear gain."
    )
    np.testing.assert_allclose(apply(logs, found), np.exp(logs), atol=1e-6)
    head = Head((np.eye(3, dtype=np.float32),), (np.zeros(3, np.float32),))
    assert apply_to_head(head, found) is head


@pytest.mark.parametrize(("n", "num_groups"), [(1, 1), (MIN_PHOTOS - 1, 49), (400, 4)])
def test_too_few_photos_or_groups(n: int, num_groups: int) -> None:
    found = run(*photos(n, 3, slope=0.2), np.arange(n) % num_groups)
    assert not found.kept
    assert found.reason == (
        f"Not calibrated: too few held-out photos to tell ({n} in {num_groups} "
        f"group{'s' if num_groups > 1 else ''})."
    )


def test_photos_of_a_group_are_one_witness() -> None:
    """What 60 photos do not show, each of them ten times does not either."""
    logs, labels = photos(60, 3, 3, slope=0.7)
    once = run(logs, labels)
    many, groups = np.repeat(logs, 10, axis=0), np.repeat(np.arange(60), 10)
    assert not once.kept
    assert not run(many, np.repeat(labels, 10), groups).kept
    assert run(many, np.repeat(labels, 10)).kept  # taken for 600
    widths = [
        np.diff(run(many, np.repeat(labels, 10), own).before.interval)[0]
        for own in (groups, np.arange(600))
    ]
    assert widths[0] > 2 * widths[1]


def test_all_right_and_sure_is_not_kept() -> None:
    labels = np.arange(200) % 3
    logs = np.log(np.where(np.eye(3)[labels] > 0, 1 - 2e-6, 1e-6))
    found = run(logs, labels)
    assert not found.kept
    json.dumps(found.to_json(), allow_nan=False)


# --- its scores


def test_error_is_that_of_the_evaluation() -> None:
    logs, labels = photos(700, 4, slope=0.5)
    found = run(logs, labels)
    assert found.before.calibration_error == error(np.exp(logs), labels)
    low, high = found.before.interval
    assert low < found.before.calibration_error < high
    assert found.before.log_loss == pytest.approx(-logs[np.arange(700), labels].mean())


def test_noise_is_the_error_of_calibrated_probabilities() -> None:
    errors = [error(np.exp(x), y) for x, y in (photos(300, 4, seed) for seed in range(40))]
    logs, labels = photos(300, 4)
    assert run(logs, labels).before.noise == pytest.approx(np.mean(errors), rel=0.1)


@pytest.mark.slow
def test_interval_covers_what_many_photos_say() -> None:
    truth = error(
        np.exp(photos(200_000, 3, 99, slope=0.5)[0]), photos(200_000, 3, 99, slope=0.5)[1]
    )
    covered = 0
    for seed in range(60):
        low, high = run(*photos(1000, 3, seed, slope=0.5)).before.interval
        covered += low <= truth <= high
    assert covered >= 52


def test_same_generator_same_result() -> None:
    logs, labels = photos(300, 3, slope=0.6)
    assert run(logs, labels) == run(logs, labels)
    assert run(logs, labels) != run(logs, labels, seed=1)


def test_repeats_are_taken_together() -> None:
    logs, labels = photos(300, 3, slope=0.6)
    twice = run(np.stack([logs, logs], axis=1), labels)
    once = run(logs, labels)
    assert twice.before.calibration_error == pytest.approx(once.before.calibration_error)
    assert twice.before.interval == pytest.approx(once.before.interval)
    assert twice.slope == pytest.approx(once.slope)


# --- heads


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_folded_into_a_softmax_head(hidden: tuple[int, ...]) -> None:
    check_head((6, *hidden, 3), "softmax", made("temperature", 0.37))


@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("coding", ["softmax", "sigmoid"])
def test_platt_folded_into_a_head_of_two_classes(hidden: tuple[int, ...], coding: str) -> None:
    last = 1 if coding == "sigmoid" else 2
    check_head((6, *hidden, last), coding, made("platt", 0.6, -1.3))


def check_head(widths: tuple[int, ...], coding: str, calibration: Calibration) -> None:
    rng = np.random.default_rng(0)
    pairs = list(pairwise(widths))
    head = Head(
        tuple(rng.normal(size=pair).astype(np.float32) for pair in pairs),
        tuple(rng.normal(size=pair[1]).astype(np.float32) for pair in pairs),
        coding,
    )
    x = rng.normal(size=(40, widths[0])).astype(np.float32)
    found = apply_to_head(head, calibration)
    expected = apply(transformed(head.logits(x), 1, 0), calibration)
    np.testing.assert_allclose(found.predict_proba(x), expected, atol=1e-6)
    assert np.abs(expected - head.predict_proba(x)).max() > 0.05
    assert found.activation == coding
    assert {part.dtype for part in (*found.weights, *found.biases)} == {np.dtype(np.float32)}


def test_temperature_keeps_every_answer() -> None:
    logs, _ = photos(500, 5)
    found = apply(logs, made("temperature", 0.2))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.argmax(axis=1), logs.argmax(axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_probability_of_zero() -> None:
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([[1.0, 0.0], [0.0, 1.0]] * 50))
    found = run(logs, np.array([0, 1] * 50))
    assert not found.kept
    np.testing.assert_allclose(apply(logs, made("platt", 0.5)), np.exp(logs), atol=1e-6)


# --- the edges


def test_json_and_back() -> None:
    found = run(*photos(300, 2, slope=0.4, offset=0.5))
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Calibration.from_json(data) == found
    assert data["before"]["interval"] == list(found.before.interval)


@pytest.mark.parametrize(
    ("logs", "labels", "num_groups", "message"),
    [
        (np.zeros((0, 3)), [], 0, "can't be calibrated"),
        (np.zeros((2, 1)), [0, 0], 2, "can't be calibrated"),
        (np.zeros(3), [0, 0, 0], 3, "can't be calibrated"),
        (np.zeros((3, 2)), [0, 1], 3, "can't be calibrated"),
        (np.zeros((3, 2)), [0, 1, 1], 2, "can't be calibrated"),
        (np.zeros((3, 2)), [0, 1, 2], 3, "a label has no probability"),
        (np.zeros((3, 2)), [0, 1, -1], 3, "a label has no probability"),
        (np.full((3, 2), np.nan), [0, 1, 1], 3, "no log-probabilities"),
        (np.full((3, 2), 0.5), [0, 1, 1], 3, "no log-probabilities"),
    ],
)
def test_what_can_not_be_calibrated(
    logs: Doubles, labels: list[int], num_groups: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(logs, np.array(labels, np.int64), np.arange(num_groups))


def test_platt_is_of_two_classes() -> None:
    platt = made("platt", 0.5)
    with pytest.raises(InputError, match="of two classes"):
        apply(np.zeros((4, 3)), platt)
    head = Head((np.eye(3, dtype=np.float32),), (np.zeros(3, np.float32),))
    with pytest.raises(InputError, match="of two classes"):
        apply_to_head(head, platt)
