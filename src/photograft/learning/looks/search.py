"""Searching for looks that make a better classifier: auditioned on some photos, then tried on all.

A greedy search forwards (Caruana et al., "Ensemble selection from libraries of models", 2004, with
the members' features stored): each round, every look that may still be paid for is tried on a
seeded sample of the training photos beside what was kept so far; the one that promises most sees
all photos; and it is kept where cross-validation, on the same folds, says that it is better beyond
noise: alone, unless it is better still together with the others, since each costs time for ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from photograft.backbones.costs import costs_of
from photograft.backbones.get import get_backbone
from photograft.backbones.joined import join, layer_name, look_names, mirrored_names
from photograft.core.deadline import BudgetSpentError, Until
from photograft.core.errors import InputError
from photograft.core.feature_table import Table
from photograft.core.progress import Progress, Silent
from photograft.core.statistics import NEGLIGIBLE, standard_error
from photograft.core.text import duration
from photograft.features.extractor import Extractor, join_extractors
from photograft.features.looks import JoinedTable
from photograft.features.opening import extractor_for
from photograft.learning.head.candidates import gather_from
from photograft.learning.head.sampling import sample_photos
from photograft.learning.head.selection import Selection, is_better, settle
from photograft.learning.head.trying import Asked, LookHeads, ask, try_look
from photograft.learning.job import Job
from photograft.learning.looks.narrowing import narrowed
from photograft.learning.looks.plan import AUDITION_PHOTOS, Plan, plan_for
from photograft.learning.looks.steps import Step, told


@dataclass
class Looked:
    """A look, and what it saw of every photo.

    Attributes:
        extractor: Of this look alone.
        cost: Multiply-adds for a photo.
        table: Its features of every photo; None where it has not seen them all.
        heads: What was tried on the training photos' features; None likewise.
    """

    extractor: Extractor
    cost: int
    table: Table | None = None
    heads: LookHeads | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        extractor: Of the looks that were kept.
        table: Their features of every photo.
        selection: The head on them.
        steps: What was tried, in order; the first look's first.
        notes: What the user should know.
    """

    extractor: Extractor
    table: Table
    selection: Selection
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


def search(job: Job, *, timer: Callable[[], float] = time.perf_counter) -> Found:
    """Choose looks and the head on them; see the module.

    Args:
        job: Its extractor is the first look, or several, which then all are taken as one step.
        timer: Tells the time in seconds, for the settings' budget.
    """
    return _Search(job, timer).run()


