"""Photos whose label may be wrong: confident learning on out-of-fold probabilities.

Northcutt, Jiang & Chuang (2021), "Confident learning: estimating uncertainty in dataset labels",
arXiv:1911.00068: a photo is held to be of another class than its label says where a head that did
not learn from it is as sure of that class as it is, on average, of that class's own photos. On hard
photos that alone would doubt every fifth label, so the odds have to be long, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photograft.core.arrays import Booleans, Doubles, Floats, Labels
from photograft.core.errors import InputError
from photograft.core.progress import Progress, Silent
from photograft.core.text import count
from photograft.learning.head.basis import Basis, make_basis
from photograft.learning.head.cross_validation import cross_validate, strongest_of_the_best
from photograft.learning.head.out_of_fold import out_of_fold, repeated_folds

#: The least score of a suspect: nine to one for another class against the photo's own.
LEAST_SCORE = 0.9

#: A label is doubted only by heads that learned from so many other photos of its class.
LEAST_KNOWN = 5


@dataclass(frozen=True)
class Suspect:
    """What other photos say of one photo's label.

    Attributes:
        index: The photo's.
        suggested: Index of the class that it looks most like, its own aside.
        score: Probability of that class, were it that or its own: in [0, 1], above 0.5 where it
            looks more like the other class; 0 where its own class is not known well enough.
        own_probability: Of the label that it has, in [0, 1].
        suggested_probability: Of the suggested class, in [0, 1].
    """

    index: int
    suggested: int
    score: float
    own_probability: float
    suggested_probability: float


@dataclass(frozen=True)
class Ranking:
    """All photos, those whose label is most in doubt first.

    Attributes:
        suspects: One of each photo: those flagged, then the others, each by falling score.
        count: How many of them are flagged as wrongly labelled; may be 0.
    """

    suspects: tuple[Suspect, ...]
    count: int

    @property
    def flagged(self) -> tuple[Suspect, ...]:
        """Those whose label is held to be wrong."""
        return self.suspects[: self.count]


@dataclass(frozen=True)
class Judgement:
    """What came of judging every label by heads that had not seen the photo.

    Attributes:
        ranking: By the heads that learned without the suspects of the first round.
        log_probabilities: Out-of-fold, of heads that learned from all other photos whatever
            their labels; natural logarithms, float32, shape ``(n, r, num_classes)``.
        refitted: The same of heads that the suspects did not teach: what `ranking` is made from.
        folds: Of each photo in each repeat, shape ``(n, r)``.
        left_out: Whether the refitted heads learned without it, shape ``(n,)``.
        l2: The penalty of all these heads.
    """

    ranking: Ranking
    log_probabilities: Floats
    refitted: Floats
    folds: Labels
    left_out: Booleans
    l2: float


def find_suspects(
    log_probabilities: Floats, labels: Labels, *, judged: Booleans | None = None
) -> Ranking:
    """Rank photos by how much their label is in doubt, and say how many are likely wrong.

    Args:
        log_probabilities: Out-of-fold, natural logarithms, shape ``(n, r, num_classes)``.
        labels: Class indices, shape ``(n,)``.
        judged: Which labels those heads know enough to doubt, shape ``(n,)``; all where not given.
            The others come last, with a score of 0.

    Raises:
        InputError: Shapes that do not fit, no photo, or fewer than two classes.
    """
    _check(log_probabilities, labels)
    n = len(labels)
    known = np.ones(n, np.bool_) if judged is None else judged
    log_p = _mean_log_probabilities(log_probabilities)
    rows = np.arange(n)
    own = log_p[rows, labels]
    thresholds = _thresholds(np.exp(own), labels, known, log_p.shape[1])
    others = log_p.copy()
    others[rows, labels] = -np.inf
    # A class without a photo is no answer, though a head gives it some probability.
    others[:, np.bincount(labels, minlength=log_p.shape[1]) == 0] = -np.inf
    suggested = others.argmax(axis=1)
    best = others[rows, suggested]
    margin = np.where(known, best - own, -np.inf)
    score = 1 / (1 + np.exp(-np.clip(margin, -700, 700)))
    score[~known] = 0
    flagged = known & (score >= LEAST_SCORE) & (np.exp(best) >= thresholds[suggested])
    order = np.lexsort((rows, -margin, ~flagged))
    columns = (suggested, score, np.exp(own), np.exp(best))
    suspects = tuple(
        Suspect(*row)
        for row in zip(order.tolist(), *(column[order].tolist() for column in columns), strict=True)
    )
    return Ranking(suspects, int(flagged.sum()))


def judge_labels(
    features: Basis | Floats,
    labels: Labels,
    groups: Labels,
    keys: Sequence[bytes],
    *,
    l2: float | None = None,
    seed: int,
    progress: Progress | None = None,
) -> Judgement:
    """Judge every label by heads that learned from other photos, twice.

    Wrong labels distort the heads that judge them, so the suspects of a first round are left out
    of what the heads of a second one learn from.

    Args:
        features: Float32, shape ``(n, d)``, or the basis of them, which saves making it.
        labels: Class indices, shape ``(n,)``.
        groups: Of each photo, shape ``(n,)``: photos of a group never judge one another.
        keys: Content digests of the photos: folds depend on them, not on the order.
        l2: The penalty, as `selection` has it for so many photos; chosen by cross-validation on
            the same folds where not given.
        seed: Of the folds.
        progress: Told how far it is.

    Raises:
        InputError: Shapes that do not fit, no photo, or fewer than two classes.
    """
    num_rows = len(features.rotated if isinstance(features, Basis) else features)
    if not num_rows == len(labels) == len(groups) == len(keys):
        raise InputError(
            "labels can't be judged",
            expected="as many labels, groups and keys as rows of features",
            got=f"{len(labels)}, {len(groups)}, {len(keys)} and {num_rows}",
        )
    _check_classes(labels, int(labels.max(initial=-1)) + 1)
    with (progress or Silent()).step("Looking for wrong labels", 3, "rounds") as step:
        basis = features if isinstance(features, Basis) else _basis(features)
        folds = repeated_folds(labels, groups, keys, seed=seed)
        if l2 is None:
            path = cross_validate(basis, labels, folds, np.ones(num_rows, np.float32))
            l2 = strongest_of_the_best(path).strength
        step.advance()
        judged = num_known(labels, folds) >= LEAST_KNOWN
        first = out_of_fold(basis, labels, folds, l2)
        ranking = find_suspects(first, labels, judged=judged)
        step.advance()
        left_out = _to_leave_out(ranking, labels)
        second = first
        if left_out.any():
            weights = np.where(left_out, 0, 1).astype(np.float32)
            second = out_of_fold(basis, labels, folds, l2, photo_weights=weights)
            ranking = find_suspects(second, labels, judged=judged)
        step.advance()
    return Judgement(ranking, first, second, folds, left_out, l2)


def num_known(labels: Labels, folds: Labels) -> Labels:
    """Return how many photos of its class the heads that judge a photo learned from.

    Args:
        labels: Class indices, shape ``(n,)``.
        folds: Of each photo in each repeat, shape ``(n, r)``.

    Returns:
        The least of the repeats, shape ``(n,)``: 0 where its whole class is held out with it.
    """
    totals = np.bincount(labels)
    least = totals[labels].astype(np.int64)
    for fold in folds.T:
        held_out = np.zeros((int(fold.max()) + 1, len(totals)), np.int64)
        np.add.at(held_out, (fold, labels), 1)
        least = np.minimum(least, totals[labels] - held_out[fold, labels])
    return least


def _basis(features: Floats) -> Basis:
    return make_basis(lambda rows: features[rows], *features.shape)


def _mean_log_probabilities(log_probabilities: Floats) -> Doubles:
    """Return the log of the geometric mean over repeats, rows summing to 1, ``(n, classes)``."""
    found: Doubles = log_probabilities.mean(axis=1, dtype=np.float64)
    found -= found.max(axis=1, keepdims=True)
    found -= np.log(np.exp(found).sum(axis=1, keepdims=True))
    return found


def _thresholds(own: Doubles, labels: Labels, judged: Booleans, num_classes: int) -> Doubles:
    """Return how sure the heads are, on average, of each class's own photos, ``(classes,)``.

    Nothing is sure to be of a class that no head knows well enough: infinity.
    """
    counts = np.bincount(labels[judged], minlength=num_classes)
    sums = np.bincount(labels[judged], weights=own[judged], minlength=num_classes)
    thresholds = np.full(num_classes, np.inf)
    np.divide(sums, counts, out=thresholds, where=counts > 0)
    return thresholds


def _to_leave_out(ranking: Ranking, labels: Labels) -> Booleans:
    """Return the suspects, shape ``(n,)``, except of classes that would lose most of their photos.

    There it is the heads that do not know the class: they are not to know it even less.
    """
    flagged = np.zeros(len(labels), np.bool_)
    flagged[[suspect.index for suspect in ranking.flagged]] = True
    lost = np.bincount(labels[flagged], minlength=int(labels.max()) + 1)
    unknown = 2 * lost > np.bincount(labels)
    return flagged & ~unknown[labels]


def _check(log_probabilities: Floats, labels: Labels) -> None:
    if log_probabilities.ndim != 3 or len(log_probabilities) != len(labels):
        raise InputError(
            "labels can't be judged",
            expected=f"log-probabilities of shape ({len(labels)}, repeats, classes)",
            got=str(log_probabilities.shape),
        )
    _check_classes(labels, log_probabilities.shape[2])


def _check_classes(labels: Labels, num_classes: int) -> None:
    if len(np.unique(labels)) < 2 or labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(
            "labels can't be judged",
            expected=f"photos of at least two classes, numbered from 0 to {num_classes - 1}"
            if num_classes > 1
            else "photos of at least two classes",
            got=f"{count(len(labels), 'photo')} of {len(np.unique(labels))}",
            fix="Add photos of another class.",
        )
