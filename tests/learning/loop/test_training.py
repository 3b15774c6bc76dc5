"""The training loop, on heads and rows small enough to reckon after."""

from __future__ import annotations

import math
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import training_helpers as small
from photograft.core.choices import OPTIMIZERS
from photograft.core.errors import InputError, StorageError
from photograft.learning.history import History
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.compiling import pays
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.network import TransferNetwork
from photograft.learning.loop.targets import class_weights
from photograft.learning.settings import Training
from recording import EpochRecorder, InterruptedByTestError, Interrupting, Recorder

X, Y = small.problem()
VAL_X, VAL_Y = small.problem(30, seed=1)
LOOP = small.PLAIN_LOOP


def train_on() -> Feed:
    return small.feed(X, Y)


def validation() -> Feed:
    return small.feed(VAL_X, VAL_Y)


def outcome(settings: Training = LOOP, seed: int = 0, **more: Any) -> tuple[Any, History]:
    model = small.head_model(hidden=(8,), dropout=0.3)
    history = small.run(
        model,
        train_on(),
        validation(),
        settings,
        where=small.setting(target_encoding="categorical", seed=seed),
        **more,
    )
    return small.weights_of(model), history


# What it learns


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_learns(optimizer: str) -> None:
    rate = 0.05 if optimizer != "sgd" else 0.1
    settings = replace(LOOP, epochs=40, optimizer=optimizer, learning_rate=rate)
    history = small.run(small.head_model(), train_on(), validation(), settings)
    assert history.epochs[-1].loss < 0.6 * history.epochs[0].loss
    assert history.epochs[-1].accuracy > 0.75
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, 41))
    assert history.kept == 40
    assert history.notes == ()


def test_one_step_by_hand() -> None:
    """A linear head, all photos in one batch, plain gradient descent: worked out in NumPy."""
    model = small.head_model()
    weight, bias = (p.detach().numpy().astype(float) for p in model.parameters())
    logits = X @ weight.T + bias
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = (shares - np.eye(3)[Y]) / len(Y)
    settings = replace(LOOP, epochs=1, batch_size=40, learning_rate=0.3)
    history = small.run(model, train_on(), None, settings)
    after = [p.detach().numpy() for p in model.parameters()]
    np.testing.assert_allclose(after[0], weight - 0.3 * error.T @ X, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after[1], bias - 0.3 * error.sum(axis=0), rtol=1e-5, atol=1e-6)
    expected = -np.log(shares[np.arange(len(Y)), Y]).mean()
    assert history.epochs[0].loss == pytest.approx(expected, rel=1e-5)
    hits = (shares.argmax(axis=1) == Y).mean()
    assert history.epochs[0].accuracy == pytest.approx(hits)


def test_validation_figures_are_those_of_the_finished_epoch() -> None:
    model = small.head_model(hidden=(8,), dropout=0.5)
    # Odd batches: the last one must not weigh as much as the others.
    settings = replace(LOOP, epochs=2, batch_size=7, label_smoothing=0.3)
    weights = class_weights(np.array([0, 0, 0, 1, 2]), 3, "balanced")
    where = replace(small.setting(), class_weights=weights)
    history = small.run(model, train_on(), validation(), settings, where=where)
    with torch.no_grad():
        logits = model.upper(torch.from_numpy(VAL_X))
    plain = nn.functional.cross_entropy(logits, torch.from_numpy(VAL_Y))
    assert history.epochs[-1].val_loss == pytest.approx(float(plain), rel=1e-5)
    hits = (logits.argmax(dim=1).numpy() == VAL_Y).mean()
    assert history.epochs[-1].val_accuracy == pytest.approx(hits)
    assert not model.training


def test_no_validation_at_all() -> None:
    settings = replace(LOOP, monitor="val_loss", patience=1, schedule="plateau", epochs=5)
    history = small.run(small.head_model(), train_on(), None, settings)
    assert all(e.val_loss is None and e.val_accuracy is None for e in history.epochs)
    assert (len(history.epochs), history.kept) == (5, 5)


