"""Ctrl-C: the first ends the work in good order, impatient ones end it at once."""

from __future__ import annotations

import atexit
import os
import signal
import time
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
        self._count, self._latest, self._is_over = 0, 0.0, False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._heed)
            # The interpreter, on its way out, would put the system's own handler in our place.
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)

    def end(self) -> None:
        """Say that nothing is left to tidy up: from now on a Ctrl-C ends the process at once."""
        self._is_over = True

    def _heed(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        now = time.monotonic()
        is_slip = now - self._latest < _SLIP
        self._count, self._latest = self._count + 1, now
        if self._count > 2 or self._is_over:
            if not self._is_over:
                os.write(2, f"\nphotograft: {MESSAGE}\n".encode())
            os._exit(INTERRUPTED)
        if self._count == 1 or not is_slip:
            raise KeyboardInterrupt
