"""A project for tests of what learns, of photos in class folders; labels are set as one likes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from photograft.workflows.studio.photos import id_of
from photograft.workflows.studio.view import Snapshot


class Labelled:
    """Photos of a folder, none labelled at first."""

    def __init__(self, root: Path) -> None:
        self.files = sorted(root.rglob("*.jpg"))
        self.ids = [id_of(str(file)) for file in self.files]
        self.labels: dict[str, str | None] = dict.fromkeys(self.ids)
        self.groups: dict[str, str] = {}
        self.revision = 0
        self.changed: Callable[[], None] = lambda: None

    def truth(self, photo_id: str) -> str:
        return self.files[self.ids.index(photo_id)].parent.name

    def label(self, *ids: str) -> None:
        """Give photos the label of their folder."""
        self.labels |= {photo_id: self.truth(photo_id) for photo_id in ids}
        self.revision += 1
        self.changed()

    def of(self, name: str) -> list[str]:
        return [i for i in self.ids if self.truth(i) == name]

    def snapshot(self) -> Snapshot:
        return Snapshot(
            self.revision,
            tuple(sorted({file.parent.name for file in self.files})),
            tuple(self.ids),
            tuple(map(str, self.files)),
            tuple(map(str, self.files)),
            tuple(self.labels[i] for i in self.ids),
            tuple(self.groups.get(i) for i in self.ids),
            (None,) * len(self.ids),
        )
