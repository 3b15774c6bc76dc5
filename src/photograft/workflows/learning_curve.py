"""What more photos would bring: accuracy by number of photos, measured and extrapolated."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from photograft.core.bars import progress_of
from photograft.core.errors import InputError
from photograft.core.executors.choosing import OFF, executing
from photograft.core.files import check_file, new_file, path_of
from photograft.core.progress import Watched
from photograft.core.schema import check_range
from photograft.core.spreadsheets import new_csv, no_table
from photograft.core.store import FeatureStore
from photograft.data.empty_classes import left_out
from photograft.data.loading import Source, check_outside
from photograft.evaluation.learning_curve.curve import LearningCurve
from photograft.evaluation.learning_curve.measuring import measure_learning_curve
from photograft.features.calibration import without_photos
from photograft.learning.options import Config, TrainOptions, read_settings
from photograft.learning.preparation import prepare
from photograft.report.plots.learning_curve import draw_learning_curve

_FIX = {
    "picture": "Choose another file with --output.",
    "table": "Choose another file with --table.",
}


def learning_curve(
    source: Source,
    config: Config | None = None,
    *,
    seeds: int | None = None,
    output: str | os.PathLike[str] | None = None,
    table: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
    ray: str = OFF,
    **options: Unpack[TrainOptions],
) -> LearningCurve:
    """Measure the accuracy on growing parts of the photos, and extrapolate it.

    The test part is left out.

    Args:
        source: As in `train`.
        config: As in `train`.
        seeds: Held-out parts, 1 to 100; each five of them hold out every photo once. None for ten,
            or five where photos are many.
        output: Also draw it, into this ``.png`` file.
        table: Also write a row per size and seed to this ``.csv`` file.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.
        ray: What looks at the photos: ``"off"``, this process; ``"local"``, a Ray cluster that is
            started here; ``"auto"``, or an address, one that runs. The result is the same.
        options: Settings by name, that change `config`.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: A file, or the cache, can't be written.
    """
    for path, suffix, kind, option in (
        (output, ".png", "picture", "--output"),
        (table, ".csv", "table", "--table"),
    ):
        if path is not None and path_of(path, f"the {kind}").suffix.lower() != suffix:
            if suffix == ".csv":
                raise no_table(Path(path), [suffix])
            raise InputError(f"{path} is no {kind} by its name", expected=suffix)
        if path is not None:
            check_file(Path(path), fix=_FIX[kind])
            check_outside(Path(path), source, option=option)
    check_range("seeds", 1 if seeds is None else seeds, 1, 100, whole=True)
    settings = read_settings(config, **options)
    if settings.strategy != "features":
        raise InputError(
            "the curve is that of a head on the frozen backbone",
            expected="strategy 'features'",
            got=repr(settings.strategy),
        )
    progress = progress_of(progress)
    settings = without_photos(settings, progress)
    with executing(ray):
        job = prepare(source, settings, store=store or FeatureStore(), progress=progress)
    curve = measure_learning_curve(job, num_seeds=seeds, seed=settings.seed)
    lost = left_out(job.dataset.dropped, job.dataset.skipped)
    curve = replace(curve, notes=(*job.dataset.notes, *lost))
    if output is not None:
        with new_file(Path(output), fix=_FIX["picture"]) as partial:
            draw_learning_curve(curve, partial)
    if table is not None:
        rows = curve.rows()
        with new_csv(Path(table), list(rows[0]), fix=_FIX["table"]) as write:
            for row in rows:
                write(row)
    return curve