def two_classes(target_encoding: str) -> list[tuple[float, ...]]:
    x, y = small.problem(num_classes=2)
    model = small.head_model(outputs=1 if target_encoding == "binary" else 2)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    rate = 0.2 if target_encoding == "binary" else 0.1
    settings = replace(LOOP, learning_rate=rate, label_smoothing=0.1)
    where = small.setting(2, target_encoding=target_encoding)
    history = small.run(model, small.feed(x, y), small.feed(x, y), settings, where=where)
    return [(e.loss, e.accuracy, e.val_loss or 0, e.val_accuracy or 0) for e in history.epochs]


@pytest.mark.parametrize("target_encoding", ["binary", "categorical"])
def test_codings_of_two_classes_learn_the_same(target_encoding: str) -> None:
    """Begun at nothing, one output moves by what two outputs move apart: twice the rate."""
    found, expected = two_classes(target_encoding), two_classes("sparse")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len({row[0] for row in expected}) == 3


def test_class_weights_by_hand() -> None:
    """A photo of weight two moves the head as the same photo twice in a batch does."""
    x, y = X[:3], np.array([0, 1, 2])
    settings = replace(LOOP, epochs=1, batch_size=8, learning_rate=0.1)
    where = replace(small.setting(), class_weights=torch.tensor([1.0, 1.0, 2.0]))
    first, second = small.head_model(), small.head_model()
    small.run(first, small.feed(x, y), None, replace(settings, learning_rate=0.3), where=where)
    double = small.feed(x[[0, 1, 2, 2]], y[[0, 1, 2, 2]])
    small.run(second, double, None, replace(settings, learning_rate=0.4))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b)


# The ways to get there


def plain_model() -> Any:
    return small.head_model(hidden=(5,))


def moved(settings: Training, model: Any = None) -> dict[str, Tensor]:
    model = model or plain_model()
    small.run(model, train_on(), None, settings)
    return small.weights_of(model)


@pytest.mark.parametrize("count", [32, 40, 36])
def test_two_batches_accumulated_are_one_of_both(count: int) -> None:
    """The last ones, too, where what is left does not fill them."""
    x, y = X[:count], Y[:count]
    found = []
    for size, accumulate in ((32, 1), (16, 2), (8, 4)):
        model = plain_model()
        settings = replace(LOOP, batch_size=size, accumulate=accumulate, clip_norm=0.5)
        history = small.run(model, small.feed(x, y), None, settings)
        found.append((small.weights_of(model), history.epochs[-1].loss))
    for weights, loss in found[1:]:
        assert loss == pytest.approx(found[0][1], rel=1e-5)
        for name, value in weights.items():
            torch.testing.assert_close(value, found[0][0][name], rtol=1e-5, atol=1e-6)


def test_clipping_bounds_the_step() -> None:
    before = small.weights_of(plain_model())
    settings = replace(LOOP, epochs=1, batch_size=40, learning_rate=1.0)

    def length(clip: float) -> float:
        after = moved(replace(settings, clip_norm=clip))
        return math.sqrt(sum(float((after[k] - before[k]).square().sum()) for k in before))

    whole = length(0.0)
    assert whole > 0.3
    assert length(0.01) == pytest.approx(0.01, rel=1e-3)  # the norm of all gradients together
    assert length(100.0) == whole


def test_steps_per_epoch() -> None:
    rows = small.Rows(X)
    settings = replace(LOOP, epochs=5, batch_size=8, steps_per_epoch=3)
    small.run(small.head_model(), Feed(rows, Y, lambda x: x), None, settings)
    assert [len(order) for order in rows.orders] == [24] * 5
    seen = np.concatenate(rows.orders)
    for i in (0, 40, 80):
        assert sorted(seen[i : i + 40].tolist()) == list(range(40))


def test_schedule_is_followed() -> None:
    settings = replace(LOOP, epochs=4, batch_size=10, schedule="cosine", warmup=0.25)
    history = small.run(small.head_model(), train_on(), None, settings)
    found = [epoch.learning_rate for epoch in history.epochs]
    # Sixteen steps: four of warm-up, twelve of cosine; an epoch tells of its last one.
    cosine = [0.5 * (1 + math.cos(math.pi * step / 12)) for step in (3, 7, 11)]
    assert found == pytest.approx([0.05 * f for f in (0.8, *cosine)])


