"""The best of the strategies that use a pretrained backbone, chosen on photos not learned from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from photograft.core.errors import InputError
from photograft.learning.job import Fitted, Job
from photograft.learning.scheduling.judging import can_be_beaten
from photograft.learning.scheduling.schedule import Budget, Price, run
from photograft.learning.strategies import features_augment
from photograft.learning.strategies.features_augment import Choice
from photograft.learning.strategies.finetune import better, on_validation, tune


def fit(job: Job, *, timer: Callable[[], float] = time.perf_counter) -> Fitted:
    """Extract features, then views of them, then fine-tune; keep each only where it is better.

    Where the frozen backbone wins, its head is fitted once more on training and validation photos
    together, unless the settings say otherwise: they have done their work of choosing, and more
    photos make a better head.

    Args:
        job: What to learn from.
        timer: Tells the time in seconds, for the settings' budget.

    Raises:
        InputError: There are no validation photos to choose by.
    """
    if not len(job.split.validation):
        raise InputError(
            "the strategy auto needs validation photos, to choose by",
            fix="Give a share with --validation.",
        )
    contest = _Contest(job.with_config(head="auto", hidden=(), dropout=0.0))
    budget = Budget(seconds=job.config.budget or math.inf, timer=timer)
    reasons = run([_Views(contest), _Tuning(contest)], budget)
    kept = contest.kept()
    if not kept.classifier.is_trained:
        kept = features_augment.refit(contest.job, kept, contest.choice.selection)
    left_out = tuple(f"{name} was not tried to the end: {why}" for name, why in reasons.items())
    return replace(kept, notes=(*kept.notes, *left_out))


class _Contest:
    """What the strategies share: the cheapest is tried at once, the others have to beat it.

    Attributes:
        job: What they learn from.
        choice: The heads on the frozen backbone that were tried so far.
        tuned: What fine-tuning made; None before.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.choice = job, Choice(features_augment.choose_plain(job))
        self.tuned: Fitted | None = None
        self._frozen: tuple[Choice, Fitted] | None = None

    def frozen(self) -> Fitted:
        """Return the classifier of the frozen backbone by what was tried so far."""
        if self._frozen is None or self._frozen[0] is not self.choice:
            self._frozen = self.choice, features_augment.fit_choice(self.job, self.choice)
        return self._frozen[1]

    def kept(self) -> Fitted:
        """Return the best of what was tried."""
        if self.tuned is None:
            return self.frozen()
        return better(self.job, self.frozen(), self.tuned)

    def watched(self, budget: Budget) -> Job:
        """Return the job, stopped when the budget is spent."""
        progress = budget.watch(self.job.progress)
        extractor = replace(self.job.extractor, progress=progress)
        return replace(self.job, progress=progress, extractor=extractor)


@dataclass
class _Views:
    """Views of each photo beside the plain one."""

    contest: _Contest
    name: str = "features+augment"

    def order(self) -> tuple[float, ...]:
        return (0.0,)

    def hopeless(self) -> str:
        return _beaten_by(self.contest.choice.plain.log_loss)

    def price(self) -> Price:
        return Price()

    def advance(self, budget: Budget) -> bool:
        contest = self.contest
        found = features_augment.choose_augmented(contest.watched(budget))
        contest.choice = replace(contest.choice, augmented=found)
        return True


@dataclass
class _Tuning:
    """Training the top of the backbone."""

    contest: _Contest
    name: str = "finetune"

    def order(self) -> tuple[float, ...]:
        return (1.0,)

    def hopeless(self) -> str:
        losses, _ = on_validation(self.contest.job, self.contest.frozen())
        return _beaten_by(float(losses.mean()))

    def price(self) -> Price:
        return Price()

    def advance(self, budget: Budget) -> bool:
        contest = self.contest
        contest.tuned = tune(contest.watched(budget), contest.frozen())
        return True


def _beaten_by(log_loss: float) -> str:
    return "" if can_be_beaten(log_loss) else "nothing could be better beyond noise"
