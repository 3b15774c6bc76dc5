"""Heads on growing subsets of the photos, each scored on photos that it did not see.

The photos are dealt into folds. Each seed holds out another fold and learns from ever more of the
rest, by the head's own solver, which solves all seeds of a size at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Doubles, Floats, Labels
from photograft.core.errors import DatasetError
from photograft.core.progress import Progress, Silent
from photograft.data.splits import make_folds
from photograft.learning.head.basis import Basis
from photograft.learning.head.cross_validation import PENALTIES
from photograft.learning.head.solver import score_solutions, solve

NUM_FOLDS = 5
#: Sizes grow by about this factor, and there are at most so many of them.
_GROWTH, _MOST_SIZES = 1.8, 10
#: Photos of a middling class in the smallest subset, and of any class.
_SMALLEST, _LEAST = 3, 2
#: The penalties of one size end where their log loss is this much above the least, in nats.
_HOPELESS = 0.005
_TOLERANCE = 1e-4
_MAX_ELEMENTS = 20_000_000


@dataclass(frozen=True)
class Subsets:
    """Who is held out and who is learned from.

    Attributes:
        held_out: Shape ``(num_seeds, n)``.
        train: Shape ``(num_sizes, num_seeds, n)``: nested along the sizes.
    """

    held_out: npt.NDArray[np.bool_]
    train: npt.NDArray[np.bool_]

    @property
    def sizes(self) -> Doubles:
        """Mean number of photos learned from, shape ``(num_sizes,)``."""
        sizes: Doubles = self.train.sum(axis=2).mean(axis=1)
        return sizes


@dataclass(frozen=True)
class Measured:
    """What heads on growing subsets said of photos that they had not seen.

    Attributes:
        subsets: Who was held out and learned from.
        losses: Log loss of each photo in nats, shape ``(num_sizes, num_seeds, n)``; NaN where it
            was not held out.
        hits: Whether the answer was right, likewise.
        penalties: Chosen, shape ``(num_sizes, num_seeds)``.
    """

    subsets: Subsets
    losses: Doubles
    hits: Doubles
    penalties: Doubles


def make_subsets(
    labels: Labels,
    groups: Labels,
    keys: Sequence[bytes],
    *,
    num_seeds: int,
    seed: int,
) -> Subsets:
    """Deal out held-out parts and growing subsets of the rest: nested, stratified, groups whole.

    Args:
        labels: Class indices, shape ``(n,)``.
        groups: Group numbers, shape ``(n,)``: no group is on two sides, nor part of it in a subset.
        keys: A stable identity per photo, such as its content digest.
        num_seeds: How many held-out parts; each five of them hold out every photo once.
        seed: Another seed gives others.

    Raises:
        DatasetError: Nothing can be held out with something left to learn from.
    """
    n = len(labels)
    held_out, positions = [], []
    for s in range(num_seeds):
        repeat, fold = divmod(s, NUM_FOLDS)
        if fold == 0:
            folds = make_folds(labels, groups, keys, num_folds=NUM_FOLDS, seed=seed * 1000 + repeat)
        own = folds == fold
        if own.any() and len(np.unique(labels[~own])) > 1:
            held_out.append(own)
            positions.append(_positions(labels, groups, keys, ~own, seed * 1000 + s))
    if not held_out:
        raise DatasetError(
            "no photos can be held out with two classes left to learn from",
            expected="photos of each class in more than one group",
        )
    position = np.stack(positions)
    fractions = _fractions(labels, n)
    train = np.stack([position <= fraction for fraction in fractions])
    # Sizes that came out the same, as they do where classes are tiny, say nothing twice.
    counts = train.sum(axis=2).mean(axis=1)
    keep = np.append(np.diff(counts) >= 0.5, True)
    return Subsets(np.stack(held_out), train[keep])


def _fractions(labels: Labels, n: int) -> Doubles:
    """Return the shares of the photos to learn from that the sizes are, the last one 1."""
    counts = np.bincount(labels)
    middling = float(np.median(counts[counts > 0])) * (NUM_FOLDS - 1) / NUM_FOLDS
    smallest = min(1.0, max(_SMALLEST / middling, 2 * _LEAST / n))
    steps = int(np.clip(np.ceil(np.log(1 / smallest) / np.log(_GROWTH)), 0, _MOST_SIZES - 1))
    fractions: Doubles = np.geomspace(smallest, 1, steps + 1)
    return fractions


def _positions(
    labels: Labels,
    groups: Labels,
    keys: Sequence[bytes],
    usable: npt.NDArray[np.bool_],
    seed: int,
) -> Doubles:
    """Return the share of the photos from which on each photo is learned from; infinite for never.

    Groups come in hashed order. Each stands, in each of its classes, where its photos' middle is.
    The first groups of each class, up to `_LEAST` photos, are always there.
    """
    salt = seed.to_bytes(8, "little") + b"grow"
    members: dict[int, list[int]] = {}
    for i in np.flatnonzero(usable).tolist():
        members.setdefault(int(groups[i]), []).append(i)
    rank = {g: hashlib.sha256(salt + min(keys[i] for i in m)).digest() for g, m in members.items()}
    totals = np.bincount(labels[usable], minlength=int(labels.max()) + 1)
    seen = np.zeros(len(totals), np.int64)
    position = np.full(len(labels), np.inf)
    for group in sorted(members, key=rank.__getitem__):
        rows = np.array(members[group])
        own = np.bincount(labels[rows], minlength=len(totals))
        at = (seen + own / 2) / np.maximum(totals, 1)
        position[rows] = 0.0 if (seen < _LEAST)[own > 0].any() else at @ own / own.sum()
        seen += own
    return position


def measure(
    basis: Basis,
    labels: Labels,
    subsets: Subsets,
    photo_weights: Floats,
    *,
    progress: Progress | None = None,
) -> Measured:
    """Fit heads on all subsets at all penalties, and score them on what they did not see.

    Args:
        basis: Of the photos' features.
        labels: Class indices, shape ``(n,)``.
        subsets: Who is held out and learned from.
        photo_weights: How much each photo counts in learning, shape ``(n,)``.
        progress: Told how far it is.
    """
    num_sizes, num_seeds, n = subsets.train.shape
    tried = []
    with (progress or Silent()).step("Growing the subsets", num_sizes, "sizes") as step:
        for train in subsets.train:
            tried.append(_path(basis, labels, train, subsets.held_out, photo_weights))
            step.advance()
    chosen = choose_penalties([losses for losses, _ in tried], subsets.held_out)
    losses = np.full((num_sizes, num_seeds, n), np.nan)
    hits = losses.copy()
    for s, (path_losses, path_hits) in enumerate(tried):
        for j, c in enumerate(chosen[s]):
            own = subsets.held_out[j]
            losses[s, j, own], hits[s, j, own] = path_losses[c, j, own], path_hits[c, j, own]
    return Measured(subsets, losses, hits, np.array(PENALTIES)[chosen])


def choose_penalties(
    tried: Sequence[Doubles], held_out: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Choose a penalty for each size and seed by photos other than those it is scored on.

    The choice is by the other seeds' log loss of the photos that this one does not hold out. As
    noise makes it jump, the middle one of three neighbouring sizes' choices is taken.

    Args:
        tried: For each size the log losses of held-out photos, shape ``(num_tried, num_seeds, n)``.
        held_out: Shape ``(num_seeds, n)``.

    Returns:
        Indices into `PENALTIES`, shape ``(num_sizes, num_seeds)``.
    """
    num_seeds = len(held_out)
    best = np.zeros((len(tried), num_seeds), np.int64)
    for s, losses in enumerate(tried):
        for j in range(num_seeds):
            by = held_out & ~held_out[j]
            by[j] = False
            if by.any():
                best[s, j] = int(losses[:, by].mean(axis=1).argmin())
    padded = np.pad(best, ((1, 1), (0, 0)), mode="edge")
    smooth = np.median(np.stack([padded[:-2], best, padded[2:]]), axis=0).astype(np.int64)
    most = np.array([len(losses) - 1 for losses in tried])[:, None]
    chosen: npt.NDArray[np.int64] = np.minimum(smooth, most)
    return chosen