def test_plateau_is_noticed() -> None:
    """Labels turned round: validation only gets worse, and the rate falls after three epochs."""
    settings = replace(LOOP, epochs=8, schedule="plateau", monitor="val_loss")
    turned = small.feed(X, (Y + 1) % 3)
    history = small.run(small.head_model(seed=3), train_on(), turned, settings)
    losses = [e.val_loss for e in history.epochs]
    assert losses[:4] == sorted(losses[:4], key=lambda loss: loss or 0)
    rates = [epoch.learning_rate for epoch in history.epochs]
    assert rates == pytest.approx([0.05] * 4 + [0.005] * 3 + [0.0005])


def test_layers_learn_at_their_own_rates() -> None:
    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(nn.Linear(2, 2, bias=False) for _ in range(4))
            for parameter in self.parameters():
                nn.init.eye_(parameter)

        def upper(self, x: Tensor) -> Tensor:
            return sum((part(x) for part in self.parts), torch.zeros(()))

        def blocks(self) -> list[nn.Module]:
            return list(self.parts)

        def trained_state(self) -> dict[str, Tensor]:
            return dict(self.state_dict())

    model = Blocks()
    x, y = small.problem(20, 2, 2)
    settings = replace(LOOP, epochs=1, batch_size=20, layer_decay=0.5)
    small.run(model, small.feed(x, y), None, settings, where=small.setting(2))
    steps = [float((w - torch.eye(2)).norm()) for w in model.state_dict().values()]
    assert [step / steps[0] for step in steps] == pytest.approx([1, 1, 0.5, 0.25], rel=1e-3)


def test_moving_average_is_the_result() -> None:
    """Followed step by step with a loop of our own around a one-epoch training each."""
    settings = replace(LOOP, epochs=4, batch_size=40, ema_decay=0.3)
    model = plain_model()
    expected = small.weights_of(model)
    raw = [moved(replace(settings, epochs=epochs, ema_decay=0.0)) for epochs in range(1, 5)]
    for update, weights in enumerate(raw):
        decay = min(0.3, (1 + update) / (10 + update))
        expected = {k: decay * v + (1 - decay) * weights[k] for k, v in expected.items()}
    history = small.run(model, train_on(), train_on(), settings)
    found = small.weights_of(model)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
        assert not torch.allclose(raw[-1][name], value, atol=1e-6)
    # And it is what validation measured.
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model.upper(torch.from_numpy(X)), torch.from_numpy(Y))
    assert history.epochs[-1].val_loss == pytest.approx(float(loss), rel=1e-5)


def test_moving_average_does_not_change_the_training_itself() -> None:
    losses = []
    for decay in (0.0, 0.9):
        history = small.run(plain_model(), train_on(), None, replace(LOOP, ema_decay=decay))
        losses.append([epoch.loss for epoch in history.epochs])
    assert losses[0] == losses[1]


# Which epoch is kept


class Scripted(nn.Module):
    """Its one weight counts steps; what it says of class 1 is looked up by that count."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.count = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.count.weight)
        self.script = torch.tensor([0.0, *logits])

    def upper(self, x: Tensor) -> Tensor:
        if self.training:
            return self.count(x)  # type: ignore[no-any-return]
        return self.script[self.epoch()] * x

    def epoch(self) -> int:
        return round(float(self.count.weight.detach()))

    def blocks(self) -> list[nn.Module]:
        return [self.count]

    def trained_state(self) -> dict[str, Tensor]:
        return dict(self.state_dict())


def scripted(logits: list[float], signs: list[float], settings: Training) -> tuple[int, History]:
    """Train `Scripted`; photos of `signs` are right where their sign is the logit's."""
    model = Scripted(logits)
    rows = small.feed(np.array(signs, np.float32)[:, None], np.ones(len(signs), np.int64))
    blank = small.feed(np.zeros((1, 1), np.float32), np.ones(1, np.int64))

    class Counting(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            del closure
            with torch.no_grad():
                model.count.weight += 1

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "photograft.learning.loop.passes.make_optimizer",
            lambda blocks, _: Counting([{"params": blocks[0].parameters(), "rate": 1.0}], lr=1.0),
        )
        where = small.setting(2, target_encoding="binary")
        history = small.run(model, blank, rows, settings, where=where)
    return model.epoch(), history