class _Search:
    def __init__(self, job: Job, timer: Callable[[], float]) -> None:
        self.job, self.config, self.timer = job, job.config, timer
        self.progress: Progress = job.progress
        self.plan: Plan = plan_for(job.config)
        self.labels, self.digests = job.labels("train"), job.digests("train")
        self.asked = self._ask(np.arange(len(self.labels)))
        parts = job.extractor.parts or (job.extractor,)
        table = job.features()
        tables = table.tables if isinstance(table, JoinedTable) else (table,)
        self.kept = [
            Looked(part, costs_of(part.backbone)[0] if self.plan.looks else 1, own)
            for part, own in zip(parts, tables, strict=True)
        ]
        self.first_cost = max(self.kept[0].cost, 1)
        self.spent = float(len(self.kept))
        self.steps: list[Step] = []
        self.known: dict[str, Looked] = {}

    def run(self) -> Found:
        for looked in self.kept:
            self._try(looked)
        selection = self._settle(self.kept)
        names = "+".join(looked.extractor.backbone.name for looked in self.kept)
        self.steps.append(
            Step(names, self.spent, None, selection.log_loss, selection.accuracy, kept=True)
        )
        if self.config.budget:
            end = self.timer() + self.config.budget
            self.progress = Until(self.job.progress, self.timer, end)
        notes: list[str] = []
        promises: dict[str, float] = {}
        try:
            while len(self.kept) < self.plan.most_kept and not math.isclose(selection.accuracy, 1):
                better = self._round(selection, promises)
                if better is None:
                    break
                selection = better
        except BudgetSpentError:
            budget = duration(self.config.budget)
            notes = [f"--budget {budget} was spent before all looks were tried: more may help"]
        self.steps += [
            Step(name, self.known[name].cost / self.first_cost, gain, None, None, kept=False)
            for name, gain in promises.items()
        ]
        return self._found(selection, notes)

    def _round(self, selection: Selection, promises: dict[str, float]) -> Selection | None:
        """Try one more look; return what is better with it, or None where nothing is.

        Args:
            selection: What is to be beaten.
            promises: Of looks that were auditioned and not tried on all photos; brought up to date.

        Raises:
            BudgetSpentError: There is no more time.
        """
        now = self._audition()
        promises |= now
        best = max(now, key=lambda name: (now[name], name), default="")
        if not best or now[best] <= NEGLIGIBLE:
            return None
        looked = self.known[best]
        self._see_all(looked)
        looks, tried = [looked], self._settle([looked])
        together = [*self._others(best), looked]
        if len(together) > 1 and is_better(joined := self._settle(together), tried):
            looks, tried = together, joined
        kept = is_better(tried, selection)
        cost, promised = looked.cost / self.first_cost, promises.pop(best)
        self.steps.append(Step(best, cost, promised, tried.log_loss, tried.accuracy, kept))
        if not kept:
            return None
        self.kept = looks
        return tried

    def _ask(self, rows: npt.NDArray[np.intp]) -> Asked:
        return ask(
            self.labels[rows],
            self.job.groups("train")[rows],
            [self.digests[i] for i in rows.tolist()],
            balanced=self.config.class_weight == "balanced",
            seed=self.config.seed,
        )

    def _settle(self, looks: Sequence[Looked]) -> Selection:
        """Return the choice among the heads of some looks, tried on all training photos."""
        heads = [looked.heads for looked in looks if looked.heads is not None]
        return self._among(self.asked, looks, heads)

    def _among(
        self, asked: Asked, looks: Sequence[Looked], heads: Sequence[LookHeads]
    ) -> Selection:
        record = join([looked.extractor.backbone for looked in looks])
        named = []
        for looked, own in zip(looks, heads, strict=True):
            look = looked.extractor.backbone
            layers = (replace(layer, name=layer_name(record, look, layer)) for layer in look.layers)
            named.append(own._replace(layers=tuple(layers)))
        return settle(asked, named, head=self.config.head)

    def _heads(
        self, asked: Asked, looked: Looked, digests: Sequence[bytes], progress: Progress
    ) -> LookHeads:
        table = looked.table
        if table is None:
            raise InputError(f"{looked.extractor.backbone.name} has not seen these photos yet")
        return try_look(
            asked,
            gather_from(table, digests),
            looked.extractor.backbone.layers,
            wanted=self.config.layer,
            head=self.config.head,
            progress=progress,
        )

    def _others(self, name: str) -> list[Looked]:
        """Return what was kept, less the look whose mirror image a new one adds."""
        return [
            looked
            for looked in self.kept
            if name not in mirrored_names(looked.extractor.backbone.name)
        ]

    def _try(self, looked: Looked) -> None:
        looked.heads = self._heads(self.asked, looked, self.digests, self.progress)

    def _see_all(self, looked: Looked) -> None:
        name = looked.extractor.backbone.name
        table, failures, extractor = looked.extractor.extract(
            self.job.dataset.photos, what=f"Looking again with {name}"
        )
        for error in failures.values():
            raise error
        looked.table, looked.extractor = table, extractor
        self.spent += looked.cost / self.first_cost
        self._try(looked)

    def _audition(self) -> dict[str, float]:
        """Return by how much each look that may be paid for lowers the log loss of some photos."""
        rows = sample_photos(
            self.labels,
            self.job.groups("train"),
            self.digests,
            self.config.seed,
            AUDITION_PHOTOS,
        )
        digests = [self.digests[i] for i in rows.tolist()]
        photos = [self.job.photos("train")[i] for i in rows.tolist()]
        asked = self._ask(rows)
        heads = {
            looked.extractor.backbone.name: self._heads(asked, looked, digests, Silent())
            for looked in self.kept
        }
        before = self._among(asked, self.kept, list(heads.values()))
        found: dict[str, float] = {}
        for name in self.plan.looks:
            if name in heads:
                continue
            looked = self.known.get(name)
            if looked is None:
                looked = self.known[name] = self._open(name)
            cost = looked.cost / self.first_cost
            if self.spent + cost > self.plan.most:
                continue
            if looked.table is None:
                table, failures, looked.extractor = looked.extractor.extract(
                    photos, what=f"Trying {name} on some photos"
                )
                for error in failures.values():
                    raise error
            else:
                table = looked.table
            own = Looked(looked.extractor, looked.cost, table)
            others = self._others(name)
            after = self._among(
                asked,
                [*others, own],
                [
                    *(heads[looked.extractor.backbone.name] for looked in others),
                    self._heads(asked, own, digests, Silent()),
                ],
            )
            difference = before.losses - after.losses
            gain = float(difference @ before.shares)
            found[name] = gain if gain > standard_error(difference, before.shares) / 2 else 0.0
        return found

    def _open(self, name: str) -> Looked:
        backbone = get_backbone(name)
        settings = replace(self.config, backbone=name)
        extractor = extractor_for(backbone, settings, store=self.job.store, progress=self.progress)
        # The engine may have fallen back on another before.
        extractor = replace(extractor, engine=self.kept[0].extractor.engine)
        return Looked(extractor, costs_of(backbone)[0])

    def _found(self, selection: Selection, more: Sequence[str]) -> Found:
        used, chosen = narrowed([looked.extractor.backbone for looked in self.kept], selection)
        looks = [self.kept[i] for i in used]
        tables = [looked.table for looked in looks if looked.table is not None]
        table = tables[0] if len(tables) == 1 else JoinedTable(tables)
        # What looks at photos later is not stopped by the budget.
        own = [replace(looked.extractor, progress=self.job.progress) for looked in looks]
        extractor = join_extractors(own)
        notes = told(self.steps, self.config.effort if self.plan.looks else "")
        names = {look.name for look in extractor.backbone.looks}
        steps = tuple(
            replace(step, replaced=step.kept and names.isdisjoint(look_names(step.look)))
            for step in self.steps
        )
        return Found(extractor, table, chosen, steps, (*notes, *more))
