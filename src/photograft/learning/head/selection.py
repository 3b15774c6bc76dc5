"""Choosing the head by cross-validation: its kind, its layers, its regularisation, or a blend.

Only training photos are looked at. The criterion is the log loss of held-out photos: it moves
smoothly where accuracy moves in jumps, and it is what makes probabilities worth something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Layer
from photograft.core.blas import one_thread
from photograft.core.progress import Progress, Silent
from photograft.core.statistics import standard_error
from photograft.learning.head.basis import Basis
from photograft.learning.head.candidates import Gather, HeadCandidate
from photograft.learning.head.choosing import OutOfFoldScores, choose, held_out
from photograft.learning.head.cross_validation import counted_of, strongest_of_the_best
from photograft.learning.head.trying import (
    NUM_FOLDS,
    NUM_REPEATS,
    Asked,
    LookHeads,
    ask,
    try_look,
)
from photograft.learning.scheduling.judging import Gain


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
        num_learned: Photos that penalties are meant for: more of them bear a weaker one.
        num_views: Rows of each photo that the head learns from.
        judges: Whose photos it was chosen by: ``"train"``, held out in turn, or ``"validation"``.
    """

    members: tuple[Member, ...]
    candidates: tuple[HeadCandidate, ...]
    layers: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    labels: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    held_out: OutOfFoldScores
    num_learned: int
    num_views: int = 1
    judges: str = "train"

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
def settle(
    asked: Asked,
    looks: Sequence[LookHeads],
    *,
    head: str,
    judges: npt.NDArray[np.int64] | None = None,
) -> Selection:
    """Choose from what was tried on one look or on several, whose rows lie side by side.

    Args:
        asked: What all of it was tried on.
        looks: In the order of the joined rows.
        head: As in `select`; heads on several looks are blended in any case.
        judges: Folds by which what was chosen is judged, shape ``(n, r)``, where these are others
            than those that were held out; -1 for photos that are not.
    """
    candidates: list[HeadCandidate] = []
    layers: list[Layer] = []
    start = 0
    for look in looks:
        candidates += [_among_looks(one, look, start) for one in look.candidates]
        start += sum(layer.num_features for layer in look.layers)
        layers += look.layers
    blends = head == "auto" or len(looks) > 1
    counted = counted_of(asked.labels, asked.folds)
    chosen = choose(candidates, asked.labels, counted, blends=blends)
    seen = {name for one in chosen for name in one.candidate.layers}
    whole = len(asked.rows) == asked.num_photos
    return Selection(
        members=tuple(
            Member(
                one.candidate.head,
                one.candidate.layers,
                one.candidate.columns,
                one.point.strength,
                one.weight * one.point.scale,
                one.share,
                one.candidate.basis if whole else None,
            )
            for one in chosen
        ),
        candidates=tuple(one.figures() for one in candidates),
        layers=tuple(layer.name for layer in layers if layer.name in seen),
        columns=np.unique(np.concatenate([one.candidate.columns for one in chosen])),
        labels=asked.labels,
        shares=chosen[0].point.shares,
        held_out=held_out(
            candidates,
            asked.labels,
            asked.rows,
            asked.folds if judges is None else judges,
            blends=blends,
            counted=counted,
        ),
        num_learned=asked.num_photos if whole else len(asked.rows),
        num_views=asked.num_views,
    )


def _among_looks(candidate: HeadCandidate, look: LookHeads, start: int) -> HeadCandidate:
    """Return a candidate of one look with its columns and layers among all looks."""
    ends = np.cumsum([layer.num_features for layer in look.layers])
    numbers = np.unique(np.searchsorted(ends, candidate.columns, side="right"))
    names = tuple(look.layers[i].name for i in numbers.tolist())
    return replace(candidate, layers=names, columns=start + candidate.columns)


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
        backbone_layers: The layers that a stored row consists of, those of one look.
        layers: ``"auto"``, ``"last"``, ``"joined"``, or names with commas between.
        head: ``"logistic"`` or ``"discriminant"``: the best one of that kind; ``"auto"``: a blend
            of both kinds.
        balanced: Give every class the same weight.
        seed: Of the folds.
        num_views: Views of each photo.
        progress: Told how far it is.
    """
    asked = ask(labels, groups, keys, balanced=balanced, seed=seed, num_views=num_views)
    look = try_look(
        asked, gather, backbone_layers, wanted=layers, head=head, progress=progress or Silent()
    )
    return settle(asked, [look], head=head)


def is_better(selection: Selection, other: Selection) -> bool:
    """Return whether a selection is better than another on the same photos, beyond noise."""
    return Gain.of(other.losses, selection.losses, selection.shares).is_real


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
        "num_photos": int(np.count_nonzero(selection.shares)),
        "judges": selection.judges,
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
