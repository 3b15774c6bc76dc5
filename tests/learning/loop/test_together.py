"""A training that is handed over to others: what they tell, and what is taken up here.

Those are imagined: each does its work in this process, as a group of one. `test_ray_training` has
real ones.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore

import training_helpers as small
from photograft.core.errors import StorageError
from photograft.core.executors.base import InProcess
from photograft.core.executors.choosing import executing
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.together import Task, carry_out
from recording import EpochRecorder, InterruptedByTestError, Recorder

X, Y = small.problem(41)


class Elsewhere(small.Rows):
    """Rows that this process must not read: others do."""

    def __reduce__(self) -> tuple[object, ...]:
        return small.Rows, (self.inputs,)

    def read(self, *given: object) -> NoReturn:
        raise AssertionError("it is trained here")


@dataclass
class Imagined(InProcess):
    """A team that trains elsewhere.

    Attributes:
        dies: After how many things a worker has died each time that it told the next one.
        is_shared: Whether what it keeps is seen here.
    """

    dies: list[int] = field(default_factory=list)
    is_shared: bool = True
    workers = 2

    def together(
        self, work: Callable[[Callable[[object], None]], None], *, folder: Path, accelerated: bool
    ) -> Iterator[object]:
        assert not accelerated
        if not self.is_shared:
            yield ("say", "all is trained, and kept somewhere else")
            return
        for dies in [*self.dies, 10**6]:
            told: list[object] = []

            def tell(thing: object, told: list[object] = told, dies: int = dies) -> None:
                if len(told) == dies:
                    raise ConnectionError
                told.append(pickle.loads(pickle.dumps(thing)))

            dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
            try:
                pickle.loads(pickle.dumps(work))(tell)
            except ConnectionError:
                continue
            finally:
                dist.destroy_process_group()
                yield from told


def broken(function: object, *, dynamic: bool) -> object:
    """Stands for a compiler that fails."""
    del function, dynamic
    raise RuntimeError("no compiler is here")


def task(**setting: object) -> Task:
    where = replace(small.setting(), **setting)  # type: ignore[arg-type]
    train, validation = Elsewhere(X), Elsewhere(X[:9])
    return Task(
        small.head_model(),
        Feed(train, Y),
        Feed(validation, Y[:9]),
        small.PLAIN_LOOP,
        where,
    )


def test_what_others_trained_is_taken_up(cache: Path) -> None:
    """With all that it says, such as that it was not compiled."""
    alone = small.head_model()
    expected = small.run(alone, small.feed(X, Y), small.feed(X[:9], Y[:9]))
    given, recorder, follower = task(compiler=broken), Recorder(), EpochRecorder()
    with executing(Imagined()):
        found = carry_out(given, Checkpoint(cache, {}), [follower], recorder)
    assert small.without_seconds(found) == small.without_seconds(expected)
    assert small.same_tensors(small.weights_of(given.model), small.weights_of(alone))
    assert tuple(follower.epochs) == found.epochs
    assert recorder.done == {f"Epoch {i}/3": 41 + 9 for i in (1, 2, 3)}
    (note,) = found.notes
    assert note.startswith("torch.compile failed (no compiler is here)")


def test_each_epoch_is_told_once_whenever_a_worker_dies(cache: Path) -> None:
    """Also where it died after an epoch was kept, and before it was told."""
    for dies in range(9):
        follower, kept = EpochRecorder(), Checkpoint(cache, {"dies": dies})
        with executing(Imagined(dies=[dies, dies])):
            found = carry_out(task(), kept, [follower], Recorder())
        assert tuple(follower.epochs) == found.epochs


def test_where_what_others_trained_is_not_seen_here(cache: Path) -> None:
    """It is not trained again, alone; nor is gone on from what was once done here."""
    kept = Checkpoint(cache, {})
    with executing(Imagined(is_shared=False)), pytest.raises(StorageError, match="folder that all"):
        carry_out(task(), kept, [], Recorder())
    here = replace(task(), train=small.feed(X, Y), validation=small.feed(X[:9], Y[:9]))
    with pytest.raises(InterruptedByTestError):
        here.run(checkpoint=kept, followers=[EpochRecorder(raise_after=1)])
    with executing(Imagined(is_shared=False)), pytest.raises(StorageError, match="folder that all"):
        carry_out(task(), kept, [], Recorder())
