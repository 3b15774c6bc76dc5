"""The best of the strategies that use a pretrained backbone, chosen on photos not learned from."""

from __future__ import annotations

from dataclasses import replace

from photograft.core.errors import InputError
from photograft.learning.head.selection import Selection
from photograft.learning.job import Fitted, Job
from photograft.learning.strategies import features_augment
from photograft.learning.strategies.features import fit_chosen, refitted_note, whole_of
from photograft.learning.strategies.finetune import better, tune


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
    job = job.with_config(head="auto", hidden=(), dropout=0.0)
    choice = features_augment.choose(job)
    frozen = features_augment.fit_choice(job, *choice)
    kept = better(job, frozen, tune(job, frozen))
    return kept if kept.classifier.is_trained else _refitted(job, kept, choice[0])


def _refitted(job: Job, frozen: Fitted, chosen: Selection) -> Fitted:
    """Return the frozen backbone's classifier with a head fitted on validation photos as well."""
    whole = whole_of(job)
    tables = features_augment.view_tables(whole, chosen.num_views - 1)
    classifier = fit_chosen(whole, tables, chosen)
    return replace(
        frozen,
        classifier=classifier,
        notes=(*frozen.notes, refitted_note(job)),
        before_refit=job.score(frozen.classifier, "validation"),
        has_learned_validation=True,
    )
