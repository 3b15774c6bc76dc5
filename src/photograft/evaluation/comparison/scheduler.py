"""Spending a budget of time on the candidates that may still win, the cheap ones first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from photograft.backbones.costs import costs_of
from photograft.core.choices import STRATEGIES
from photograft.core.deadline import BudgetSpentError, Until
from photograft.core.errors import ConversionError, InputError, PhotograftError, WeightsError
from photograft.core.text import rough_duration
from photograft.evaluation.comparison.candidates import Candidate
from photograft.evaluation.comparison.leaderboard import Row
from photograft.evaluation.comparison.trial_store import Trial, TrialStore
from photograft.evaluation.comparison.trials import TrialContext, try_folds, try_stored
from photograft.features.extraction import PLAIN, mirrored_view, open_space
from photograft.features.extractor import Extractor
from photograft.learning.head.selection import Selection
from photograft.learning.head.trying import NUM_FOLDS
from photograft.learning.job import Job
from photograft.learning.strategies import features_augment

#: Strategies by what they cost: those after the first have to be worth it.
_ROUNDS = {"features": 0, "features+augment": 1}
_LAST_ROUND = 2

#: An epoch takes about as long as looking at the photos so many times, and a fold without epochs so
#: many: for a first guess, before a fold was measured.
_LOOKS_AN_EPOCH = 1.0
_LOOKS_A_FOLD = 2.0

_SPENT = "the budget was spent in the middle of it: with a larger one it goes on from there"

MakeRows = Callable[[dict[str, Trial], dict[str, str]], list[Row]]


@dataclass
class Found:
    """What trials found out.

    Attributes:
        trials: By the candidates' names; some may lack folds.
        reasons: By name, why a candidate was not tried to the end.
        selections: By name, what heads on stored features are fitted with, where just chosen.
    """

    trials: dict[str, Trial] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    selections: dict[str, Selection] = field(default_factory=dict)


def run_trials(
    context: TrialContext,
    candidates: Sequence[Candidate],
    trial_store: TrialStore,
    make_rows: MakeRows,
    *,
    budget: float,
) -> Found:
    """Try candidates until all are tried, passed over, or the budget is spent.

    Races are from Maron & Moore (1994, "Hoeffding races"): who is already behind beyond noise is
    not tried further. The first candidate is tried whatever the budget; any other one is stopped
    when it is spent. One that can't learn from these photos, or whose weights can't be fetched, is
    left out.

    Args:
        context: Where they are tried.
        candidates: At least one.
        trial_store: Where their trials are kept.
        make_rows: As `leaderboard.make_rows`, of trials and reasons.
        budget: In seconds.

    Raises:
        WeightsError: No candidate's weights are here or can be fetched.
        InputError: No candidate can learn from these photos.
    """
    found = Found()
    for candidate in candidates:
        known = trial_store.load(candidate)
        if known is not None:
            found.trials[candidate.name] = known
            context.times.setdefault(candidate.network, known.costs["ms_per_photo"])
    missing = [c for c in candidates if not _is_done(found, c)]
    # Opened at first: weights that are not here are better missed before any work than after it.
    extractors = _open(context, missing, found)
    missing = [c for c in missing if c.name in extractors]
    costs = {c.name: costs_of(extractors[c.name].backbone)[0] for c in missing}
    missing.sort(key=lambda c: (_round(c), costs[c.name]))
    end = context.timer() + budget
    errors: list[PhotograftError] = []
    for number, candidate in enumerate(missing, 1):
        left = end - context.timer()
        reason = _not_worth(context, candidate, extractors, found, candidates, left, make_rows)
        if reason:
            found.reasons[candidate.name] = reason
            continue
        spare = f"; {rough_duration(left)} left" if left > 0 else ""
        context.progress.say(f"{number} of {len(missing)}: {candidate.name}{spare}")
        watched = context
        if _is_any_complete(found):
            watched = replace(context, progress=Until(context.progress, context.timer, end))
        try:
            if candidate.is_stored:
                trial, found.selections[candidate.name] = try_stored(watched, candidate)
                _keep(found, candidate, trial, trial_store)
            else:
                _try_folds(watched, candidate, found, end, trial_store, make_rows)
        except BudgetSpentError:
            found.reasons[candidate.name] = _SPENT
        except (InputError, ConversionError) as error:
            found.reasons[candidate.name] = str(error).partition(". ")[0]
            errors.append(error)
    if errors and not _is_any_complete(found):
        raise errors[0]
    return found


def _open(
    context: TrialContext, missing: Sequence[Candidate], found: Found
) -> dict[str, Extractor]:
    """Return the candidates' backbones by the candidates' names, and note whose weights lack.

    Raises:
        WeightsError: Those of all of them, and nothing was tried before.
    """
    extractors: dict[str, Extractor] = {}
    lacking: dict[tuple[str, str], WeightsError] = {}
    for candidate in missing:
        weights = (candidate.config.backbone, candidate.config.weights)
        try:
            if weights not in lacking:  # a network that does not answer is not asked again
                extractors[candidate.name] = context.extractor(candidate)
        except WeightsError as error:
            lacking[weights] = error
        if weights in lacking:
            found.reasons[candidate.name] = str(lacking[weights]).partition(". ")[0]
    if lacking and not extractors and not _is_any_complete(found):
        raise next(iter(lacking.values()))
    return extractors


def _not_worth(
    context: TrialContext,
    candidate: Candidate,
    extractors: Mapping[str, Extractor],
    found: Found,
    candidates: Sequence[Candidate],
    left: float,
    make_rows: MakeRows,
) -> str:
    """Return why a candidate is not worth beginning or going on with; or nothing."""
    behind = _behind(candidate, make_rows(found.trials, {}))
    if behind:
        return f"{behind} is worse than the best beyond noise: not worth more time"
    trial = found.trials.get(candidate.name)
    if trial is not None and _is_behind(candidate.name, found, make_rows):
        return _gave_up(trial)
    extractor, what = extractors[candidate.name], "it"
    if candidate.is_stored:
        seconds = _stored_seconds(context, candidate, extractor, found, candidates)
    else:
        seconds, what = _fold_seconds(context, candidate, extractor, found, candidates), "a fold"
    return _too_long(seconds, left, what) if _is_any_complete(found) and seconds > left else ""


def _try_folds(
    context: TrialContext,
    candidate: Candidate,
    found: Found,
    end: float,
    trial_store: TrialStore,
    make_rows: MakeRows,
) -> None:
    """Train a candidate fold by fold while it may still win and there is time."""
    is_first = not _is_any_complete(found)
    for trial in try_folds(context, candidate, found.trials.get(candidate.name)):
        _keep(found, candidate, trial, trial_store)
        if trial.is_complete:
            return
        if _is_behind(candidate.name, found, make_rows):
            found.reasons[candidate.name] = _gave_up(trial)
            return
        seconds, left = trial.seconds / len(trial.done), end - context.timer()
        if seconds > left and not is_first:
            found.reasons[candidate.name] = _too_long(seconds, left, "a further fold")
            return


def _keep(
    found: Found,
    candidate: Candidate,
    trial: Trial,
    trial_store: TrialStore,
) -> None:
    trial_store.save(candidate, trial)
    found.trials[candidate.name] = trial


def _is_done(found: Found, candidate: Candidate) -> bool:
    trial = found.trials.get(candidate.name)
    return trial is not None and trial.is_complete


def _is_any_complete(found: Found) -> bool:
    return any(trial.is_complete for trial in found.trials.values())


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
    context: TrialContext,
    candidate: Candidate,
    extractor: Extractor,
    found: Found,
    candidates: Sequence[Candidate],
) -> float:
    """Estimate how long a candidate on stored features takes: what is not stored, and the head."""
    rate, head = _rates(found, candidates)
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


def _fold_seconds(
    context: TrialContext,
    candidate: Candidate,
    extractor: Extractor,
    found: Found,
    candidates: Sequence[Candidate],
) -> float:
    """Estimate how long a fold takes: as others of its strategy did, or by the number of epochs."""
    trial = found.trials.get(candidate.name)
    if trial is not None and trial.done:
        return trial.seconds / len(trial.done)
    photos = len(context.pool.photos) * (1 - 1 / NUM_FOLDS)
    multiply_adds = costs_of(extractor.backbone)[0]
    rates = [photos * _rates(found, [])[0]]
    for other in candidates:
        known = found.trials.get(other.name)
        is_alike = other.config.strategy == candidate.config.strategy and not other.is_stored
        # A much smaller network's time is not that of its arithmetic.
        if known is not None and is_alike and known.costs["multiply_adds"] * 4 > multiply_adds:
            looked = known.costs["multiply_adds"] * _looks(other)
            rates.append(known.seconds / len(known.done) / looked)
    # The slowest: what is not begun can be asked for, what was begun in vain is time lost.
    return max(rates) * multiply_adds * _looks(candidate)


def _looks(candidate: Candidate) -> float:
    return _LOOKS_A_FOLD + _LOOKS_AN_EPOCH * candidate.config.loop.epochs


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


def _gave_up(trial: Trial) -> str:
    return f"after {len(trial.done)} of {trial.wanted} folds it is behind beyond noise"


def _too_long(seconds: float, left: float, what: str = "it") -> str:
    rest = f"with {rough_duration(left)} left" if left > 0 else "and the budget is spent"
    return f"{what} would take about {rough_duration(seconds)}, {rest}"
