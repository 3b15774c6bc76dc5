"""The one training loop: every strategy that trains a network or a head by gradients runs it.

It can be interrupted after any epoch, and then goes on to the very same result: what is random in
an epoch follows from the seed and the epoch's number alone.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from torch import Tensor

from photograft.core.errors import InputError, StorageError
from photograft.core.progress import Progress
from photograft.learning.history import Epoch, Follower, History
from photograft.learning.loop.checkpoints import Checkpoint, pack_optimizer, unpack_optimizer
from photograft.learning.loop.distributed import Alone, Group
from photograft.learning.loop.feeds import Feed, Model, Setting
from photograft.learning.loop.passes import Passes, copies, put
from photograft.learning.settings import Training


def train_network(
    model: Model,
    train: Feed,
    validation: Feed | None,
    settings: Training,
    setting: Setting,
    *,
    group: Group | None = None,
    checkpoint: Checkpoint | None = None,
    followers: Sequence[Follower] = (),
    progress: Progress,
    timer: Callable[[], float] = time.perf_counter,
) -> History:
    """Train a model; it then has the weights of the epoch that was kept.

    Args:
        model: Changed in place.
        train: What it learns from.
        validation: What each epoch is measured on; None for nothing.
        settings: The loop's.
        setting: Where and how it runs.
        group: Those that train it together, each of which calls this with the same; this process
            alone where not given.
        checkpoint: Where its state is kept after each epoch; what is there already is gone on from.
            That of the first of the group counts.
        followers: Told of each epoch; of those before an interruption at once.
        progress: Told how far it is.
        timer: Tells the time, in seconds.

    Raises:
        InputError: The loss is no longer a number.
        StorageError: The state can't be kept.
        WorkersLostError: One of the group is gone.
    """
    group = group or Alone()
    loop = _Loop(Passes(model, train, settings, setting, group))
    passes = loop.passes
    state = group.same(checkpoint.load() if checkpoint else None)
    if state:
        loop.restore(*state)
        if not loop.is_over():
            progress.say(f"Going on after epoch {len(loop.epochs)}, where it was interrupted")
    for epoch in loop.epochs:
        for follower in followers:
            follower.epoch(epoch)
    while not loop.is_over():
        started, number = timer(), len(loop.epochs)
        what = f"Epoch {number + 1}/{settings.epochs}{_left(loop.epochs, settings.epochs)}"
        total = passes.count + (len(validation.labels) if validation else 0)
        losses = [e.val_loss for e in loop.epochs if e.val_loss is not None]
        with (
            progress.step(what, total, "photos") as step,
            _seeded(setting.seed, number, group.rank, setting.device),
        ):
            loss, accuracy = passes.run_epoch(number, losses, step, timer)
            if not math.isfinite(loss):
                raise InputError(
                    f"training has run away: the loss is {loss} in epoch {number + 1}",
                    fix="Give a lower learning rate.",
                )
            with passes.averaged():
                found = passes.validate(validation, step) if validation else (None, None)
                epoch = Epoch(
                    epoch=number + 1,
                    loss=loss,
                    accuracy=accuracy,
                    val_loss=found[0],
                    val_accuracy=found[1],
                    learning_rate=passes.optimizer.param_groups[0]["lr"],
                    seconds=timer() - started,
                )
                # What is kept, and when it is over, all have to decide alike.
                epoch = group.same(epoch)
                loop.keep(epoch)
            step.note(epoch.line())
        if checkpoint and group.rank == 0:
            checkpoint.save(*loop.state())
        for follower in followers:
            follower.epoch(epoch)
    return loop.finish()


def take_up(
    model: Model, train: Feed, settings: Training, setting: Setting, checkpoint: Checkpoint
) -> History:
    """Give a model, in place, the weights of a training that others have done to the end.

    Args:
        model: As in `train_network`, as are those that follow.
        train: Likewise; nothing of it is read.
        settings: Likewise.
        setting: Likewise.
        checkpoint: Where the others have kept its state.

    Raises:
        StorageError: It is not there, or not to its end.
    """
    loop = _Loop(Passes(model, train, settings, replace(setting, device="cpu"), Alone()))
    state = checkpoint.load()
    if state:
        loop.restore(*state)
    if not state or not loop.is_over():
        raise StorageError(
            f"what the workers have trained is not in {checkpoint.folder} on this machine",
            fix="Give, in the environment variable PHOTOGRAFT_CACHE, a folder that all see.",
        )
    return loop.finish()


class _Loop:
    """The state of a training that is under way."""

    def __init__(self, passes: Passes) -> None:
        self.passes = passes
        self.model, self.settings = passes.model, passes.settings
        self.epochs: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.kept = 0

    def keep(self, epoch: Epoch) -> None:
        """Take note of an epoch; hold on to the weights where it is the best so far."""
        self.epochs.append(epoch)
        monitor = self.settings.monitor
        if monitor == "none" or epoch.val_loss is None or epoch.val_accuracy is None:
            self.kept = epoch.epoch
            return
        best = self.epochs[self.kept - 1] if self.kept else None
        if best is None or _score(epoch, monitor) > _score(best, monitor):
            self.kept = epoch.epoch
            self.best = copies(self.model.trained_state())

    def is_over(self) -> bool:
        """Return whether all epochs are done, or none was better for as long as patience lasts."""
        done, patience = len(self.epochs), self.settings.patience
        return done >= self.settings.epochs or 0 < patience <= done - self.kept

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Return all that the loop needs to go on."""
        tensors, data = pack_optimizer(self.passes.optimizer)
        for kind, part in (
            ("model", self.model.trained_state()),
            ("ema", self.passes.ema),
            ("best", self.best),
        ):
            tensors |= {f"{kind}.{name}": value for name, value in part.items()}
        epochs = [asdict(epoch) for epoch in self.epochs]
        note = self.passes.compiled.note
        return tensors, {"optimizer": data, "epochs": epochs, "kept": self.kept, "note": note}

    def restore(self, tensors: dict[str, Tensor], data: dict[str, object]) -> None:
        """Go on from what `state` gave."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "ema": {}, "best": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in parts:
                parts[kind][rest] = value.to(self.passes.setting.device)
        put(self.model, parts["model"])
        self.passes.ema, self.best = parts["ema"], parts["best"]
        unpack_optimizer(self.passes.optimizer, tensors, data["optimizer"])  # type: ignore[arg-type]
        self.epochs = [Epoch(**row) for row in data["epochs"]]  # type: ignore[attr-defined]
        self.kept = data["kept"]  # type: ignore[assignment]
        self.passes.compiled.note = str(data.get("note", ""))

    def finish(self) -> History:
        """Put the kept weights into the model."""
        if self.best:
            put(self.model, self.best)
        elif self.passes.ema:
            put(self.model, self.passes.ema)
        self.model.train(False)
        notes = [self.passes.compiled.note] if self.passes.compiled.note else []
        if len(self.epochs) < self.settings.epochs:
            notes.append(
                f"stopped after epoch {len(self.epochs)} of {self.settings.epochs}: "
                f"the {self.settings.patience} last were no better"
            )
        return History(tuple(self.epochs), self.kept, tuple(notes))


def _left(done: Sequence[Epoch], num_epochs: int) -> str:
    """Return, as words, about how long the epochs will take that are still to come."""
    if not done:
        return ""
    seconds = (num_epochs - len(done)) * sum(epoch.seconds for epoch in done) / len(done)
    if seconds < 60:
        return ""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f", about {hours} h {minutes} min to go" if hours else f", about {minutes} min to go"


def _score(epoch: Epoch, monitor: str) -> float:
    loss, accuracy = epoch.val_loss, epoch.val_accuracy
    if loss is None or accuracy is None or not math.isfinite(loss):
        return -math.inf
    return -loss if monitor == "val_loss" else accuracy


@contextlib.contextmanager
def _seeded(seed: int, epoch: int, rank: int, device: str) -> Iterator[None]:
    """Seed Python, NumPy and torch for one epoch, and leave them as they were.

    Each worker has random numbers of its own: it has other photos.
    """
    python, numpy_state = random.getstate(), np.random.get_state()
    number = int(
        np.random.SeedSequence([seed, epoch, *([rank] if rank else [])]).generate_state(1)[0]
    )
    # Without a word on which, it would open every accelerator of the machine.
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices):
        random.seed(number)
        np.random.seed(number)
        torch.manual_seed(number)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)
