"""Whose photos judge looks and heads: those of training, held out in turn, or of validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from photograft.data.photo import Photo
from photograft.data.splits import make_folds
from photograft.learning.head.sampling import sample_photos
from photograft.learning.head.selection import Selection, settle
from photograft.learning.head.solver import photo_weights
from photograft.learning.head.trying import NUM_FOLDS, SELECTION_PHOTOS, Asked, LookHeads, ask
from photograft.learning.job import Job


@dataclass(frozen=True)
class Panel:
    """Photos that heads are learned from, and those that judge them.

    Attributes:
        photos: All of them.
        digests: Theirs; rows that are asked for are places among them.
        asked: Which of them are held out of what.
        judges: ``"train"``: each is held out in turn; or ``"validation"``: the last ones only
            judge, what is learned from the others.
        folds: By which those of validation are judged, as in `settle`; None where all are.
    """

    photos: Sequence[Photo]
    digests: list[bytes]
    asked: Asked
    judges: str = "train"
    folds: npt.NDArray[np.int64] | None = None

    def settle(self, looks: Sequence[LookHeads], head: str) -> Selection:
        """Choose among heads that were tried on these photos; see `settle`."""
        found = settle(self.asked, looks, head=head, judges=self.folds)
        if self.folds is None:
            return found
        # What was tried learned from the training photos alone, and not from all of these.
        members = tuple(replace(member, basis=None) for member in found.members)
        learned = int(np.count_nonzero(self.folds[:, 0] < 0))
        return replace(found, members=members, num_learned=learned, judges=self.judges)


def of_training(job: Job, most: int | None = None) -> Panel:
    """Return a panel of the training photos.

    Args:
        job: The photos.
        most: Of a sample of about so many; of all of them where not given.
    """
    labels, groups, digests = job.labels("train"), job.groups("train"), job.digests("train")
    rows = np.arange(len(labels))
    if most is not None:
        rows = sample_photos(labels, groups, digests, job.config.seed, most)
    own = [digests[i] for i in rows.tolist()]
    asked = ask(
        labels[rows],
        groups[rows],
        own,
        balanced=job.config.class_weight == "balanced",
        seed=job.config.seed,
    )
    return Panel(job.photos("train").take(rows), own, asked)


def of_validation(job: Job, most: int | None = None) -> Panel:
    """Return a panel of training photos to learn from, and validation photos to judge.

    Each fifth of the latter is judged by what the other four chose.

    Args:
        job: The photos.
        most: Of a sample of about so many of either; of all of validation where not given, and of
            as many of training as heads are chosen on.
    """
    seed, labels, taken = job.config.seed, [], []
    for part, limit in (("train", most or SELECTION_PHOTOS), ("validation", most)):
        own, groups = job.labels(part), job.groups(part)
        rows = np.arange(len(own))
        if limit is not None:
            rows = sample_photos(own, groups, job.digests(part), seed, limit)
        labels.append(own[rows])
        taken.append(rows)
    photos = [
        job.photos(part).take(rows)
        for part, rows in zip(("train", "validation"), taken, strict=True)
    ]
    first, last = len(taken[0]), len(taken[1])
    digests = [photo.digest for part in photos for photo in part]
    together = np.concatenate(labels)
    held = np.full((first + last, 1), -1, np.int64)
    judges = held.copy()
    held[first:] = 0
    judges[first:, 0] = make_folds(
        labels[1],
        job.groups("validation")[taken[1]],
        digests[first:],
        num_folds=NUM_FOLDS,
        seed=seed,
    )
    asked = Asked(
        np.arange(first + last),
        first + last,
        together,
        held,
        photo_weights(together, balanced=job.config.class_weight == "balanced"),
        1,
    )
    return Panel([*photos[0], *photos[1]], digests, asked, "validation", judges)
