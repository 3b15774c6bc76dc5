"""Choosing the head by cross-validation: its kind, its layers, its regularisation, or a blend.

Only training photos are looked at. The criterion is the log loss of held-out photos: it moves
smoothly where accuracy moves in jumps, and it is what makes probabilities worth something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Layer
from photograft.core.blas import one_thread
from photograft.core.progress import Progress, Silent
from photograft.core.statistics import NEGLIGIBLE, standard_error
from photograft.learning.head.basis import Basis
from photograft.learning.head.candidates import KINDS, Gather, HeadCandidate, Question, try_heads
from photograft.learning.head.choosing import OutOfFoldScores, choose, held_out
from photograft.learning.head.cross_validation import strongest_of_the_best
from photograft.learning.head.out_of_fold import repeated_folds
from photograft.learning.head.sampling import sample_photos
from photograft.learning.head.solver import photo_weights

NUM_FOLDS = 5
NUM_REPEATS = 2

#: The choice is made on at most this many photos (and ten a class), the head fitted on all.
SELECTION_PHOTOS = 5000
#: And on at most this many rows, where photos have several views.
SELECTION_ROWS = 15_000


@dataclass(frozen=True)
class Member:
    """A head that was chosen, alone or as a part of a blend.

    Attributes:
        head: ``"logistic"`` or ``"discriminant"``.
        layers: Names of the layers that it sees.
        columns: Theirs in the stored features, in the order of the basis.
        strength: Its penalty, or the share by which its covariance is shrunk.
        weight: What its logits are multiplied by.
        share: Of the blend, in (0, 1]: what it brings to the logits, by their spread.
        basis: Of its features of all training photos, where it was chosen on all of them.
    """

    head: str
    layers: tuple[str, ...]
    columns: npt.NDArray[np.intp] = field(repr=False)
    strength: float
    weight: float
    share: float
    basis: Basis | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Selection:
    """What was chosen, and what from.

    Attributes:
        members: The chosen head, or those that are blended.
        candidates: All that were tried; their figures alone.
        layers: Names of the layers that the members see, in the order of the stored features.
        columns: Theirs in the stored features.
        labels: Of the photos that the choice was made on, shape ``(num_photos,)``.
        shares: Their weights, summing to 1.
        held_out: The honest scores of choosing and fitting as is done here.
        num_views: Rows of each photo that the head learns from.
    """

    members: tuple[Member, ...]
    candidates: tuple[HeadCandidate, ...]
    layers: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    labels: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    held_out: OutOfFoldScores
    num_views: int = 1

    @property
    def num_photos(self) -> int:
        """Photos that the choice was made on."""
        return len(self.labels)

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """Honest held-out log loss of each of the photos, shape ``(num_photos,)``."""
        found: npt.NDArray[np.float64] = self.held_out.losses.mean(axis=1)
        return found

    @property
    def log_loss(self) -> float:
        """Their weighted mean, in nats."""
        return float(self.losses @ self.shares)

    @property
    def accuracy(self) -> float:
        """Honest held-out accuracy, likewise."""
        hits = self.held_out.predicted == self.labels[:, None]
        return float(hits.mean(axis=1) @ self.shares)


@one_thread()
def select(
    gather: Gather,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    *,
    backbone_layers: Sequence[Layer],
    layers: str,
    head: str = "auto",
    balanced: bool,
    seed: int,
    num_views: int = 1,
    progress: Progress | None = None,
) -> Selection:
    """Choose a head, or a blend of heads, by repeated, stratified, grouped cross-validation.

    Views of a photo are on the same side of every fold: a head learns from all views of the other
    photos, and is scored on the plain view of those held out.

    Args:
        gather: Gives the stored features of the training photos; row ``v * n + i`` is view `v` of
            photo `i`, and view 0 is the plain one.
        labels: Class indices of the training photos, shape ``(n,)``.
        groups: Their groups, shape ``(n,)``; a group is never split across folds.
        keys: Their content digests.
        backbone_layers: The layers that a stored row consists of.
        layers: ``"auto"``, ``"last"``, ``"joined"``, or names with commas between.
        head: ``"logistic"`` or ``"discriminant"``: the best one of that kind; ``"auto"``: a blend
            of both kinds.
        balanced: Give every class the same weight.
        seed: Of the folds.
        num_views: Views of each photo.
        progress: Told how far it is.
    """
    num_photos = len(labels)
    most = min(SELECTION_PHOTOS, max(SELECTION_ROWS // num_views, 1))
    rows = sample_photos(labels, groups, keys, seed, most)
    labels, groups = labels[rows], groups[rows]
    keys = [keys[i] for i in rows]
    folds = repeated_folds(
        labels, groups, keys, num_folds=NUM_FOLDS, num_repeats=NUM_REPEATS, seed=seed
    )
    question = Question(
        gather,
        with_views(rows, num_photos, num_views),
        labels,
        folds,
        photo_weights(labels, balanced=balanced),
    )
    candidates = try_heads(question, backbone_layers, layers, KINDS[head], progress or Silent())
    chosen = choose(candidates, labels, blends=head == "auto")
    columns = np.unique(np.concatenate([one.candidate.columns for one in chosen]))
    seen = {name for one in chosen for name in one.candidate.layers}
    return Selection(
        members=tuple(
            Member(
                one.candidate.head,
                one.candidate.layers,
                one.candidate.columns,
                one.point.strength,
                one.weight * one.point.scale,
                one.share,
                one.candidate.basis if len(rows) == num_photos else None,
            )
            for one in chosen
        ),
        candidates=tuple(one.figures() for one in candidates),
        layers=tuple(layer.name for layer in backbone_layers if layer.name in seen),
        columns=columns,
        labels=labels,
        shares=chosen[0].point.shares,
        held_out=held_out(candidates, labels, rows, folds, blends=head == "auto"),
        num_views=num_views,
    )


def is_better(selection: Selection, other: Selection) -> bool:
    """Return whether a selection is better than another on the same photos, beyond noise."""
    difference = other.losses - selection.losses
    noise = standard_error(difference, selection.shares)
    return bool(difference @ selection.shares > max(noise, NEGLIGIBLE))


def with_views(
    photos: npt.NDArray[np.intp], num_photos: int, num_views: int
) -> npt.NDArray[np.intp]:
    """Return the rows of all views of some photos, those of the first view first."""
    return (np.arange(num_views)[:, None] * num_photos + photos).ravel()


def to_json(selection: Selection) -> dict[str, Any]:
    """Return a selection as plain JSON types."""
    return {
        "chosen": {
            "layers": list(selection.layers),
            "num_features": len(selection.columns),
            "log_loss": selection.log_loss,
            "log_loss_se": standard_error(selection.losses, selection.shares),
            "accuracy": selection.accuracy,
            "heads": [
                {
                    "head": member.head,
                    "layers": list(member.layers),
                    "strength": member.strength,
                    "share": member.share,
                }
                for member in selection.members
            ],
        },
        "candidates": [_row(candidate) for candidate in selection.candidates],
        "num_photos": selection.num_photos,
        "num_folds": NUM_FOLDS,
        "num_repeats": NUM_REPEATS,
    }


def _row(candidate: HeadCandidate) -> dict[str, Any]:
    point = strongest_of_the_best(candidate.path)
    return {
        "head": candidate.head,
        "layers": list(candidate.layers),
        "num_features": len(candidate.columns),
        "strength": point.strength,
        "log_loss": point.log_loss,
        "log_loss_se": point.log_loss_se,
        "accuracy": point.accuracy,
        "path": [[p.strength, p.log_loss, p.accuracy] for p in candidate.path],
    }
