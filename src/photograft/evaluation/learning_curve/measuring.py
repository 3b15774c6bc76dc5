"""How many more photos it takes: accuracy by number of photos, measured and extrapolated.

It is the curve of the logistic head on the stored features of one set of layers: the last one, or
those that the settings name. The training and validation photos are used together; the test part is
never touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Doubles
from photograft.core.progress import Progress
from photograft.core.schema import check_range
from photograft.data.splits import make_folds
from photograft.evaluation.learning_curve.curve import ClassGain, Forecast, LearningCurve
from photograft.evaluation.learning_curve.extrapolation import (
    LEVEL,
    Extrapolation,
    extrapolate,
    measure_noise,
)
from photograft.evaluation.learning_curve.subsets import NUM_FOLDS, Measured, make_subsets, measure
from photograft.features.layers import layer_sets
from photograft.learning.head.basis import make_basis
from photograft.learning.head.solver import photo_weights
from photograft.learning.job import Job

#: Two deals of the photos into folds, so that each photo is scored twice; one deal where photos
#: times classes are so many that it would take minutes.
NUM_SEEDS, FEWER_SEEDS, _MANY = 10, 5, 20_000
#: How many times as many photos are asked about.
MULTIPLES = (1.5, 2.0, 4.0, 10.0)
#: More photos than these are not looked at; the curve ends there, and is extrapolated from there.
MOST_PHOTOS = 20_000
#: A class is named where its gain is this surely above that of the others, and this large.
_SURE, _WORTHWHILE = 0.8, 0.005
_BAND_POINTS = 24


def measure_learning_curve(
    job: Job,
    *,
    num_seeds: int | None = None,
    seed: int = 0,
    multiples: Sequence[float] = MULTIPLES,
    progress: Progress | None = None,
) -> LearningCurve:
    """Measure the learning curve of a head, and extrapolate it.

    Args:
        job: Photos, split and features, as `preparation.prepare` gives them.
        num_seeds: Held-out parts, 1 to 100; each five of them hold out every photo once. None for
            ten, or five where photos × classes are above 20,000.
        seed: Of the held-out parts, the subsets and the intervals.
        multiples: How many times as many photos to extrapolate to, 1 to 1,000.
        progress: Told how far it is; the job's where not given.

    Raises:
        InputError: A number is out of its range.
        DatasetError: Nothing can be held out with something left to learn from.
    """
    check_range("seeds", 1 if num_seeds is None else num_seeds, 1, 100)
    for multiple in multiples:
        check_range("multiple", multiple, 1, 1000)
    labels, groups = (
        np.concatenate([of(part) for part in ("train", "validation")])
        for of in (job.labels, job.groups)
    )
    digests = job.digests("train") + job.digests("validation")
    if len(digests) > MOST_PHOTOS:
        share = -(-len(digests) // MOST_PHOTOS)
        folds = make_folds(labels, groups, digests, num_folds=share, seed=seed)
        rows = np.flatnonzero(folds == 0)
        labels, groups, digests = labels[rows], groups[rows], [digests[i] for i in rows]
    if num_seeds is None:
        num_seeds = FEWER_SEEDS if len(digests) * job.num_classes > _MANY else NUM_SEEDS
    subsets = make_subsets(labels, groups, digests, num_seeds=num_seeds, seed=seed)
    wanted = "last" if job.config.layer == "auto" else job.config.layer
    layers, columns = layer_sets(job.backbone.layers, wanted)[-1]
    table = job.features()
    basis = make_basis(lambda s: table.rows(digests[s], columns), len(digests), len(columns))
    weights = photo_weights(labels, balanced=job.config.class_weight == "balanced")
    measured = measure(basis, labels, subsets, weights, progress=progress or job.progress)
    everything = np.ones(len(labels), np.bool_)
    overall, ahead = _extrapolated(measured, groups, everything, multiples, seed)
    _, band = _extrapolated(
        measured, groups, everything, np.geomspace(1, max(*multiples, 2), _BAND_POINTS), seed
    )
    by_seed = np.stack([_by_seed(measured.hits, labels == c) for c in range(job.num_classes)], 2)
    gains, recalls = _class_gains(measured, labels, groups, job.dataset.class_names, seed)
    return LearningCurve(
        name=job.dataset.name,
        backbone=job.backbone.name,
        layers=layers,
        class_names=tuple(job.dataset.class_names),
        num_photos=len(labels),
        sizes=subsets.sizes,
        accuracy=_by_seed(measured.hits, everything),
        log_loss=_by_seed(measured.losses, everything),
        recall=recalls,
        recall_by_seed=by_seed,
        penalties=measured.penalties,
        overall=1 - overall,
        forecasts=_forecasts(multiples, ahead),
        classes=gains,
        band=_forecasts(ahead=band, multiples=band.sizes / subsets.sizes[-1]),
    )


def _extrapolated(
    measured: Measured,
    groups: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.bool_],
    multiples: Sequence[float] | Doubles,
    seed: int,
) -> tuple[Doubles, Extrapolation]:
    """Return the chosen photos' error rates, and where they may go."""
    held_out = measured.subsets.held_out
    scored = chosen & held_out.any(axis=0)
    wrong = 1 - np.nanmean(measured.hits[:, :, scored], axis=1)
    counts = held_out[:, scored].sum(axis=1)
    by_seed = 1 - _by_seed(measured.hits, chosen)[:, counts > 0]
    noise = measure_noise(
        wrong,
        groups[scored],
        by_seed,
        num_by_seed=float(counts[counts > 0].mean()),
        held_out=1 / NUM_FOLDS,
    )
    error = wrong.mean(axis=1)
    sizes = measured.subsets.sizes
    # Photos of a group are right or wrong together: so many of them are as good as one.
    independent = len(np.unique(groups[scored]))
    times = np.asarray(multiples, np.float64)
    found = extrapolate(
        sizes, error, noise, sizes[-1] * times, num_scored=independent * times, seed=seed
    )
    return error, found


