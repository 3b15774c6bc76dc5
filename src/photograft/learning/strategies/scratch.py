"""From scratch: a small network trained from random weights."""

from __future__ import annotations

import numpy as np
import torch

from photograft.backbones.pytorch.convnet import ConvNet, Whitening
from photograft.core.errors import InputError
from photograft.features.pixel_statistics import sample_pixels
from photograft.features.settings import DEFAULT_AUGMENTATION
from photograft.learning.job import Fitted, Job
from photograft.learning.loop.network import TransferNetwork
from photograft.learning.loop.setup import (
    count_trained,
    make_head,
    photo_feed,
    run_loop,
    target_encoding_of,
    trained_classifier,
)


def fit(job: Job) -> Fitted:
    """Train all of a network and its head on the training photos.

    Raises:
        InputError: The settings ask for weights that are not random.
    """
    if job.backbone.weights != "random":
        raise InputError(
            "the strategy scratch begins with random weights",
            got=job.backbone.weights,
            fix="Leave --weights out, or use --strategy finetune.",
        )
    config, settings = job.config, job.config.loop
    head = make_head(job, job.backbone.layers[-1].num_features, config.hidden)
    transfer = TransferNetwork(
        job.backbone,
        None,
        head,
        unfreeze="all",
        freeze_batch_norm=settings.freeze_batch_norm,
        seed=config.seed,
    )
    _fit_whitening(job, transfer)
    augmentation = config.augmentation or DEFAULT_AUGMENTATION
    train = photo_feed(job, "train", transfer, augmentation)
    validation = photo_feed(job, "validation", transfer, None)
    history, checkpoint = run_loop(job, transfer, train, validation, settings, stage="scratch")
    classifier = trained_classifier(job, transfer, checkpoint, target_encoding_of(job, settings))
    return Fitted(
        classifier,
        "scratch",
        {"network": job.backbone.name},
        history,
        history.notes,
        params=count_trained(transfer),
        leftovers=(checkpoint.folder,),
    )


def _fit_whitening(job: Job, transfer: TransferNetwork) -> None:
    """Fit the network's ZCA whitening to the training photos, where it has one."""
    if not isinstance(transfer.network, ConvNet):
        return
    modules = list(transfer.network.features)
    for i, whitening in enumerate(modules):
        if isinstance(whitening, Whitening):
            found = sample_pixels(job.photos("train"), job.backbone, job.config.max_pixels)
            x = transfer.normalisation(torch.from_numpy(np.stack(list(found))))
            for module in modules[:i]:
                x = module(x)
            whitening.fit(x)