SIGNS = [1.0, 1.0, -0.1]


@pytest.mark.parametrize(
    ("monitor", "kept"),
    [("val_loss", 3), ("val_accuracy", 2), ("none", 5)],
)
def test_best_epoch_by(monitor: str, kept: int) -> None:
    # Accuracy: 1/3, 2/3 from the second epoch on; the third has the least loss.
    logits = [-1.0, 0.5, 3.0, 2.0, 40.0]
    settings = Training(epochs=5, batch_size=8, monitor=monitor)
    weight, history = scripted(logits, SIGNS, settings)
    assert (weight, history.kept, len(history.epochs)) == (kept, kept, 5)
    accuracies = [epoch.val_accuracy for epoch in history.epochs]
    assert accuracies == pytest.approx([1 / 3] + [2 / 3] * 4)
    assert history.notes == ()


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 8), (0, 8)])
def test_early_stopping(patience: int, epochs: int) -> None:
    """The second epoch is best, the fifth is better; only patience of three gets there."""
    logits = [0.1, 1.0, 0.5, 0.8, 1.5, 1.2, 1.2, 1.2]
    settings = Training(epochs=8, batch_size=8, monitor="val_loss", patience=patience)
    weight, history = scripted(logits, SIGNS, settings)
    assert len(history.epochs) == epochs
    assert weight == history.kept == (5 if epochs == 8 else 2)
    if epochs < 8:
        assert history.notes == (
            f"stopped after epoch {epochs} of 8: the {patience} last were no better",
        )


def test_epochs_whose_validation_is_no_number_are_not_kept() -> None:
    logits = [math.nan, 0.5, math.nan, 0.2]
    for monitor in ("val_loss", "val_accuracy"):
        settings = Training(epochs=4, batch_size=8, monitor=monitor)
        weight, history = scripted(logits, SIGNS, settings)
        assert weight == history.kept == 2


# Going on, and doing it again

COMBINATIONS = {
    "plain": LOOP,
    "adam": replace(LOOP, optimizer="adamw", weight_decay=0.1, schedule="cosine", warmup=0.2),
    "average": replace(LOOP, ema_decay=0.9, optimizer="rmsprop", learning_rate=0.01),
    "best": replace(LOOP, monitor="val_accuracy", patience=2, schedule="plateau"),
    "best average": replace(LOOP, monitor="val_loss", ema_decay=0.9, clip_norm=0.5),
    "mixed": replace(LOOP, mixup=0.4, label_smoothing=0.1, accumulate=3, optimizer="adam"),
    "steps": replace(LOOP, steps_per_epoch=3, accumulate=2),
}


def combined(settings: Training) -> Training:
    return replace(settings, epochs=6)


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("after", [1, 4])
def test_interrupted_and_gone_on_with(name: str, after: int, tmp_path: Path) -> None:
    settings = combined(COMBINATIONS[name])
    where = small.setting(target_encoding="categorical")
    more: dict[str, Any] = {"where": where}
    whole = small.head_model(hidden=(8,), dropout=0.3)
    expected = small.run(whole, train_on(), validation(), settings, **more)
    checkpoint = Checkpoint(tmp_path, {})
    first = small.head_model(hidden=(8,), dropout=0.3)
    with pytest.raises(InterruptedByTestError):
        small.run(
            first, train_on(), validation(), settings,
            checkpoint=checkpoint, followers=[EpochRecorder(raise_after=after)], **more,
        )  # fmt: skip
    second = small.head_model(hidden=(8,), dropout=0.3, seed=5)
    recorder, follower = Recorder(), EpochRecorder()
    found = small.run(
        second, train_on(), validation(), settings,
        checkpoint=checkpoint, progress=recorder, followers=[follower], **more,
    )  # fmt: skip
    assert recorder.said == [f"Going on after epoch {after}, where it was interrupted"]
    assert tuple(follower.epochs) == found.epochs  # those before as well, at once
    assert small.without_seconds(found) == small.without_seconds(expected)
    assert (found.kept, found.notes) == (expected.kept, expected.notes)
    assert small.same_tensors(small.weights_of(second), small.weights_of(whole))


