"""Memory that a server has done with: given back to the system, not kept for the next peak."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

#: Of ``mallopt``, as <malloc.h> has them.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
#: Blocks from this size on are the system's own, each: bodies of requests, not photos of a batch.
_LARGE = 512_000
_MAX_ARENAS = 2


def give_memory_back() -> None:
    """Have large blocks return to the system when they are freed; called before threads start.

    Left alone, glibc learns from the first large block that is freed to keep those to come, an
    arena for each thread. Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_ARENA_MAX, _MAX_ARENAS)


def collect_garbage_often() -> None:
    """Look for garbage as often as a process that goes on should; called once all is loaded.

    Commands look for it rarely: they end soon. Here each connection leaves some behind.
    """
    gc.collect()
    gc.freeze()  # what is loaded stays, and is not looked through again
    gc.set_threshold(5_000, 10, 10)
