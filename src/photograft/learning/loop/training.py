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
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from photograft.backbones.pytorch.device import sent
from photograft.core.errors import InputError
from photograft.core.progress import Progress, Step
from photograft.learning.history import Epoch, Follower, History
from photograft.learning.loop.batches import Batches, epoch_order
from photograft.learning.loop.checkpoints import Checkpoint, pack_optimizer, unpack_optimizer
from photograft.learning.loop.optimizer import make_optimizer, rate_factor, set_rate
from photograft.learning.loop.targets import Loss, make_loss, mixed_up, predicted
from photograft.learning.settings import Training

_NOTE_SECONDS = 0.5


class Model(Protocol):
    """What is trained: `network.TransferNetwork`, or a head alone."""

    def upper(self, x: Tensor) -> Tensor:
        """Return logits for what a feed's `enter` gave."""

    def blocks(self) -> list[nn.Module]:
        """Return the trained modules, the head first."""

    def trained_state(self) -> dict[str, Tensor]:
        """Return the tensors that training changes, by name; not copies."""

    def train(self, mode: bool = True) -> nn.Module:
        """Set to training, or to evaluation."""


@dataclass(frozen=True)
class Feed:
    """Photos to train on or to validate with.

    Attributes:
        batches: Their inputs.
        labels: Class indices, shape ``(n,)``.
        enter: From inputs to what the model's `upper` takes.
    """

    batches: Batches
    labels: npt.NDArray[np.int64]
    enter: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Setting:
    """Where and how a loop runs.

    Attributes:
        target_encoding: Of the targets.
        class_weights: Shape ``(num_classes,)``.
        seed: Of all that is random.
        device: torch's name of the device.
        precision: ``"bf16"`` for mixed precision, or ``"fp32"``.
    """

    target_encoding: str
    class_weights: Tensor
    seed: int
    device: str = "cpu"
    precision: str = "fp32"


