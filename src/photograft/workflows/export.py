"""Handing a classifier out for other programs, with the proof that it answers there as here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from photograft.classifier.classifier import Classifier
from photograft.classifier.export.exporting import (
    Exported,
    check_export,
    check_exportable,
    exported,
)
from photograft.classifier.export.parity import Sample
from photograft.core.arrays import Pixels
from photograft.core.bars import progress_of
from photograft.core.errors import ImageError, InputError
from photograft.core.files import check_free, path_of, printable, read_file
from photograft.core.parallel import in_order
from photograft.core.progress import Progress, Watched
from photograft.core.text import count
from photograft.features.calibration import NUM_PHOTOS
from photograft.features.packing import pack
from photograft.features.preprocessing import prepare_looks
from photograft.report.export_page import write_certificate
from photograft.runs.folder import Facts, File
from photograft.runs.photos import find_photos, training_facts
from photograft.runs.run import Run
from photograft.workflows.predict import AnyClassifier, expand_inputs, load_classifier

#: Photos that an export is tried on where the user does not say how many.
DEFAULT_PHOTOS = 1000

Reads = dict[str, Callable[[], bytes]]


def export(
    classifier: AnyClassifier,
    out: str | os.PathLike[str],
    *,
    to: str = "onnx",
    precision: str = "fp32",
    photos: str | os.PathLike[str] | None = None,
    num_photos: int = DEFAULT_PHOTOS,
    seed: int = 0,
    title: str = "",
    neighbours: bool = False,
    progress: Watched = True,
) -> Exported:
    """Write a classifier for other programs, once it is proven to answer there as it does here.

    Args:
        classifier: Itself, its run, or the folder of either.
        out: A new folder.
        to: ``"onnx"``, ``"openvino"``, ``"torch"`` or ``"web"``.
        precision: ``"fp32"``; ``"fp16"`` for weights in half precision; or ``"int8"``.
        photos: A folder of photos that both are asked about; where not given, those that the
            classifier's run set aside. Drawn ones that are hard to decode come to them.
        num_photos: At most so many of them.
        seed: Decides which.
        title: What a page is headed by; what the classifier tells apart where it is empty.
        neighbours: Let a page show the training photos that are most like each photo: up to 240
            small ones lie in it, for everybody who gets it.
        progress: Told how far it is.

    Raises:
        ParityError: The export answers otherwise: nothing is written.
        ConversionError: The classifier can't be written in this format.
        UnknownNameError: There is no such format.
        InputError: There are no photos, or a package is missing.
        StorageError: The folder can't be written.
    """
    told = progress_of(progress)
    exporter = check_export(to, precision)
    folder = path_of(out, "the folder")
    check_free(folder)
    loaded = load_classifier(classifier)
    check_exportable(loaded)
    run = _run_of(classifier)
    found = _found(run) if photos is None else _given(path_of(photos, "the photos"), loaded)
    chosen = _chosen(found.samples, num_photos, seed)
    if found.note:
        told.say(found.note)
    needs_photos = precision == "int8" and not loaded.engine.ranges
    calibration = _pixels(loaded, found, seed, told) if needs_photos else ()
    with exported(
        loaded,
        folder,
        exporter,
        precision=precision,
        samples=chosen,
        calibration=calibration,
        source=found.source,
        title=title,
        shown=_shown(loaded, run, to) if neighbours else None,
        progress=told,
    ) as written:
        if written.certificate:
            write_certificate(written.certificate, written.folder, to=to, model=written.model)
    return Exported(folder, written.model, written.certificate)


def _shown(classifier: Classifier, run: Facts | None, to: str) -> Reads:
    """Return what reads the training photos that a page may show.

    Raises:
        InputError: The format shows none, or there are none.
    """
    if to != "web":
        raise InputError(f"--to {to} shows no training photos", fix="Leave --neighbours away.")
    reads = find_photos(str(run.info["data"]["source"]), run.files) if run else {}
    if classifier.reference is None or not any(
        name in reads for name in classifier.reference.names
    ):
        raise InputError(
            "there are no training photos to show: the classifier carries none along, or they are "
            "no longer where they were",
            fix="Leave --neighbours away, or bring the photos back.",
        )
    return reads


class _Found(NamedTuple):
    """Photos to try an export on.

    Attributes:
        samples: The photos.
        source: Where they are from, for people.
        training: Those to calibrate by.
        note: What the user ought to know.
    """

    samples: list[Sample]
    source: str
    training: list[Callable[[], bytes]]
    note: str = ""


def _run_of(classifier: AnyClassifier) -> Facts | None:
    if isinstance(classifier, Run):
        return training_facts(classifier.path)
    return None if isinstance(classifier, Classifier) else training_facts(Path(classifier))


def _found(run: Facts | None) -> _Found:
    """Return the photos that a run set aside, as far as they are still where they were."""
    nothing = "only drawn photos are tried; give some of yours with --photos FOLDER."
    if run is None:
        return _Found([], "", [], f"The run of this classifier is not known: {nothing}")
    source = str(run.info["data"]["source"])
    reads = find_photos(source, run.files)
    if not reads:
        return _Found([], "", [], f"The photos of {source} are gone: {nothing}")
    index = {name: i for i, name in enumerate(run.class_names)}
    aside = [f for f in run.files if f.used and f.split in ("validation", "test")]
    samples = [_sample(f, reads, index) for f in aside if f.name in reads]
    training = [reads[f.name] for f in run.files if f.split == "train" and f.name in reads]
    if not samples:
        return _Found([], "", training, f"The run set no photos aside: {nothing}")
    return _Found(samples, f"validation and test photos of {printable(source)}", training)


def _sample(file: File, reads: Reads, index: dict[str, int]) -> Sample:
    return Sample(file.name, reads[file.name], label=index.get(file.label))


def _given(folder: Path, classifier: Classifier) -> _Found:
    """Return the photos in a folder; the name of the folder that each lies in may be its class."""
    files = list(expand_inputs([os.fspath(folder)]))
    if not folder.is_dir() or not files:
        raise InputError(
            f"{printable(folder)} holds no photos", expected="a folder of photos, at any depth"
        )
    index = {name: i for i, name in enumerate(classifier.class_names)}
    samples = [
        Sample(
            printable(os.path.relpath(file, folder)),
            lambda file=file: read_file(Path(file)),  # type: ignore[misc]
            label=index.get(Path(file).parent.name),
        )
        for file in files
    ]
    return _Found(samples, printable(folder), [sample.read for sample in samples])


def _chosen(samples: Sequence[Sample], most: int, seed: int) -> list[Sample]:
    """Return at most so many photos, in the order that they were in."""
    if most < 0:
        raise InputError("a number of photos is 0 or more", got=str(most))
    order = np.random.default_rng(seed).permutation(len(samples))[:most]
    return [samples[i] for i in sorted(order.tolist())]


def _pixels(classifier: Classifier, found: _Found, seed: int, progress: Progress) -> list[Pixels]:
    """Return packed pixels of photos to calibrate int8 by: training photos, where there are."""
    reads = found.training or [sample.read for sample in found.samples]
    order = np.random.default_rng(seed).permutation(len(reads))[:NUM_PHOTOS]

    def load(read: Callable[[], bytes]) -> Pixels | None:
        try:
            looks = classifier.backbone.looks
            return pack(prepare_looks(read(), looks, max_pixels=classifier.max_pixels))
        except (ImageError, OSError):
            return None

    progress.say(f"Calibrating on {count(len(order), 'photo')}")
    prepared = in_order(load, [reads[i] for i in order.tolist()])
    return [pixels for pixels in prepared if pixels is not None]
