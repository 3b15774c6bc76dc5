"""Is the choice a good one: ``python -m benchmarks.choice SOURCE...``, over splits drawn anew.

*Heads.* In each split, heads on the default network's features are chosen and fitted on one half
of some photos and scored on the other, beside each candidate alone at its best strength. The best
fixed candidate is the one that is best on average over all splits, by mistakes or by log loss,
which nobody could know beforehand. A choice is within noise of it where it has no more mistakes on
the split's test, or no higher log loss, beyond two standard errors of the difference.

*Effort.* With ``--draws`` of a split, standard is held against the default of before there were
efforts (one look, a logistic head, training photos alone), on the same test photos. The standard
error of the mean difference allows for tests that overlap (Nadeau & Bengio, 2003).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import report
from photograft.core.arrays import Floats, Indices
from photograft.core.progress import Silent
from photograft.core.statistics import standard_error
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups
from photograft.data.splits import make_folds
from photograft.learning.head.candidates import LOGISTIC, gather_from
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.selection import settle
from photograft.learning.head.trying import LookHeads, ask, try_look
from photograft.learning.job import Job
from photograft.learning.preparation import prepare_dataset
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.registry import find_strategy

_WAYS = {
    "before": {"effort": "quick", "head": "logistic", "final": "train", "validation": 0.15},
    "standard": {"effort": "standard"},
}
_TEST = 0.25
_BEYOND = 2.0


def main() -> None:
    """Judge the choices on each source, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--splits", type=int, default=200, help="Of the choice among heads.")
    parser.add_argument("--photos", type=int, default=200, help="In each of these splits.")
    parser.add_argument("--draws", type=int, default=0, help="Of standard against before.")
    parser.add_argument("--cache", type=Path, help="Where features are kept.")
    options = parser.parse_args()
    store = FeatureStore(options.cache) if options.cache else FeatureStore()
    for source in options.sources:
        dataset = without_split(source)
        if options.splits:
            found = _heads(dataset, store, options.splits, options.photos)
            report("choice of heads", source=source.name, **found)
        if options.draws:
            report("standard", source=source.name, **_efforts(dataset, store, options.draws))


def without_split(source: Path) -> Dataset:
    """Load a source whose splits are drawn here: a given one, and what it doubles, stand aside."""
    dataset = Dataset.load(source, progress=False)
    return replace(dataset, photos=tuple(replace(p, split=None) for p in dataset.photos))


def quick_job(dataset: Dataset, store: FeatureStore) -> Job:
    """Return the preparation of the default network's features alone."""
    config = TrainConfig(effort="quick")
    return prepare_dataset(dataset, config, store=store, progress=Silent(), finds_series=False)


def said_by_heads(job: Job, train: Indices, test: Indices, *, seed: int) -> dict[str, Floats]:
    """Return what heads that learn from some photos say of others, probabilities ``(n, k)``.

    Args:
        job: With the features of all photos.
        train: Places of the photos that heads are chosen and fitted on.
        test: Places of the others.
        seed: Of the folds.

    Returns:
        Of what is chosen by itself (``"chosen"``), of what is chosen among logistic heads alone
        (``"before"``), and of each candidate at its best strength.
    """
    labels, groups = job.dataset.labels[train], content_groups(job.dataset)[train]
    keys = [job.dataset.photos[i].digest for i in train]
    asked = ask(labels, groups, keys, balanced=False, seed=seed)
    gather = gather_from(job.features(), keys)
    layers = job.backbone.layers
    look = try_look(asked, gather, layers, wanted="auto", head="auto", progress=Silent())
    logistic = tuple(one for one in look.candidates if one.head == LOGISTIC)
    tried = {"chosen": ("auto", look), "before": (LOGISTIC, LookHeads(look.layers, logistic))}
    for one in look.candidates:
        tried[f"{one.head} on {len(one.layers)}"] = one.head, LookHeads(look.layers, (one,))
    said = {}
    for name, (head, own) in tried.items():
        selection = settle(asked, [own], head=head)
        fitted = fit_head(gather, selection, labels, balanced=False)
        digests = [job.dataset.photos[i].digest for i in test]
        said[name] = fitted.predict_proba(job.features().rows(digests, selection.columns))
    return said


