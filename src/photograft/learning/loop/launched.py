"""Training by the processes that ``torchrun`` has started: the first leads, the others help.

The first does all that it would do alone. Where it comes to a training loop, it hands the loop to
the others, which have waited for it, and all train together. Between trainings they wait.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import torch

from photograft.core.errors import InputError, WorkersLostError
from photograft.core.executors.launched import Launch
from photograft.core.parallel import keep_to, num_cores
from photograft.core.text import count
from photograft.learning.loop.distributed import Group, Joined, joined

R = TypeVar("R")

_LEADS: ContextVar[Joined | None] = ContextVar("leads", default=None)


@dataclass(frozen=True)
class _End:
    """What the first one tells the others last."""

    result: Any


def lead_or_help(launch: Launch, lead: Callable[[], R]) -> R:
    """Do work in the first of several processes, and have the others help where it trains.

    Args:
        launch: Which of them this is.
        lead: The work, done by the first one alone.

    Returns:
        In each of them, what `lead` gave.

    Raises:
        InputError: There are more processes than accelerators.
        WorkersLostError: One of the others is gone.
    """
    with joined(**_how(launch)) as group:
        if launch.rank == 0:
            with _ended_by_others(launch), _leading(group):
                result = lead()
            return group.same(_End(result)).result  # type: ignore[no-any-return]
        keep_to(max(1, num_cores() // launch.local_size))
        with _heedless():
            return _help(group)  # type: ignore[no-any-return]


def leading() -> Group | None:
    """Return whom a training that begins here is to be shared with; None for nobody."""
    return _LEADS.get()


def _help(group: Joined) -> Any:
    while True:
        told: Any = group.same(None)
        if isinstance(told, _End):
            return told.result
        told.run(group)


def _how(launch: Launch) -> dict[str, Any]:
    """Return how the processes are connected; on a GPU each where there are any."""
    if not torch.cuda.is_available():
        return {"backend": "gloo"}
    there = torch.cuda.device_count()
    if launch.local_size > there:
        raise InputError(
            f"there are {launch.local_size} processes for {count(there, 'accelerator')}",
            fix=f"Give torchrun --nproc-per-node {there}.",
        )
    torch.cuda.set_device(launch.local_rank)
    return {"backend": "cpu:gloo,cuda:nccl"}


@contextmanager
def _leading(group: Joined) -> Iterator[None]:
    token = _LEADS.set(group)
    try:
        yield
    finally:
        _LEADS.reset(token)


@contextmanager
def _ended_by_others(launch: Launch) -> Iterator[None]:
    """Say how to go on where another process is gone, or ``torchrun``, noticing it, ends this one.

    Raises:
        WorkersLostError: That is so.
    """
    fix = f"What was trained is kept, to the last whole epoch. To go on, run: {launch.command()}"

    def heed(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise WorkersLostError(
            "this process was told to end, as it is where another one that trains with it dies",
            fix=fix,
        )

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, heed) if is_main else None
    try:
        yield
    except WorkersLostError as error:
        # Told to end while it ends already, it would say so in the middle of it.
        if is_main:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if fix in str(error):
            raise
        raise WorkersLostError(str(error), fix=fix) from error
    finally:
        if is_main and signal.getsignal(signal.SIGTERM) is heed:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _heedless() -> Iterator[None]:
    """Leave Ctrl-C to the first process: where it ends, the others have nothing to do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