def test_accelerators_that_others_use_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*given: object) -> Tensor:
        raise AssertionError("one was opened")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", opened)
    outcome()


@pytest.mark.parametrize("error", [KeyboardInterrupt, InterruptedByTestError])
def test_interrupted_in_the_middle_of_an_epoch(error: type[BaseException], tmp_path: Path) -> None:
    settings = combined(COMBINATIONS["adam"])
    expected = outcome(settings)
    checkpoint = Checkpoint(tmp_path, {})
    with pytest.raises(error):
        outcome(settings, checkpoint=checkpoint, progress=Interrupting("Epoch 3", error))
    state = checkpoint.load()
    assert state is not None
    assert len(state[1]["epochs"]) == 2
    found = outcome(settings, checkpoint=checkpoint)
    assert small.same_tensors(found[0], expected[0])
    assert small.without_seconds(found[1]) == small.without_seconds(expected[1])


def test_finished_training_is_not_done_again(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, {})
    settings = combined(COMBINATIONS["best average"])
    expected = outcome(settings, checkpoint=checkpoint)
    recorder = Recorder()
    found = outcome(settings, checkpoint=checkpoint, progress=recorder)
    assert (recorder.steps, recorder.said) == ([], [])
    assert small.same_tensors(found[0], expected[0])
    assert found[1] == expected[1]


def test_stopped_early_and_gone_on_with_stays_stopped(tmp_path: Path) -> None:
    turned = small.feed(X, (Y + 1) % 3)
    settings = replace(LOOP, epochs=9, monitor="val_loss", patience=2)
    checkpoint = Checkpoint(tmp_path, {})
    histories = [
        small.run(small.head_model(seed=3), train_on(), turned, settings, checkpoint=checkpoint)
        for _ in range(2)
    ]
    assert histories[0] == histories[1]
    assert len(histories[0].epochs) == 3


def test_damaged_state_starts_over(tmp_path: Path) -> None:
    expected = outcome()
    checkpoint = Checkpoint(tmp_path, {})
    with pytest.raises(InterruptedByTestError):
        outcome(checkpoint=checkpoint, followers=[EpochRecorder(raise_after=2)])
    (path,) = checkpoint.folder.iterdir()
    os.truncate(path, path.stat().st_size - 7)
    recorder = Recorder()
    found = outcome(checkpoint=checkpoint, progress=recorder)
    assert recorder.said == []
    assert recorder.steps[0] == "Epoch 1/3"
    assert small.same_tensors(found[0], expected[0])


