"""Several workers train one network: the same as one does, but for the order of sums.

Sums of float32 in another order differ in the last digits, and each step goes on from there: what
is compared after a few steps is compared to 1e-4 of a weight's size. Adam divides by the size of a
gradient, so that of one that is nothing but rounding it makes a whole step: where batch
normalisation makes biases before it idle, plain gradient descent is compared.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

import training_helpers as small
from group_helpers import ThreadGroup, in_threads
from photograft.core.errors import InputError
from photograft.core.executors.launched import Launch, is_first, launched
from photograft.interfaces.cli import main
from photograft.learning.history import History
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.distributed import Alone, deal
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.network import TransferNetwork
from photograft.learning.loop.relay import Heard, Telling
from photograft.learning.loop.synchronised import synchronised
from photograft.learning.settings import Training
from recording import EpochRecorder, InterruptedByTestError, Recorder

X, Y = small.problem(41)
VAL_X, VAL_Y = small.problem(17, seed=1)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (22, 32, 32, 3), np.uint8)
LABELS = np.arange(22) % 2

#: Networks are made of torch's global random numbers, which threads share.
ONE_BY_ONE = threading.Lock()

Make = Callable[[], tuple[Any, Feed, Feed, Training]]


def head() -> tuple[Any, Feed, Feed, Training]:
    """The last batch of 41 photos has one: of three workers, two have none."""
    settings = Training(
        epochs=3,
        batch_size=8,
        accumulate=2,
        learning_rate=0.01,
        clip_norm=0.3,
        ema_decay=0.9,
        label_smoothing=0.1,
        monitor="val_loss",
        schedule="cosine",
    )
    return small.head_model(hidden=(8,)), small.feed(X, Y), small.feed(VAL_X, VAL_Y), settings


def norms() -> tuple[Any, Feed, Feed, Training]:
    """Batch normalisation learns, and its last batch has one photo."""
    settings = Training(
        epochs=3, batch_size=7, optimizer="sgd", learning_rate=0.05, freeze_batch_norm=False
    )
    backbone = small.tiny_backbone(small.TINY_NORM)
    model = TransferNetwork(
        backbone,
        None,
        small.head_model(backbone.num_features, 1).head,
        unfreeze="all",
        freeze_batch_norm=False,
    )
    feed = Feed(small.Rows(PIXELS), LABELS, model.lower)
    return model, feed, Feed(small.Rows(PIXELS[:9]), LABELS[:9], model.lower), settings


def trained(make: Make, group: ThreadGroup | None, **more: Any) -> tuple[Any, History]:
    with ONE_BY_ONE:
        model, train, validation, settings = make()
    encoding = {3: "sparse", 2: "binary"}[int(train.labels.max()) + 1]
    where = small.setting(int(train.labels.max()) + 1, target_encoding=encoding)
    history = small.run(model, train, validation, settings, where=where, group=group, **more)
    return small.weights_of(model), history


def assert_alike(found: tuple[Any, History], expected: tuple[Any, History]) -> None:
    assert found[0].keys() == expected[0].keys()
    for name, value in expected[0].items():
        torch.testing.assert_close(found[0][name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert found[1].kept == expected[1].kept
    for one, other in zip(found[1].epochs, expected[1].epochs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-4)
        assert (one.accuracy, one.val_accuracy) == pytest.approx(
            (other.accuracy, other.val_accuracy)
        )


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("make", [head, norms])
def test_workers_train_what_one_does(make: Make, size: int) -> None:
    expected = trained(make, None)
    found = in_threads(size, lambda group: trained(make, group))
    for one in found:
        assert_alike(one, expected)
        assert small.same_tensors(one[0], found[0][0])  # each worker has the very same weights


def test_each_photo_is_read_by_one_of_them() -> None:
    orders = [worker.orders for worker in in_threads(2, _rows_of)]
    whole = [sorted(a + b) for a, b in zip(*orders, strict=True)]
    assert whole == [list(range(40))] * 3


def _rows_of(group: ThreadGroup) -> small.Rows:
    rows = small.Rows(X[:40])
    settings = replace(small.PLAIN_LOOP, epochs=3)
    small.run(small.head_model(), Feed(rows, Y[:40]), None, settings, group=group)
    return rows


@pytest.mark.parametrize("batch_size", [3, 4, 8, 41, 64])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_shares(batch_size: int, size: int) -> None:
    order = np.random.default_rng(0).permutation(41)
    groups = [ThreadGroup(rank, size, {}) for rank in range(size)]
    shares = [deal(order, batch_size, group) for group in groups]
    for start in range(0, 41, batch_size):
        batch = order[start : start + batch_size]
        found: list[int] = []
        for share in shares:
            i = start // batch_size * share.batch_size
            own = share.order[i : i + share.batch_size].tolist()
            assert own
            found += [] if share.is_idle and start + batch_size >= 41 else own
        assert sorted(found) == sorted(batch.tolist())


def test_too_small_a_batch_for_so_many() -> None:
    with pytest.raises(InputError, match=r"a batch of 2 photos can't be dealt to 3 workers.*size"):
        deal(np.arange(9), 2, ThreadGroup(0, 3, {}))
    assert deal(np.arange(9), 2, Alone()).order.tolist() == list(range(9))


def test_all_stop_after_the_same_epoch() -> None:
    def patient(group: ThreadGroup) -> History:
        model, train, validation, settings = head()
        settings = replace(settings, epochs=60, patience=2, learning_rate=0.3, schedule="constant")
        return small.run(model, train, validation, settings, group=group)

    one, other = in_threads(2, patient)
    assert len(one.epochs) < 60
    assert one == other


def test_the_first_one_alone_keeps_the_state_and_all_go_on_from_it(tmp_path: Path) -> None:
    expected = in_threads(2, lambda group: trained(norms, group))

    def interrupted(group: ThreadGroup) -> None:
        kept = Checkpoint(tmp_path / str(group.rank), {})
        ending = [EpochRecorder(raise_after=1)] if group.rank == 0 else []
        trained(norms, group, followers=ending, checkpoint=kept)

    with pytest.raises(InterruptedByTestError):
        in_threads(2, interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["0"]

    def resumed(group: ThreadGroup) -> tuple[Any, History]:
        kept = Checkpoint(tmp_path / "0", {}) if group.rank == 0 else None
        return trained(norms, group, checkpoint=kept)

    found = in_threads(2, resumed)
    for one, other in zip(found, expected, strict=True):
        assert small.same_tensors(one[0], other[0])
        assert small.without_seconds(one[1]) == small.without_seconds(other[1])


# Batch normalisation


@pytest.mark.parametrize("momentum", [0.1, None])
def test_norms_see_the_whole_batch(momentum: float | None) -> None:
    """timm's own, which holds its activation: outputs, gradients and running statistics."""
    x = torch.randn(9, 4, 3, 3, generator=torch.Generator().manual_seed(0)) * 3 + 5
    goal = torch.randn(9, 4, 3, 3, generator=torch.Generator().manual_seed(1))

    def make() -> nn.Module:
        return BatchNormAct2d(4, momentum=momentum, act_layer=nn.SiLU)  # type: ignore[arg-type]

    def run(norm: nn.Module, part: slice, *, sum_up: Any = None) -> tuple[torch.Tensor, ...]:
        own = x[part].clone().requires_grad_()
        found = norm(own)
        (found * goal[part]).sum().backward()
        grads = [p.grad for p in norm.parameters() if p.grad is not None]
        if sum_up:
            sum_up(grads)
        assert own.grad is not None
        return found.detach(), own.grad, *grads, *norm.buffers()

    expected = run(make(), slice(None))

    def one(group: ThreadGroup) -> tuple[torch.Tensor, ...]:
        norm = make()
        part = slice(0, 4) if group.rank == 0 else slice(4, 9)
        with synchronised([norm], group):
            found = run(norm, part, sum_up=group.add_up)
        assert "forward" not in vars(norm)
        return found

    first, second = in_threads(2, one)
    for i, whole in enumerate(expected):
        parts = [torch.cat([first[i], second[i]])] if i < 2 else [first[i], second[i]]
        for part in parts:
            torch.testing.assert_close(part, whole, rtol=1e-4, atol=1e-5)


