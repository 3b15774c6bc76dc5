"""Why photos are classified as they are: where the evidence is, and what they are like."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from photograft.classifier.classifier import Classifier, Prediction
from photograft.classifier.heat_maps import HeatMaps
from photograft.core.bars import followed
from photograft.core.errors import ImageError, InputError, StorageError, UnknownNameError
from photograft.core.files import new_file, path_of, printable, read_file
from photograft.core.progress import Watched
from photograft.data.images import decode
from photograft.report.plots.explanation import Explanation, Reads, draw
from photograft.runs.photos import training_photos
from photograft.runs.run import Run
from photograft.workflows.predict import AnyClassifier, expand_inputs, load_classifier


def explain(
    classifier: AnyClassifier,
    photos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    class_name: str = "",
    out: str | os.PathLike[str] | None = None,
    note: Callable[[str], None] = lambda text: None,
    progress: Watched = True,
) -> list[Explanation]:
    """Say why photos are classified as they are.

    Args:
        classifier: Itself, its run, or the folder of either. The training photos are found by way
            of the run.
        photos: Files and folders, one or many.
        class_name: Evidence for this class; for the predicted one where it is empty.
        out: Pictures go into this folder, a PNG a photo; none are drawn where it is not given.
        note: Told what can't be shown, and why.
        progress: Told how far it is.

    Returns:
        An explanation for each photo; of one that can't be read, with its `error`.

    Raises:
        UnknownNameError: The classifier does not know the class.
        ClassifierError: There is no classifier, or it is damaged.
        StorageError: The folder can't be written.
    """
    is_one = isinstance(photos, (str, bytes, os.PathLike)) or not isinstance(photos, Iterable)
    given: Iterable[object] = [photos] if is_one else cast("Iterable[object]", photos)
    paths = [path_of(path, "the photo", "the path of a file or a folder") for path in given]
    files = list(expand_inputs(map(os.fspath, paths)))
    found = iter_explanations(
        load_classifier(classifier),
        files,
        class_name=class_name,
        out=None if out is None else path_of(out, "the folder"),
        run=_folder_of(classifier),
        note=note,
    )
    return list(followed(found, progress, "Explaining", len(files), "photos"))


def iter_explanations(
    classifier: Classifier,
    paths: Iterable[str],
    *,
    class_name: str = "",
    out: Path | None = None,
    run: Path | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Explanation]:
    """Yield explanations of files one after another; see `explain`.

    Args:
        classifier: Located.
        paths: Files.
        class_name: As in `explain`.
        out: Likewise.
        run: The folder of the classifier or its run, by which the training photos are found.
        note: As in `explain`.
    """
    names = classifier.class_names
    if class_name and class_name not in names:
        known = f"There are {', '.join(names[:20])}{', …' if len(names) > 20 else ''}."
        raise UnknownNameError("class", class_name, names, fix=known)
    reads: Reads = {}
    if classifier.reference is None:
        note("the classifier carries no training photos: nothing to compare with")
    else:
        reads = training_photos(run) if run is not None else {}
        if not reads:
            note("the training photos are not found any more: only their names are shown")
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{out} can't be made ({error.strerror})", fix="Choose another folder with --out."
            ) from error
    explainer = _Explainer(classifier, class_name, reads, note)
    taken: set[str] = set()
    for prediction in classifier.stream(paths):
        path = None if out is None else out / _free_name(printable(prediction.name), taken)
        yield explainer.explain(prediction, path)


class _Explainer:
    """Explains photo after photo, its network opened once."""

    def __init__(
        self,
        classifier: Classifier,
        class_name: str,
        reads: Reads,
        note: Callable[[str], None],
    ) -> None:
        self._classifier, self._class_name, self._reads = classifier, class_name, reads
        self._note: Callable[[str], None] | None = note
        self._maps = HeatMaps(classifier)

    def explain(self, prediction: Prediction, path: Path | None) -> Explanation:
        """Return the explanation of one prediction, drawn where there is a path."""
        name, names = printable(prediction.name), self._classifier.class_names
        if prediction.label is None or prediction.probabilities is None:
            return Explanation.failed(name, prediction.error)
        c = names.index(self._class_name or prediction.label)
        try:
            data = read_file(Path(prediction.name))
            image = decode(data, max_pixels=self._classifier.max_pixels)
        except (ImageError, OSError) as error:  # it was there a moment ago
            return Explanation.failed(name, str(error))
        heat, features = self._heat(data, c)
        reference = self._classifier.reference
        explanation = Explanation(
            name=name,
            label=prediction.label,
            probability=float(prediction.probability or 0),
            asked=names[c],
            asked_probability=float(prediction.probabilities[c]),
            heat=heat,
            neighbours=reference.neighbours(features, names) if reference else (),
            picture=path,
        )
        if path is not None:
            with new_file(path, fix="Choose another folder with --out.") as partial:
                draw(explanation, image, self._classifier.backbone, self._reads, partial)
        return explanation

    def _heat(self, data: bytes, c: int) -> tuple[Any, Any]:
        """Return the heat map, or None where the network gives none, and the features."""
        try:
            look = self._maps.evidence_in(data, c)
        except InputError as error:
            if self._note is not None:
                self._note(str(error))  # once: it is so for every photo
            self._note = None
            return None, self._maps.features(data)
        return look.heat, look.features


def _folder_of(classifier: AnyClassifier) -> Path | None:
    if isinstance(classifier, Run):
        return classifier.path
    return Path(classifier) if isinstance(classifier, (str, os.PathLike)) else None


def _free_name(name: str, taken: set[str]) -> str:
    """Return a file name for a picture that no other photo of this call has."""
    stem = Path(name).stem[:80]
    free, i = f"{stem}.png", 1
    while free in taken:
        i += 1
        free = f"{stem}-{i}.png"
    taken.add(free)
    return free
