"""Why photos are classified as they are: where the evidence is, and what they are like."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from photograft.classifier.classifier import Classifier
from photograft.classifier.heat_maps import HeatMaps
from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.core.bars import followed
from photograft.core.errors import ImageError, InputError, StorageError, UnknownNameError
from photograft.core.files import make_folder, new_file, path_of, printable, read_file
from photograft.core.progress import Watched
from photograft.core.store import FeatureStore
from photograft.data.images import decode
from photograft.data.loading import check_outside
from photograft.report.plots.explanation import Explanation, Reads, draw
from photograft.runs.photos import find_photos, training_facts
from photograft.runs.run import Run
from photograft.workflows.predict import (
    AnyClassifier,
    expand_inputs,
    load_classifier,
    read_rules,
)


def explain(
    classifier: AnyClassifier,
    photos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    class_name: str = "",
    keep: float | None = None,
    out: str | os.PathLike[str] | None = None,
    max_pixels: int | None = None,
    store: FeatureStore | None = None,
    note: Callable[[str], None] = lambda text: None,
    progress: Watched = True,
) -> list[Explanation]:
    """Say why photos are classified as they are, or which are like no class.

    Args:
        classifier: Itself, its run, or the folder of either. The training photos are found by way
            of the run.
        photos: Files and folders, one or many.
        class_name: Evidence for this class; for the predicted one where it is empty.
        keep: What is unknown, as `predict` has it: this share of photos like yours is known, in
            (0, 1); 0.95 by default.
        out: Pictures go into this folder, a PNG a photo; none are drawn where it is not given.
        max_pixels: Photos with more pixels get an error; as in its training where not given.
        store: Where networks are kept that were prepared for heat maps; the user's cache where not
            given.
        note: Told what can't be shown, and why.
        progress: Told how far it is.

    Returns:
        An explanation for each photo; of one that can't be read, with its `error`.

    Raises:
        UnknownNameError: The classifier does not know the class.
        InputError: `keep` is no such share, or the classifier can't tell what is unknown.
        ClassifierError: There is no classifier, or it is damaged.
        StorageError: The folder can't be written, or lies among the photos.
    """
    is_one = isinstance(photos, (str, bytes, os.PathLike)) or not isinstance(photos, Iterable)
    given: Iterable[object] = [photos] if is_one else cast("Iterable[object]", photos)
    paths = [path_of(path, "the photo", "the path of a file or a folder") for path in given]
    files = list(expand_inputs(map(os.fspath, paths)))
    found = iter_explanations(
        load_classifier(classifier, max_pixels, paths),
        [os.fspath(path) for path in paths],
        class_name=class_name,
        keep=keep,
        out=None if out is None else path_of(out, "the folder"),
        run=_folder_of(classifier),
        store=store,
        note=note,
    )
    return list(followed(found, progress, "Explaining", len(files), "photos"))


def iter_explanations(
    classifier: Classifier,
    inputs: Sequence[str],
    stdin: IO[str] | None = None,
    *,
    class_name: str = "",
    keep: float | None = None,
    out: Path | None = None,
    run: Path | None = None,
    store: FeatureStore | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Explanation]:
    """Yield explanations of files one after another; see `explain`.

    Args:
        classifier: Located.
        inputs: As `expand_inputs` takes them.
        stdin: Likewise.
        class_name: As in `explain`.
        keep: Likewise.
        out: Likewise.
        run: The folder of the classifier or its run, by which the training photos are found.
        store: As in `explain`.
        note: As in `explain`.
    """
    names = classifier.class_names
    if class_name and class_name not in names:
        known = f"There are {', '.join(names[:20])}{', …' if len(names) > 20 else ''}."
        raise UnknownNameError("class", class_name, names, fix=known)
    can_tell = (
        classifier.uncertainty is not None and classifier.uncertainty.ood_detector is not None
    )
    rules = read_rules(classifier, unknown=can_tell, keep=keep)
    facts = training_facts(run) if run is not None else None
    reads: Reads = {}
    if classifier.reference is None:
        note("the classifier carries no training photos: nothing to compare with")
    else:
        if facts is not None:
            reads = find_photos(facts.info["data"]["source"], facts.files)
        if not reads:
            note("the training photos are not found any more: only their names are shown")
    if out is not None:
        for folder in [*inputs, *([facts.info["data"]["source"]] if facts else [])]:
            check_outside(out, folder)
        make_folder(out, fix="Choose another folder with --out.")
    explainer = _Explainer(classifier, class_name, rules, reads, store, note)
    taken: set[str] = set()
    paths = expand_inputs(inputs, stdin)
    if out is not None:
        paths = _apart(paths, out)
    for prediction in classifier.stream(paths):
        path = None if out is None else out / _free_name(printable(prediction.name), taken)
        yield explainer.explain(prediction, path)


class _Explainer:
    """Explains photo after photo, its network opened once."""

    def __init__(
        self,
        classifier: Classifier,
        class_name: str,
        rules: Rules,
        reads: Reads,
        store: FeatureStore | None,
        note: Callable[[str], None],
    ) -> None:
        self._classifier, self._class_name, self._reads = classifier, class_name, reads
        self._rules = rules
        self._note: Callable[[str], None] | None = note
        self._maps = HeatMaps(classifier, store)

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
            ood_score=prediction.ood_score,
            ood_threshold=self._rules.ood_threshold,
            is_unknown=self._rules.is_unknown(prediction.ood_score),
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


def _apart(paths: Iterable[str], out: Path) -> Iterator[str]:
    """Yield paths; a picture never takes the place of a photo.

    Raises:
        StorageError: A photo lies in the folder that the pictures go into.
    """
    taken = out.resolve()
    for path in paths:
        if Path(path).parent.resolve() == taken:
            raise StorageError(
                f"{out} is where {printable(path)} lies, one of the photos",
                fix="Choose another folder with --out.",
            )
        yield path


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
