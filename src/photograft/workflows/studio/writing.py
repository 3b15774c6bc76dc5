"""What is written soon after changes, once for several of them, by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from photograft.core.errors import StorageError, first_line

#: Seconds between a change and the writing, in which others may follow.
_DELAY = 1.0


class Writer:
    """Writes when it is asked to, not more often than every second.

    Args:
        write: What writes; may raise StorageError.

    Attributes:
        problem: Why the last writing failed; empty where it did not.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._asked, self._closed = threading.Event(), threading.Event()
        self.problem = ""
        self._thread = threading.Thread(target=self._work, name="labels", daemon=True)
        self._thread.start()
        self.ask()

    def ask(self) -> None:
        """Have it written soon."""
        self._asked.set()

    def close(self) -> None:
        """Write what is not written yet, and end."""
        self._closed.set()
        self._asked.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._asked.wait()
            self._closed.wait(_DELAY)
            is_last = self._closed.is_set()
            self._asked.clear()
            try:
                self._write()
                self.problem = ""
            except StorageError as error:
                self.problem = str(error)
            except Exception as error:  # else nothing would be written any more, and nobody told
                self.problem = f"{type(error).__name__}: {first_line(error)}"
            if is_last:
                return
