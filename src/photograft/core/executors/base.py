"""What every executor is: work goes in, batch by batch, and results come out as they are done.

Where work is done decides nothing of what comes out. So an executor is no setting: it is in no key
of the store, in no run folder, and in no classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from photograft.core.errors import InputError, first_line

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: Things that are handed to a worker at once: what is lost with it.
BATCH_SIZE = 32


class Work(Protocol[T_contra, R_co]):
    """What is to be done of things.

    Sent to another process it is pickled, and opens what it needs at its first batch there. It must
    give the same of each thing, whatever comes with it.
    """

    def __call__(self, batch: Sequence[T_contra], /) -> R_co:
        """Do a batch; positions in the result are those in the batch."""
        ...

    def stream(
        self, things: Iterable[T_contra], /
    ) -> Generator[tuple[Sequence[int], R_co], None, None]:
        """Do all of it in this process, in order.

        Yields:
            Positions of things that follow each other, and what became of them, as of a batch.
        """
        ...


@dataclass(frozen=True)
class Dealing(Generic[T_contra]):
    """How things are dealt out in batches, where they are.

    Attributes:
        batch_size: Things in a batch, at most.
        num_bytes: About how many bytes it takes to send a thing: batches are bounded in these, too.
        accelerated: Whether each worker needs an accelerator.
        check: Called about each second while workers are at work; what it raises ends the work.
        begins: Told of the positions of a batch as a worker takes it up, once more after a death.
    """

    batch_size: int = BATCH_SIZE
    num_bytes: Callable[[T_contra], int] = lambda thing: 0
    accelerated: bool = False
    check: Callable[[], object] = lambda: None
    begins: Callable[[Sequence[int]], object] = lambda positions: None


@dataclass(frozen=True)
class Done(Generic[R_co]):
    """What became of some things.

    Attributes:
        positions: Theirs, among all that were given.
        result: None where it is one thing by itself, and a worker that was given it died each time.
        place: The machine that did it; empty where there is one only.
    """

    positions: Sequence[int]
    result: R_co | None
    place: str = ""


class Executor(Protocol):
    """Does work.

    Attributes:
        is_remote: Whether it is done elsewhere: things and work are pickled, results come in any
            order, and a worker that dies costs no more than its batch.
    """

    is_remote: bool

    def run(
        self, work: Work[T, R], things: Iterable[T], dealing: Dealing[T] | None = None
    ) -> Generator[Done[R], None, None]:
        """Do work, and yield what is done.

        Args:
            work: The work.
            things: Read only a little ahead.
            dealing: How they are dealt out, where they are.

        Raises:
            InputError: The work, or a thing, can't be sent to where it is to be done.
            WorkersLostError: Workers die one after another, whatever they are given.
            Exception: What the work itself raised.
        """
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


@runtime_checkable
class Team(Protocol):
    """Workers that do one work together, such as training a network.

    Attributes:
        workers: How many.
    """

    workers: int

    def together(
        self, work: Callable[[Callable[[object], None]], None], *, folder: Path, accelerated: bool
    ) -> Iterator[object]:
        """Have each worker do the same work, connected by ``torch.distributed`` with the others.

        Where a worker dies, all begin anew: the work is to go on from where it was.

        Args:
            work: Picklable; is given what takes things that are to be told.
            folder: For what they write of their own; all machines see it.
            accelerated: Whether each worker needs an accelerator.

        Yields:
            What is told, as long as they are at work.

        Raises:
            InputError: There is no room for so many, or the work can't be sent to them.
            WorkersLostError: They die again and again, or can't be started.
            Exception: What the work raised.
        """
        ...


@contextmanager
def sending() -> Iterator[None]:
    """Say so where what is handed to other processes can't be: work, or its photos.

    Raises:
        InputError: It can't be pickled.
    """
    try:
        yield
    except Exception as error:
        # As pickle has it, whose own kind is told by its name: nobody else needs the module.
        is_unsendable = isinstance(error, (AttributeError, TypeError))
        if not is_unsendable and type(error).__name__ != "PicklingError":
            raise
        # Ray tells at length what it was given; why not, the error before its own.
        why = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise InputError(
            f"this can't be handed to other processes ({first_line(why)})",
            fix="Photos that are files, or lie in a zip or tar archive, can be.",
        ) from error


class InProcess:
    """Work is done in this process, by its threads: the default."""

    is_remote = False

    def run(
        self, work: Work[T, R], things: Iterable[T], dealing: Dealing[T] | None = None
    ) -> Generator[Done[R], None, None]:
        """Do work in the order of the things; see `Executor.run`."""
        del dealing  # the work's own groups are best here
        results = work.stream(things)
        try:
            for positions, result in results:
                yield Done(positions, result)
        finally:
            results.close()

    def close(self) -> None:
        """Nothing was started."""
