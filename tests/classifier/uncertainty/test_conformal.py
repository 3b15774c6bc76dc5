"""Sets hold the right class as often as was asked, and say where there are too few photos."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from photograft.classifier.uncertainty.conformal import (
    METHOD,
    ConformalSets,
    check,
    fewest_photos,
    fit_scores,
    true_scores,
)
from photograft.core.errors import InputError

Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def fit_sets(probabilities: npt.NDArray[Any], labels: Labels, coverage: float) -> ConformalSets:
    """Sets by the photos themselves."""
    return fit_scores(true_scores(probabilities, labels), coverage)


def photos(n: int, num_classes: int, seed: int, sharpness: float = 1.5) -> tuple[Doubles, Labels]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, n)
    logits = rng.normal(size=(n, num_classes))
    logits[np.arange(n), labels] += sharpness
    probabilities = np.exp(logits)
    return probabilities / probabilities.sum(axis=1, keepdims=True), labels


def test_sets_by_hand() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.45, 0.15, 0.4], [0.35, 0.33, 0.32]])
    labels = np.array([0, 2, 1])
    np.testing.assert_allclose(true_scores(probabilities, labels), [0, 0.6, 0.67], atol=1e-6)
    found = fit_sets(probabilities, labels, 0.5)  # the second of three scores
    assert found.threshold == pytest.approx(0.6, abs=1e-6)
    assert (found.coverage, found.num_photos, found.method) == (0.5, 3, METHOD)
    assert found.sets(probabilities).tolist() == [
        [True, False, False],
        [True, False, True],
        [True, False, False],  # none is probable enough: the first all the same
    ]


@pytest.mark.parametrize("num_classes", [2, 5, 30])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_coverage_is_what_was_asked(num_classes: int, coverage: float) -> None:
    """On average over many draws it is the rank over n + 1, exactly."""
    n, reached = 200, []
    for seed in range(60):
        probabilities, labels = photos(n + 500, num_classes, seed, 0.3)
        sets = fit_sets(probabilities[:n], labels[:n], coverage).sets(probabilities[n:])
        reached.append(check(sets, labels[n:]).coverage)
        assert sets.any(axis=1).all()
    spread = np.sqrt(coverage * (1 - coverage) * (1 / n + 1 / 500) / 60)
    assert abs(np.mean(reached) - coverage) < 4 * spread + 1 / n


def test_coverages_are_spread_as_the_beta_binomial_says() -> None:
    n, m, rank = 99, 100, 90
    inside = 0
    low, high = stats.betabinom(m, rank, n + 1 - rank).interval(0.9)
    for seed in range(200):
        probabilities, labels = photos(n + m, 6, seed, 0.5)
        sets = fit_sets(probabilities[:n], labels[:n], 0.9).sets(probabilities[n:])
        inside += low <= round(check(sets, labels[n:]).coverage * m) <= high
    assert 168 <= inside <= 200  # 180 or some more


def test_easy_photos_have_one_class_and_more_coverage_than_asked() -> None:
    probabilities, labels = photos(2000, 3, 0, 6)
    found = fit_sets(probabilities[:1000], labels[:1000], 0.9)
    assert found.threshold == 0
    sets = found.sets(probabilities[1000:])
    assert (sets.sum(axis=1) == 1).all()
    accuracy = (probabilities[1000:].argmax(axis=1) == labels[1000:]).mean()
    assert check(sets, labels[1000:]).coverage == accuracy > 0.95


def test_higher_coverage_larger_sets() -> None:
    probabilities, labels = photos(1000, 10, 0, 0.5)
    sizes = [
        fit_sets(probabilities, labels, c).sets(probabilities).sum() for c in (0.5, 0.8, 0.95, 0.99)
    ]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("n", "coverage", "enough"),
    [(0, 0.9, False), (1, 0.5, True), (8, 0.9, False), (9, 0.9, True), (18, 0.95, False),
     (19, 0.95, True), (98, 0.99, False), (99, 0.99, True)],
)  # fmt: skip
def test_too_few_photos_give_all_classes_and_say_so(n: int, coverage: float, enough: bool) -> None:
    probabilities, labels = photos(n, 4, 0, 3)
    found = fit_sets(probabilities, labels, coverage)
    assert found.is_enough == enough
    new, _ = photos(50, 4, 1, 3)
    assert bool(found.sets(new).all()) != enough
    assert ("all come into question until" in found.sentence) != enough
    assert ("for at least" in found.sentence) == enough


def test_sentences() -> None:
    assert fit_scores(np.zeros(0, np.float32), 0.99).sentence == (
        "Too few photos were held out to leave classes out and keep the right one for 99% of "
        "photos: all come into question until there are 99 more."
    )
    assert fit_scores(np.zeros(1200, np.float32), 0.95).sentence == (
        "Asked for all classes that come into question, it has the right one among them for at "
        "least 95% of photos like those held out."
    )


@pytest.mark.parametrize("coverage", [0.01, 0.5, 0.8, 0.9, 0.95, 0.975, 0.99, 0.999])
def test_fewest_photos_is_where_the_rank_fits(coverage: float) -> None:
    n = fewest_photos(coverage)
    assert (n + 1) * (1 - coverage) >= 1 - 1e-9
    assert n == 1 or n * (1 - coverage) < 1 - 1e-9


def test_probability_of_zero_and_ties() -> None:
    certain = np.array([[1.0, 0.0]] * 20)
    wrong = np.array([1] * 20)
    assert fit_sets(certain, wrong, 0.9).sets(certain).all()
    even = np.full((20, 4), 0.25)
    sets = fit_sets(even, np.arange(20) % 4, 0.9).sets(even)
    assert sets.all()  # three of four right classes score 0.75, as all but the first do
    first = fit_sets(even, np.zeros(20, np.int64), 0.9).sets(even)
    assert first.sum() == 20


def test_single_precision_and_saved_scores_give_the_same_sets() -> None:
    probabilities, labels = photos(300, 5, 0)
    single = probabilities.astype(np.float32)
    found = fit_sets(single, labels, 0.9)
    assert found == fit_scores(true_scores(single, labels), 0.9)
    again = ConformalSets.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    covered = again.sets(single)[np.arange(300), labels].sum()
    assert covered >= 271  # the rank, the photo at the threshold included


def test_check_by_hand() -> None:
    sets = np.array([[True, False], [True, True], [False, True], [True, False]])
    found = check(sets, np.array([0, 1, 0, 0]))
    assert (found.coverage, found.mean_size, found.num_photos) == (0.75, 1.25, 4)
    assert found.interval[0] < 0.75 < found.interval[1]
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, float("nan")])
def test_coverage_out_of_range(coverage: float) -> None:
    with pytest.raises(InputError, match="can't be a coverage"):
        fit_sets(*photos(30, 3, 0), coverage)


@pytest.mark.parametrize(
    ("shape", "labels"),
    [((3,), [0, 0, 0]), ((3, 2), [0, 1]), ((3, 2), [0, 1, 2]), ((2, 2), [0, -1])],
)
def test_shapes_and_labels_that_do_not_fit(shape: tuple[int, ...], labels: list[int]) -> None:
    with pytest.raises(InputError):
        fit_sets(np.full(shape, 0.5), np.array(labels), 0.9)
    with pytest.raises(InputError):
        check(np.full(shape, True), np.array(labels))


def test_nothing_to_check() -> None:
    with pytest.raises(InputError, match="no photos to check"):
        check(np.zeros((0, 3), np.bool_), np.zeros(0, np.int64))
