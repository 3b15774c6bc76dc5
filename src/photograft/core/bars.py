"""Progress drawn as one line of plain text, in terminals and notebooks alike."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TypeVar

from photograft.core.errors import InputError
from photograft.core.progress import Progress, Silent, Step, Watched
from photograft.core.text import short, shown, size

#: Seconds between two drawings, and what a step has to last to leave a line.
_TICK = 0.2
_SHORTEST_BAR, _LONGEST_BAR = 10, 28


T = TypeVar("T")


def progress_of(watched: Watched) -> Progress:
    """Return who is told how far it is.

    Args:
        watched: True: a bar on standard error where that is a terminal or a notebook's, and nobody
            where it is not. False or None: nobody. Else whom to tell.

    Raises:
        InputError: It is something else.
    """
    if watched is True:
        return Bar(sys.stderr) if sys.stderr is not None and is_seen() else Silent()
    if watched is None or watched is False:
        return Silent()
    if not (hasattr(watched, "step") and hasattr(watched, "say")):
        raise InputError(
            "progress can't be understood",
            expected="True, False, or an object with the methods step and say",
            got=repr(watched),
        )
    return watched


def followed(
    things: Iterable[T], watched: Watched, what: str, total: int, unit: str
) -> Iterator[T]:
    """Yield things, each of them a unit of a step that is done as the next one is asked for."""
    with progress_of(watched).step(what, total, unit) as step:
        for thing in things:
            yield thing
            step.advance()


def is_seen() -> bool:
    """Return whether standard error is a terminal's, or shown in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel") or (sys.stderr is not None and sys.stderr.isatty())


class Pace:
    """How far a step is, how fast, and how long it will take still.

    Args:
        what: What the step is called.
        total: How much there is to do; 0 where it is not known.
        unit: Of what, a plural.

    Attributes:
        done: How much is done.
        words: What is shown beside it.
    """

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done, self.words = 0, ""
        self._began = time.monotonic()
        # What went before the first advance, such as opening a network, is not the pace.
        self._moved: tuple[float, int] | None = None

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more as done."""
        self.done += amount
        if self._moved is None:
            self._moved = time.monotonic(), self.done

    def note(self, text: str) -> None:
        """Keep some words, in place of those before."""
        self.words = text

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    @property
    def speed(self) -> float | None:
        """How much is done in a second; None where that is not known yet."""
        if self._moved is None:
            return None
        since, first = self._moved
        seconds = time.monotonic() - since
        if self.done > first and seconds >= _TICK:  # of less, it would be thousands a second
            return (self.done - first) / seconds
        return None

    @property
    def seconds_left(self) -> float | None:
        """How long it will take still; None where that is not known."""
        speed = self.speed
        return (self.total - self.done) / speed if speed and self.done < self.total else None

    def amount(self, between: str = "/") -> str:
        """Return how much of how much is done."""
        write: Callable[[int], str] = size if self.unit == "bytes" else "{:,}".format
        return write(self.done) + (f"{between}{write(self.total)}" if self.total else "")


class Bar:
    """A `Progress` of one line that is drawn over and over: what, how far, how long still.

    Args:
        stream: Where it is drawn, such as standard error.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        # Steps within steps: the innermost is drawn.
        self._steps: list[Pace] = []
        self._width = 0
        self._lock = threading.RLock()

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Draw a bar until the step is done; its line stays where that took a while."""
        pace = Pace(what, total, unit)
        self._steps.append(pace)
        try:
            with ticking(_TICK, lambda: self._draw(pace)):
                yield pace
        finally:
            self._draw(pace, last=True)
            self._steps.remove(pace)

    def say(self, message: str) -> None:
        """Print one line above the bar."""
        with self._lock:
            self._write("")
            write_line(self._stream, shown(message))
            self._width = 0

    def _draw(self, pace: Pace, *, last: bool = False) -> None:
        with self._lock:
            if not self._steps or self._steps[-1] is not pace:
                return
            if not last:
                self._write(self._line(pace))
            elif pace.seconds < _TICK:
                self._write("")
            else:
                self._write(self._line(pace))
                write_line(self._stream)
                self._width = 0

    def _write(self, line: str) -> None:
        """Put a line in place of the one that is there."""
        blank = " " * max(self._width - columns(line), 0)
        if self._width or line:
            write_line(self._stream, f"\r{line}{blank}" + ("" if line else "\r"), end="")
        self._width = columns(line)

    def _line(self, pace: Pace) -> str:
        """Return what fits on a line: the less there is room for, the less is said."""
        room = shutil.get_terminal_size().columns - 1
        amount, left, speed = pace.amount(), pace.seconds_left, pace.speed
        # How long still is worth more than the whole of a long name.
        what = _narrow(pace.what, room - columns(amount) - 2 - (11 if pace.total else 0))
        texts = {
            "what": what,
            "bar": " " * _SHORTEST_BAR if pace.total else "",
            "amount": amount,
            "speed": f"{speed:,.0f} {pace.unit}/s" if speed and pace.unit != "bytes" else "",
            "left": f"{_clock(left)} left" if left is not None else "",
            "so far": f"{_clock(pace.seconds)} so far",
            "note": shown(pace.words),
        }
        shows = {"what", "amount"}
        used = columns(what) + 2 + columns(amount)
        for name in ("left", "note", "bar", "so far", "speed"):
            width = columns(texts[name]) + 2
            if texts[name] and used + width <= room:
                shows.add(name)
                used += width
        if "bar" in shows:
            texts["bar"] = self._bar(pace, min(_SHORTEST_BAR + room - used, _LONGEST_BAR))
        return "  ".join(text for name, text in texts.items() if name in shows)

    def _bar(self, pace: Pace, width: int) -> str:
        full = min(round(width * pace.done / pace.total), width)
        is_unicode = (getattr(self._stream, "encoding", None) or "").lower().startswith("utf")
        done, rest = "━ " if is_unicode else "#-"
        return done * full + rest * (width - full)


@contextmanager
def ticking(seconds: float, tick: Callable[[], None]) -> Iterator[None]:
    """Call something at once and then every so many seconds, whatever is done meanwhile."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(seconds):
            tick()

    thread = threading.Thread(target=work, name="photograft-progress", daemon=True)
    tick()
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def write_line(stream: IO[str], text: str = "", *, end: str = "\n") -> None:
    """Write a line; a stream that takes no more is no reason to stop the work."""
    with contextlib.suppress(OSError, ValueError):
        stream.write(text + end)
        stream.flush()


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    >>> columns("cat"), columns("猫")
    (3, 2)
    """
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _narrow(text: str, room: int) -> str:
    """Return text as `shown`, its middle left out where it takes more columns than there are."""
    most = len(text)
    while columns(found := short(text, most)) > room and most > 4:
        most -= 1
    return found


def _clock(seconds: float) -> str:
    """Return a time as a clock shows it.

    >>> _clock(75), _clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
