"""Feature extraction with augmentation: a frozen backbone looks at several views of each photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from photograft.core.arrays import Pixels
from photograft.core.feature_table import Table
from photograft.data.photo import Photo
from photograft.features.augmentation import augment, generator, view_name
from photograft.features.extraction import View
from photograft.features.layers import last_columns
from photograft.features.preprocessing import CROP_MARGIN
from photograft.features.settings import DEFAULT_AUGMENTATION, Augmentation
from photograft.learning.head.selection import Selection, is_better, to_json
from photograft.learning.job import Fitted, Job, OutOfFold
from photograft.learning.scheduling.judging import cheapest_of_ties
from photograft.learning.strategies.features import (
    choose_head,
    count_params,
    fit_chosen,
    frozen_classifier,
    refitted_note,
    streamed_notes,
    whole_of,
)

#: Views of each photo besides the plain one, by the number of training photos.
_VIEWS = ((500, 8), (2_000, 4), (10_000, 2))

#: New views in every epoch.
FRESH = -1


def fit(job: Job) -> Fitted:
    """Fit a head on stored views of the training photos, or on new ones in every epoch."""
    if job.config.views == FRESH:
        return _fit_fresh(job)
    if job.config.head == "mlp":
        return _fit_mlp(job)
    choice = Choice(choose_plain(job), choose_augmented(job))
    return refit(job, fit_choice(job, choice), choice.selection)


@dataclass(frozen=True)
class Choice:
    """A head on plain features, and one on all views, where that was tried.

    Attributes:
        plain: On plain features.
        augmented: On all views; None where nobody has tried.
    """

    plain: Selection
    augmented: Selection | None = None

    @property
    def selection(self) -> Selection:
        """The one that is kept: on all views where that is better beyond noise."""
        tried = [self.plain] if self.augmented is None else [self.plain, self.augmented]
        return cheapest_of_ties(tried, is_better)

    def to_json(self) -> dict[str, Any]:
        """Return what was chosen, and from what, as plain JSON types."""
        found = to_json(self.selection)
        if self.augmented is None:
            return found
        return {**found, "plain": to_json(self.plain), "augmented": to_json(self.augmented)}

    def notes(self) -> tuple[str, ...]:
        """Return what the user should know of it."""
        if self.augmented is None:
            return ()
        losses = (
            f"cross-validated log loss {self.augmented.log_loss:.4f} on "
            f"{self.augmented.num_views} views a photo, {self.plain.log_loss:.4f} on plain ones"
        )
        if self.selection is self.augmented:
            return (f"augmentation helps: {losses}",)
        return (f"augmentation does not help beyond noise, plain features are kept: {losses}",)


def choose_plain(job: Job) -> Selection:
    """Choose a head on plain features: on the very photos that one on all views is chosen on."""
    return choose_head(job, view_tables(job, 0), as_of_views=1 + num_views(job))


def choose_augmented(job: Job) -> Selection:
    """Choose a head on all views."""
    return choose_head(job, view_tables(job))


def fit_choice(job: Job, choice: Choice) -> Fitted:
    """Fit the head that was chosen on all training photos."""
    chosen = choice.selection
    classifier = fit_chosen(job, view_tables(job, chosen.num_views - 1), chosen)
    return Fitted(
        classifier,
        "features" if chosen.num_views == 1 else "features+augment",
        choice.to_json(),
        notes=(*choice.notes(), *streamed_notes(job, chosen)),
        params=count_params(job, classifier.head),
        out_of_fold=OutOfFold.of(chosen),
    )


def refit(job: Job, fitted: Fitted, chosen: Selection) -> Fitted:
    """Return a classifier whose head is fitted on validation photos as well, if settings say so."""
    if job.config.final != "all" or not len(job.split.validation):
        return fitted
    whole = whole_of(job)
    classifier = fit_chosen(whole, view_tables(whole, chosen.num_views - 1), chosen)
    return replace(
        fitted,
        classifier=classifier,
        notes=(*fitted.notes, refitted_note(job)),
        before_refit=job.score(fitted.classifier, "validation"),
        has_learned_validation=True,
    )


def augmentation_of(job: Job) -> Augmentation:
    """Return the random changes that the settings ask for."""
    return job.config.augmentation or DEFAULT_AUGMENTATION


def num_views(job: Job) -> int:
    """Return how many views of each training photo there are besides the plain one."""
    if job.config.views > 0:
        return job.config.views
    num_photos = len(job.split.train)
    return next((views for most, views in _VIEWS if num_photos <= most), 1)


def view_tables(job: Job, most: int | None = None, *, epochs: int | None = None) -> list[Table]:
    """Return the features of each view of the training photos, the plain view first.

    Args:
        job: Its settings say how many views there are.
        most: Augmented views at most.
        epochs: Where a training loop sees one view of each photo an epoch: how many there are.
            Views that it does not come to are left out.
    """
    photos, views = job.photos("train"), make_views(job, augmentation_of(job))[:most]

    def seen(number: int) -> Sequence[Photo]:
        if epochs is None:
            return photos
        from photograft.learning.loop.batches import seen_in_view  # only where a loop will run

        return [photos[i] for i in seen_in_view(number, len(views) + 1, len(photos), epochs)]

    return [
        job.features(),
        *(
            job.extractor.extract(seen(i), view, what=f"Extracting view {i}/{len(views)}")[0]
            for i, view in enumerate(views, 1)
        ),
    ]


def make_views(job: Job, settings: Augmentation) -> list[View]:
    """Return as many random views as the settings ask for, besides the plain one."""
    return [make_view(settings, job.config.seed, number) for number in range(1, num_views(job) + 1)]


def make_view(settings: Augmentation, seed: int, number: int) -> View:
    """Return a random view that is the same whenever it is asked for.

    Args:
        settings: What may change.
        seed: Of the changes.
        number: Of the view.
    """
    margin = CROP_MARGIN if settings.min_crop else 1.0
    change = _Change(settings, seed, number, margin)
    return View(view_name(settings, seed, number), change, margin)


@dataclass(frozen=True)
class _Change:
    """A random change of a photo that goes by its content; see `make_view`."""

    settings: Augmentation
    seed: int
    number: int
    margin: float

    def __call__(self, pixels: Pixels, digest: bytes) -> Pixels:
        # Several looks at a photo are each of a size of their own.
        height, width = (round(side / self.margin) for side in pixels.shape[:2])
        random = generator(self.seed, digest, self.number)
        return augment(pixels, self.settings, random, size=(height, width))


def _fit_fresh(job: Job) -> Fitted:
    """Train a head on a frozen network that sees a new random view of each photo every epoch."""
    from photograft.learning.loop.network import TransferNetwork  # torch, only where needed
    from photograft.learning.loop.setup import (
        count_trained,
        make_head,
        photo_feed,
        run_loop,
        target_encoding_of,
    )

    config, last = job.config, job.backbone.layers[-1]
    hidden = (config.hidden or (256,)) if config.head == "mlp" else ()
    # Only pooled features are standardised, which takes a look at them.
    table = job.features() if config.pooling == "avg" else None
    head = make_head(
        job, last.num_features, hidden, table=table, columns=last_columns(job.backbone.layers)
    )
    transfer = TransferNetwork(job.backbone, job.extractor.path, head, unfreeze="0")
    train = photo_feed(job, "train", transfer, augmentation_of(job))
    validation = photo_feed(job, "validation", transfer, None)
    history, checkpoint = run_loop(job, transfer, train, validation, config.loop, stage="fresh")
    classifier = frozen_classifier(
        job, (last.name,), head.to_head(target_encoding_of(job, config.loop))
    )
    return Fitted(
        classifier,
        "features+augment",
        {"layers": [last.name]},
        history,
        history.notes,
        count_trained(transfer),
        (checkpoint.folder,),
    )


def _fit_mlp(job: Job) -> Fitted:
    """Train an MLP on the stored views."""
    from photograft.learning.loop.batches import StoredBatches, ViewBatches
    from photograft.learning.loop.feeds import Feed
    from photograft.learning.loop.setup import HeadOnly, make_head, run_loop, target_encoding_of

    config, last, columns = job.config, job.backbone.layers[-1], last_columns(job.backbone.layers)
    tables = view_tables(job, epochs=config.loop.epochs)
    hidden = config.hidden or (256,)
    head = make_head(job, last.num_features, hidden, table=tables[0], columns=columns)
    train = Feed(ViewBatches(tables, job.digests("train"), columns), job.labels("train"))
    validation = Feed(
        StoredBatches(tables[0], job.digests("validation"), columns), job.labels("validation")
    )
    history, checkpoint = run_loop(
        job, HeadOnly(head), train, validation, config.loop, stage="views"
    )
    classifier = frozen_classifier(
        job, (last.name,), head.to_head(target_encoding_of(job, config.loop))
    )
    return Fitted(
        classifier,
        "features+augment",
        {"layers": [last.name], "num_views": len(tables)},
        history,
        history.notes,
        count_params(job, classifier.head),
        (checkpoint.folder,),
    )
