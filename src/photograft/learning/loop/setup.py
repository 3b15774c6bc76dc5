"""What the strategies that run the training loop have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from torch import Tensor, nn

from photograft._version import __version__
from photograft.backbones.pytorch.device import DEVICES, find_device
from photograft.backbones.pytorch.zoo import state_dict
from photograft.backbones.registry import INCLUDED_WEIGHTS
from photograft.classifier.classifier import Classifier
from photograft.core.arrays import Floats
from photograft.core.feature_table import Table
from photograft.core.files import sha256_of
from photograft.features.augmentation import view_name
from photograft.features.settings import Augmentation
from photograft.learning.head.streams import ROWS
from photograft.learning.history import History
from photograft.learning.job import Job
from photograft.learning.loop.batches import PhotoBatches
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.compiling import pays
from photograft.learning.loop.feeds import Feed, Model, Setting
from photograft.learning.loop.network import HeadModule, TransferNetwork
from photograft.learning.loop.targets import choose_target_encoding, class_weights, num_outputs
from photograft.learning.loop.together import Task, carry_out
from photograft.learning.settings import LearningSettings, Training

#: Features whose deviation is less than this share of the usual one are constant.
_CONSTANT = 1e-3


class HeadOnly(nn.Module):
    """A head as a model of its own.

    Args:
        head: What is trained.
    """

    def __init__(self, head: HeadModule) -> None:
        super().__init__()
        self.head = head

    def upper(self, x: Tensor) -> Tensor:
        """Return logits of features."""
        logits: Tensor = self.head(x)
        return logits

    def blocks(self) -> list[nn.Module]:
        """Return the head."""
        return [self.head]

    def trained_state(self) -> dict[str, Tensor]:
        """Return its tensors."""
        return dict(self.head.state_dict())


def target_encoding_of(job: Job, settings: Training) -> str:
    """Return how the job's classes are coded as targets."""
    return choose_target_encoding(
        job.config.target_encoding, job.num_classes, mixed=settings.mixup > 0
    )


def make_head(
    job: Job,
    num_features: int,
    hidden: Sequence[int],
    *,
    table: Table | None = None,
    columns: npt.NDArray[np.intp] | slice = slice(None),
) -> HeadModule:
    """Return a new head.

    Pooled features differ in scale: where there is a table of them, the head begins as one on
    standardised features, and without weight on those that never moved. Flattened maps are taken
    as they are, as the textbooks do.

    Args:
        job: Has the classes and the settings.
        num_features: Length of a feature vector.
        hidden: Widths of hidden layers.
        table: Of the training photos' features.
        columns: Of its rows.
    """
    config = job.config
    outputs = num_outputs(target_encoding_of(job, config.loop), job.num_classes)
    head = HeadModule(num_features, hidden, outputs, config.dropout, config.seed)
    if table is not None and config.pooling == "avg":
        mean, deviation = _moments(job, table, columns)
        head.standardise(torch.from_numpy(mean), torch.from_numpy(_scale(deviation)))
    return head


def _moments(
    job: Job, table: Table, columns: npt.NDArray[np.intp] | slice
) -> tuple[Floats, Floats]:
    """Return mean and deviation of the training photos' features; in a pass, where they are many.

    In double precision about the first rows' mean, squares lose nothing that counts.
    """
    digests = job.digests("train")
    if 4 * table.num_features * len(digests) <= job.config.stream_above:
        rows = table.rows(digests, columns)
        return rows.mean(axis=0), rows.std(axis=0)
    shift = table.rows(digests[:ROWS], columns).mean(axis=0, dtype=np.float64)
    sums, squares = np.zeros_like(shift), np.zeros_like(shift)
    for start in range(0, len(digests), ROWS):
        centred = table.rows(digests[start : start + ROWS], columns) - shift
        sums += centred.sum(axis=0)
        squares += np.square(centred).sum(axis=0)
    mean = sums / len(digests)
    deviation = np.sqrt(np.maximum(squares / len(digests) - mean**2, 0))
    return (shift + mean).astype(np.float32), deviation.astype(np.float32)


def _scale(own: Floats) -> Floats:
    """Return what features are divided by, shape ``(num_features,)``; infinity for constant ones.

    Of few photos, many features hardly move: divided by their own deviation they would be the
    loudest ones on the day that they do. On 12 to 36 photos of five sets, dividing by the usual
    deviation at least gave a third to a twelfth of the log loss.

    Args:
        own: Their deviations, likewise.
    """
    usual = float(np.median(own[own > 0])) if own.any() else 1.0
    scale = np.where(own < _CONSTANT * usual, np.inf, np.maximum(own, usual))
    return scale.astype(np.float32)


