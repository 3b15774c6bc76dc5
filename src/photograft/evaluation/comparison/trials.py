"""Trying a candidate on photos that it has not learned from: by folds, with what it costs."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from photograft.backbones.costs import costs_of
from photograft.backbones.registry import BATCH_SIZE, Backbone
from photograft.core.errors import InputError
from photograft.core.executors.base import Dealing
from photograft.core.executors.choosing import current
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.photo import digests_of
from photograft.data.splits import Split
from photograft.evaluation.comparison.candidates import Candidate, NetworkKey
from photograft.evaluation.comparison.folds import Folds, Tested, UnderWay
from photograft.evaluation.comparison.trial_store import Trial
from photograft.features.calibration import goes_by_photos
from photograft.features.extraction import feature_batches
from photograft.features.extractor import Extractor
from photograft.features.opening import open_extractor
from photograft.learning.head.selection import Selection
from photograft.learning.head.trying import NUM_FOLDS, NUM_REPEATS
from photograft.learning.job import Job, needs_features
from photograft.learning.preparation import network_settings
from photograft.learning.strategies import features_augment
from photograft.learning.strategies.features import choose_head

#: Photos that the time to classify one is measured on.
_TIMED_PHOTOS = 48


@dataclass(frozen=True)
class TrialContext:
    """Where candidates are tried.

    Attributes:
        pool: The photos: those for training and validation, never those of the test.
        store: Where features are kept.
        progress: Told how far it is.
        seed: Of the folds.
        timer: Tells the time in seconds.
        times: Milliseconds a photo, by `Candidate.network`: the same network is timed once, so
            that noise does not make one of two like it look faster.
    """

    pool: Dataset
    store: FeatureStore
    progress: Progress
    seed: int
    timer: Callable[[], float] = time.perf_counter
    times: dict[NetworkKey, float] = field(default_factory=dict)

    def extractor(self, candidate: Candidate) -> Extractor:
        """Return a candidate's backbone, ready to look at photos unless it goes by them."""
        settings = network_settings(candidate.config, self.pool.photos)
        return open_extractor(settings, store=self.store, progress=self.progress)

    def everything(self, dataset: Dataset) -> Split:
        """Return a split whose training part has all photos."""
        nothing = np.arange(0)
        return Split(np.arange(len(dataset.photos)), nothing, nothing)


def try_stored(context: TrialContext, candidate: Candidate) -> tuple[Trial, Selection]:
    """Cross-validate a linear head on stored features, all folds at once.

    Args:
        context: The photos.
        candidate: One whose `is_stored` holds.

    Returns:
        Its scores, and the choice that the head for good is fitted with.
    """
    extractor = context.extractor(candidate)
    table, failures, extractor = extractor.extract(context.pool.photos)
    clean = context.pool.without(failures)
    job = Job(
        clean, context.everything(clean), extractor, table, candidate.config, context.progress
    )
    augmented = candidate.config.strategy == "features+augment"
    tables = features_augment.view_tables(job) if augmented else [table]
    start = context.timer()
    selection = choose_head(job, tables)
    seconds = context.timer() - start
    held, places = selection.held_out, places_of(context.pool, clean)
    shape = (len(context.pool.photos), held.folds.shape[1])
    predicted, losses = np.full(shape, -1, np.int64), np.full(shape, np.nan)
    predicted[places[held.rows]], losses[places[held.rows]] = held.predicted, held.losses
    head = (len(selection.columns) + 1) * job.num_classes
    views = len(tables)
    milliseconds = time_photos(context, extractor, candidate)
    looked = milliseconds / 1000 * len(clean.photos) * views
    trial = Trial(
        predicted=predicted,
        losses=losses,
        done=tuple((r, f) for r in range(NUM_REPEATS) for f in range(NUM_FOLDS)),
        wanted=NUM_REPEATS * NUM_FOLDS,
        train_accuracies=(held.train_accuracy,),
        seconds=seconds,
        costs=_costs(candidate, extractor.backbone, head, head, looked + seconds, milliseconds),
        chosen={"layers": list(selection.layers), "num_views": views},
    )
    return trial, selection


