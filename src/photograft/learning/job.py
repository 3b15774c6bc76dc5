"""What every strategy is given and gives back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Backbone
from photograft.classifier.classifier import Classifier
from photograft.classifier.learned import Learned
from photograft.classifier.scoring import score
from photograft.core.arrays import Floats
from photograft.core.feature_table import Table
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups
from photograft.data.photo import Photos, digests_of
from photograft.data.splits import Split
from photograft.features.extractor import Extractor
from photograft.learning.head.selection import Selection
from photograft.learning.history import History
from photograft.learning.settings import TrainConfig
from photograft.learning.tracking.protocol import Tracking


@dataclass(frozen=True)
class Job:
    """What a strategy is given.

    Attributes:
        dataset: The photos; all of them decode.
        split: Their parts. The test is not looked at.
        extractor: The frozen backbone.
        table: Its features of every photo as it is; None where the strategy has no use for them.
        config: The settings.
        progress: Told how far it is.
        tracking: Told of the epochs of training loops; None for nobody.
    """

    dataset: Dataset
    split: Split
    extractor: Extractor
    table: Table | None
    config: TrainConfig
    progress: Progress
    tracking: Tracking | None = None

    @property
    def backbone(self) -> Backbone:
        """The frozen backbone's record."""
        return self.extractor.backbone

    @property
    def store(self) -> FeatureStore:
        """Where features and unfinished trainings are kept."""
        return self.extractor.store

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.dataset.class_names)

    @property
    def views(self) -> tuple[str, ...]:
        """What a classifier looks at of each photo."""
        return ("plain", "flip") if self.config.test_views == "flip" else ("plain",)

    def photos(self, part: str) -> Photos:
        """Return the photos of a part of the split."""
        return self.dataset.records.take(self.split.parts()[part])

    def digests(self, part: str) -> list[bytes]:
        """Return their content digests."""
        return digests_of(self.photos(part))

    def labels(self, part: str) -> npt.NDArray[np.int64]:
        """Return their class indices, shape ``(n,)``."""
        return self.dataset.labels[self.split.parts()[part]]

    def groups(self, part: str) -> npt.NDArray[np.int64]:
        """Return their groups, shape ``(n,)``."""
        return content_groups(self.dataset)[self.split.parts()[part]]

    def features(self) -> Table:
        """Return the features of every photo as it is."""
        if self.table is not None:
            return self.table
        return self.extractor.extract(self.dataset.photos)[0]

    def score(self, classifier: Classifier, part: str) -> npt.NDArray[np.float32]:
        """Return what a classifier says of a part's photos, float32, shape ``(n, num_classes)``."""
        return score(classifier, self.photos(part), self.extractor, self.table)

    def with_config(self, **changes: Any) -> Job:
        """Return the job with some settings changed."""
        return replace(self, config=replace(self.config, **changes))


@dataclass(frozen=True)
class OutOfFold:
    """Training photos that were held out in turn.

    Attributes:
        rows: Of the training part, shape ``(m,)``.
        log_probs: Out-of-fold log-probabilities in each repeat, float32,
            ``(m, r, num_classes)``; or fewer classes, where only other photos are of the last ones.
    """

    rows: npt.NDArray[np.intp]
    log_probs: Floats

    @classmethod
    def of(cls, selection: Selection) -> OutOfFold:
        """Return what a selection found on the way."""
        return cls(selection.held_out.rows, selection.held_out.log_probs)


@dataclass(frozen=True)
class Fitted:
    """What a strategy gives back.

    Attributes:
        classifier: The fitted classifier.
        strategy: The strategy whose classifier it is, which may be one that was compared with.
        selection: What was tried and measured on the way, as plain JSON types.
        history: Of the training loop; None where none ran.
        notes: What the user should know: what was kept, and why.
        params: Of backbone and head: how many there are, and how many were trained.
        leftovers: Folders that are of no use once the run is written.
        before_refit: Probabilities of the validation photos by what had no part of them, shape
            ``(n, num_classes)``, where they had one in the classifier: it was fitted on them, too,
            or they chose its head; else None.
        has_learned_validation: Whether it was fitted on them, too.
        out_of_fold: What heads chosen and fitted like the classifier's said of training photos
            that they had not learned from; None where nobody has asked them.
        extractor: What looks at photos for the classifier, where that is not the job's.
        table: Features of every photo by it, likewise.
    """

    classifier: Classifier
    strategy: str
    selection: dict[str, Any] = field(default_factory=dict)
    history: History | None = None
    notes: tuple[str, ...] = ()
    params: dict[str, int] = field(default_factory=dict)
    leftovers: tuple[Path, ...] = ()
    before_refit: npt.NDArray[np.float32] | None = None
    has_learned_validation: bool = False
    out_of_fold: OutOfFold | None = field(default=None, repr=False)
    extractor: Extractor | None = field(default=None, repr=False)
    table: Table | None = field(default=None, repr=False)

    def as_seen(self, job: Job) -> Job:
        """Return a job whose photos are looked at as the classifier looks at them."""
        if self.extractor is None:
            return job
        return replace(job, extractor=self.extractor, table=self.table)


def learned_photos(job: Job, fitted: Fitted) -> Learned:
    """Return which photos a strategy's classifier was fitted on, and which only chose for it."""
    train, validation = job.digests("train"), job.digests("validation")
    if fitted.has_learned_validation:
        return Learned.of([*train, *validation])
    return Learned.of(train, validation)


def needs_features(config: TrainConfig) -> bool:
    """Return whether a strategy looks at the plain features of every photo.

    Where not, photos are only decoded beforehand, to find those that can't be used.
    """
    if config.strategy == "scratch":
        return False
    if config.strategy == "finetune" and config.keep == "always" and not config.head_first:
        return False
    fresh = config.views == -1 and config.strategy in ("features+augment", "finetune")
    return not (fresh and config.head == "mlp" and config.pooling == "flatten")