def _class_gains(
    measured: Measured,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    names: Sequence[str],
    seed: int,
) -> tuple[tuple[ClassGain, ...], Doubles]:
    """Return each class's gain by twice the photos, the largest first, and recalls ``(s, k)``."""
    k = len(names)
    scored = measured.subsets.held_out.any(axis=0)
    recalls = np.full((len(measured.subsets.sizes), k), np.nan)
    draws: dict[int, Doubles] = {}
    for c in range(k):
        if (scored & (labels == c)).any():
            # Another seed for each, so that their draws are independent and can be compared.
            error, found = _extrapolated(measured, groups, labels == c, [2.0], seed * k + c)
            recalls[:, c] = 1 - error
            draws[c] = found.now - found.draws[:, 0]
    named = _most_to_gain(draws)
    gains = []
    tail = (1 - LEVEL) / 2
    for c, name in enumerate(names):
        own = draws.get(c, np.zeros(1))
        low, gain, high = (float(q) for q in np.quantile(own, (tail, 0.5, 1 - tail)))
        recall = float(recalls[-1, c]) if c in draws else None
        count = int(np.count_nonzero(labels == c))
        gains.append(ClassGain(name, count, recall, gain, low, high, c in named))
    return tuple(sorted(gains, key=lambda g: (not g.stands_out, -g.gain, g.name))), recalls


def _most_to_gain(draws: dict[int, Doubles]) -> set[int]:
    """Return the fewest classes, half of them at most, that surely gain more than all others do.

    Surely: each of them more than each of the others, in `_SURE` of the draws.
    """
    gains = {c: float(np.median(own)) for c, own in draws.items()}
    order = sorted(draws, key=lambda c: (-gains[c], c))
    for m in range(1, min((len(order) + 1) // 2, len(order) - 1) + 1):
        named, others = order[:m], order[m:]
        if gains[named[-1]] < _WORTHWHILE:
            break
        if all((draws[c] > draws[o]).mean() >= _SURE for c in named for o in others):
            return set(named)
    return set()


def _forecasts(multiples: Sequence[float] | Doubles, ahead: Extrapolation) -> tuple[Forecast, ...]:
    return tuple(
        Forecast(float(m), round(n), 1 - float(middle), 1 - float(high), 1 - float(low))
        for m, n, middle, low, high in zip(
            multiples, ahead.sizes, ahead.median, ahead.low, ahead.high, strict=True
        )
    )


def _by_seed(values: Doubles, chosen: npt.NDArray[np.bool_]) -> Doubles:
    """Return each seed's mean over the chosen photos that it held out; NaN where none."""
    own = values[:, :, chosen]
    counts = np.isfinite(own).sum(axis=2)
    means: Doubles = np.where(counts > 0, np.nansum(own, axis=2) / np.maximum(counts, 1), np.nan)
    return means