def photo_feed(
    job: Job, part: str, transfer: TransferNetwork, augmentation: Augmentation | None
) -> Feed:
    """Return photos as they are prepared for the backbone, augmented or not."""
    batches = PhotoBatches(
        job.photos(part),
        job.backbone,
        augmentation,
        seed=job.config.seed,
        max_pixels=job.config.max_pixels,
    )
    return Feed(batches, job.labels(part), transfer.lower)


def run_loop(
    job: Job,
    model: Model,
    train: Feed,
    validation: Feed,
    settings: Training,
    *,
    stage: str,
) -> tuple[History, Checkpoint]:
    """Run the training loop for a job.

    Args:
        job: Has the settings.
        model: Changed in place.
        train: What it learns from.
        validation: May have no photos.
        settings: Of the loop.
        stage: Tells one training of a job from another.

    Returns:
        How it went, and the place of its state, which is kept until the run is written.
    """
    config = job.config
    device = find_device() if config.device == "auto" else config.device
    if device not in DEVICES:  # one of another engine's, which trains nothing
        device = "cpu"
    precision = _precision(job, model, device)
    steps = settings.steps_per_epoch or len(train.labels) // settings.batch_size
    num_batches = settings.epochs * steps
    setting = Setting(
        target_encoding=target_encoding_of(job, settings),
        class_weights=class_weights(job.labels("train"), job.num_classes, config.class_weight),
        seed=config.seed,
        device=device,
        precision=precision,
        compiler=torch.compile if pays(config.compile, device, num_batches) else None,
    )
    checkpoint = Checkpoint(job.store.cache, _key(job, settings, setting, stage))
    watched = validation if len(validation.labels) else None
    task = Task(model, train, watched, settings, setting)
    followers = [] if job.tracking is None else [job.tracking.follow(stage)]
    history = carry_out(task, checkpoint, followers, job.progress)
    return history, checkpoint


def trained_classifier(
    job: Job, transfer: TransferNetwork, checkpoint: Checkpoint, target_encoding: str
) -> Classifier:
    """Return the classifier that a trained network is, its weights in a file of their own."""
    content = safetensors.torch.save(state_dict(transfer.network))
    path = checkpoint.write(INCLUDED_WEIGHTS, content)
    last = job.backbone.layers[-1]
    backbone = replace(
        job.backbone, weights="trained", weights_sha256=sha256_of(path), layers=(last,)
    )
    return Classifier(
        class_names=job.dataset.class_names,
        backbone=backbone,
        engine=job.extractor.engine,
        layers=(last.name,),
        head=transfer.head.to_head(target_encoding),
        max_pixels=job.config.max_pixels,
        weights_path=path,
        views=job.views,
    )


def count_trained(transfer: TransferNetwork) -> dict[str, int]:
    """Return how many parameters a network has, and how many of them are trained."""
    return {
        "total": sum(p.numel() for p in transfer.parameters()),
        "trained": sum(p.numel() for p in transfer.parameters() if p.requires_grad),
    }


def _precision(job: Job, model: Model, device: str) -> str:
    """Return the arithmetic of the loop, the user's or the faster one."""
    if job.config.precision != "auto":
        return job.config.precision
    if device == "cpu":
        # Gradients of depthwise convolutions take twice as long in bfloat16 on processors.
        grouped = any(
            isinstance(module, nn.Conv2d) and module.groups > 1
            for block in model.blocks()
            for module in block.modules()
        )
        return "fp32" if grouped else job.extractor.engine.precision
    return "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def _key(job: Job, settings: Training, setting: Setting, stage: str) -> dict[str, Any]:
    """Return all that decides the outcome of a training."""
    rows = hashlib.sha256()
    for part in ("train", "validation"):
        for digest, label in zip(job.digests(part), job.labels(part).tolist(), strict=True):
            rows.update(digest + str((part, label)).encode())
    # Read back, so that a whole number counts as the float that it stands for.
    learning = LearningSettings.from_json(job.config.part(LearningSettings).to_json()).to_json()
    del learning["budget"]  # what was stopped goes on with a larger one
    return {
        "stage": stage,
        "learning": learning,
        "layer": job.config.layer,
        "training": Training.from_json(settings.to_json()).to_json(),
        # Its name is another one where the file of a function of one's own is.
        "augmentation": view_name(job.config.augmentation or Augmentation(), setting.seed, 0),
        "backbone": job.backbone.to_json(),
        "engine": vars(job.extractor.engine),
        "device": [setting.device, setting.precision],
        "rows": rows.hexdigest(),
        "versions": [__version__, torch.__version__],
    }
