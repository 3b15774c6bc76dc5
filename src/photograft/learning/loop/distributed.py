"""Several processes that train one network: the one place that knows how they do it together.

Each batch is dealt out: every worker reads and computes its share of the same seeded order, and
before the weights change, gradients are added up. So each worker's update is that of the whole
batch, as one process would have made it, but for the order in which numbers are added. No worker
has weights of its own: all begin with the same, and add the same to them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor

from photograft.core.errors import InputError, WorkersLostError, first_line
from photograft.core.executors.worker import as_sent
from photograft.core.text import count

V = TypeVar("V")

#: Numbers that are added up at once: some 100 MB.
_AT_ONCE = 25_000_000
#: While the first one prepares photos, writes and scores, the others wait, for as long as it takes.
_PATIENCE = datetime.timedelta(days=30)
#: Where a worker leaves word of why it ends.
_ERROR = "photograft/error"


class Group(Protocol):
    """Those that train one network together.

    Attributes:
        rank: The number of this process among them; 0 is the first one, which alone reads and
            writes what is kept, and tells how far it is.
        size: How many there are.
    """

    rank: int
    size: int

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Put into tensors, one like another in each process, the sums over all processes.

        Raises:
            WorkersLostError: One of the others is gone.
        """
        ...

    def same(self, value: V) -> V:
        """Return in each process what the first one has given.

        Raises:
            WorkersLostError: One of the others is gone.
        """
        ...


class Alone:
    """One process trains: the default."""

    rank, size = 0, 1

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Leave them as they are."""
        del tensors

    def same(self, value: V) -> V:
        """Return it."""
        return value


class Joined:
    """The processes of torch's default group, which has been opened.

    Small things are told through a group of their own, which has more patience.

    Raises:
        WorkersLostError: One of the others is gone already.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        with _noticing():
            self._telling: Any = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Add up over all processes, several tensors at once; see `Group.add_up`."""
        together: list[Tensor] = []
        for tensor in tensors:
            if together and sum(t.numel() for t in together) + tensor.numel() > _AT_ONCE:
                self._add_up(together)
                together = []
            together.append(tensor)
        if together:
            self._add_up(together)

    def same(self, value: V) -> V:
        """Return what the first one has; see `Group.same`."""
        told: list[Any] = [value if self.rank == 0 else None]
        with _noticing():
            dist.broadcast_object_list(told, 0, group=self._telling)
        found: V = told[0]
        return found

    def _add_up(self, tensors: Sequence[Tensor]) -> None:
        whole = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with _noticing():
            dist.all_reduce(whole)
        parts = torch.split(whole, [tensor.numel() for tensor in tensors])
        with torch.no_grad():
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view_as(tensor))


class _AddedUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        whole = x.clone()
        group.add_up([whole])
        return whole

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        # Each process's loss depends on every process's part of the sum.
        whole = grads[0].contiguous().clone()
        ctx.group.add_up([whole])
        return whole, None


def added_up(x: Tensor, group: Group) -> Tensor:
    """Return the sum of a tensor over all processes; gradients flow back to all of them."""
    found: Tensor = _AddedUp.apply(x, group)
    return found


@dataclass(frozen=True)
class Share:
    """What one worker does of an epoch.

    Attributes:
        order: Its photos, batch after batch.
        batch_size: How many of them are in a batch; the last one has what is left.
        is_idle: Whether the last batch has too few photos for all: then it goes along with one that
            another worker has, and that counts for nothing.
    """

    order: npt.NDArray[np.intp]
    batch_size: int
    is_idle: bool = False


def deal(order: npt.NDArray[np.intp], batch_size: int, group: Group) -> Share:
    """Return a worker's share of each batch of an epoch.

    Args:
        order: The photos of the epoch, at least one.
        batch_size: Of a whole batch.
        group: The workers.

    Raises:
        InputError: A batch has fewer photos than there are workers.
    """
    if batch_size < group.size:
        raise InputError(
            f"a batch of {count(batch_size, 'photo')} can't be dealt to {group.size} workers",
            fix=f"Give --batch-size {group.size} or more, or fewer workers.",
        )
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    own = [np.array_split(batch, group.size)[group.rank] for batch in batches]
    is_idle = not len(own[-1])
    if is_idle:
        own[-1] = batches[-1][:1]
    return Share(np.concatenate(own), len(own[0]), is_idle)


@contextmanager
def joined(**how: Any) -> Iterator[Joined]:
    """Open torch's default group, and leave it in the end.

    Args:
        how: As `torch.distributed.init_process_group` takes it.

    Raises:
        WorkersLostError: The others do not come, or are gone before the end.
    """
    with _noticing():
        dist.init_process_group(**how)
    try:
        yield Joined()
    except Exception as error:
        _leave_word(error)
        raise
    finally:
        dist.destroy_process_group()


def _leave_word(error: Exception) -> None:
    """Tell the others why this one ends, unless it only noticed that another one has."""
    if isinstance(error, WorkersLostError):
        return
    with suppress(RuntimeError):  # the first one, which has the place for it, may be gone
        store = dist.distributed_c10d._get_default_store()
        if not store.check([_ERROR]):
            store.set(_ERROR, ForkingPickler.dumps(as_sent(error)).hex())


@contextmanager
def _noticing() -> Iterator[None]:
    """Say that a worker is gone, and why, where torch says that a connection is.

    Raises:
        WorkersLostError: It left no word.
        Exception: What was wrong there, with its photos, say: it left word of it.
    """
    try:
        yield
    except RuntimeError as error:  # gloo's and NCCL's own kinds are such
        left = _word_left()
        if left is not None:
            raise left from error
        raise WorkersLostError(
            f"a process that trains with this one has ended ({first_line(error)})"
        ) from error


def _word_left() -> Exception | None:
    """Return why a worker has ended; None where none left word, or the place for it is gone."""
    try:
        store = dist.distributed_c10d._get_default_store()
        if not store.check([_ERROR]):
            return None
        found: Exception = ForkingPickler.loads(bytes.fromhex(store.get(_ERROR).decode()))
    except (RuntimeError, ValueError):
        return None
    return found
