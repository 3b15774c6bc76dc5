"""Spending a budget of time on the candidates that may still win, the cheap ones first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from photograft.candidates import Candidate, Shelf, Trial
from photograft.choices import STRATEGIES
from photograft.extraction import Extractor
from photograft.features import PLAIN, open_space
from photograft.leaderboard import Row
from photograft.selection import NUM_FOLDS, Selection
from photograft.strategies import augmented_features
from photograft.strategies.base import Job
from photograft.trials import Bench, costs_of, try_folds, try_stored

#: Strategies by what they cost: those after the first have to be worth it.
_ROUNDS = {"features": 0, "features+augment": 1}
_LAST_ROUND = 2

#: An epoch takes about as long as looking at the photos so many times, and a fold without epochs so
#: many: for a first guess, before a fold was measured.
_LOOKS_AN_EPOCH = 1.0
_LOOKS_A_FOLD = 2.0

MakeRows = Callable[[dict[str, Trial], dict[str, str]], list[Row]]


@dataclass
class Found:
    """What a race found out.

    Attributes:
        trials: By the candidates' names; some may lack folds.
        reasons: By name, why a candidate was not tried to the end.
        selections: By name, what heads on stored features are fitted with, where just chosen.
    """

    trials: dict[str, Trial] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    selections: dict[str, Selection] = field(default_factory=dict)


def race(
    bench: Bench,
    candidates: Sequence[Candidate],
    shelf: Shelf,
    make_rows: MakeRows,
    *,
    budget: float,
) -> Found:
    """Try candidates until all are tried, passed over, or the budget is spent.

    Races are from Maron & Moore (1994, "Hoeffding races"): who is already behind beyond noise is
    not tried further. The first candidate is tried whatever the budget.

    Args:
        bench: Where they are tried.
        candidates: At least one.
        shelf: Where their trials are kept.
        make_rows: As `leaderboard.make_rows`, of trials and reasons.
        budget: In seconds.
    """
    found = Found()
    for candidate in candidates:
        known = shelf.load(candidate)
        if known is not None:
            found.trials[candidate.name] = known
    missing = [c for c in candidates if not _is_done(found, c)]
    # Opened at first: weights that are not here are better missed before any work than after it.
    extractors = {c.name: bench.extractor(c) for c in missing}
    costs = {c.name: costs_of(extractors[c.name].backbone)[0] for c in missing}
    missing.sort(key=lambda c: (_round(c), costs[c.name]))
    end = bench.timer() + budget
    for number, candidate in enumerate(missing, 1):
        bench.progress.say(f"{number} of {len(missing)}: {candidate.name}")
        extractor = extractors[candidate.name]
        left = end - bench.timer()
        behind = _behind(candidate, make_rows(found.trials, {}))
        if behind:
            found.reasons[candidate.name] = (
                f"{behind} is worse than the best beyond noise: not worth more time"
            )
        elif candidate.is_stored:
            seconds = _stored_seconds(bench, candidate, extractor, found, candidates)
            if any(t.is_complete for t in found.trials.values()) and seconds > left:
                found.reasons[candidate.name] = _too_long(seconds, left)
                continue
            trial, selection = try_stored(bench, candidate)
            found.selections[candidate.name] = selection
            _keep(found, candidate, trial, shelf)
        else:
            _try_folds(bench, candidate, found, end, shelf, make_rows)
    return found


def _try_folds(
    bench: Bench,
    candidate: Candidate,
    found: Found,
    end: float,
    shelf: Shelf,
    make_rows: MakeRows,
) -> None:
    """Train a candidate fold by fold while it may still win and there is time."""
    before = found.trials.get(candidate.name)
    seconds = _fold_seconds(bench, candidate, found, before)
    is_first = not any(t.is_complete for t in found.trials.values())
    if seconds > end - bench.timer() and not is_first:
        found.reasons[candidate.name] = _too_long(seconds, end - bench.timer(), "a fold")
        return
    for trial in try_folds(bench, candidate, before):
        _keep(found, candidate, trial, shelf)
        if trial.is_complete:
            return
        if _is_behind(candidate.name, found, make_rows):
            found.reasons[candidate.name] = (
                f"after {len(trial.done)} of {trial.wanted} folds it is behind beyond noise"
            )
            return
        seconds, left = trial.seconds / len(trial.done), end - bench.timer()
        if seconds > left and not is_first:
            found.reasons[candidate.name] = _too_long(seconds, left, "a further fold")
            return


def _keep(
    found: Found,
    candidate: Candidate,
    trial: Trial,
    shelf: Shelf,
) -> None:
    shelf.save(candidate, trial)
    found.trials[candidate.name] = trial


def _is_done(found: Found, candidate: Candidate) -> bool:
    trial = found.trials.get(candidate.name)
    return trial is not None and trial.is_complete


def _round(candidate: Candidate) -> int:
    if candidate.recipe:
        return _LAST_ROUND
    return _ROUNDS.get(candidate.config.strategy, _LAST_ROUND)


def _behind(candidate: Candidate, rows: Sequence[Row]) -> str:
    """Return a cheaper strategy on the same backbone that is worse than the best; or nothing."""
    if candidate.recipe or candidate.config.strategy == "scratch":
        return ""
    order = STRATEGIES.index(candidate.config.strategy)
    for row in rows:
        same = row["backbone"] == candidate.config.backbone and not row["recipe"]
        if same and row["verdict"] == "worse" and STRATEGIES.index(row["strategy"]) < order:
            return str(row["id"])
    return ""


def _is_behind(name: str, found: Found, make_rows: MakeRows) -> bool:
    """Return whether a candidate is worse already on the folds that it was tried on."""
    trials = {n: t for n, t in found.trials.items() if t.is_complete}
    # As if it were complete: whom it is compared with has been tested on these folds, too.
    own = found.trials[name]
    trials[name] = Trial(**{**vars(own), "wanted": len(own.done)})
    row = next(row for row in make_rows(trials, {}) if row["id"] == name)
    return bool(row["verdict"] == "worse")


def _stored_seconds(
    bench: Bench,
    candidate: Candidate,
    extractor: Extractor,
    found: Found,
    candidates: Sequence[Candidate],
) -> float:
    """Estimate how long a candidate on stored features takes: what is not stored, and the head."""
    rate, head = _rates(found, candidates)
    pool = bench.pool
    job = Job(pool, bench.everything(pool), extractor, None, candidate.config, bench.progress)
    views = [PLAIN]
    if candidate.config.strategy == "features+augment":
        views += augmented_features.make_views(job, augmented_features.augmentation_of(job))
    digests = list({photo.digest for photo in pool.photos})
    backbone, engine = extractor.backbone, extractor.engine
    missing = sum(
        len(digests) - len(open_space(bench.store, backbone, engine, view).find(digests))
        for view in views
    )
    return missing * rate * costs_of(backbone)[0] + len(views) * head


def _fold_seconds(bench: Bench, candidate: Candidate, found: Found, trial: Trial | None) -> float:
    """Estimate how long a fold takes: as the others did, or from the number of epochs."""
    if trial is not None and trial.done:
        return trial.seconds / len(trial.done)
    rate, _ = _rates(found, [])
    extractor = bench.extractor(candidate)
    looks = _LOOKS_A_FOLD + _LOOKS_AN_EPOCH * candidate.config.loop.epochs
    photos = len(bench.pool.photos) * (1 - 1 / NUM_FOLDS)
    return photos * looks * rate * costs_of(extractor.backbone)[0]


def _rates(found: Found, candidates: Sequence[Candidate]) -> tuple[float, float]:
    """Return the seconds of a multiply-add, and of choosing a head on one view of the photos."""
    stored = {candidate.name for candidate in candidates if candidate.is_stored}
    rates = [
        t.costs["ms_per_photo"] / 1000 / t.costs["multiply_adds"]
        for t in found.trials.values()
        if t.costs["multiply_adds"]
    ]
    heads = [t.seconds / t.chosen["num_views"] for n, t in found.trials.items() if n in stored]
    return (float(np.median(rates)) if rates else 0.0, float(np.median(heads)) if heads else 0.0)


def _too_long(seconds: float, left: float, what: str = "it") -> str:
    return f"{what} would take about {_time(seconds)}, and {_time(max(left, 0))} are left"


def _time(seconds: float) -> str:
    """Return a span of time for people.

    >>> _time(45), _time(600)
    ('45 s', '10 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
