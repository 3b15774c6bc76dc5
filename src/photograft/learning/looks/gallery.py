"""What looks saw of photos, each opened once and shown every photo once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from photograft.backbones.costs import costs_of
from photograft.backbones.get import get_backbone
from photograft.core.feature_table import Table
from photograft.core.progress import Progress
from photograft.data.photo import Photo
from photograft.features.extractor import Extractor
from photograft.features.looks import JoinedTable
from photograft.features.opening import extractor_for
from photograft.learning.job import Job


@dataclass
class Looked:
    """A look, and what it saw of every photo.

    Attributes:
        extractor: Of this look alone.
        cost: Of a photo, as a multiple of the first look's.
        table: Its features of every photo; None where it has not seen them all.
    """

    extractor: Extractor
    cost: float
    table: Table | None = None

    @property
    def name(self) -> str:
        """The look's name."""
        return self.extractor.backbone.name

    def see(self, photos: Sequence[Photo], what: str) -> Table:
        """Return its features of some photos.

        Args:
            photos: The photos.
            what: What the progress calls it.

        Raises:
            ImageError: One of them has none.
        """
        if self.table is not None:
            return self.table
        table, failures, self.extractor = self.extractor.extract(photos, what=what)
        for error in failures.values():
            raise error
        return table


class Gallery:
    """The looks of a job.

    Args:
        job: Its extractor has the first look, or several, which then are one step.
        has_costs: Whether costs are asked for, which an ONNX file of one's own may not tell.

    Attributes:
        first: The looks of the job itself.
    """

    def __init__(self, job: Job, *, has_costs: bool) -> None:
        self._job, self._known = job, dict[str, Looked]()
        parts = job.extractor.parts or (job.extractor,)
        table = job.features()
        tables = table.tables if isinstance(table, JoinedTable) else (table,)
        self._unit = max(costs_of(parts[0].backbone)[0], 1) if has_costs else 1
        self.first = [
            Looked(part, costs_of(part.backbone)[0] / self._unit if has_costs else 1.0, own)
            for part, own in zip(parts, tables, strict=True)
        ]

    def look(self, name: str, progress: Progress) -> Looked:
        """Return a look by its name, opened where it was not asked for before.

        Args:
            name: As in `photograft.backbones.joined`.
            progress: Told how far it is.
        """
        if name not in self._known:
            backbone, job = get_backbone(name), self._job
            settings = replace(job.config, backbone=name)
            extractor = extractor_for(backbone, settings, store=job.store, progress=progress)
            # The engine may have fallen back on another before.
            extractor = replace(extractor, engine=self.first[0].extractor.engine)
            self._known[name] = Looked(extractor, self.cost(name))
        return self._known[name]

    def has_seen_all(self, name: str) -> bool:
        """Return whether a look has seen every photo."""
        return name in self._known and self._known[name].table is not None

    def cost(self, name: str) -> float:
        """Return a look's cost of a photo, as a multiple of the first look's."""
        return costs_of(get_backbone(name))[0] / self._unit
