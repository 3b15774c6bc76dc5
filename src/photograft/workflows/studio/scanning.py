"""The thumbnails of all photos, made in the background; what somebody waits for goes first."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from photograft.core.parallel import num_cores
from photograft.workflows.studio.pictures import SIZES, Pictures

_LOG = logging.getLogger("photograft")

_PAUSE, _NICE = 0.01, 10
#: Seconds between two reports of how far it is.
_REPORT = 0.5


class Scan:
    """Makes the thumbnails that are missing.

    Args:
        pictures: Makes them.
        tell: Called now and then, and at the end, from a thread.

    Attributes:
        found: Files of the scan.
        done: Those that were looked at.
    """

    def __init__(self, pictures: Pictures, tell: Callable[[], object]) -> None:
        self._pictures, self._tell = pictures, tell
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._told = 0.0
        self.found = self.done = 0

    @property
    def is_running(self) -> bool:
        """Whether there is something left to do."""
        return self.done < self.found

    def start(self, files: Sequence[str]) -> None:
        """Look at files, after those that are waiting already."""
        with self._lock:
            if not self.is_running:
                self.found = self.done = 0
            self.found += len(files)
            self._waiting[:0] = reversed(files)  # taken from the end
            missing = max(1, num_cores() - 1) - len(self._threads)
            for _ in range(missing if files and not self._is_closed else 0):
                thread = threading.Thread(target=self._work, name="thumbnails", daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Stop; what is under way is finished."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        _step_back()
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads.remove(threading.current_thread())
                    break
                file = self._waiting.pop()
            while self._pictures.num_asked and not self._is_closed:
                time.sleep(_PAUSE)
            try:
                if not self._pictures.has_thumbnail(file):
                    self._pictures.thumbnail(file, SIZES[0])
            except Exception:  # of one photo, which is no reason to leave out the others
                _LOG.exception("no thumbnail could be made of %s", file)
            with self._lock:
                self.done += 1
                now = time.monotonic()
                is_time = now - self._told > _REPORT or not self.is_running
                self._told = now if is_time else self._told
            if is_time and not self._is_closed:
                self._tell()
        if not self.is_running and not self._is_closed:
            self._pictures.prune()


def _step_back() -> None:
    """Have this thread run when others don't want to; on Linux, where each has its priority."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
