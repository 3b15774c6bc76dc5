"""The best of the strategies that use a pretrained backbone, chosen on photos not learned from."""

from __future__ import annotations

from photograft.core.errors import InputError
from photograft.learning.job import Fitted, Job
from photograft.learning.strategies import features_augment
from photograft.learning.strategies.finetune import better, tune


def fit(job: Job) -> Fitted:
    """Extract features, then views of them, then fine-tune; keep each only where it is better.

    Where the frozen backbone wins, its head is fitted once more on training and validation photos
    together, unless the settings say otherwise: they have done their work of choosing, and more
    photos make a better head.

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
    return kept if kept.classifier.is_trained else features_augment.refit(job, kept, choice[0])
