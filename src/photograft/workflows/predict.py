"""Classifying photos, with rules for when no class is to be named."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from photograft.classifier.answering import answered
from photograft.classifier.classifier import Classifier
from photograft.classifier.files import is_classifier
from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.ood_detector import DEFAULT_KEPT
from photograft.classifier.uncertainty.uncertainty import Rules, Uncertainty
from photograft.core.addresses import is_address
from photograft.core.errors import ClassifierError, InputError, described
from photograft.core.executors.choosing import OFF, executing
from photograft.core.progress import Watched
from photograft.data.containers import photos_at, photos_in_file
from photograft.data.inputs import files_in, matching
from photograft.data.loading import check_outside
from photograft.data.photo_inputs import PhotoInput
from photograft.data.settings import check_max_pixels
from photograft.data.sources.addresses import local_path
from photograft.data.sources.shards import expand_braces, has_braces
from photograft.data.sources.tables import is_manifest, read_paths
from photograft.runs.run import Run
from photograft.workflows.prediction_counts import Counts
from photograft.workflows.prediction_rows import open_writer, write_rows

#: What a verb takes for a classifier: itself, its run, or the folder of either.
AnyClassifier = Classifier | Run | str | os.PathLike[str]


def load_classifier(
    classifier: AnyClassifier, max_pixels: int | None = None, beside: Iterable[object] = ()
) -> Classifier:
    """Return a classifier with its backbone's weights found.

    Args:
        classifier: Itself, its run, or the folder of either.
        max_pixels: Photos with more pixels get an error; as in its training where not given.
        beside: What stands in place of the photos: a classifier's folder, where they are swapped.

    Raises:
        ClassifierError: There is none, or it is damaged.
        WeightsError: Its backbone's weights are not here.
        InputError: It is something else.
    """
    if isinstance(classifier, Run):
        classifier = classifier.classifier
    if isinstance(classifier, (str, os.PathLike)):
        path = classifier
        try:
            classifier = Classifier.load(path)
        except ClassifierError as error:
            swapped = _swapped(path, beside)
            if swapped is None:
                raise
            raise swapped from error
    if not isinstance(classifier, Classifier):
        raise InputError(
            "that is no classifier",
            expected="a Classifier, a Run, or the folder of either",
            got=described(classifier),
        )
    if max_pixels is not None:
        check_max_pixels(max_pixels)
        classifier = replace(classifier, max_pixels=max_pixels)
    return classifier.located()


def _swapped(classifier: str | os.PathLike[str], beside: Iterable[object]) -> InputError | None:
    """Return the error of photos that stand before their classifier; None where they do not."""
    if is_classifier(Path(classifier)):  # it is there, and damaged
        return None
    for other in beside:
        if isinstance(other, (str, os.PathLike)) and is_classifier(Path(other)):
            return InputError(
                f"{classifier} holds no classifier, but {other} does",
                fix=f"The classifier comes first: give {other} and then {classifier}.",
            )
    return None


def read_rules(
    classifier: Classifier,
    *,
    unknown: bool = False,
    keep: float | None = None,
    min_accuracy: float | None = None,
    coverage: float | None = None,
) -> Rules:
    """Return the rules by which a classifier answers; see `predict`.

    Raises:
        InputError: The classifier carries nothing to tell by what is asked, or a share is out of
            its range.
    """
    return (classifier.uncertainty or Uncertainty()).rules(
        kept=DEFAULT_KEPT if unknown and keep is None else keep,
        min_accuracy=min_accuracy,
        coverage=coverage,
    )


def predict(
    classifier: AnyClassifier,
    photos: Any,
    *,
    unknown: bool = False,
    keep: float | None = None,
    min_accuracy: float | None = None,
    coverage: float | None = None,
    max_pixels: int | None = None,
    progress: Watched = True,
    ray: str = OFF,
) -> Prediction | list[Prediction]:
    """Classify photos.

    Args:
        classifier: Itself, its run, or the folder of either.
        photos: As `Classifier.predict` takes them, one or many.
        unknown: Answer ``"unknown"`` for what is like no class.
        keep: Likewise, keeping this share of photos like yours, in (0, 1); 0.95 by default.
        min_accuracy: Answer ``"unsure"`` below the confidence from which on so many answers are
            right, in (0, 1).
        coverage: Also give the classes that hold the right one so often, in (0, 1).
        max_pixels: Photos with more pixels get an error; as in its training where not given.
        progress: Told how far it is with many.
        ray: What looks at the photos: ``"off"``, this process; ``"local"``, a Ray cluster that is
            started here; ``"auto"``, or an address, one that runs. The result is the same.

    Returns:
        A prediction for one photo, a list for many; its `answer` is by these rules.

    Raises:
        InputError: The photos can't be understood, or the classifier can't tell what is asked.
        ClassifierError: There is no classifier, or it is damaged.
        WeightsError: Its backbone's weights are not here.
    """
    is_path = isinstance(photos, (str, os.PathLike))
    loaded = load_classifier(classifier, max_pixels, [photos] if is_path else ())
    rules = read_rules(
        loaded, unknown=unknown, keep=keep, min_accuracy=min_accuracy, coverage=coverage
    )
    with executing(ray):
        found = loaded.predict(photos, progress=progress)
    if isinstance(found, Prediction):
        return answered(found, rules, loaded.class_names)
    return [answered(prediction, rules, loaded.class_names) for prediction in found]


def write_predictions(
    classifier: Classifier,
    paths: Iterable[str | os.PathLike[str] | PhotoInput],
    format_: str,
    output: Path | None,
    stdout: IO[str],
    *,
    top: int = 1,
    rules: Rules | None = None,
    advance: Callable[[], None] = lambda: None,
    ray: str = OFF,
) -> Counts:
    """Classify files one after another and write a row for each, in bounded memory.

    Args:
        classifier: Located.
        paths: Files, as `expand_inputs` gives them; a generator is read only a little ahead.
        format_: As `prediction_rows.output_format` gives it.
        output: The file to write, whole or not at all; None for standard output.
        stdout: Standard output.
        top: Classes per row.
        rules: From `read_rules`.
        advance: Called after each row.
        ray: As in `predict`.

    Raises:
        InputError: There is no file at all.
        StorageError: The file can't be written.
    """
    top = min(top, len(classifier.class_names))
    stream = classifier.stream(paths)
    with executing(ray), open_writer(format_, output, stdout, top, rules) as write:
        return write_rows(stream, write, classifier.class_names, top, advance, rules)


def check_apart(
    output: Path, inputs: Iterable[str | os.PathLike[str]], *, option: str = "--output"
) -> None:
    """Make sure that a table will not lie in a folder of photos, as one more file of it.

    Args:
        output: The table.
        inputs: As `expand_inputs` takes them.
        option: By which users name another place.

    Raises:
        StorageError: It would.
    """
    for given in inputs:
        if os.path.isdir(given):
            check_outside(output, given, option=option)


def expand_photos(
    inputs: Iterable[str], stdin: IO[str] | None = None
) -> Iterator[str | PhotoInput]:
    """Yield the photos that inputs name or hold, one after another.

    Args:
        inputs: As in `expand_inputs`, and tars and Parquet files with photos in them, patterns with
            braces such as ``{000..009}.tar``, and addresses of any of these.
        stdin: As in `expand_inputs`.

    A tar, a Parquet file or a manifest that can't be read is yielded as one photo that can't.

    Raises:
        SourceError: Nothing can be reached at an address.
    """
    for given in inputs:
        text = local_path(given)
        if is_address(text):
            photos = photos_at(text)
            yield from [photos] if isinstance(photos, PhotoInput) else photos
            continue
        is_pattern = has_braces(text) and not os.path.lexists(text)
        for named in expand_braces(text) if is_pattern else [text]:
            is_file = os.path.isfile(named)
            for path in [named] if is_file else expand_inputs([named], stdin):
                yield from photos_in_file(path)


def expand_inputs(inputs: Iterable[str], stdin: IO[str] | None = None) -> Iterator[str]:
    """Yield the files that inputs name, one after another.

    Args:
        inputs: Files, folders (searched at every depth, sorted, hidden files left out), manifests
            (CSV or Parquet files with a column ``path``), glob patterns, or ``-`` for a list of
            files on standard input, one a line.
        stdin: Standard input; where not given, ``-`` is a file of that name.

    A path that does not exist, or a folder that can't be listed, is yielded as it is, and fails
    when it is read.

    Raises:
        SourceError: A manifest can't be read.
    """
    for text in inputs:
        if text == "-" and stdin is not None:
            yield from (line.rstrip("\r\n") for line in stdin if line.strip())
        elif os.path.isdir(text):
            yield from files_in(text)
        elif is_manifest(text) and os.path.isfile(text):
            yield from read_paths(Path(text))
        elif not os.path.lexists(text) and glob.has_magic(text):
            yield from matching(text)
        else:
            yield text
