"""Searching for looks that make a better classifier: auditioned on some photos, then tried on all.

A greedy search forwards (Caruana et al., "Ensemble selection from libraries of models", 2004, with
the members' features stored), by the scheduler that tries candidates of all kinds
(`photograft.learning.scheduling.schedule`). A look's first stage is an audition: beside what was
kept so far, on a seeded sample of the photos. The one that promises most sees all photos, and is
kept where it is better beyond noise: alone, unless it is better still together with the others,
since each costs time for ever. Then the others are auditioned anew, beside what is kept now.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from photograft.backbones.joined import join, layer_name, look_names, mirrored_names
from photograft.core.feature_table import Table
from photograft.core.progress import Progress, Silent
from photograft.core.text import duration
from photograft.features.extractor import Extractor, join_extractors
from photograft.features.looks import JoinedTable
from photograft.learning.head.candidates import gather_from
from photograft.learning.head.selection import Selection, is_better
from photograft.learning.head.trying import LookHeads, try_look
from photograft.learning.job import Job
from photograft.learning.looks.gallery import Gallery, Looked
from photograft.learning.looks.narrowing import narrowed
from photograft.learning.looks.panels import Panel, of_training, of_validation
from photograft.learning.looks.plan import AUDITION_PHOTOS, plan_for
from photograft.learning.looks.steps import Step, told
from photograft.learning.scheduling.judging import Gain, cheapest_of_ties
from photograft.learning.scheduling.schedule import Budget, Price, run


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        extractor: Of the looks that were kept.
        table: Their features of every photo.
        selection: The head on them.
        steps: What was tried, in order, by whoever judged; the first look's first.
        notes: What the user should know.
    """

    extractor: Extractor
    table: Table
    selection: Selection
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


class Search:
    """A search for looks, once by the training photos and, where asked for, by validation photos.

    Both have one budget, and what a look saw for the one is there for the other. The second begins
    with what the first kept: validation photos, which are few, overrule it where they can tell.

    Args:
        job: Its extractor is the first look, or several, which then all are taken as one step.
        timer: Tells the time in seconds, for the settings' budget.
    """

    def __init__(self, job: Job, *, timer: Callable[[], float] = time.perf_counter) -> None:
        self.job, self.plan, self.timer = job, plan_for(job.config), timer
        self.gallery = Gallery(job, has_costs=bool(self.plan.looks))
        self.budget: Budget | None = None
        self.kept = list(self.gallery.first)
        self.steps: list[Step] = []

    def by_training(self) -> Found:
        """Choose looks and the head on them by training photos, held out in turn."""
        return self._by(of_training)

    def by_validation(self) -> Found:
        """Choose them by validation photos, which judge what is learned from training photos."""
        return self._by(of_validation)

    def _by(self, panel_of: Callable[[Job, int | None], Panel]) -> Found:
        panel = panel_of(self.job, None)
        some = panel_of(self.job, AUDITION_PHOTOS) if self.plan.looks else panel
        contest = _Contest(self.job, self.gallery, panel, some, self.kept)
        if self.budget is None:  # which is for what is looked at besides the first look
            self.budget = Budget(
                work=self.plan.most - len(self.gallery.first),
                seconds=self.job.config.budget or math.inf,
                timer=self.timer,
            )
        known = {looked.name for looked in self.kept}
        names = [looked.name for looked in self.gallery.first if self.plan.looks]
        entries = [_Entry(contest, n) for n in (*names, *self.plan.looks) if n not in known]
        run(entries, self.budget)
        self.kept = contest.kept
        self.steps += contest.steps
        self.steps += [
            Step(entry.name, entry.cost, entry.promise, None, None, False, judges=panel.judges)
            for entry in entries
            if entry.promise is not None
        ]
        return contest.found(self.steps, was_spent=self.budget.was_spent)


