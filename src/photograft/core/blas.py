"""Linear algebra on one thread.

NumPy's library shares each product and each decomposition among all cores. The threads that take
part wait for each other by spinning, several thousand times for the eigenvectors of one matrix: on
a machine that does anything else beside, two cores then take many times as long as one. One thread
gives the same bits on any number of cores, too. What is long enough is parted at a higher level.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Generator

from threadpoolctl import ThreadpoolController

_limiting = threading.Lock()


@contextlib.contextmanager
def one_thread() -> Generator[None]:
    """Let linear algebra run on the thread that asks for it, for as long as this is entered.

    Also a decorator. It holds for the whole process. Who enters while another is within changes
    nothing, so that what was set before comes back: should the other leave first, that is slower.
    """
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield
    finally:
        _limiting.release()


@functools.cache
def _libraries() -> ThreadpoolController:
    """Return those that are loaded: looking for them takes milliseconds."""
    return ThreadpoolController()
