"""The doctor's job from beginning to end, on its own; a training does it with its own features."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from photograft.core.bars import progress_of
from photograft.core.errors import StorageError
from photograft.core.executors.choosing import OFF, executing
from photograft.core.files import check_free, make_folder, path_of
from photograft.core.progress import Progress, Watched
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.empty_classes import nothing_usable
from photograft.data.loading import Source, check_outside, read_dataset, with_near_duplicates
from photograft.data.sources.base import IN_MEMORY
from photograft.diagnosis.diagnose import diagnose
from photograft.diagnosis.examine import Diagnosis
from photograft.diagnosis.tables import PARQUET_NAME, check_unanswered, write_findings
from photograft.features.calibration import without_photos
from photograft.features.opening import open_extractor
from photograft.features.series import with_series
from photograft.features.settings import ExtractionSettings
from photograft.learning.options import Config, ExtractionOptions, read_settings
from photograft.report.doctor_page import write_doctor_report
from photograft.runs.comparison import COMPARISON
from photograft.runs.folder import PAGE, RUN


@dataclass(frozen=True)
class Checkup:
    """What became of an examination.

    Attributes:
        dataset: The photos.
        diagnosis: What was found.
        out: The folder with the tables and the page; None where none was asked for.
    """

    dataset: Dataset
    diagnosis: Diagnosis
    out: Path | None

    def _repr_html_(self) -> str:
        return self.diagnosis._repr_html_()


def doctor(
    source: Source,
    config: Config | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
    ray: str = OFF,
    **options: Unpack[ExtractionOptions],
) -> Checkup:
    """Examine photos and their labels; nothing is trained, and nothing in the source is changed.

    A class of which no photo can be used is its gravest finding, and no error as it is elsewhere.

    Args:
        source: As in `train`.
        config: As in `train`; what concerns photos and backbone counts, the rest does not.
        out: A folder for ``findings.csv``, ``findings.parquet`` and ``report.html``; new, or one
            that an examination made before, whose answers were not filled in.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.
        ray: What looks at the photos: ``"off"``, this process; ``"local"``, a Ray cluster that is
            started here; ``"auto"``, or an address, one that runs. The result is the same.
        options: Settings by name, that change `config`.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The folder or the cache can't be written.
    """
    settings = read_settings(config, **options).part(ExtractionSettings)
    store, progress = store or FeatureStore(), progress_of(progress)
    settings = without_photos(settings, progress)
    folder = None if out is None else path_of(out, "the folder")
    if folder is not None:
        _check_folder(folder, source)
    # A class of which no photo can be used is a finding, not an end.
    settings = replace(settings, empty_classes="drop")
    dataset = read_dataset(source, settings, cache=store.cache, progress=progress)
    if not dataset.photos:
        raise nothing_usable(dataset.source, dataset.skipped_counts())
    extractor = open_extractor(settings, store=store, progress=progress)
    dataset = with_near_duplicates(dataset, settings, store=store, progress=progress)
    with executing(ray):
        table, failures, extractor = extractor.extract(dataset.photos)
    dataset = with_series(dataset.without(failures), extractor, table, settings, progress)
    found = diagnose(dataset, extractor, table, seed=settings.seed, progress=progress)
    if folder is not None:
        _write(folder, dataset, found, progress)
    return Checkup(dataset, found, folder)


def _check_folder(folder: Path, source: Source) -> None:
    """Make sure, before any work, that findings can be written to a folder."""
    check_outside(folder, source)
    if folder.is_dir() and any(folder.iterdir()):
        # Runs hold findings and a page of their own, which are not to be written over.
        is_another = any((folder / name).is_file() for name in (RUN, COMPARISON))
        if is_another or not (folder / PARQUET_NAME).is_file():
            raise StorageError(
                f"{folder} holds something that is no examination of photos",
                fix="Choose another folder with --out.",
            )
        check_unanswered(folder)
    else:
        check_free(folder)


def _write(folder: Path, dataset: Dataset, found: Diagnosis, progress: Progress) -> None:
    make_folder(folder, fix="Choose another folder with --out.")
    write_findings(folder, found.findings)
    write_doctor_report(
        found.findings,
        {photo.name: photo.read for photo in dataset.photos},
        folder / PAGE,
        name=dataset.name,
        source=dataset.source,
        in_memory=dataset.kind in IN_MEMORY,
        num_photos=len(dataset.photos),
        num_classes=len(dataset.class_names),
        max_pixels=dataset.max_pixels,
        progress=progress,
    )