def train_network(
    model: Model,
    train: Feed,
    validation: Feed | None,
    settings: Training,
    setting: Setting,
    *,
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
        checkpoint: Where its state is kept after each epoch; what is there already is gone on from.
        followers: Told of each epoch.
        progress: Told how far it is.
        timer: Tells the time, in seconds.

    Raises:
        InputError: The loss is no longer a number.
        StorageError: The state can't be kept.
    """
    loop = _Loop(model, train, settings, setting)
    state = checkpoint.load() if checkpoint else None
    if state:
        loop.restore(*state)
        if len(loop.epochs) < settings.epochs and not loop.is_over():
            progress.say(f"Going on after epoch {len(loop.epochs)}, where it was interrupted")
    while len(loop.epochs) < settings.epochs and not loop.is_over():
        started, number = timer(), len(loop.epochs)
        what = f"Epoch {number + 1}/{settings.epochs}{_left(loop.epochs, settings.epochs)}"
        total = loop.count + (len(validation.labels) if validation else 0)
        with (
            progress.step(what, total, "photos") as step,
            _seeded(setting.seed, number, setting.device),
        ):
            loss, accuracy = loop.run_epoch(number, step, timer)
            if not math.isfinite(loss):
                raise InputError(
                    f"training has run away: the loss is {loss} in epoch {number + 1}",
                    fix="Give a lower learning rate.",
                )
            with loop.averaged():
                found = loop.validate(validation, step) if validation else (None, None)
                epoch = Epoch(
                    epoch=number + 1,
                    loss=loss,
                    accuracy=accuracy,
                    val_loss=found[0],
                    val_accuracy=found[1],
                    learning_rate=loop.optimizer.param_groups[0]["lr"],
                    seconds=timer() - started,
                )
                loop.keep(epoch)
            step.note(epoch.line())
        if checkpoint:
            checkpoint.save(*loop.state())
        for follower in followers:
            follower.epoch(epoch)
    return loop.finish()


class _Loop:
    """The state of a training that is under way."""

    def __init__(self, model: Model, train: Feed, settings: Training, setting: Setting) -> None:
        self.model, self.train, self.settings, self.setting = model, train, settings, setting
        for block in model.blocks():
            block.to(setting.device)
        self.optimizer = make_optimizer(model.blocks(), settings)
        self.loss: Loss = make_loss(setting.target_encoding, settings.label_smoothing)
        self.weights = setting.class_weights.to(setting.device)
        num_photos, size = len(train.labels), settings.batch_size
        self.count = settings.steps_per_epoch * size or num_photos
        self.num_steps = math.ceil(math.ceil(self.count / size) / settings.accumulate)
        self.epochs: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.kept = 0
        self.ema = _copies(model.trained_state()) if settings.ema_decay else {}

    def run_epoch(self, number: int, step: Step, timer: Callable[[], float]) -> tuple[float, float]:
        """Go over the training photos once; return mean loss and accuracy."""
        settings, size = self.settings, self.settings.batch_size
        self.model.train()
        order = epoch_order(self.setting.seed, number, len(self.train.labels), self.count)
        labels = self.train.labels[order]
        total = torch.zeros(2, device=self.setting.device)
        losses = [e.val_loss for e in self.epochs if e.val_loss is not None]
        noted, done, update = timer(), 0, number * self.num_steps
        batches = self.train.batches.read(order, size, number)
        num_batches = math.ceil(len(order) / size)
        with contextlib.closing(batches):
            for i, inputs in enumerate(batches):
                own = labels[i * size : i * size + len(inputs)]
                # A photo weighs as much in an update as any other of its batches.
                first = (i - i % settings.accumulate) * size
                together = min(settings.accumulate * size, len(order) - first)
                total += self._step(inputs, own, len(own) / together)
                if (i + 1) % settings.accumulate == 0 or i + 1 == num_batches:
                    factor = rate_factor(settings, update, settings.epochs * self.num_steps, losses)
                    self._update(factor, update)
                    update += 1
                done += len(own)
                step.advance(len(own))
                if timer() - noted > _NOTE_SECONDS:
                    noted = timer()
                    loss, hits = (total / done).tolist()
                    step.note(f"loss {loss:.4f} accuracy {hits:.3f}")
        loss, accuracy = (total / done).tolist()
        return loss, accuracy

    def _step(
        self, inputs: npt.NDArray[np.generic], labels: npt.NDArray[np.int64], share: float
    ) -> Tensor:
        """Add a batch's gradients, its share of an update; return its summed loss and hits."""
        wanted = torch.from_numpy(labels).to(self.setting.device)
        targets = nn.functional.one_hot(wanted, len(self.weights)).float()
        with self._autocast():
            x = self.train.enter(sent(inputs, self.setting.device))
            x, mixed = mixed_up(x, targets, self.settings.mixup)
            logits = self.model.upper(x)
        loss = self.loss(logits, mixed, self.weights[wanted])
        (loss * share).backward()  # type: ignore[no-untyped-call]
        hits = (predicted(self.setting.target_encoding, logits.detach()) == wanted).sum()
        return torch.stack([loss.detach() * len(labels), hits])

    def _update(self, factor: float, update: int) -> None:
        set_rate(self.optimizer, factor)
        if self.settings.clip_norm:
            trained = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(trained, self.settings.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema:
            # Early on the average would hold mostly the weights from before training.
            decay = min(self.settings.ema_decay, (1 + update) / (10 + update))
            for name, value in self.model.trained_state().items():
                if value.is_floating_point():
                    self.ema[name].lerp_(value.detach(), 1 - decay)
                else:
                    self.ema[name].copy_(value)

    def validate(self, feed: Feed, step: Step) -> tuple[float, float]:
        """Return mean loss and accuracy on photos as they are."""
        self.model.train(False)
        total = torch.zeros(2, device=self.setting.device)
        plain = make_loss(self.setting.target_encoding, 0.0)
        order = np.arange(len(feed.labels))
        size, done = self.settings.batch_size, 0
        batches = feed.batches.read(order, size, 0)
        with contextlib.closing(batches), torch.no_grad():
            for inputs in batches:
                own = torch.from_numpy(feed.labels[done : done + len(inputs)])
                own = own.to(self.setting.device)
                targets = nn.functional.one_hot(own, len(self.weights)).float()
                with self._autocast():
                    x = feed.enter(sent(inputs, self.setting.device))
                    logits = self.model.upper(x)
                loss = plain(logits, targets, torch.ones_like(self.weights[own])) * len(own)
                total += torch.stack(
                    [loss, (predicted(self.setting.target_encoding, logits) == own).sum()]
                )
                done += len(own)
                step.advance(len(own))
        loss, accuracy = (total / done).tolist()
        return loss, accuracy

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
            self.best = _copies(self.model.trained_state())

    def is_over(self) -> bool:
        """Return whether no epoch was better for as long as patience lasts."""
        return 0 < self.settings.patience <= len(self.epochs) - self.kept

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the moving average of the weights in their place for a while."""
        if not self.ema:
            yield
            return
        raw = _copies(self.model.trained_state())
        _put(self.model, self.ema)
        try:
            yield
        finally:
            _put(self.model, raw)

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Return all that the loop needs to go on."""
        tensors, data = pack_optimizer(self.optimizer)
        for kind, part in (
            ("model", self.model.trained_state()),
            ("ema", self.ema),
            ("best", self.best),
        ):
            tensors |= {f"{kind}.{name}": value for name, value in part.items()}
        epochs = [asdict(epoch) for epoch in self.epochs]
        return tensors, {"optimizer": data, "epochs": epochs, "kept": self.kept}

    def restore(self, tensors: dict[str, Tensor], data: dict[str, object]) -> None:
        """Go on from what `state` gave."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "ema": {}, "best": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in parts:
                parts[kind][rest] = value.to(self.setting.device)
        _put(self.model, parts["model"])
        self.ema, self.best = parts["ema"], parts["best"]
        unpack_optimizer(self.optimizer, tensors, data["optimizer"])  # type: ignore[arg-type]
        self.epochs = [Epoch(**row) for row in data["epochs"]]  # type: ignore[attr-defined]
        self.kept = data["kept"]  # type: ignore[assignment]

    def finish(self) -> History:
        """Put the kept weights into the model."""
        if self.best:
            _put(self.model, self.best)
        elif self.ema:
            _put(self.model, self.ema)
        self.model.train(False)
        notes = []
        if len(self.epochs) < self.settings.epochs:
            notes.append(
                f"stopped after epoch {len(self.epochs)} of {self.settings.epochs}: "
                f"the {self.settings.patience} last were no better"
            )
        return History(tuple(self.epochs), self.kept, tuple(notes))

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast(
            self.setting.device, torch.bfloat16, enabled=self.setting.precision == "bf16"
        )


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


def _copies(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def _put(model: Model, state: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in model.trained_state().items():
            tensor.copy_(state[name])


@contextlib.contextmanager
def _seeded(seed: int, epoch: int, device: str) -> Iterator[None]:
    """Seed Python, NumPy and torch for one epoch, and leave them as they were."""
    python, numpy_state = random.getstate(), np.random.get_state()
    number = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    with torch.random.fork_rng(enabled=device != "mps"):
        random.seed(number)
        np.random.seed(number)
        torch.manual_seed(number)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)
