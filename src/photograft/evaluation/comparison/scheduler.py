"""The candidates of a comparison, for the scheduler that tries candidates of all kinds.

See `photograft.learning.scheduling.schedule`. Here a stage is all folds at once where a head is
solved on stored features, else one fold; what a stage takes is time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from photograft.backbones.costs import costs_of
from photograft.core.choices import STRATEGIES
from photograft.core.errors import ConversionError, InputError, PhotograftError, WeightsError
from photograft.core.text import rough_duration
from photograft.evaluation.comparison.candidates import Candidate
from photograft.evaluation.comparison.estimates import fold_seconds, stored_seconds
from photograft.evaluation.comparison.folds import UnderWay
from photograft.evaluation.comparison.leaderboard import Row
from photograft.evaluation.comparison.trial_store import Trial, TrialStore
from photograft.evaluation.comparison.trials import TrialContext, try_folds, try_stored
from photograft.features.extractor import Extractor
from photograft.learning.head.selection import Selection
from photograft.learning.scheduling.schedule import Budget, Entry, Price, run

#: Strategies by what they cost: those after the first have to be worth it.
_ROUNDS = {"features": 0, "features+augment": 1}
_LAST_ROUND = 2

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

    def is_any_complete(self) -> bool:
        """Return whether a candidate was tried to the end."""
        return any(trial.is_complete for trial in self.trials.values())


@dataclass
class _Comparing:
    """What the candidates of a comparison share.

    Attributes:
        context: Where they are tried.
        candidates: All of them.
        trial_store: Where their trials are kept.
        make_rows: As in `run_trials`.
        found: What was found out so far.
        errors: Of those that can't learn from these photos.
        under_way: Ends the folds that are being tried, elsewhere perhaps, of a candidate that is
            not gone on with.
    """

    context: TrialContext
    candidates: Sequence[Candidate]
    trial_store: TrialStore
    make_rows: MakeRows
    found: Found = field(default_factory=Found)
    errors: list[PhotograftError] = field(default_factory=list)
    under_way: ExitStack = field(default_factory=ExitStack)

    def keep(self, candidate: Candidate, trial: Trial) -> None:
        """Keep what was found out about a candidate."""
        self.trial_store.save(candidate, trial)
        self.found.trials[candidate.name] = trial


def run_trials(
    context: TrialContext,
    candidates: Sequence[Candidate],
    trial_store: TrialStore,
    make_rows: MakeRows,
    *,
    budget: float,
) -> Found:
    """Try candidates until all are tried, passed over, or the budget is spent.

    The first candidate is tried whatever the budget; any other one is stopped when it is spent. One
    that can't learn from these photos, or whose weights can't be fetched, is left out.

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
    comparing = _Comparing(context, candidates, trial_store, make_rows)
    found = comparing.found
    for candidate in candidates:
        known = trial_store.load(candidate)
        if known is not None:
            found.trials[candidate.name] = known
            context.times.setdefault(candidate.network, known.costs["ms_per_photo"])
    done = {name for name, trial in found.trials.items() if trial.is_complete}
    missing = [candidate for candidate in candidates if candidate.name not in done]
    # Opened at first: weights that are not here are better missed before any work than after it.
    extractors = _open(context, missing, found)
    time = Budget(seconds=budget, timer=context.timer)
    entries = [
        _Entry(comparing, c, extractors[c.name], UnderWay(context.timer))
        for c in missing
        if c.name in extractors
    ]

    def begin(number: int, entry: Entry) -> None:
        left = time.seconds_left
        spare = f"; {rough_duration(left)} left" if left > 0 else ""
        context.progress.say(f"{number} of {len(entries)}: {entry.name}{spare}")

    with comparing.under_way:
        found.reasons |= run(entries, time, is_any_done=found.is_any_complete, begin=begin)
    if comparing.errors and not found.is_any_complete():
        raise comparing.errors[0]
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
    if lacking and not extractors and not found.is_any_complete():
        raise next(iter(lacking.values()))
    return extractors


@dataclass
class _Entry:
    """A candidate of a comparison, as the scheduler asks for it.

    Attributes:
        comparing: What it shares with the others.
        candidate: The candidate.
        extractor: Its backbone.
        under_way: Its folds that are being tried.
        folds: Its trial, fold by fold, once it has begun.
    """

    comparing: _Comparing
    candidate: Candidate
    extractor: Extractor
    under_way: UnderWay
    folds: Generator[Trial, None, None] | None = None

    @property
    def name(self) -> str:
        return self.candidate.name

    def order(self) -> tuple[float, ...]:
        strategy = "" if self.candidate.recipe else self._strategy
        return _ROUNDS.get(strategy, _LAST_ROUND), costs_of(self.extractor.backbone)[0]

    def hopeless(self) -> str:
        behind = self._cheaper_one_behind()
        if behind:
            return f"{behind} is worse than the best beyond noise: not worth more time"
        trial = self.comparing.found.trials.get(self.name)
        if trial is None or not self._is_behind(trial):
            return ""
        return f"after {len(trial.done)} of {trial.wanted} folds it is behind beyond noise"

    def price(self) -> Price:
        context, candidates = self.comparing.context, self.comparing.candidates
        about = (context, self.candidate, self.extractor, self.comparing.found.trials, candidates)
        if self.candidate.is_stored:
            return Price(seconds=stored_seconds(*about))
        seconds = self.under_way.seconds_left(fold_seconds(*about))
        return Price(seconds=seconds, what="a further fold" if self.folds else "a fold")

    def advance(self, budget: Budget) -> bool:
        found, before = self.comparing.found, self.comparing.context
        context = replace(before, progress=budget.watch(before.progress))
        if self.folds is None:
            self.comparing.under_way.close()
        try:
            if self.candidate.is_stored:
                trial, found.selections[self.name] = try_stored(context, self.candidate)
            else:
                if self.folds is None:
                    known = found.trials.get(self.name)
                    self.folds = try_folds(context, self.candidate, known, self.under_way)
                    self.comparing.under_way.callback(self.folds.close)
                trial = next(self.folds)
        except (InputError, ConversionError) as error:
            found.reasons[self.name] = str(error).partition(". ")[0]
            self.comparing.errors.append(error)
            return True
        self.comparing.keep(self.candidate, trial)
        return trial.is_complete

    @property
    def _strategy(self) -> str:
        return self.candidate.config.strategy

    def _rows(self, trials: Mapping[str, Trial]) -> list[Row]:
        return self.comparing.make_rows(dict(trials), {})

    def _cheaper_one_behind(self) -> str:
        """Return a cheaper strategy on the same backbone that is worse than the best; or ""."""
        if self.candidate.recipe or self._strategy == "scratch":
            return ""
        order = STRATEGIES.index(self._strategy)
        for row in self._rows(self.comparing.found.trials):
            same = row["backbone"] == self.candidate.config.backbone and not row["recipe"]
            if same and row["verdict"] == "worse" and STRATEGIES.index(row["strategy"]) < order:
                return str(row["id"])
        return ""

    def _is_behind(self, own: Trial) -> bool:
        """Return whether it is worse already on the folds that it was tried on."""
        trials = {n: t for n, t in self.comparing.found.trials.items() if t.is_complete}
        # As if it were complete: whom it is compared with has been tested on these folds, too.
        trials[self.name] = replace(own, wanted=len(own.done))
        row = next(row for row in self._rows(trials) if row["id"] == self.name)
        return bool(row["verdict"] == "worse")
