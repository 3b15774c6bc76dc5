"""How long a trial is thought to take, by what is known of others on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from photograft.backbones.costs import costs_of
from photograft.evaluation.comparison.candidates import Candidate
from photograft.evaluation.comparison.trial_store import Trial
from photograft.evaluation.comparison.trials import TrialContext
from photograft.features.extraction import PLAIN, mirrored_view, open_space
from photograft.features.extractor import Extractor
from photograft.learning.head.trying import NUM_FOLDS
from photograft.learning.job import Job
from photograft.learning.strategies import features_augment

#: An epoch takes about as long as looking at the photos so many times, and a fold without epochs so
#: many: for a first guess, before a fold was measured.
_LOOKS_AN_EPOCH = 1.0
_LOOKS_A_FOLD = 2.0


def stored_seconds(
    context: TrialContext,
    candidate: Candidate,
    extractor: Extractor,
    trials: Mapping[str, Trial],
    candidates: Sequence[Candidate],
) -> float:
    """Estimate how long a candidate on stored features takes: what is not stored, and the head."""
    rate, head = _rates(trials, candidates)
    pool = context.pool
    job = Job(pool, context.everything(pool), extractor, None, candidate.config, context.progress)
    views = [PLAIN]
    if candidate.config.strategy == "features+augment":
        views += features_augment.make_views(job, features_augment.augmentation_of(job))
    digests = list({photo.digest for photo in pool.photos})
    seconds = len(views) * head
    for look in extractor.parts or (extractor,):
        seen = [*views, *map(mirrored_view, views)] if look.backbone.mirror else views
        missing = sum(
            len(digests)
            - len(open_space(context.store, look.backbone, look.engine, view).find(digests))
            for view in seen
        )
        seconds += missing * rate * costs_of(replace(look.backbone, mirror=False))[0]
    return seconds


def fold_seconds(
    context: TrialContext,
    candidate: Candidate,
    extractor: Extractor,
    trials: Mapping[str, Trial],
    candidates: Sequence[Candidate],
) -> float:
    """Estimate how long a fold takes: as others of its strategy did, or by the number of epochs."""
    trial = trials.get(candidate.name)
    if trial is not None and trial.done:
        return trial.seconds / len(trial.done)
    photos = len(context.pool.photos) * (1 - 1 / NUM_FOLDS)
    multiply_adds = costs_of(extractor.backbone)[0]
    rates = [photos * _rates(trials, [])[0]]
    for other in candidates:
        known = trials.get(other.name)
        is_alike = other.config.strategy == candidate.config.strategy and not other.is_stored
        # A much smaller network's time is not that of its arithmetic.
        if known is not None and is_alike and known.costs["multiply_adds"] * 4 > multiply_adds:
            looked = known.costs["multiply_adds"] * _looks(other)
            rates.append(known.seconds / len(known.done) / looked)
    # The slowest: what is not begun can be asked for, what was begun in vain is time lost.
    return max(rates) * multiply_adds * _looks(candidate)


def _looks(candidate: Candidate) -> float:
    return _LOOKS_A_FOLD + _LOOKS_AN_EPOCH * candidate.config.loop.epochs


def _rates(trials: Mapping[str, Trial], candidates: Sequence[Candidate]) -> tuple[float, float]:
    """Return the seconds of a multiply-add, and of choosing a head on one view of the photos."""
    stored = {candidate.name for candidate in candidates if candidate.is_stored}
    rates = [
        t.costs["ms_per_photo"] / 1000 / t.costs["multiply_adds"]
        for t in trials.values()
        if t.costs["multiply_adds"]
    ]
    heads = [t.seconds / t.chosen["num_views"] for n, t in trials.items() if n in stored]
    return (float(np.median(rates)) if rates else 0.0, float(np.median(heads)) if heads else 0.0)
