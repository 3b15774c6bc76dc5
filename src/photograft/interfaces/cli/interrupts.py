"""Ctrl-C: the first ends the work in good order, impatient ones end it at once."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

#: The exit code of what was interrupted.
INTERRUPTED = 130
#: What is said then.
MESSAGE = "interrupted; what was computed is kept: run the same command again"

#: Seconds in which a second Ctrl-C is a slip of the finger.
_SLIP = 1.0


class Interrupts:
    """Takes the Ctrl-C of a process, but where it was told to ignore them from the start.

    What tidies up takes some time, and another Ctrl-C in the middle of it would end in a traceback.
    """

    def __init__(self) -> None:
        self._count, self._latest = 0, 0.0
        self._code: int | None = None
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._heed)
            atexit.register(self._leave)

    def end(self, code: int) -> None:
        """Say that nothing is left to tidy up: from now on a Ctrl-C ends the process at once."""
        self._code = code

    def _leave(self) -> None:
        # The interpreter, on its way out, would put the system's own handler in our place.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._code == INTERRUPTED:
            # And where the Ctrl-C came while something was imported, it would end by the signal.
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(INTERRUPTED)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        now = time.monotonic()
        is_slip = now - self._latest < _SLIP
        self._count, self._latest = self._count + 1, now
        if self._count > 2 or self._code is not None:
            if self._code is None:
                os.write(2, f"\nphotograft: {MESSAGE}\n".encode())
            os._exit(INTERRUPTED)
        if self._count == 1 or not is_slip:
            raise KeyboardInterrupt
