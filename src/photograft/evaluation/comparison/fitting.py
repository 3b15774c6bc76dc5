"""Fitting the candidate that a comparison chose, on all photos but those of the test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photograft.data.dataset import Dataset
from photograft.data.splits import Split
from photograft.evaluation.comparison.candidates import Candidate
from photograft.evaluation.comparison.trials import TrialContext, places_of, try_stored
from photograft.learning.head.selection import Selection, to_json
from photograft.learning.job import Fitted, Job, OutOfFold
from photograft.learning.preparation import prepare_dataset
from photograft.learning.strategies import features_augment
from photograft.learning.strategies.features import count_params, fit_chosen
from photograft.learning.strategies.registry import find_strategy


def fit_for_good(
    context: TrialContext,
    dataset: Dataset,
    split: Split,
    chosen: Candidate,
    selection: Selection | None,
    verdict: str,
) -> tuple[Job, Fitted]:
    """Fit the chosen candidate: a head on all photos but the test's, a network as `train` does.

    Args:
        context: Where it was tried.
        dataset: The photos, those of the test among them.
        split: Theirs.
        chosen: The candidate.
        selection: What its trial chose, where that was just now; it is tried again otherwise.
        verdict: Why it was chosen, for the record.

    Raises:
        InputError: It can't learn from these photos.
    """
    config, notes = chosen.config, (f"chosen by comparison: {verdict}",)
    if not chosen.is_stored:
        job = prepare_dataset(
            dataset, config, store=context.store, progress=context.progress, finds_series=False
        )
        fitted = find_strategy(config.strategy)(job)
        return job, replace(fitted, notes=(*fitted.notes, *notes))
    if selection is None:
        selection = try_stored(context, chosen)[1]
    extractor = context.extractor(chosen)
    table, failures, extractor = extractor.extract(dataset.photos)
    clean = dataset.without(failures)
    # By their places: a name may stand for several photos, of other labels and parts.
    places = places_of(dataset, clean)
    pool = np.concatenate([split.train, split.validation])
    train, held = (np.flatnonzero(np.isin(places, part)) for part in (pool, split.test))
    whole = replace(split, train=train, validation=train[:0], test=held)
    job = Job(clean, whole, extractor, table, config, context.progress)
    tables = features_augment.view_tables(job) if selection.num_views > 1 else [table]
    classifier = fit_chosen(job, tables, selection)
    params = count_params(job, classifier.head)
    fitted = Fitted(
        classifier,
        config.strategy,
        to_json(selection),
        notes=notes,
        params=params,
        out_of_fold=OutOfFold.of(selection),
    )
    return job, fitted
