"""What a user should be warned of, before and after a training."""

from __future__ import annotations

import numpy as np

from photograft.core.text import count
from photograft.data.dataset import Dataset
from photograft.data.groups import conflicting_labels, content_groups
from photograft.data.splits import Split
from photograft.evaluation.metrics import Scored
from photograft.learning.settings import TrainConfig

#: A class smaller than the largest by this factor is small ...
_IMBALANCE = 3.0
#: ... and worth a warning where its recall is this much below the accuracy.
_RECALL_GAP = 0.10


def warnings(
    dataset: Dataset, split: Split, held_out: Scored | None, config: TrainConfig
) -> list[str]:
    """Return what the user should be warned of, a sentence each.

    Args:
        dataset: The photos.
        split: Theirs.
        held_out: Scores of validation photos, or of training photos held out in turn; None where
            there are neither.
        config: The settings.
    """
    found = _without_effect(config)
    if split.num_leaks:
        leaks = count(split.num_leaks, "group of photos", "groups of photos")
        found.append(
            f"{leaks} that belong together (copies, near duplicates, or by the source) "
            f"{'lies' if split.num_leaks == 1 else 'lie'} on several sides of the given split: "
            "scores on the later side are too good"
        )
    conflicts = conflicting_labels(dataset)
    if conflicts:
        names = ", ".join(dataset.photos[i].name for i in conflicts[0][:3])
        found.append(
            f"{count(len(conflicts), 'photo stands', 'photos stand')} under several labels with "
            f"the very same content (such as {names}): one of the labels is wrong"
        )
    labels, groups = dataset.labels[split.train], content_groups(dataset)[split.train]
    for c, name in enumerate(dataset.class_names):
        if len(np.unique(groups[labels == c])) < 2:
            found.append(
                f"all training photos of class {name!r} are in one group: cross-validation can't "
                "tell how well it is recognised elsewhere, and the head is chosen half blindly"
            )
    counts = np.bincount(labels, minlength=len(dataset.class_names))
    small = counts * _IMBALANCE < counts.max()
    if small.any() and config.class_weight == "none" and held_out is not None:
        scores = held_out.evaluation
        for c in np.flatnonzero(small).tolist():
            row = scores.classes[c]
            if row["recall"] is not None and row["recall"] < scores.accuracy - _RECALL_GAP:
                found.append(
                    f"class {row['name']!r} is small ({counts[c]:,} to train on, to the largest "
                    f"class's {counts.max():,}) and often missed (recall {row['recall']:.0%}): "
                    "--class-weight balanced gives it the same say as the others"
                )
    return found


def _without_effect(config: TrainConfig) -> list[str]:
    """Return a warning for each part of the settings that the strategy has no use for."""
    found = []
    if config.strategy == "features" and config.augmentation and config.augmentation.changes:
        found.append("the strategy features does not augment: choose features+augment or finetune")
    if config.training and not config.has_loop:
        found.append(
            "a linear head on a frozen backbone is solved, not trained: settings of the training "
            "loop, such as epochs, have no effect without --head mlp or --strategy finetune"
        )
    return found