def try_folds(
    context: TrialContext,
    candidate: Candidate,
    before: Trial | None,
    under_way: UnderWay | None = None,
) -> Generator[Trial, None, None]:
    """Train a candidate anew for each fold of one repeat, and yield what is known after each.

    The folds are those of the first repeat of `try_stored`.

    Args:
        context: The photos.
        candidate: Any.
        before: What was found out before an interruption.
        under_way: Told which folds are tried, from when on.
    """
    config = candidate.config
    extractor = context.extractor(candidate)
    if needs_features(config) and not goes_by_photos(config):
        table, failures, extractor = extractor.extract(context.pool.photos)
        clean = context.pool.without(failures)
    else:
        table, clean = None, context.pool.verified(progress=context.progress)
    whole = Job(clean, context.everything(clean), extractor, table, config, context.progress)
    work = Folds.of(whole, context.seed * 1000, context.timer)
    missing = [fold for fold in work.numbers() if before is None or (0, fold) not in before.done]
    if not missing:
        return
    places, shape = places_of(context.pool, clean), (len(context.pool.photos), NUM_REPEATS)
    milliseconds = (
        before.costs["ms_per_photo"]
        if before
        else time_photos(context, work.job_of(missing[0]).extractor, candidate)
    )
    trial = before
    under_way = under_way or UnderWay(context.timer)
    under_way.expect(missing)
    for tested in _tested(context, candidate, work, missing, under_way):
        predicted = np.full(shape, -1, np.int64) if trial is None else trial.predicted.copy()
        losses = np.full(shape, np.nan) if trial is None else trial.losses.copy()
        predicted[places[tested.held], 0] = tested.predicted
        losses[places[tested.held], 0] = tested.losses
        head, trained = tested.params["head"], tested.params["trained"]
        trial = Trial(
            predicted=predicted,
            losses=losses,
            done=(*(trial.done if trial else ()), (0, tested.fold)),
            wanted=len(work.numbers()),
            train_accuracies=(*(trial.train_accuracies if trial else ()), tested.learned),
            seconds=tested.seconds + (trial.seconds if trial else 0.0),
            costs=_costs(
                candidate, extractor.backbone, head, trained, tested.seconds, milliseconds
            ),
            chosen={"layers": list(tested.layers)},
        )
        yield trial


def _tested(
    context: TrialContext,
    candidate: Candidate,
    work: Folds,
    missing: Sequence[int],
    under_way: UnderWay,
) -> Iterator[Tested]:
    """Yield what becomes of folds, in their order, by what was chosen to do it.

    Where that is other processes, folds are tried side by side. The order is the same all the same:
    whoever asks for the next one may have seen enough.

    Raises:
        InputError: A fold ends each process that tries it.
    """
    executor = current()
    with contextlib.ExitStack() as stack:
        dealing = None
        if executor.is_remote:
            title = f"Trying {candidate.name}"
            step = stack.enter_context(context.progress.step(title, len(missing), "folds"))
            dealing = Dealing[int](
                batch_size=1,
                accelerated=work.whole.extractor.engine.device != "cpu",
                check=lambda: step.advance(0),  # raises where the budget is spent
                begins=lambda positions: under_way.begins(missing[i] for i in positions),
            )
        results = executor.run(work, missing, dealing)
        stack.enter_context(contextlib.closing(results))
        for done in results:
            if done.result is None:
                raise InputError(f"each process that tried a fold of {candidate.name} has died")
            if executor.is_remote:
                step.advance(len(done.result))
            yield from under_way.done(done.result)


def time_photos(context: TrialContext, extractor: Extractor, candidate: Candidate) -> float:
    """Return the milliseconds that a photo takes from its file to its features, on this machine.

    What `TrialContext.times` has is not measured again. It is the median over batches, of photos
    spread over the set; the network is open and warm by then.
    """
    if candidate.network in context.times:
        return context.times[candidate.network]
    photos = context.pool.photos
    some = photos[:: max(1, len(photos) // _TIMED_PHOTOS)][:_TIMED_PHOTOS]
    backbone = extractor.backbone
    network = extractor.network()
    network(*(np.zeros((BATCH_SIZE, *look.input_size, 3), np.uint8) for look in backbone.looks))
    times, start = [], context.timer()
    for indices, _, failed in feature_batches(
        [photo.read for photo in some],
        backbone,
        lambda: network,
        max_pixels=extractor.max_pixels,
    ):
        now = context.timer()
        times.append((now - start) / max(len(indices) + len(failed), 1))
        start = now
    views = 2 if candidate.config.test_views == "flip" else 1
    milliseconds = 1000 * statistics.median(times) * views
    return context.times.setdefault(candidate.network, milliseconds)


def _costs(
    candidate: Candidate,
    backbone: Backbone,
    head: int,
    trained: int,
    seconds: float,
    milliseconds: float,
) -> dict[str, float]:
    """Return what a candidate costs.

    Args:
        candidate: The candidate.
        backbone: Its backbone.
        head: Parameters of its head.
        trained: Parameters that are trained.
        seconds: To train it once, photos looked at included.
        milliseconds: To classify one photo.
    """
    multiply_adds, num_statistics = costs_of(backbone)
    views = 2 if candidate.config.test_views == "flip" else 1
    total = backbone.num_params + head
    return {
        "num_params": total + num_statistics,
        "num_trainable": trained,
        "num_non_trainable": total + num_statistics - trained,
        "multiply_adds": multiply_adds * views,
        "train_seconds": round(seconds, 3),
        "ms_per_photo": round(milliseconds, 3),
        "num_bytes": 4 * (total + num_statistics),
    }


def places_of(dataset: Dataset, clean: Dataset) -> npt.NDArray[np.intp]:
    """Return where in a dataset each photo is that could be decoded, in their order.

    Args:
        dataset: The photos.
        clean: The same, less those that do not decode: all of one content do or do not.
    """
    kept = set(digests_of(clean.photos))
    return np.flatnonzero([digest in kept for digest in digests_of(dataset.photos)])
