"""The best of the strategies that use a pretrained backbone, chosen on photos not learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photograft.core.errors import InputError
from photograft.data.splits import Split
from photograft.selection import Selection
from photograft.strategies import augmented_features
from photograft.strategies.base import Fitted, Job, probabilities
from photograft.strategies.feature_extraction import fit_chosen
from photograft.strategies.fine_tuning import better, tune


def fit(job: Job) -> Fitted:
    """Extract features, then views of them, then fine-tune; keep each only where it is better.

    Where the frozen backbone wins, its head is fitted once more on training and validation photos
    together: they have done their work of choosing, and more photos make a better head.

    Raises:
        InputError: There are no validation photos to choose by.
    """
    if not len(job.split.validation):
        raise InputError(
            "the strategy auto needs validation photos, to choose by",
            fix="Give a share with --validation.",
        )
    job = job.with_config(head="logistic", hidden=(), dropout=0.0)
    choice = augmented_features.choose(job)
    frozen = augmented_features.fit_choice(job, *choice)
    kept = better(job, frozen, tune(job, frozen))
    return kept if kept.classifier.is_trained else _refitted(job, kept, choice[0])


def _refitted(job: Job, frozen: Fitted, chosen: Selection) -> Fitted:
    """Return the frozen backbone's classifier with a head fitted on validation photos as well."""
    split = job.split
    together = np.sort(np.concatenate([split.train, split.validation]))
    nothing = split.validation[:0]
    whole = replace(job, split=Split(together, nothing, nothing))
    tables = augmented_features.view_tables(whole, chosen.num_views - 1)
    classifier = fit_chosen(whole, tables, replace(chosen, basis=None))
    note = (
        f"its head was then fitted on training and validation photos together "
        f"({len(together):,}); the scores on validation are from before that"
    )
    return replace(
        frozen,
        classifier=classifier,
        notes=(*frozen.notes, note),
        validation=probabilities(job, frozen.classifier, "validation"),
    )
