"""Training, from labelled photos to a run folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, Unpack

from photograft.core.bars import progress_of
from photograft.core.errors import InputError
from photograft.core.executors.choosing import OFF, executing, team
from photograft.core.executors.launched import launched
from photograft.core.files import path_of
from photograft.core.optional import need_torch
from photograft.core.progress import Watched
from photograft.core.store import FeatureStore
from photograft.data.loading import Source, check_out, name_of
from photograft.diagnosis.diagnose import diagnose
from photograft.learning.options import Config, TrainOptions, read_settings
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.registry import find_strategy
from photograft.learning.tracking.protocol import Start, outcome_of, settings_of, tracked
from photograft.learning.tracking.trackers import open_tracker
from photograft.runs.record import describe_data
from photograft.runs.run import Clock, Run, default_path, environment, now
from photograft.workflows.finishing import finish

R = TypeVar("R")


def train(
    source: Source,
    config: Config | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
    clock: Clock = now,
    ray: str = OFF,
    workers: int = 1,
    **options: Unpack[TrainOptions],
) -> Run:
    """Train a classifier on labelled photos, evaluate it, and write a run folder.

    Features are kept in the store as they are computed: interrupted, the same call goes on from
    there, and gives the very same result.

    Called in each of several processes that ``torchrun`` has started, it trains networks in all of
    them; the first one does the rest, and all return its run.

    Args:
        source: A folder of class folders (flat or split into train, validation and test), a CSV or
            Parquet manifest, an ``.npz``, a ``.zip`` or ``.tar`` of class folders, the name of a
            set (``mnist``, ``hf:NAME``, ``tfds:NAME``), or a `Dataset`.
        config: The settings, or a TOML file or ``run.json`` that holds them.
        out: The run folder; ``runs/NAME-TIMESTAMP`` where not given.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is, and what the user should know.
        clock: Tells the time.
        ray: What looks at the photos: ``"off"``, this process; ``"local"``, a Ray cluster that is
            started here; ``"auto"``, or an address, one that runs. The result is the same.
        workers: How many processes on Ray train a network together.
        options: Settings by name, as the command has them, that change `config`: ``strategy``,
            ``backbone``, ``epochs``, ``seed`` and so on; see `TrainOptions`.

    Returns:
        The finished run.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The run folder or the cache can't be written.
        WorkersLostError: A process that trains together with others is gone.
    """
    settings = read_settings(config, **options)
    with executing(ray, workers=workers):
        return in_step(
            lambda: train_with(
                source, settings, out=out, store=store, progress=progress, clock=clock
            )
        )


def in_step(lead: Callable[[], R]) -> R:
    """Do work; where ``torchrun`` has started several processes, in the first one.

    Args:
        lead: The work. The others help where it trains a network, and return the same.
    """
    launch = launched()
    if launch is None:
        return lead()
    need_torch("training in several processes")
    from photograft.learning.loop.launched import lead_or_help  # torch, only where needed

    return lead_or_help(launch, lead)


def train_with(
    source: Source,
    settings: TrainConfig,
    *,
    out: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
    clock: Clock = now,
    recipe: dict[str, Any] | None = None,
) -> Run:
    """Do what `train` does, of settings that are read.

    Args:
        source: As in `train`, as are the others that are not here.
        settings: The settings.
        out: As in `train`.
        store: Likewise.
        progress: Likewise.
        clock: Likewise.
        recipe: What the settings come from and the figures it was published with, for the record.
    """
    if settings.budget and settings.strategy == "auto" and launched() is not None:
        raise InputError(
            "--budget stops a training in one process alone",
            fix="Leave it away where torchrun has several train together.",
        )
    store, progress = store or FeatureStore(), progress_of(progress)
    if not settings.has_loop and (team() or launched()):
        progress.say(
            "One worker does all of it: no network is trained, and a head on frozen features is "
            "solved in seconds (--strategy finetune or scratch, or --head mlp, trains)"
        )
    started, ticks = clock(), time.perf_counter()
    wanted = None if out is None else path_of(out, "the run folder")
    check_out(default_path(name_of(source), clock) if wanted is None else wanted, source)
    tracker = open_tracker(settings.track, wanted)
    job = prepare(source, settings, store=store, progress=progress)
    diagnosis = diagnose(
        job.dataset,
        job.extractor,
        job.table,
        seed=settings.seed,
        most_bytes=settings.stream_above,
        progress=progress,
    )
    folder = wanted or default_path(job.dataset.name, clock)
    data = describe_data(job.dataset, job.split)
    told = settings_of(settings, job.dataset.name, data, environment(), recipe)
    with tracked(tracker, Start(folder, job.dataset.name, told), progress) as tracking:
        fitted = find_strategy(settings.strategy)(replace(job, tracking=tracking))
        if out is None and folder.exists():  # another training was quicker
            folder = default_path(job.dataset.name, clock)
        seconds = time.perf_counter() - ticks
        run = finish(
            job,
            fitted,
            folder,
            started=started,
            seconds=seconds,
            recipe=recipe,
            diagnosis=diagnosis,
        ).run
        if tracking is not None:
            tracking.outcome(outcome_of(run.path, run.info, run.scores))
    if tracking is None:
        return run
    more = {"warnings": [*run.info["warnings"], *tracking.warnings], "tracked": tracking.where}
    return replace(run, info={**run.info, **more})