class _Contest:
    """What the looks of a search share.

    Attributes:
        kept: The looks that were kept so far.
        selection: The head on them.
        steps: What was tried on all photos.
        is_over: Whether the look that promised most was no better.
        rounds: How many looks were kept, one after another.
    """

    def __init__(
        self, job: Job, gallery: Gallery, panel: Panel, some: Panel, kept: Sequence[Looked]
    ) -> None:
        self.job, self.plan, self.gallery = job, plan_for(job.config), gallery
        self.panel, self.some = panel, some
        self._heads: dict[str, LookHeads] = {}
        self._auditioned: dict[str, LookHeads] = {}
        self._before: Selection | None = None
        self.kept, self.rounds, self.is_over = list(kept), 0, False
        for looked in self.kept:
            self._try(looked, self.job.progress)
        self.selection = self._settle(self.kept)
        names = "+".join(looked.name for looked in self.kept)
        first, cost = self.selection, sum(looked.cost for looked in self.kept)
        scores, judges = (first.log_loss, first.accuracy), panel.judges
        self.steps = [Step(names, cost, None, *scores, kept=True, judges=judges)]

    def promise(self, looked: Looked) -> float:
        """Return by how much a look lowers the log loss of some photos; 0 within noise."""
        if self._before is None:
            self._before = self._audition(self.kept)
        after = self._audition(self._ways(looked)[-1])
        before = self._before
        return Gain.of(before.losses, after.losses, before.shares).promise

    def challenge(self, looked: Looked, promise: float, progress: Progress) -> None:
        """Try a look that has seen all photos, and keep it where it is better beyond noise."""
        self._try(looked, progress)
        tried = [(looks, self._settle(looks)) for looks in self._ways(looked)]
        errors = self.panel.errors
        looks, selection = cheapest_of_ties(
            tried, lambda one, other: is_better(one[1], other[1], errors=errors)
        )
        is_kept = is_better(selection, self.selection, errors=errors)
        scores, judges = (selection.log_loss, selection.accuracy), self.panel.judges
        self.steps.append(Step(looked.name, looked.cost, promise, *scores, is_kept, judges=judges))
        if not is_kept:
            self.is_over = True
            return
        self.kept, self.selection, self._before = looks, selection, None
        self.rounds += 1

    def hopeless(self) -> str:
        """Return why no look is worth trying any more; or nothing."""
        if self.is_over:
            return "the look that promised most was no better"
        if self.rounds and len(self.kept) >= self.plan.most_kept:
            return "as many looks are kept as may be"
        if math.isclose(self.selection.accuracy, 1):
            return "all photos are told apart already"
        return ""

    def found(self, steps: Sequence[Step], *, was_spent: bool) -> Found:
        """Return what the search came to.

        Args:
            steps: All that was tried.
            was_spent: Whether looks were left out for want of time.
        """
        used, chosen = narrowed([looked.extractor.backbone for looked in self.kept], self.selection)
        looks = [self.kept[i] for i in used]
        tables = [looked.table for looked in looks if looked.table is not None]
        table = tables[0] if len(tables) == 1 else JoinedTable(tables)
        # What looks at photos later is not stopped by the budget.
        own = [replace(looked.extractor, progress=self.job.progress) for looked in looks]
        extractor = join_extractors(own)
        effort = self.job.config.effort if self.plan.looks else ""
        notes = told(steps, effort)
        if was_spent:
            budget = duration(self.job.config.budget)
            spent = f"--budget {budget} was spent before all looks were tried: more may help"
            notes = (*notes, spent)
        names = {look.name for look in extractor.backbone.looks}
        steps = tuple(
            replace(step, replaced=step.kept and names.isdisjoint(look_names(step.look)))
            for step in steps
        )
        return Found(extractor, table, chosen, steps, notes)

    def see_all(self, looked: Looked) -> Table:
        """Show a look all photos, where it has not seen them."""
        what = f"Looking again with {looked.name}"
        looked.table = looked.see(self.job.dataset.photos, what)
        return looked.table

    def _ways(self, new: Looked) -> list[list[Looked]]:
        """Return how a look may be kept: alone, and where there is room beside the others.

        The look whose mirror image it adds is none of these.
        """
        others = [looked for looked in self.kept if new.name not in mirrored_names(looked.name)]
        has_room = 0 < len(others) < self.plan.most_kept
        return [[new], [*others, new]] if has_room else [[new]]

    def _try(self, looked: Looked, progress: Progress) -> None:
        table = self.see_all(looked)
        self._heads[looked.name] = self._heads_of(self.panel, looked, table, progress)

    def _settle(self, looks: Sequence[Looked]) -> Selection:
        return self._among(self.panel, looks, [self._heads[looked.name] for looked in looks])

    def _audition(self, looks: Sequence[Looked]) -> Selection:
        heads = []
        for looked in looks:
            if looked.name not in self._auditioned:
                what = f"Trying {looked.name} on some photos"
                table = looked.see(self.some.photos, what)
                found = self._heads_of(self.some, looked, table, Silent())
                self._auditioned[looked.name] = found
            heads.append(self._auditioned[looked.name])
        return self._among(self.some, looks, heads)

    def _heads_of(
        self, panel: Panel, looked: Looked, table: Table, progress: Progress
    ) -> LookHeads:
        return try_look(
            panel.asked,
            gather_from(table, panel.digests),
            looked.extractor.backbone.layers,
            wanted=self.job.config.layer,
            head=self.job.config.head,
            progress=progress,
        )

    def _among(
        self, panel: Panel, looks: Sequence[Looked], heads: Sequence[LookHeads]
    ) -> Selection:
        record = join([looked.extractor.backbone for looked in looks])
        named = []
        for looked, own in zip(looks, heads, strict=True):
            look = looked.extractor.backbone
            layers = (replace(layer, name=layer_name(record, look, layer)) for layer in look.layers)
            named.append(own._replace(layers=tuple(layers)))
        return panel.settle(named, self.job.config.head)


