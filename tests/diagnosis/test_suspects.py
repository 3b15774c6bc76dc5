"""Labels that may be wrong, and classes that are hard to tell apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from photograft.core.errors import InputError
from photograft.diagnosis.hard_pairs import at_least, hard_pairs
from photograft.diagnosis.suspects import Judgement, find_suspects, judge_labels, num_known
from photograft.learning.head.basis import make_basis


def drawn(
    num: int, num_classes: int, *, apart: float = 5.0, d: int = 24, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Return features ``(num, d)``, labels and keys of classes that lie so far apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % num_classes
    centres = rng.normal(size=(num_classes, d))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    rows = (rng.normal(size=(num, d)) + centres[labels]).astype(np.float32)
    return rows, labels, [i.to_bytes(3, "big") for i in range(num)]


def moved(labels: np.ndarray, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    which = rng.choice(len(labels), round(share * len(labels)), replace=False)
    num_classes = int(labels.max()) + 1
    wrong = labels.copy()
    wrong[which] = (labels[which] + rng.integers(1, num_classes, len(which))) % num_classes
    return wrong, which


def judged(features: np.ndarray, labels: np.ndarray, keys: list[bytes]) -> Judgement:
    return judge_labels(features, labels, np.arange(len(labels)), keys, l2=0.1, seed=0)


def logs(*rows: tuple[float, ...]) -> np.ndarray:
    """Return log-probabilities of one repeat."""
    return np.log(np.array(rows, np.float32))[:, None]


def test_moved_labels_come_first() -> None:
    features, labels, keys = drawn(400, 4)
    wrong, which = moved(labels, 0.05)
    judgement = judged(features, wrong, keys)
    first = judgement.ranking.suspects[: len(which)]
    found = [suspect for suspect in first if suspect.index in which]
    assert len(found) >= 0.9 * len(which)
    right = [suspect.suggested == labels[suspect.index] for suspect in found]
    assert sum(right) >= 0.9 * len(right)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_clean_labels_are_hardly_doubted(num_classes: int) -> None:
    features, labels, keys = drawn(300, num_classes)
    assert judged(features, labels, keys).ranking.count <= 3


def test_hard_classes_are_not_doubted_wholesale() -> None:
    """Where every third photo looks like another class, its label need not be wrong."""
    features, labels, keys = drawn(600, 2, apart=0.8)
    judgement = judged(features, labels, keys)
    mistaken = judgement.log_probabilities.mean(axis=1).argmax(axis=1) != labels
    assert mistaken.mean() > 0.2
    assert judgement.ranking.count < 0.02 * len(labels)


def test_every_photo_is_ranked_and_flagged_ones_lead() -> None:
    features, labels, keys = drawn(200, 3, apart=3)
    wrong, _ = moved(labels, 0.1)
    ranking = judged(features, wrong, keys).ranking
    assert sorted(s.index for s in ranking.suspects) == list(range(200))
    assert 0 < ranking.count < 40
    assert ranking.flagged == ranking.suspects[: ranking.count]
    for part in (ranking.flagged, ranking.suspects[ranking.count :]):
        scores = [s.score for s in part]
        assert scores == sorted(scores, reverse=True)
    for s in ranking.suspects:
        assert 0 <= s.score <= 1
        assert s.suggested != wrong[s.index]
        odds = s.suggested_probability / (s.suggested_probability + s.own_probability)
        assert s.score == pytest.approx(odds, abs=1e-6)


def test_flagged_by_confident_learning_and_long_odds() -> None:
    """As sure as of that class's own photos on average, and nine to one against its label."""
    of_first = [(0.96, 0.04)] * 3
    found = find_suspects(
        logs(*of_first, (0.04, 0.96), (0.02, 0.98), (0.3, 0.7), (0.99, 0.01), (0.15, 0.85)),
        np.array([0, 0, 0, 1, 1, 1, 1, 0]),
    )
    # The seventh is flagged; the last one has odds of less than nine to one.
    assert [s.index for s in found.flagged] == [6]
    assert (found.suspects[0].suggested, found.suspects[1].index) == (0, 7)
    assert found.suspects[0].score == pytest.approx(0.99, abs=1e-6)


def test_nothing_is_flagged_that_is_less_sure_than_the_class_is_of_its_own() -> None:
    """Long odds against its label, and yet not much like the other: an odd photo, no wrong one."""
    rows = [(0.98, 0.01, 0.01)] * 5 + [(0.01, 0.98, 0.01)] * 5 + [(0.01, 0.01, 0.98)] * 5
    labels = np.repeat([0, 1, 2], 5)
    rows[0] = (0.04, 0.5, 0.46)
    found = find_suspects(logs(*rows), labels)
    assert found.suspects[0].index == 0
    assert found.suspects[0].score > 0.9
    assert found.count == 0


