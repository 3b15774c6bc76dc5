"""How long work tells how far it is: a protocol, and the silent version of it.

A function that a user calls takes `Watched` and makes a `Progress` of it with `bars.progress_of`;
all below it are handed a `Progress`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias


class Step(Protocol):
    """One step of work that is under way."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units are done."""

    def note(self, text: str) -> None:
        """Show some words beside the step, in place of those before."""


class Progress(Protocol):
    """Told of each step of work that may take longer than a second."""

    def step(self, what: str, total: int, unit: str) -> AbstractContextManager[Step]:
        """Open a step called `what`, of `total` `unit` (a plural); 0 where it is not known."""

    def say(self, message: str) -> None:
        """Tell the user something in passing, as one line."""


#: What a user gives: True for a bar where somebody sees it, False or None for silence, or whom to
#: tell.
Watched: TypeAlias = Progress | bool | None


class _SilentStep:
    def advance(self, amount: int = 1) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""
        del text


class Silent:
    """A `Progress` that shows nothing."""

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Open a step that nobody sees."""
        del what, total, unit
        yield _SilentStep()

    def say(self, message: str) -> None:
        """Ignore it."""
        del message