class _Entry:
    """A look, as the scheduler asks for it.

    Attributes:
        name: The look's.
        cost: Of a photo, as a multiple of the first look's.
        promise: Of its audition; None where it has none beside what is kept now, or was tried.
    """

    def __init__(self, contest: _Contest, name: str) -> None:
        self.contest, self.name = contest, name
        self.cost = contest.gallery.cost(name)
        self.promise: float | None = None
        self._round = -1

    def order(self) -> tuple[float, ...]:
        """Auditions before anything else, by cost; then the look that promises most."""
        if self._round != self.contest.rounds or self.promise is None:
            return 0.0, self.cost
        return 1.0, -self.promise

    def hopeless(self) -> str:
        """Return why it is not worth trying; or nothing."""
        nothing = self._round == self.contest.rounds and not self.promise
        return self.contest.hopeless() or ("it promised nothing on some photos" * nothing)

    def price(self) -> Price:
        """Return what looking at all photos takes: no audition is worth it that leads nowhere."""
        return Price(work=0.0 if self.contest.gallery.has_seen_all(self.name) else self.cost)

    def advance(self, budget: Budget) -> bool:
        """Audition it, or try it on all photos."""
        progress = budget.watch(self.contest.job.progress)
        looked = self.contest.gallery.look(self.name, progress)
        if self._round != self.contest.rounds:
            self.promise, self._round = self.contest.promise(looked), self.contest.rounds
            return False
        if looked.table is None:
            self.contest.see_all(looked)
            budget.pay(self.cost)
        promise, self.promise = self.promise or 0.0, None
        self.contest.challenge(looked, promise, progress)
        return True


def search(job: Job, *, timer: Callable[[], float] = time.perf_counter) -> Found:
    """Choose looks and the head on them by the training photos; see `Search`."""
    return Search(job, timer=timer).by_training()
