"""Going over photos: forwards, backwards, and the updates of the weights."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from photograft.backbones.pytorch.device import sent
from photograft.core.progress import Step
from photograft.learning.loop.batches import epoch_order
from photograft.learning.loop.compiling import Compiled
from photograft.learning.loop.distributed import Group, deal
from photograft.learning.loop.feeds import Feed, Model, Setting
from photograft.learning.loop.optimizer import make_optimizer, rate_factor, set_rate
from photograft.learning.loop.synchronised import Counting, synchronised
from photograft.learning.loop.targets import Loss, make_loss, mixed_up, predicted
from photograft.learning.settings import Training

_NOTE_SECONDS = 0.5


class Passes:
    """A model and its optimiser, and what is done with them on photos.

    Args:
        model: Changed in place.
        train: What it learns from.
        settings: The loop's.
        setting: Where and how it runs.
        group: Those that train it together.

    Attributes:
        optimizer: Of all that is trained.
        ema: The moving average of the weights, where there is one.
        compiled: What takes whole batches through the model in training.
    """

    def __init__(
        self, model: Model, train: Feed, settings: Training, setting: Setting, group: Group
    ) -> None:
        self.model, self.settings, self.setting = model, settings, setting
        self._train, self._group = train, group
        for block in model.blocks():
            block.to(setting.device)
        self.optimizer = make_optimizer(model.blocks(), settings)
        self._loss: Loss = make_loss(setting.target_encoding, settings.label_smoothing)
        self._weights = setting.class_weights.to(setting.device)
        num_photos, size = len(train.labels), settings.batch_size
        self.count = settings.steps_per_epoch * size or num_photos
        self._num_steps = math.ceil(math.ceil(self.count / size) / settings.accumulate)
        # What is compiled is tried, and must not meet the others while it is.
        alone = group.size == 1 or settings.freeze_batch_norm
        whole = len(deal(np.arange(size), size, group).order)
        self.compiled = Compiled(model, whole, setting.compiler if alone else None)
        self.ema = copies(model.trained_state()) if settings.ema_decay else {}

    def run_epoch(
        self, number: int, losses: Sequence[float], step: Step, timer: Callable[[], float]
    ) -> tuple[float, float]:
        """Go over the training photos once; return mean loss and accuracy.

        Args:
            number: Of the epoch, from 0.
            losses: On validation after the epochs before.
            step: Told how far it is.
            timer: Tells the time, in seconds.
        """
        settings, size = self.settings, self.settings.batch_size
        self.model.train()
        order = epoch_order(self.setting.seed, number, len(self._train.labels), self.count)
        share = deal(order, size, self._group)
        labels = self._train.labels[share.order]
        total = torch.zeros(2, device=self.setting.device)
        noted, done, update = timer(), 0, number * self._num_steps
        num_batches = math.ceil(len(order) / size)
        batches = self._train.batches.read(share.order, share.batch_size, number)
        with (
            contextlib.closing(batches),
            synchronised(self.model.blocks(), self._group) as counting,
        ):
            for i, inputs in enumerate(batches):
                own = labels[i * share.batch_size :][: len(inputs)]
                is_last = i + 1 == num_batches
                counting.weight = 0.0 if is_last and share.is_idle else 1.0
                # A photo weighs as much in an update as any other of its batches.
                first = (i - i % settings.accumulate) * size
                together = min(settings.accumulate * size, len(order) - first)
                work = functools.partial(self._step, inputs, own, len(own) / together, counting)
                total += self.compiled.trying(work, self._hold)
                if (i + 1) % settings.accumulate == 0 or is_last:
                    planned = settings.epochs * self._num_steps
                    self._update(rate_factor(settings, update, planned, losses), update)
                    update += 1
                whole = min(size, len(order) - i * size)
                done += len(own)
                step.advance(whole)
                if timer() - noted > _NOTE_SECONDS:
                    noted = timer()
                    loss, hits = (total / done).tolist()
                    step.note(f"loss {loss:.4f} accuracy {hits:.3f}")
        return self._mean(total, len(order))

    def _step(
        self,
        inputs: npt.NDArray[np.generic],
        labels: npt.NDArray[np.int64],
        share: float,
        counting: Counting,
    ) -> Tensor:
        """Add a batch's gradients, its share of an update; return its summed loss and hits."""
        wanted = torch.from_numpy(labels).to(self.setting.device)
        targets = nn.functional.one_hot(wanted, len(self._weights)).float()
        with self._autocast():
            x = self._train.enter(sent(inputs, self.setting.device))
            x, mixed = mixed_up(x, targets, self.settings.mixup)
            logits = self.compiled.upper(x)
        loss = self._loss(logits, mixed, self._weights[wanted])
        (loss * share * counting.weight).backward()  # type: ignore[no-untyped-call]
        hits = (predicted(self.setting.target_encoding, logits.detach()) == wanted).sum()
        return torch.stack([loss.detach() * len(labels), hits]) * counting.weight

    def _hold(self) -> Callable[[], None]:
        """Return what takes back a first step: its gradients, and what its norms have noted."""
        state = copies(self.model.trained_state())

        def undo() -> None:
            put(self.model, state)
            self.optimizer.zero_grad(set_to_none=True)

        return undo

    def _update(self, factor: float, update: int) -> None:
        set_rate(self.optimizer, factor)
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        self._group.add_up([p.grad for p in trained if p.grad is not None])
        if self.settings.clip_norm:
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
        order, size = np.arange(len(feed.labels)), self.settings.batch_size
        share = deal(order, size, self._group)
        labels, done = feed.labels[share.order], 0
        batches = feed.batches.read(share.order, share.batch_size, 0)
        with contextlib.closing(batches), torch.no_grad():
            for i, inputs in enumerate(batches):
                own = torch.from_numpy(labels[done : done + len(inputs)]).to(self.setting.device)
                done += len(own)
                step.advance(min(size, len(order) - i * size))
                if share.is_idle and done == len(share.order):
                    continue
                targets = nn.functional.one_hot(own, len(self._weights)).float()
                with self._autocast():
                    x = feed.enter(sent(inputs, self.setting.device))
                    logits = self.model.upper(x)
                loss = plain(logits, targets, torch.ones_like(self._weights[own])) * len(own)
                total += torch.stack(
                    [loss, (predicted(self.setting.target_encoding, logits) == own).sum()]
                )
        return self._mean(total, len(order))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the moving average of the weights in their place for a while."""
        if not self.ema:
            yield
            return
        raw = copies(self.model.trained_state())
        put(self.model, self.ema)
        try:
            yield
        finally:
            put(self.model, raw)

    def _mean(self, total: Tensor, count: int) -> tuple[float, float]:
        self._group.add_up([total])
        loss, accuracy = (total / count).tolist()
        return loss, accuracy

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast(
            self.setting.device, torch.bfloat16, enabled=self.setting.precision == "bf16"
        )


def copies(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that stay as they are."""
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def put(model: Model, state: dict[str, Tensor]) -> None:
    """Give a model the values of its trained tensors."""
    with torch.no_grad():
        for name, tensor in model.trained_state().items():
            tensor.copy_(state[name])
