"""The paired test: how often it cries wolf, and how often it finds what is there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from photograft.evaluation.comparison.paired import _p_value, compare, verdicts

Floats = npt.NDArray[np.float64]

NUM_FOLDS = 5


def cross_validated(features: Floats, labels: npt.NDArray[np.int64], folds: Floats) -> Floats:
    """Hits of a least-squares classifier, really trained on the other folds."""
    x = np.c_[features, np.ones(len(features))]
    signs = np.where(labels == 1, 1.0, -1.0)
    hits = np.zeros(folds.shape)
    ridge = 0.1 * np.eye(x.shape[1])
    for repeat in range(folds.shape[1]):
        for fold in range(NUM_FOLDS):
            held = folds[:, repeat] == fold
            a, b = x[~held], signs[~held]
            weights = np.linalg.solve(a.T @ a + ridge, a.T @ b)
            hits[held, repeat] = (x[held] @ weights > 0) == (labels[held] == 1)
    return hits


def candidates(
    rng: np.random.Generator, n: int, strengths: list[float], *, width: int, shared: float
) -> list[Floats]:
    """Hits of candidates that see each photo through noise of which a share is the same for all."""
    labels = rng.integers(0, 2, n)
    sign = np.where(labels == 1, 1.0, -1.0)[:, None]
    folds = np.stack([rng.permutation(np.arange(n) % NUM_FOLDS) for _ in range(2)], axis=1)
    common = rng.normal(size=(n, width))
    found = []
    for strength in strengths:
        own = rng.normal(size=(n, width))
        noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
        seen = sign * strength / np.sqrt(width) + noise
        found.append(cross_validated(seen, labels, folds))
    return found


@pytest.mark.parametrize(("n", "width", "shared"), [(150, 10, 0.0), (200, 20, 0.5)])
def test_of_two_that_do_not_differ_neither_is_called_better(
    n: int, width: int, shared: float
) -> None:
    rng, groups = np.random.default_rng(0), np.arange(n)
    first = second = 0
    for _ in range(1000):
        one, other = candidates(rng, n, [1.5, 1.5], width=width, shared=shared)
        said = verdicts({"one": one, "other": other}, groups, NUM_FOLDS)
        first += said["other"][0] == "worse"
        second += said["one"][0] == "worse"
    assert first + second <= 60  # 6 % of 1,000, in either direction
    assert min(first, second) > 0, "the test never speaks up"


def test_three_points_on_a_thousand_photos_are_found() -> None:
    rng, groups = np.random.default_rng(1), np.arange(1000)
    found, gains = 0, []
    for _ in range(150):
        worse, better = candidates(rng, 1000, [1.5, 1.8], width=20, shared=0.5)
        gains.append(better.mean() - worse.mean())
        said = verdicts({"worse": worse, "better": better}, groups, NUM_FOLDS)
        found += said["worse"][0] == "worse"
        assert said["better"][0] != "worse"
    assert np.mean(gains) == pytest.approx(0.03, abs=0.004)
    assert found >= 0.8 * 150


def test_the_best_of_many_equals_is_not_called_better_than_each() -> None:
    """Bonferroni: without it, the luckiest of ten would beat the unluckiest all the time."""
    rng, groups = np.random.default_rng(2), np.arange(200)
    called_worse = 0
    for _ in range(100):
        hits = candidates(rng, 200, [1.5] * 10, width=10, shared=0.3)
        said = verdicts({str(i): h for i, h in enumerate(hits)}, groups, NUM_FOLDS)
        called_worse += sum(verdict == "worse" for verdict, _ in said.values())
    assert called_worse <= 0.025 * 1000


def draw(seed: int, n: int = 300, shares: tuple[float, float] = (0.9, 0.8)) -> list[Floats]:
    rng = np.random.default_rng(seed)
    return [(rng.random((n, 2)) < share).astype(np.float64) for share in shares]


def test_difference_and_interval() -> None:
    one, other = draw(0)
    found = compare(one, other, np.arange(300), NUM_FOLDS)
    assert found.difference == pytest.approx(one.mean() - other.mean())
    spread = np.mean([np.var(one[:, r] - other[:, r], ddof=1) / 300 for r in range(2)])
    assert found.standard_error == pytest.approx(np.sqrt(1.25 * spread))
    low, high = found.interval
    assert low < found.difference < high
    assert high - low == pytest.approx(2 * 1.96 * found.standard_error, rel=1e-3)
    assert found.num_photos == 300
    back = compare(other, one, np.arange(300), NUM_FOLDS)
    assert back.difference == -found.difference
    assert back.p_value == found.p_value


def test_a_photo_there_many_times_is_one_witness() -> None:
    one, other = draw(1)
    once = compare(one, other, np.arange(300), NUM_FOLDS)
    more, others = (np.repeat(hits, 4, axis=0) for hits in (one, other))
    grouped = compare(more, others, np.repeat(np.arange(300), 4), NUM_FOLDS)
    fooled = compare(more, others, np.arange(1200), NUM_FOLDS)
    assert grouped.p_value == pytest.approx(once.p_value, rel=1e-6)
    assert grouped.standard_error == pytest.approx(once.standard_error)
    assert fooled.p_value < once.p_value


def test_only_photos_that_both_were_tested_on_count() -> None:
    one, other = draw(2)
    part = one.copy()
    part[100:, 0] = np.nan
    part[:, 1] = np.nan
    found = compare(part, other, np.arange(300), NUM_FOLDS)
    expected = compare(one[:100, :1], other[:100, :1], np.arange(100), NUM_FOLDS)
    assert found == expected
    nothing = compare(np.full((300, 2), np.nan), other, np.arange(300), NUM_FOLDS)
    assert (nothing.p_value, nothing.num_photos) == (1.0, 0)


def test_same_hits_are_a_tie() -> None:
    one, _ = draw(3)
    said = verdicts({"first": one, "second": one.copy()}, np.arange(300), NUM_FOLDS)
    assert said["first"][0] == "best"
    assert said["second"][0] == "tie"
    assert said["second"][1].p_value == 1.0


def test_one_candidate_is_the_best() -> None:
    one, _ = draw(4)
    assert verdicts({"only": one}, np.arange(300), NUM_FOLDS)["only"][0] == "best"


@pytest.mark.parametrize("freedom", [3, 10, 100, 2000])
@pytest.mark.parametrize("t", [0.5, 2.0, 3.0])
def test_p_value_is_students(freedom: int, t: float) -> None:
    assert _p_value(t, 1.0, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=0.03)


def test_one_sided_photos_without_spread() -> None:
    """Every photo favours the same one: no spread, and no doubt."""
    one, other = np.ones((50, 2)), np.zeros((50, 2))
    assert compare(one, other, np.arange(50), NUM_FOLDS).p_value == 0.0