def test_full_disk_loses_one_epoch_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    expected = outcome()
    checkpoint = Checkpoint(tmp_path, {})
    synced, calls = os.fsync, 0

    def fill_up(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synced(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill_up)
        with pytest.raises(StorageError, match="No space left"):
            outcome(checkpoint=checkpoint)
    recorder = Recorder()
    found = outcome(checkpoint=checkpoint, progress=recorder)
    assert recorder.steps == ["Epoch 3/3"]
    assert small.same_tensors(found[0], expected[0])


@pytest.mark.parametrize("name", COMBINATIONS)
def test_same_seed_same_result(name: str) -> None:
    settings = replace(COMBINATIONS[name], epochs=2)
    first, again, other = (outcome(settings, seed=seed) for seed in (7, 7, 8))
    assert small.same_tensors(first[0], again[0])
    assert small.without_seconds(first[1]) == small.without_seconds(again[1])
    assert not small.same_tensors(first[0], other[0])
    assert small.without_seconds(first[1]) != small.without_seconds(other[1])


def states() -> list[Any]:
    numpy_state: Any = np.random.get_state(legacy=False)
    return [
        random.getstate(),
        (numpy_state["state"]["key"].tolist(), numpy_state["state"]["pos"]),
        torch.random.get_rng_state().tolist(),
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_global_is_disturbed(fails: bool) -> None:
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    before = states()
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    settings = replace(LOOP, mixup=0.5)
    model = small.head_model(hidden=(8,), dropout=0.5)
    recorder = Interrupting("Epoch 2") if fails else Recorder()
    where = small.setting(target_encoding="categorical")
    try:
        small.run(model, train_on(), validation(), settings, progress=recorder, where=where)
    except InterruptedByTestError:
        assert fails
    assert states() == before
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, grad)


def test_what_was_drawn_before_changes_nothing() -> None:
    first = outcome()
    torch.rand(5)
    np.random.rand(5)
    random.random()
    assert small.same_tensors(outcome()[0], first[0])


# What can go wrong, and what is told


def test_runaway_loss_is_one_sentence() -> None:
    settings = replace(LOOP, learning_rate=100, epochs=60)
    big = small.feed((X * 1e18).astype(np.float32), Y)
    with pytest.raises(InputError, match="run away") as caught:
        small.run(small.head_model(hidden=(8, 8)), big, None, settings)
    assert "lower learning rate" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_runaway_is_not_kept(tmp_path: Path) -> None:
    """A lower rate is another training: but the same again says the same again."""
    checkpoint = Checkpoint(tmp_path, {})
    settings = replace(LOOP, learning_rate=100, epochs=60)
    big = small.feed((X * 1e18).astype(np.float32), Y)
    messages = set()
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            small.run(small.head_model(hidden=(8, 8)), big, None, settings, checkpoint=checkpoint)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_progress_and_followers() -> None:
    recorder, follower = Recorder(), EpochRecorder()
    ticks = iter(range(10_000))

    def timer() -> float:
        return next(ticks) * 0.3

    history = small.run(
        small.head_model(), train_on(), validation(),
        progress=recorder, followers=[follower], timer=timer,
    )  # fmt: skip
    assert recorder.steps == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert tuple(follower.epochs) == history.epochs
    assert [epoch.line() for epoch in history.epochs] == [
        note for note in recorder.notes if "validation" in note
    ]
    within = [note for note in recorder.notes if "validation" not in note]
    assert within
    assert all(note.startswith("loss ") for note in within)
    assert all(epoch.seconds > 0.3 for epoch in history.epochs)
    assert len({round(epoch.seconds, 6) for epoch in history.epochs}) == 1


def test_feed_that_fails_is_closed_and_tells() -> None:
    class Failing(small.Rows):
        def read(self, order: Any, batch_size: int, epoch: int) -> Any:
            inner = super().read(order, batch_size, epoch)
            yield next(inner)
            raise InputError("the third photo is gone")

    with pytest.raises(InputError, match="third photo"):
        small.run(small.head_model(), Feed(Failing(X), Y, lambda x: x))


def test_half_precision_learns_as_well() -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        where = replace(small.setting(), precision=precision)
        model = small.head_model(hidden=(8,))
        history = small.run(model, train_on(), validation(), replace(LOOP, epochs=10), where=where)
        assert all(p.dtype == torch.float32 for p in model.parameters())
        losses.append(history.epochs[-1].val_loss)
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], abs=0.05)


# Batch normalisation under training


def test_statistics_of_norms_are_averaged_too() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def upper(self, x: Tensor) -> Tensor:
            found: Tensor = self.inner(x)
            return found

        def blocks(self) -> list[nn.Module]:
            return [self.inner]

        def trained_state(self) -> dict[str, Tensor]:
            return dict(self.state_dict())

    history = small.run(Normed(), train_on(), validation(), replace(LOOP, ema_decay=0.5, epochs=2))
    assert int(model[1].num_batches_tracked) == 10  # type: ignore[arg-type]
    assert math.isfinite(history.epochs[-1].val_loss or math.nan)


# Compiled


def plain(function: Any, *, dynamic: bool) -> Any:
    """Stands for `torch.compile`: counts the batches that go through what it gives."""
    assert not dynamic

    def compiled(x: Tensor) -> Tensor:
        plain.sizes.append(len(x))  # type: ignore[attr-defined]
        found: Tensor = function(x)
        return found

    return compiled


