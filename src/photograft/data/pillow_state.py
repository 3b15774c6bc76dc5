"""Pillow's settings that are those of the whole process, held while our threads decode."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from PIL import Image

#: Pixels that all threads together decode at once, some 3 GB; a larger picture is decoded alone.
MAX_AT_ONCE: Final = 400_000_000


class _Shared:
    """A process-wide setting of Pillow's, held as long as any thread is inside.

    `warnings.catch_warnings` is not for threads: of two that overlap, the last to leave may put
    back the other's setting, for good. And one lock around all of it would have the threads decode
    one after the other. So the threads that are inside are counted.
    """

    def __init__(self, hold: Callable[[], None], release: Callable[[], None]) -> None:
        self._hold, self._release = hold, release
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            self._hold()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._release()


# Matches what Pillow's own modules warn of, and nothing else. The comment in the pattern makes it
# differ from any filter of the user's, which would be taken away with ours otherwise.
_PILLOW_WARNS = ("ignore", None, Warning, re.compile(r"PIL\.(?#photograft)"), 0)


def _hush() -> None:
    # Anew on each entry: `warnings.catch_warnings` in another thread may have taken it away.
    filters = cast("list[Any]", warnings.filters)
    if not filters or filters[0] is not _PILLOW_WARNS:
        filters.insert(0, _PILLOW_WARNS)


def _unhush() -> None:
    filters = cast("list[Any]", warnings.filters)
    while _PILLOW_WARNS in filters:
        filters.remove(_PILLOW_WARNS)


_limits: list[int] = []  # Pillow's own, while they are lifted


def _lift() -> None:
    if Image.MAX_IMAGE_PIXELS is not None:
        _limits.append(Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None


def _unlift() -> None:
    if _limits and Image.MAX_IMAGE_PIXELS is None:
        Image.MAX_IMAGE_PIXELS = _limits[-1]
    _limits.clear()


#: Pillow's own warnings are not shown.
QUIET = _Shared(_hush, _unhush)

#: Pillow's own limit is lifted.
#
# All users of Pillow in this process lose its limit meanwhile. So it is only lifted for a file that
# Pillow has just refused: to read its size, which our own limit then judges before any pixel is
# decoded, or to decode it where the caller's limit is above Pillow's.
NO_LIMIT = _Shared(_lift, _unlift)


class Room:
    """Pixels that may be decoded at once, shared by threads: each waits until its own fit in.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        """Wait for room for so many pixels, at most all of it, and hold it."""
        wanted = min(pixels, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + wanted <= self._size)
            self._taken += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()


ROOM = Room(MAX_AT_ONCE)