# Who is who, and what is told


def test_variables_of_torchrun() -> None:
    own = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    assert launched({**own, **where}) == Launch(3, 4, 1, 2)
    assert launched({**own, **where}).command() == "the same command"  # type: ignore[union-attr]
    assert launched(own) is None
    assert launched({**own, **where, "WORLD_SIZE": "1"}) is None
    assert is_first()


def test_what_is_told_is_heard() -> None:
    recorder, follower = Recorder(), EpochRecorder()
    with Heard([follower], recorder) as heard:
        telling = Telling(heard)
        history = small.run(*head()[:4], progress=telling, followers=[telling], group=None)
    assert recorder.done == {f"Epoch {i}/3": 41 + 17 for i in (1, 2, 3)}
    assert recorder.notes[-1] == history.epochs[-1].line()
    assert tuple(follower.epochs) == history.epochs
    assert recorder.overlapping == []


# The commands


SETTINGS = """
strategy = "scratch"
backbone = "convnet:n8 p n16 p n24"
engine = "torch"
precision = "fp32"
near_duplicates = "ignore"
[preprocessing]
input_size = 32
[training]
epochs = 40
batch_size = 7
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes as Linux has them")
def test_torchrun(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker is killed; what is said then goes on, to what one process gives."""
    (tmp_path / "settings.toml").write_text(SETTINGS)
    arguments = ["train", str(photos), "--config", str(tmp_path / "settings.toml")]
    command = ["-m", "photograft", *arguments, "--out", str(tmp_path / "run")]
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    cache = tmp_path / "cache"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PHOTOGRAFT_CACHE": str(cache),
    }
    process = subprocess.Popen(
        [*start, *command], env=environment, stderr=subprocess.PIPE, text=True
    )
    while not [*cache.glob("training/*/state.safetensors")]:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)
    _end_worker(process.pid)
    _, said = process.communicate(timeout=120)
    lines = [line for line in said.splitlines() if line.startswith("photograft: ")]
    assert len(lines) == 1, said
    assert "To go on, run: torchrun --nproc-per-node 2 -m photograft train" in lines[0]
    assert not (tmp_path / "run").exists()

    done = subprocess.run(
        [*start, *command], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Classifier:") == 1
    assert "Going on after epoch" in done.stderr
    assert main.run([*arguments, "--out", str(tmp_path / "alone")]) == 0
    together, alone = (
        np.loadtxt(tmp_path / name / "history.csv", delimiter=",", skiprows=1)[:, :6]
        for name in ("run", "alone")
    )
    np.testing.assert_allclose(together, alone, rtol=0.02, atol=1e-3)
    scores = [
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("run", "alone")
    ]
    assert scores[0].keys() == scores[1].keys()


def _end_worker(process: int) -> None:
    """Kill the second of the processes that torchrun has started."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            variables = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == str(process) and b"RANK=1" in variables:
            os.kill(int(path.name), signal.SIGKILL)
            return
    raise AssertionError("there is no second worker")
