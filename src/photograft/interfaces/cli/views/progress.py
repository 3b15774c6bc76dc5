"""How far a command is, on standard error: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from photograft.core.bars import Bar, Pace, ticking, write_line
from photograft.core.progress import Progress, Silent, Step
from photograft.core.text import rough_duration, shown

#: Seconds: a command that takes no longer says nothing; a step says again how far it is so often,
#: and another one of the same kind, such as the next epoch, speaks up no sooner.
PATIENCE = 3.0
AGAIN = 30.0


class Lines:
    """A `Progress` that writes a line when a step begins, and now and then how far it is.

    For logs and pipes: nothing is drawn over, and a command that is soon done says nothing.

    Args:
        stream: Where they are written.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._kind, self._said = "", 0.0

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Say what is begun, and while it lasts how far it is."""
        pace = Pace(what, total, unit)
        with ticking(min(1.0, AGAIN), lambda: self._tell(pace)):
            yield pace

    def say(self, message: str) -> None:
        """Write one line."""
        self._kind = ""
        write_line(self._stream, shown(message))

    def _tell(self, pace: Pace) -> None:
        now, kind = time.monotonic(), re.sub(r"\d+", "", pace.what.partition(",")[0])
        if now - self._began < PATIENCE or (kind == self._kind and now - self._said < AGAIN):
            return
        words = f"{pace.total:,} {pace.unit}" if pace.total > 1 else ""
        if pace.done:
            words = f"{pace.amount(' of ')} {pace.unit}".removesuffix(" bytes")
            words += f", {rough_duration(pace.seconds)} so far"
            if pace.seconds_left is not None:
                words += f", about {rough_duration(pace.seconds_left)} left"
        self._kind, self._said = kind, now
        write_line(self._stream, shown(f"{pace.what}: {words}" if words else pace.what))


def make_progress(*, quiet: bool = False) -> Progress:
    """Return the command line's progress: a bar in a terminal, lines where output is kept.

    Args:
        quiet: Say nothing: rows are printed to a terminal, and tell themselves how far it is.
    """
    if quiet or sys.stderr is None:
        return Silent()
    is_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    return Bar(sys.stderr) if is_terminal else Lines(sys.stderr)
