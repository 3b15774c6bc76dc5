"""A training, as one thing that can be handed over, and by whom it is done: chosen here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from photograft.core.executors.base import sending
from photograft.core.executors.choosing import team
from photograft.core.progress import Progress, Silent
from photograft.learning.history import Follower, History
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.distributed import Group, Joined
from photograft.learning.loop.feeds import Feed, Model, Setting
from photograft.learning.loop.launched import leading
from photograft.learning.loop.relay import Heard, Telling
from photograft.learning.loop.training import take_up, train_network
from photograft.learning.settings import Training


@dataclass(frozen=True)
class Task:
    """A training: all that each of those who do it together has to know.

    Attributes:
        model: Changed in place, wherever it is.
        train: What it learns from.
        validation: What each epoch is measured on; None for nothing.
        settings: The loop's.
        setting: Where and how it runs.
    """

    model: Model
    train: Feed
    validation: Feed | None
    settings: Training
    setting: Setting

    def run(
        self,
        group: Group | None = None,
        *,
        checkpoint: Checkpoint | None = None,
        followers: Sequence[Follower] = (),
        progress: Progress | None = None,
    ) -> History:
        """Train here, alone or as one of a group; see `train_network`."""
        if isinstance(self.model, nn.Module):
            self.model.to(self.setting.device)
        history = train_network(
            self.model,
            self.train,
            self.validation,
            self.settings,
            self.setting,
            group=group,
            checkpoint=checkpoint,
            followers=followers,
            progress=progress or Silent(),
        )
        if isinstance(self.model, nn.Module):
            self.model.to("cpu")
        return history


@dataclass(frozen=True)
class _Elsewhere:
    """A training, as each worker of a team does it.

    Attributes:
        task: The training.
        checkpoint: Where its state is kept; the first worker writes it.
    """

    task: Task
    checkpoint: Checkpoint

    def __call__(self, tell: Callable[[object], None]) -> None:
        group = Joined()
        if group.rank:
            self.task.run(group)
            return
        told = Telling(tell)
        self.task.run(group, checkpoint=self.checkpoint, followers=[told], progress=told)
        told.flush()


def carry_out(
    task: Task, checkpoint: Checkpoint, followers: Sequence[Follower], progress: Progress
) -> History:
    """Train: here, with those that ``torchrun`` has started, or by a team of workers on Ray.

    Args:
        task: The training; its model then has the weights of the epoch that was kept.
        checkpoint: Where its state is kept after each epoch.
        followers: Told of each epoch.
        progress: Told how far it is.

    Raises:
        InputError: The loss is no longer a number, there is no room for so many workers, or photos
            can't be handed to them.
        StorageError: The state can't be kept, or what workers kept is not to be seen here.
        WorkersLostError: One of those that train together is gone.
    """
    group, workers = leading(), team()
    if group is not None:
        with sending():
            group.same(task)
    elif workers is not None:
        with Heard(followers, progress) as heard:
            for event in workers.together(
                _Elsewhere(task, checkpoint),
                folder=checkpoint.folder / "ray",
                accelerated=task.setting.device != "cpu",
            ):
                heard(event)
        return take_up(task.model, task.train, task.settings, task.setting, checkpoint)
    return task.run(group, checkpoint=checkpoint, followers=followers, progress=progress)
