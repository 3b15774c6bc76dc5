"""A network trained by workers on Ray, one of which dies; and what is said where there is no room.

See `test_distributed` for what each worker does, and why results are compared to a tolerance.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import training_helpers as small
from executor_helpers import NEEDS_RAY, end, listening
from photograft.core.errors import InputError
from photograft.core.executors.choosing import executing
from photograft.core.executors.ray_cluster import OnRay
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.together import Task, carry_out
from recording import EpochRecorder, Recorder

pytestmark = NEEDS_RAY

X, Y = small.problem(41)


@dataclass(frozen=True)
class Deadly:
    """Rows of which each of the first deaths ends the worker that reads them, in the second epoch.

    In place of an ending, something may be raised. Before it, what the worker listens on is noted.
    """

    folder: Path
    deaths: int
    is_wrong: bool = False

    def __len__(self) -> int:
        return len(X)

    def read(
        self, order: npt.NDArray[np.intp], batch_size: int, epoch: int
    ) -> Generator[npt.NDArray[np.generic], None, None]:
        for number in range(self.deaths if epoch else 0):
            if self.is_wrong:
                raise LookupError("the third photo is gone")
            try:
                (self.folder / str(number)).touch(exist_ok=False)
            except FileExistsError:
                continue
            if sys.platform == "linux":
                places = " ".join(listening({str(os.getpid())}))
                (self.folder / str(number)).write_text(places, encoding="utf-8")
            end()
        for i in range(0, len(order), batch_size):
            yield X[order[i : i + batch_size]]


def task(batches: Any) -> Task:
    settings = replace(small.PLAIN_LOOP, epochs=3)
    return Task(
        small.head_model(), Feed(batches, Y), small.feed(X[:9], Y[:9]), settings, small.setting()
    )


def test_one_that_dies_costs_an_epoch(on_ray: OnRay, tmp_path: Path, cache: Path) -> None:
    recorder, follower = Recorder(), EpochRecorder()
    (deaths := tmp_path / "deaths").mkdir()
    alone = task(small.Rows(X))
    expected = alone.run()
    together = task(Deadly(deaths, 1))
    on_ray.workers = 2
    try:
        with executing(on_ray):
            found = carry_out(together, Checkpoint(cache, {}), [follower], recorder)
    finally:
        on_ray.workers = 1
    (noted,) = deaths.iterdir()
    # PyTorch's meeting point, which the first worker has, is open; and nothing else.
    places = noted.read_text(encoding="utf-8").split()
    assert len([place for place in places if not place.endswith("127.0.0.1")]) <= 1
    assert places or sys.platform != "linux"
    for name, value in small.weights_of(alone.model).items():
        torch.testing.assert_close(
            together.model.trained_state()[name], value, rtol=1e-4, atol=1e-5
        )
    for one, other in zip(found.epochs, expected.epochs, strict=True):
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-4)
    assert tuple(follower.epochs) == found.epochs
    assert "A worker died: 2 workers go on from the last whole epoch" in recorder.said
    assert "Going on after epoch 1, where it was interrupted" in recorder.said
    assert recorder.done["Epoch 3/3"] == 41 + 9


def test_what_is_wrong_with_a_photo_is_said(on_ray: OnRay, tmp_path: Path, cache: Path) -> None:
    """Once, as what it is, whoever's error it is."""
    wrong, right = task(Deadly(tmp_path, 1, is_wrong=True)), task(small.Rows(X))
    kept, recorder = Checkpoint(cache, {}), Recorder()
    try:
        with executing(on_ray):
            on_ray.workers = 2
            with pytest.raises(LookupError, match="third photo"):
                carry_out(wrong, kept, [], recorder)
            assert recorder.said == []
            on_ray.workers = 7
            with pytest.raises(InputError, match=r"too few for 7 workers\. Give --workers"):
                carry_out(right, kept, [], Recorder())
    finally:
        on_ray.workers = 1
