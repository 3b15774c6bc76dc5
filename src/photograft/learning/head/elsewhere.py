"""Validation photos from elsewhere: told by how much worse they are classified, and heard.

Cross-validation within the training photos says how new photos of the same kind are classified:
from the same cameras, places, days. Where validation photos come from others, it flatters, and what
it chooses is too sure of itself. Then the validation photos choose: kind of head, layers,
regularisation, and how sure the head may be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from photograft.core.arrays import Floats
from photograft.core.feature_table import Table
from photograft.core.progress import Progress
from photograft.core.text import count, percent
from photograft.data.splits import make_folds
from photograft.features.extractor import Extractor
from photograft.learning.head.candidates import gather_from
from photograft.learning.head.selection import Selection, settle
from photograft.learning.head.solver import photo_weights
from photograft.learning.head.trying import NUM_FOLDS, Asked, try_looks
from photograft.learning.job import Job

#: Validation photos, groups of them counted once, that can disagree, at least.
_ENOUGH = 20
#: Standard errors that count: one split at random in a thousand is further off.
_BEYOND = 3.1


@dataclass(frozen=True)
class Disagreement:
    """How far validation photos are from what cross-validation says of training photos.

    Attributes:
        cross_validated: Accuracy of held-out training photos.
        validation: Of validation photos.
        num_validation: How many of these there are.
    """

    cross_validated: float
    validation: float
    num_validation: int

    @property
    def sentence(self) -> str:
        """What the user should know."""
        return (
            f"within the training photos {percent(self.cross_validated)} of held-out ones are "
            f"right, on the {count(self.num_validation, 'validation photo')} "
            f"{percent(self.validation)}: these are from elsewhere. Expect the latter; they "
            "decided on the head and on how sure it may be"
        )


def disagreement(selection: Selection, job: Job, probabilities: Floats) -> Disagreement | None:
    """Return how far validation is from cross-validation, where it is worse beyond noise.

    Args:
        selection: By cross-validation of the training photos.
        job: Its validation photos are asked.
        probabilities: What a classifier that did not learn from them says of them, shape
            ``(n, num_classes)``.
    """
    labels = job.labels("validation")
    # Photos of a group are right or wrong together: on either side it counts once.
    m = len(np.unique(job.groups("validation")))
    n = len(np.unique(job.groups("train")[selection.held_out.rows]))
    if m < _ENOUGH:
        return None
    validation = float((probabilities.argmax(axis=1) == labels).mean())
    held_out = selection.accuracy
    # Under the hypothesis that both are of one kind.
    pooled = (held_out * n + validation * m) / (n + m)
    noise = math.sqrt(max(pooled * (1 - pooled), 0.5 / n) * (1 / n + 1 / m))
    if held_out - validation <= _BEYOND * noise:
        return None
    return Disagreement(held_out, validation, len(labels))


def choose_by_validation(
    job: Job, extractor: Extractor, table: Table, progress: Progress
) -> Selection:
    """Choose a head by validation photos: what is learned from training photos is judged by them.

    Args:
        job: Its training and validation photos.
        extractor: What looked at them.
        table: The features of all of them.
        progress: Told how far it is.

    Returns:
        A selection whose photos are those of training and then those of validation; only the latter
        are scored, each by what the others chose.
    """
    train, validation = job.digests("train"), job.digests("validation")
    digests = [*train, *validation]
    labels = np.concatenate([job.labels("train"), job.labels("validation")])
    first = len(train)
    folds = np.full((len(labels), 1), -1, np.int64)
    folds[first:] = 0
    judges = np.full((len(labels), 1), -1, np.int64)
    judges[first:, 0] = make_folds(
        labels[first:],
        job.groups("validation"),
        validation,
        num_folds=NUM_FOLDS,
        seed=job.config.seed,
    )
    asked = Asked(
        np.arange(len(labels)),
        len(labels),
        labels,
        folds,
        photo_weights(labels, balanced=job.config.class_weight == "balanced"),
        1,
    )
    looks = try_looks(
        asked,
        gather_from(table, digests),
        extractor.backbone,
        wanted=job.config.layer,
        head=job.config.head,
        progress=progress,
    )
    found = settle(asked, looks, head=job.config.head, judges=judges)
    # What was tried learned from the training photos alone.
    members = tuple(replace(member, basis=None) for member in found.members)
    return replace(found, members=members, num_learned=first, judges="validation")