def test_repeats_are_averaged() -> None:
    sure, unsure = logs((0.99, 0.01)), logs((0.5, 0.5))
    both = np.concatenate([np.concatenate([sure, unsure], axis=1)] * 2)
    (first, _) = find_suspects(both, np.array([1, 0])).suspects
    assert first.index == 0
    odds = math.sqrt(99)
    assert first.score == pytest.approx(odds / (1 + odds), abs=1e-5)


def test_suspects_do_not_teach_the_second_round() -> None:
    features, labels, keys = drawn(300, 3)
    wrong, which = moved(labels, 0.1)
    judgement = judged(features, wrong, keys)
    assert set(np.flatnonzero(judgement.left_out)) <= set(which.tolist())
    assert judgement.left_out.sum() > 15
    rest = ~np.isin(np.arange(300), which)
    own = [
        np.exp(found)[rest, :, labels[rest]].mean()
        for found in (judgement.log_probabilities, judgement.refitted)
    ]
    assert own[1] > own[0]


def test_nothing_to_leave_out_is_not_done_twice() -> None:
    features, labels, keys = drawn(200, 2, apart=12)
    judgement = judged(features, labels, keys)
    assert not judgement.left_out.any()
    assert judgement.refitted is judgement.log_probabilities


def test_basis_does_as_well_as_features() -> None:
    features, labels, keys = drawn(120, 3)
    wrong, _ = moved(labels, 0.1)
    basis = make_basis(lambda rows: features[rows], *features.shape)
    one, other = (
        judge_labels(given, wrong, np.arange(120), keys, l2=0.1, seed=0)
        for given in (features, basis)
    )
    assert one.ranking == other.ranking


def test_penalty_is_chosen_where_none_is_given() -> None:
    features, labels, keys = drawn(200, 2, apart=2)
    judgement = judge_labels(features, labels, np.arange(200), keys, seed=0)
    assert judgement.l2 > 1e-3
    assert judgement.log_probabilities.shape == (200, 2, 2)
    again = judge_labels(features, labels, np.arange(200), keys, l2=judgement.l2, seed=0)
    assert again.ranking == judgement.ranking


def test_seed_decides_the_folds() -> None:
    features, labels, keys = drawn(100, 2, apart=2)
    one, same, other = (
        judge_labels(features, labels, np.arange(100), keys, l2=0.1, seed=seed)
        for seed in (0, 0, 1)
    )
    assert one.ranking == same.ranking
    assert (one.folds != other.folds).any()


def test_groups_do_not_judge_one_another() -> None:
    """Copies under a wrong label, with a mark that they alone have, vouch for each other."""
    features, labels, keys = drawn(200, 2)
    copies = np.arange(0, 20, 2)
    features[copies] = features[labels == 0].mean(axis=0)
    features[:, -1] = np.isin(np.arange(200), copies)
    wrong, groups = labels.copy(), np.arange(200)
    wrong[copies], groups[copies] = 1, 0
    whole, split = (
        judge_labels(features, wrong, given, keys, l2=0.01, seed=0).ranking
        for given in (groups, np.arange(200))
    )
    assert {s.index for s in whole.flagged} == set(copies.tolist())
    assert split.count == 0


@pytest.mark.parametrize("size", [1, 2, 5])
def test_labels_of_tiny_classes_are_not_doubted(size: int) -> None:
    """Heads learned from fewer than five other photos of it: no ground to doubt a label."""
    features, labels, keys = drawn(120, 2)
    labels[:size] = 2
    ranking = judged(features, labels, keys).ranking
    tiny = [s for s in ranking.suspects if labels[s.index] == 2]
    assert [s.score for s in tiny] == [0] * size
    assert not any(labels[s.index] == 2 or s.suggested == 2 for s in ranking.flagged)
    assert ranking.suspects[-size:] == tuple(tiny)


def test_class_that_is_one_group_is_not_doubted() -> None:
    """All of it is held out at once: no head that judges it knows it."""
    features, labels, keys = drawn(120, 3)
    groups = np.where(labels == 2, 1000, np.arange(120))
    ranking = judge_labels(features, labels, groups, keys, l2=0.1, seed=0).ranking
    assert all(s.score == 0 for s in ranking.suspects if labels[s.index] == 2)
    assert not any(labels[s.index] == 2 for s in ranking.flagged)


def test_one_group_of_all_photos_says_nothing() -> None:
    features, labels, keys = drawn(40, 2)
    judgement = judge_labels(features, labels, np.zeros(40, np.int64), keys, l2=0.1, seed=0)
    assert judgement.ranking.count == 0
    assert {s.score for s in judgement.ranking.suspects} == {0}
    np.testing.assert_allclose(judgement.log_probabilities, math.log(0.5), atol=1e-5)


def test_class_without_photos_is_not_suggested() -> None:
    features, labels, keys = drawn(200, 2)
    wrong, which = moved(labels, 0.1)
    ranking = judged(features, 2 * wrong, keys).ranking
    assert {s.suggested for s in ranking.suspects} == {0, 2}
    assert len({s.index for s in ranking.flagged} & set(which.tolist())) > 10


