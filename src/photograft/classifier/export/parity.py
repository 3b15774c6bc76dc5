"""An exported classifier held against the library, photo by photo, stage by stage."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import numpy.typing as npt

from photograft.backbones.engines import Engine, runs_prepared
from photograft.backbones.opening import open_whole
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.exporters import Exporter
from photograft.classifier.export.names import FEATURES, LOGITS, OOD_SCORE, PIXELS, PROBABILITIES
from photograft.classifier.export.order import AnyFloats
from photograft.classifier.export.papers import EXAMPLE
from photograft.classifier.uncertainty.uncertainty import Rules, Uncertainty, logs_of
from photograft.classifier.views import average, looking_at
from photograft.core.arrays import Pixels
from photograft.core.errors import ConversionError, ImageError, first_line
from photograft.core.parallel import in_order
from photograft.features.packing import look_shapes, pack, unpack
from photograft.features.preprocessing import prepare_looks

#: What is compared, in the order in which it is computed.
STAGES = (PIXELS, FEATURES, LOGITS, PROBABILITIES, OOD_SCORE)

#: The whole way of the example is gone with so many photos of one's own; with the others, its
#: decoding and the model file.
_WHOLE_WAY = 50
#: Photos under way at a time.
_WINDOW = 16


@dataclass(frozen=True)
class Sample:
    """A photo that both sides are asked about.

    Attributes:
        name: Of the photo.
        read: Returns its file.
        is_own: Whether it is one of the user's photos; else one of the hard set.
        label: Its class, where it is known and the classifier knows it.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False)
    is_own: bool = True
    label: int | None = None


@dataclass(frozen=True)
class Compared:
    """What both sides say of a photo.

    Attributes:
        sample: The photo.
        differences: The largest difference at each of `STAGES` that there is: of pixels in levels
            of 256; of features as a share of the largest one; of the others as they are.
        wrong_pixels: Share of the pixels' values that are not equal.
        expected: What the library says.
        found: What the export says.
        trained: What the library says in the precision that the classifier was trained in; None
            where that is the same.
    """

    sample: Sample
    differences: Mapping[str, float]
    wrong_pixels: float
    expected: Said
    found: Said
    trained: Said | None


@dataclass(frozen=True)
class Said:
    """An answer.

    Attributes:
        probabilities: Float32, shape ``(num_classes,)``.
        ood_score: None where the classifier has no detector.
    """

    probabilities: npt.NDArray[np.float32]
    ood_score: float | None

    @property
    def label(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())

    def decision(self, rules: Rules, class_names: Sequence[str]) -> str:
        """The answer by rules: a class, ``"unsure"`` or ``"unknown"``."""
        probability = float(self.probabilities.max())
        return rules.answer(class_names[self.label], probability, self.ood_score)


class _Library:
    """What the library says of files, in one precision."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._network = looking_at(classifier.views, classifier.network())

    def stages(self, pixels: Pixels) -> dict[str, AnyFloats]:
        """Return what it computes at each stage, of packed pixels of a photo."""
        classifier = self._classifier
        rows = self._network(*unpack(pixels[None], look_shapes(classifier.backbone)))
        width = classifier.backbone.num_features
        parts = [rows[:, i : i + width] for i in range(0, rows.shape[1], width)]
        probabilities = average([classifier.classify(part) for part in parts])
        found: dict[str, AnyFloats] = {
            PIXELS: pixels.astype(np.float32),
            FEATURES: parts[0][0],
            LOGITS: classifier.head.logits(parts[0][:, classifier.columns()])[0]
            if len(parts) == 1
            else logs_of(probabilities)[0],
            PROBABILITIES: probabilities[0],
        }
        scores = classifier.ood_scores(parts[0], probabilities)
        return found if scores is None else {**found, OOD_SCORE: scores[0]}


class _Artefact:
    """What an export says of files: by its own example, from its own file.

    Args:
        folder: That it lies in.
        exporter: What wrote it.
        name: Of the model.
    """

    def __init__(self, folder: Path, exporter: Exporter, name: str) -> None:
        # Opened first: so is what the example imports.
        model = folder / exporter.model.format(name=name)
        self._probed = None
        if exporter.runtime != "torch":  # whose programs give out all stages by themselves
            self._probed = open_whole(model, exporter.runtime, (PIXELS, FEATURES))
        self._example = _imported(folder / EXAMPLE)
        self._model = self._example.open_model(folder)

    def read(self, data: bytes) -> Pixels:
        """Return a file's photo."""
        return cast("Pixels", self._example.read_photo(io.BytesIO(data)))

    def ask(
        self, photo: Pixels, *, whole: bool
    ) -> tuple[dict[str, AnyFloats], dict[str, AnyFloats]]:
        """Return both; the file as it is, and its stages given out, are two programs."""
        if self._probed is None:
            told = self._told(photo)
            return {name: told[name].astype(np.float32) for name in STAGES if name in told}, told
        found = self._probed(photo[None])
        stages = {name: found[name][0].astype(np.float32) for name in STAGES if name in found}
        return stages, self._told(photo) if whole else stages

    def _told(self, photo: Pixels) -> dict[str, AnyFloats]:
        """Return what the example says."""
        told = self._example.answer(self._model, photo[None])
        return {name: np.asarray(values)[0] for name, values in told.items()}