def broken(function: Any, *, dynamic: bool) -> Any:
    """Fails where it is first used, as compilers do."""
    del dynamic

    def compiled(x: Tensor) -> Tensor:
        torch.rand(3)
        function(x).sum().backward()
        raise RuntimeError("no compiler\nis here")

    return compiled


class Backwards(torch.autograd.Function):
    """Fails on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        del ctx
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        raise RuntimeError("no way back")


def broken_backwards(function: Any, *, dynamic: bool) -> Any:
    del dynamic
    return lambda x: Backwards.apply(function(x))


def compiled_outcome(compiler: Any) -> tuple[Any, History]:
    model = small.head_model(hidden=(8,), dropout=0.3)
    where = replace(small.setting(target_encoding="categorical"), compiler=compiler)
    settings = replace(LOOP, accumulate=2)
    history = small.run(model, small.feed(X[:37], Y[:37]), validation(), settings, where=where)
    return small.weights_of(model), history


def test_whole_batches_in_training_go_through_what_is_compiled() -> None:
    plain.sizes = []  # type: ignore[attr-defined]
    found, expected = compiled_outcome(plain), compiled_outcome(None)
    assert plain.sizes == [8] * 4 * LOOP.epochs  # type: ignore[attr-defined]
    assert small.same_tensors(found[0], expected[0])
    assert found[1].notes == ()


@pytest.mark.parametrize(
    ("compiler", "words"),
    [(broken, "no compiler"), (broken_backwards, "no way back")],
)
def test_where_compiling_fails_it_is_trained_without(compiler: Any, words: str) -> None:
    """The very same weights, dropout included; and that is said."""
    found, expected = compiled_outcome(compiler), compiled_outcome(None)
    assert small.same_tensors(found[0], expected[0])
    assert found[1].notes == (
        f"torch.compile failed ({words}): the network was trained without it",
    )


def test_a_step_that_fails_by_being_compiled_leaves_nothing_in_norms() -> None:
    """What they noted on the way forwards is taken back."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)

    def trained(compiler: Any) -> dict[str, Tensor]:
        backbone = small.tiny_backbone(small.TINY_NORM)
        head = small.head_model(backbone.num_features, 1).head
        model = TransferNetwork(backbone, None, head, unfreeze="all", freeze_batch_norm=False)
        feed = Feed(small.Rows(pixels), np.arange(16) % 2, model.lower)
        settings = replace(LOOP, epochs=1, freeze_batch_norm=False)
        where = replace(small.setting(2, target_encoding="binary"), compiler=compiler)
        small.run(model, feed, None, settings, where=where)
        return small.weights_of(model)

    assert small.same_tensors(trained(broken_backwards), trained(None))


def full(function: Any, *, dynamic: bool) -> Any:
    del function, dynamic
    raise torch.OutOfMemoryError("out of memory")


def test_a_full_memory_is_no_fault_of_the_compiler() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        compiled_outcome(full)


def test_that_it_was_not_compiled_is_told_after_an_interruption_too(tmp_path: Path) -> None:
    kept, where = Checkpoint(tmp_path, {}), small.setting()
    with pytest.raises(InterruptedByTestError):
        small.run(
            small.head_model(), train_on(), where=replace(where, compiler=broken),
            checkpoint=kept, followers=[EpochRecorder(raise_after=LOOP.epochs)],
        )  # fmt: skip
    history = small.run(small.head_model(), train_on(), where=where, checkpoint=kept)
    assert [note.partition(" (")[0] for note in history.notes] == ["torch.compile failed"]


@pytest.mark.parametrize(
    ("wanted", "device", "num_batches", "expected"),
    [
        ("auto", "cpu", 10**6, False),
        ("auto", "cuda", 999, False),
        ("auto", "cuda", 1000, True),
        ("auto", "mps", 10**6, False),
        ("on", "cpu", 1, True),
        ("off", "cuda", 10**6, False),
    ],
)
def test_when_compiling_pays(wanted: str, device: str, num_batches: int, expected: bool) -> None:
    assert pays(wanted, device, num_batches) is expected