def _heads(dataset: Dataset, store: FeatureStore, num_splits: int, most: int) -> dict[str, Any]:
    job = quick_job(dataset, store)
    labels, groups = job.dataset.labels, content_groups(job.dataset)
    digests = [photo.digest for photo in job.dataset.photos]
    measures = ("mistakes", "log_loss")
    found: dict[str, dict[str, list[float]]] = {measure: {} for measure in measures}
    worse: dict[str, dict[str, list[bool]]] = {measure: {} for measure in measures}
    for number in range(num_splits):
        rng = np.random.default_rng(number)
        rows = np.sort(rng.permutation(len(labels))[:most])
        half = make_folds(
            labels[rows], groups[rows], [digests[i] for i in rows], num_folds=2, seed=number
        )
        train, test = rows[half == 0], rows[half == 1]
        if len(np.unique(labels[train])) < len(job.dataset.class_names):
            continue
        said = said_by_heads(job, train, test, seed=number)
        tested: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
        for name, own in said.items():
            mistakes = (own.argmax(axis=1) != labels[test]).astype(np.float64)
            tested[name] = {"mistakes": mistakes, "log_loss": log_losses(own, labels[test])}
        for name, by_measure in tested.items():
            for measure, values in by_measure.items():
                difference = tested["chosen"][measure] - values
                shares = np.full(len(values), 1 / len(values))
                noise = standard_error(difference, shares)
                is_worse = bool(difference.mean() > _BEYOND * noise)
                found[measure].setdefault(name, []).append(float(values.mean()))
                worse[measure].setdefault(name, []).append(is_worse)
    result: dict[str, Any] = {"num_splits": len(found["mistakes"]["chosen"])}
    for measure in measures:
        means = {name: float(np.mean(values)) for name, values in found[measure].items()}
        fixed = [name for name in means if name not in ("chosen", "before")]
        best = min(fixed, key=lambda name: means[name])
        result[measure] = {name: round(value, 4) for name, value in means.items()}
        result[f"best_fixed_by_{measure}"] = best
        result[f"within_noise_by_{measure}"] = 1 - float(np.mean(worse[measure][best]))
    return result


def _efforts(dataset: Dataset, store: FeatureStore, num_draws: int) -> dict[str, Any]:
    right: dict[str, list[float]] = {name: [] for name in _WAYS}
    losses: dict[str, list[float]] = {name: [] for name in _WAYS}
    for draw in range(num_draws):
        for name, settings in _WAYS.items():
            config = TrainConfig(seed=draw, test=_TEST, **settings)  # type: ignore[arg-type]
            job = prepare_dataset(dataset, config, store=store, progress=Silent())
            fitted = find_strategy("features")(job)
            said = fitted.as_seen(job).score(fitted.classifier, "test")
            labels = job.labels("test")
            right[name].append(float((said.argmax(axis=1) == labels).mean()))
            losses[name].append(float(log_losses(said, labels).mean()))
    found: dict[str, Any] = {"num_draws": num_draws}
    for what, values in (("accuracy", right), ("log_loss", losses)):
        difference = np.array(values["standard"]) - np.array(values["before"])
        overlap = 1 / num_draws + _TEST / (1 - _TEST)
        found |= {f"{name}_{what}": float(np.mean(own)) for name, own in values.items()}
        found[f"difference_{what}"] = float(difference.mean())
        found[f"difference_{what}_se"] = float(difference.std(ddof=1) * np.sqrt(overlap))
        gain = -difference if what == "log_loss" else difference
        found[f"better_{what}"] = int((gain > 0).sum())
        found[f"worse_{what}"] = int((gain < 0).sum())
    return found


def log_losses(probabilities: Floats, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the log loss of each photo, in nats."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    found: npt.NDArray[np.float64] = -np.log(np.maximum(own, 1e-7))
    return found


if __name__ == "__main__":
    main()