def in_float(classifier: Classifier) -> Classifier:
    """Return a classifier that runs in float32, as an export does."""
    return replace(classifier, engine=Engine(runs_prepared(), "fp32"))


def rules_of(classifier: Classifier) -> Rules:
    """Return the rules that decisions are compared by, as far as a classifier can tell."""
    known = classifier.uncertainty or Uncertainty()
    has_answers = known.held_out is not None and len(known.held_out.confidence) > 0
    return known.rules(
        kept=0.95 if known.ood_detector else None, min_accuracy=0.95 if has_answers else None
    )


def compare(
    classifier: Classifier,
    reference: Classifier,
    folder: Path,
    exporter: Exporter,
    name: str,
    samples: Iterable[Sample],
) -> Iterator[Compared | tuple[Sample, str]]:
    """Yield what library and export say of photos; of one that can't be compared, why.

    Args:
        classifier: As it was trained.
        reference: In the precision that the export is held against.
        folder: Of the export.
        exporter: What wrote it.
        name: Of the model.
        samples: The photos.

    Raises:
        ConversionError: The export can't be run.
    """
    artefact = exporter.open(folder) if exporter.tried else _Artefact(folder, exporter, name)
    library = _Library(reference)
    is_other = classifier.engine.available() != reference.engine.available()
    trained = _Library(classifier) if is_other else None
    num_own = 0

    def read(sample: Sample) -> tuple[Sample, Pixels | None, Pixels | str]:
        pixels = None
        try:
            data = sample.read()
            looks = classifier.backbone.looks
            pixels = pack(prepare_looks(data, looks, max_pixels=classifier.max_pixels))
            return sample, pixels, artefact.read(data)
        except (ImageError, OSError) as error:
            return sample, None, str(error)
        except Exception as error:  # whatever the example stumbles over
            return sample, pixels, f"the example can't read it ({first_line(error)})"

    for sample, pixels, photo in in_order(read, samples, window=_WINDOW):
        if pixels is None or isinstance(photo, str):
            yield sample, str(photo)
            continue
        num_own += sample.is_own
        expected = library.stages(pixels)
        found, said = artefact.ask(photo, whole=not sample.is_own or num_own <= _WHOLE_WAY)
        differences = {name: _difference(name, expected, found) for name in STAGES if name in found}
        for stage in differences.keys() & said.keys():
            differences[stage] = max(differences[stage], _difference(stage, expected, said))
        yield Compared(
            sample,
            differences,
            float(np.mean(found[PIXELS] != expected[PIXELS])),
            _said(expected),
            _said(said),
            _said(trained.stages(pixels)) if trained else None,
        )


def _difference(
    stage: str, expected: Mapping[str, AnyFloats], found: Mapping[str, AnyFloats]
) -> float:
    a, b = expected[stage], found[stage]
    if a.shape != b.shape:
        raise ConversionError(f"the export gives {stage} of shape {b.shape}, not {a.shape}")
    largest = float(np.abs(a.astype(np.float64) - b).max(initial=0))
    largest = largest if np.isfinite(largest) else float("inf")
    return largest / max(1.0, float(np.abs(a).max())) if stage == FEATURES else largest


def _said(stages: Mapping[str, AnyFloats]) -> Said:
    scores = stages.get(OOD_SCORE)
    score = None if scores is None else float(np.ravel(scores)[0])
    return Said(stages[PROBABILITIES].astype(np.float32), score)


class _Unkept(SourceFileLoader):
    """Imports a file, and leaves nothing beside it."""

    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None:
        """Keep no bytecode."""


def _imported(path: Path) -> ModuleType:
    """Return the example as a module: what users run is what is tried."""
    loader = _Unkept("photograft_export_example", str(path))
    module = ModuleType(loader.name)
    module.__file__ = str(path)
    loader.exec_module(module)
    return module