def test_hundred_classes() -> None:
    features, labels, keys = drawn(1000, 100, apart=12, d=40)
    wrong, which = moved(labels, 0.05)
    ranking = judged(features, wrong, keys).ranking
    first = {s.index for s in ranking.suspects[: len(which)]}
    assert len(first & set(which.tolist())) >= 0.8 * len(which)


def test_class_is_not_left_out_by_most() -> None:
    """A class most of whose photos are doubted is one that the heads do not know."""
    features, labels, keys = drawn(300, 2)
    labels[:60:2] = 2  # a third class, drawn exactly as the first one is
    labels[60:][labels[60:] == 0] = np.where(np.arange(120) % 12 == 0, 2, 0)
    judgement = judged(features, labels, keys)
    lost = judgement.left_out[labels == 2].mean()
    assert lost <= 0.5


def test_how_many_are_known() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    folds = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 0]])
    assert num_known(labels, folds).tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("shape", "labels"), [((3, 2), [0, 1, 1]), ((2, 1, 2), [0, 1, 1]), ((3, 1, 2), [0, 1, 2])]
)
def test_shapes_that_do_not_fit(shape: tuple[int, ...], labels: list[int]) -> None:
    with pytest.raises(InputError, match="labels can't be judged"):
        find_suspects(np.zeros(shape, np.float32), np.array(labels))


def test_one_class_or_no_photo() -> None:
    features, labels, keys = drawn(20, 2)
    with pytest.raises(InputError, match="at least two classes"):
        judged(features, 0 * labels, keys)
    with pytest.raises(InputError, match="at least two classes"):
        judged(features[:0], labels[:0], [])
    with pytest.raises(InputError, match="as many labels"):
        judged(features[:-1], labels, keys)


def confused(matrix: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities and labels that give this confusion matrix, rows the labels."""
    k = len(matrix)
    cells = [(a, b) for a in range(k) for b in range(k) for _ in range(matrix[a][b])]
    labels, predicted = (np.array(column) for column in zip(*cells, strict=True))
    return np.log(0.9 * np.eye(k, dtype=np.float32)[predicted] + 0.1 / k)[:, None], labels


def test_hard_pairs_are_ranked_and_others_are_not_named() -> None:
    names = ["cat", "dog", "fox", "owl"]
    matrix = [[90, 2, 8, 0], [1, 99, 0, 0], [15, 0, 85, 0], [0, 0, 1, 30]]
    (pair,) = hard_pairs(*confused(matrix), names)
    assert (pair.first, pair.second, pair.num_confused) == ("fox", "cat", 23)
    assert pair.share == pytest.approx(23 / 200)
    assert pair.interval[0] < pair.share < pair.interval[1]


def test_harder_pair_comes_first() -> None:
    matrix = [[60, 20, 20, 0], [40, 60, 0, 0], [0, 0, 100, 0], [0, 0, 0, 100]]
    pairs = hard_pairs(*confused(matrix), ["a", "b", "c", "d"])
    assert [(p.first, p.second) for p in pairs] == [("b", "a"), ("a", "c")]


def test_the_same_share_of_few_photos_is_noise() -> None:
    few, many = [[9, 1], [0, 10]], [[90, 10], [0, 100]]
    assert hard_pairs(*confused(few), ["a", "b"]) == []
    assert len(hard_pairs(*confused(many), ["a", "b"])) == 1


def test_many_classes_raise_the_bar() -> None:
    """Among 4,950 pairs some are confused by chance."""
    small = [[45, 5], [2, 48]]
    assert len(hard_pairs(*confused(small), ["a", "b"])) == 1
    large = np.diag(np.full(100, 50))
    large[:2, :2] = small
    assert hard_pairs(*confused(large.tolist()), [str(i) for i in range(100)]) == []


def test_classes_without_photos_are_no_pair() -> None:
    assert hard_pairs(*confused([[50, 50, 0], [0, 0, 0], [0, 0, 50]]), ["a", "b", "c"]) == []


def test_repeats_decide_together() -> None:
    logs_, labels = confused([[60, 40], [0, 100]])
    sure = np.log(np.where(np.eye(2)[labels] > 0, 0.999, 0.001)).astype(np.float32)[:, None]
    assert hard_pairs(np.concatenate([logs_, sure], axis=1), labels, ["a", "b"]) == []


def test_names_have_to_fit() -> None:
    with pytest.raises(InputError, match="hard pairs"):
        hard_pairs(*confused([[5, 0], [0, 5]]), ["a", "b", "c"])


def test_binomial_tail() -> None:
    exact = sum(math.comb(30, k) * 0.02**k * 0.98 ** (30 - k) for k in range(3, 31))
    assert at_least(3, 30, 0.02) == pytest.approx(exact)
    assert at_least(0, 30, 0.02) == 1
    assert at_least(20_000, 20_000, 0.02) == 0
