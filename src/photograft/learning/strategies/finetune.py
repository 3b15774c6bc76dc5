"""Fine-tuning: the head first, on the frozen backbone, then the top of the backbone with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from photograft.backbones.engines import Engine
from photograft.backbones.registry import Backbone, Layer
from photograft.classifier.head import Head
from photograft.core.arrays import Doubles
from photograft.core.errors import InputError
from photograft.core.feature_table import Table
from photograft.data.dataset import Photo
from photograft.features.extraction import PLAIN, View, open_space
from photograft.features.extractor import extract
from photograft.features.settings import Augmentation
from photograft.learning.job import Fitted, Job
from photograft.learning.loop.batches import ViewBatches, seen_in_view
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.network import TransferNetwork
from photograft.learning.loop.setup import (
    count_trained,
    make_head,
    photo_feed,
    run_loop,
    target_encoding_of,
    trained_classifier,
)
from photograft.learning.scheduling.judging import Gain
from photograft.learning.settings import DEFAULT_TRAINING
from photograft.learning.strategies import features, features_augment

#: Activations at the boundary are stored up to this share of what the store may take.
_MOST_OF_STORE = 0.5


def fit(job: Job) -> Fitted:
    """Fine-tune, and keep the result where it beats the frozen classifier.

    Raises:
        InputError: There are no validation photos to compare on.
    """
    config = job.config
    if config.keep == "better" and not len(job.split.validation):
        raise InputError(
            "fine-tuning needs validation photos, to tell whether it is worth keeping",
            fix="Give a share with --validation, or choose --keep always.",
        )
    frozen = _fit_frozen(job) if config.head_first or config.keep == "better" else None
    tuned = tune(job, frozen)
    if frozen is None or config.keep == "always":
        return tuned
    return better(job, frozen, tuned)


def tune(job: Job, frozen: Fitted | None) -> Fitted:
    """Train the top of the backbone and a head.

    Args:
        job: What to learn from.
        frozen: The classifier whose head it begins with; None for a new head.
    """
    config, settings, last = job.config, job.config.loop, job.backbone.layers[-1]
    target_encoding = target_encoding_of(job, settings)
    hidden = (config.hidden or (256,)) if config.head == "mlp" else ()
    head = make_head(job, last.num_features, hidden)
    if frozen is not None and config.head_first:
        head.start_from(_head_on_last(job, frozen), target_encoding)
    transfer = TransferNetwork(
        job.backbone,
        job.extractor.path,
        head,
        unfreeze=config.unfreeze,
        freeze_batch_norm=settings.freeze_batch_norm,
    )
    boundary = Boundary(job, transfer)
    augmentation = features_augment.augmentation_of(job)
    if augmentation.changes and config.views == features_augment.FRESH:
        train = photo_feed(job, "train", transfer, augmentation)
    else:
        train = boundary.feed("train", augmentation)
    history, checkpoint = run_loop(
        job, transfer, train, boundary.feed("validation"), settings, stage="tune"
    )
    leftovers = frozen.leftovers if frozen else ()
    return Fitted(
        trained_classifier(job, transfer, checkpoint, target_encoding),
        "finetune",
        {"boundary": transfer.boundary, **({"frozen": frozen.selection} if frozen else {})},
        history,
        history.notes,
        count_trained(transfer),
        (*leftovers, checkpoint.folder),
    )


def better(job: Job, frozen: Fitted, tuned: Fitted) -> Fitted:
    """Return the fine-tuned classifier where it is better on validation beyond noise.

    Both are measured on the same photos: the noise is that of the difference, photo by photo.
    """
    (losses, misses), (before, missed) = (on_validation(job, one) for one in (tuned, frozen))
    gain, more_right = Gain.of(before, losses), Gain.of(missed, misses)
    kept = gain.is_real and more_right.mean >= -more_right.noise
    words = (
        f"on validation its log loss is {losses.mean():.4f} to the frozen classifier's "
        f"{before.mean():.4f} (noise of the difference {gain.noise:.4f}), its accuracy "
        f"{1 - misses.mean():.1%} to {1 - missed.mean():.1%}"
    )
    verdict = (
        f"{tuned.strategy} is kept: {words}"
        if kept
        else f"{tuned.strategy} is no better beyond noise, {frozen.strategy} is kept: {words}"
    )
    chosen = tuned if kept else frozen
    return replace(
        chosen,
        selection={frozen.strategy: frozen.selection, tuned.strategy: tuned.selection},
        history=tuned.history,
        notes=(*frozen.notes, *tuned.notes, verdict),
        leftovers=(*frozen.leftovers, *tuned.leftovers),
    )


def on_validation(job: Job, fitted: Fitted) -> tuple[Doubles, Doubles]:
    """Return the log loss of each validation photo in nats, and whether it was missed, 0 or 1."""
    labels = job.labels("validation")
    found = job.score(fitted.classifier, "validation").astype(np.float64)
    own = found[np.arange(len(labels)), labels]
    return -np.log(np.clip(own, 1e-7, 1)), (found.argmax(axis=1) != labels).astype(np.float64)


def _fit_frozen(job: Job) -> Fitted:
    """Return the classifier of the frozen backbone, by the settings for its head."""
    first = job.config.head_training or DEFAULT_TRAINING["features"]
    # A linear head on the last layer is found in no time, whatever layers the frozen one sees; an
    # MLP is trained once, on the layer where fine-tuning goes on with it.
    layer = "last" if job.config.head == "mlp" else job.config.layer
    # What is fine-tuned is one network, and validation photos are to tell which of both is better.
    stage = job.with_config(training=first, layer=layer, effort="quick", final="train")
    if job.config.views == features_augment.FRESH:
        return features_augment.fit(stage)
    return features.fit(stage)


def _head_on_last(job: Job, frozen: Fitted) -> Head:
    """Return a head on the last layer alone: that of the frozen classifier where it is one."""
    last = (job.backbone.layers[-1].name,)
    if frozen.classifier.layers == last:
        return frozen.classifier.head
    return features.choose_and_fit(job, [job.features()], layer="last")[0].head


@dataclass
class Boundary:
    """What the frozen part of a network makes of photos: computed once, and kept in the store.

    Attributes:
        job: The photos and the store.
        transfer: The network.
    """

    job: Job
    transfer: TransferNetwork

    def feed(self, part: str, augmentation: Augmentation | None = None) -> Feed:
        """Return the photos of a part, from the store unless that would take too much of it.

        Args:
            part: Of the split.
            augmentation: Gives further views of each photo.
        """
        job, shape = self.job, self._shape()
        photos, labels = job.photos(part), job.labels(part)
        views = [PLAIN]
        if augmentation and augmentation.changes:
            views += features_augment.make_views(job, augmentation)
        size = 4 * int(np.prod(shape)) * len(photos) * len(views)
        if not self.transfer.boundary or size > _MOST_OF_STORE * job.store.max_bytes:
            return photo_feed(job, part, self.transfer, augmentation)
        epochs = job.config.loop.epochs if len(views) > 1 else 1
        tables = [
            self._table(
                [photos[k] for k in seen_in_view(i, len(views), len(photos), epochs)],
                shape,
                view,
                f"Keeping activations {i + 1}/{len(views)}",
            )
            for i, view in enumerate(views)
        ]
        batches = ViewBatches(tables, job.digests(part), shape=shape)
        return Feed(batches, labels)

    def _shape(self) -> tuple[int, ...]:
        blank = torch.zeros(1, *self.job.backbone.input_size, 3, dtype=torch.uint8)
        return tuple(self.transfer.lower(blank).shape[1:])

    def _table(self, photos: list[Photo], shape: tuple[int, ...], view: View, what: str) -> Table:
        extractor, backbone = self.job.extractor, self.job.backbone
        name = f"boundary:{self.transfer.boundary}"
        width = int(np.prod(shape))
        record: Backbone = replace(backbone, layers=(Layer(name, width, "flatten"),))
        engine = Engine("torch", extractor.engine.precision)
        space = open_space(self.job.store, record, engine, view)
        dtype = torch.bfloat16 if engine.precision == "bf16" else torch.float32

        def network(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            with torch.autocast("cpu", dtype, enabled=engine.precision == "bf16"):
                found = self.transfer.lower(torch.from_numpy(pixels))
            rows: npt.NDArray[np.float32] = found.float().flatten(1).numpy()
            return rows

        table, failures = extract(
            photos,
            record,
            space,
            lambda: network,
            view=view,
            what=what,
            max_pixels=self.job.config.max_pixels,
            progress=self.job.progress,
        )
        for error in failures.values():
            raise error
        return table
