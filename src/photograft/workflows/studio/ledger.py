"""What was said of photos and classes: the journal on the disk, and its sum in memory."""

from __future__ import annotations

import threading
from pathlib import Path

from photograft.core.errors import InputError
from photograft.workflows.studio.journal import Journal, Record
from photograft.workflows.studio.marks import Marks, replayed


class Ledger:
    """Keeps changes; for several threads.

    Args:
        path: The journal's.

    Attributes:
        marks: The sum of all changes; read under `lock`.
        lock: Held while a change is kept.
        revision: Changes so far.

    Raises:
        InputError: The journal is damaged.
        StorageError: It can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._journal = Journal(path)
        try:
            self.marks = _sum(self._journal)
        except InputError:
            self._journal.close()
            raise
        self.revision = len(self._journal.records)
        self._journal.records.clear()  # they are in the marks

    def keep(self, record: Record) -> str:
        """Put a change on the disk, then follow it; return what it does, in words.

        Raises:
            InputError: There is nothing to undo, or to do again.
            StorageError: It can't be kept; nothing has changed.
        """
        with self.lock:
            if record["do"] == "undo" and self.marks.can_undo is None:
                raise InputError("there is nothing to undo")
            if record["do"] == "redo" and self.marks.can_redo is None:
                raise InputError("there is nothing to do again")
            self._journal.append(record)
            self.revision += 1
            return self.marks.take(record)

    def close(self) -> None:
        """Let go of the journal."""
        with self.lock:
            self._journal.close()


def _sum(journal: Journal) -> Marks:
    try:
        return replayed(journal.records)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "journal.jsonl holds a change that can't be followed",
            got=f"{type(error).__name__}: {error}",
            fix="Put the file back from a copy, or update Photograft.",
        ) from error
