"""Feature extraction: a frozen backbone, its features computed once, a linear head on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photograft.backbones.engines import Engine
from photograft.backbones.registry import Backbone
from photograft.classifier import Classifier
from photograft.config import TrainConfig
from photograft.dataset import Dataset
from photograft.duplicates import content_groups
from photograft.progress import Progress
from photograft.segments import FeatureTable
from photograft.selection import Selection, fit_head, select
from photograft.splits import Split


def fit(
    dataset: Dataset,
    split: Split,
    table: FeatureTable,
    backbone: Backbone,
    engine: Engine,
    config: TrainConfig,
    progress: Progress,
) -> tuple[Classifier, Selection]:
    """Choose the head by cross-validation on the training photos, then fit it on all of them.

    Args:
        dataset: The photos.
        split: Only its training part is looked at.
        table: Holds the features of every training photo.
        backbone: Whose features they are.
        engine: What computed them.
        config: `layers`, `class_weight`, `seed` and `max_pixels` matter here.
        progress: Told how far it is.
    """
    digests = [dataset.photos[i].digest for i in split.train]
    labels = dataset.labels[split.train]
    balanced = config.class_weight == "balanced"

    def gather(
        rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float32]:
        return table.rows([digests[i] for i in rows], columns)

    selection = select(
        gather,
        labels,
        content_groups(dataset)[split.train],
        digests,
        backbone_layers=backbone.layers,
        layers=config.layers,
        balanced=balanced,
        seed=config.seed,
        progress=progress,
    )
    with progress.step("Fitting the head", 1, "heads") as step:
        head = fit_head(gather, selection, labels, balanced=balanced)
        step.advance()
    classifier = Classifier(
        class_names=dataset.class_names,
        backbone=backbone,
        engine=engine,
        layers=selection.chosen.layers,
        head=head,
        max_pixels=config.max_pixels,
    )
    return classifier, selection