def _path(
    basis: Basis,
    labels: Labels,
    train: npt.NDArray[np.bool_],
    held_out: npt.NDArray[np.bool_],
    photo_weights: Floats,
) -> tuple[Doubles, Doubles]:
    """Return losses and hits of one size, shape ``(num_tried, num_seeds, n)``, strong to weak.

    Each penalty begins where the stronger one ended: weak ones are slow to solve from nothing.
    """
    num_seeds, n = train.shape
    num_classes = int(labels.max()) + 1
    rows = np.flatnonzero(train.any(axis=0))
    # Few photos need few rows; the variances that precondition the solver stay those of all.
    part = replace(basis, rotated=np.ascontiguousarray(basis.rotated[rows]))
    weights = (train[:, rows] * photo_weights[rows]).T.astype(np.float32)
    weights = np.ascontiguousarray(weights / weights.sum(axis=0))
    size = max(1, _MAX_ELEMENTS // (n * num_classes))
    blocks = [slice(i, i + size) for i in range(0, num_seeds, size)]
    w = np.zeros((len(basis.variances), num_seeds, num_classes), np.float32)
    losses, hits = [], []
    means: list[float] = []
    for l2 in PENALTIES:
        loss, hit = np.zeros((num_seeds, n)), np.zeros((num_seeds, n))
        for block in blocks:
            w[:, block] = solve(
                part, labels[rows], weights[:, block], l2, w[:, block], tolerance=_TOLERANCE
            )
            losses_of, predicted = score_solutions(basis, w[:, block], labels)
            loss[block], hit[block] = losses_of.T, (predicted == labels[:, None]).T
        losses.append(loss)
        hits.append(hit)
        means.append(float(loss[held_out].mean()))
        if means[-1] > min(means) + _HOPELESS and len(means) > 2:
            break
    return np.stack(losses), np.stack(hits)
