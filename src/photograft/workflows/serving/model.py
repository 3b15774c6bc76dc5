"""One classifier held open: found, loaded, warmed up, and known by its digest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.classifier.answering import answered
from photograft.classifier.classifier import Classifier
from photograft.classifier.digest import digest_of
from photograft.classifier.files import checksum, find_folder, read_manifest
from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.classifier.views import looking_at
from photograft.core.errors import ClassifierError
from photograft.features.looks import JoinedNetwork
from photograft.workflows.predict import load_classifier, read_rules
from photograft.workflows.serving.decoding import Record

#: Digits of the digest that are a classifier's version.
_VERSION_DIGITS = 12


@dataclass(frozen=True)
class Model:
    """A classifier that answers.

    Attributes:
        name: What it is asked by.
        folder: That it was loaded from.
        digest: SHA-256 of all that answers are computed from, in hexadecimal, as in certificates;
            what runs the network is no part of it.
        checksum: Of its folder: of another one, more may have changed than the digest has in it.
        class_names: In the order of the probabilities.
        backbone: The name of its network.
        engine: What runs that, and in which precision.
        tells_ood: Whether it can tell what is like no class.
        rules: When no class is to be named.
        record: How its photos are prepared.
        loaded_at: Seconds since the epoch.
        classifier: What it was loaded as.
    """

    name: str
    folder: Path
    digest: str
    checksum: str
    class_names: tuple[str, ...]
    backbone: str
    engine: str
    tells_ood: bool
    rules: Rules
    record: Record
    loaded_at: float
    classifier: Classifier = field(repr=False)
    _network: JoinedNetwork = field(repr=False)

    @property
    def version(self) -> str:
        """The first digits of the digest: where it changes, answers may."""
        return self.digest[:_VERSION_DIGITS]

    def answer(self, pixels: npt.NDArray[np.uint8]) -> list[Prediction]:
        """Return predictions, by the rules, without names.

        Args:
            pixels: Prepared by `record`, uint8, shape ``(n, *record.shape)``, at least one photo's.
        """
        features = self._network(*self.record.stacks(pixels))
        # One by one, as the network does: to the last bit, an answer does not depend on what
        # happened to come with the photo.
        return [self._answer(features[i : i + 1]) for i in range(len(features))]

    def _answer(self, features: npt.NDArray[np.float32]) -> Prediction:
        classifier = self.classifier
        plain, probabilities = classifier.score_features(features)
        ood_scores = classifier.ood_scores(plain, probabilities)
        row = probabilities[0]
        found = Prediction(
            "",
            self.class_names[int(row.argmax())],
            float(row.max()),
            row,
            ood_score=None if ood_scores is None else float(ood_scores[0]),
        )
        return answered(found, self.rules, self.class_names)


def checksum_of(folder: Path) -> str:
    """Return the checksum of a saved classifier, in hexadecimal.

    Its manifest has the digests of its other files and of its backbone's weights.

    Args:
        folder: Its own, or that of its run.

    Raises:
        ClassifierError: There is none, or it is damaged.
    """
    return checksum(read_manifest(find_folder(folder) / "classifier.json"))


def load_model(name: str, folder: Path, asked: Mapping[str, Any]) -> Model:
    """Load a classifier, open its network and try both.

    Args:
        name: What it is to be asked by.
        folder: Its own, or that of its run.
        asked: Of the rules, as `read_rules` takes them.

    Raises:
        ClassifierError: There is none, it is damaged, or it changes at this very moment.
        WeightsError: Its backbone's weights are not here.
        InputError: It can't tell what is asked.
    """
    before = checksum_of(folder)
    classifier = load_classifier(folder)
    if checksum_of(folder) != before:
        raise ClassifierError(f"{folder} is being written to")
    rules = read_rules(classifier, **asked)
    network = looking_at(classifier.views, classifier.network())
    engine = classifier.engine.available()
    uncertainty = classifier.uncertainty
    model = Model(
        name,
        folder,
        digest_of(classifier),
        before,
        classifier.class_names,
        classifier.backbone.name,
        f"{engine.name} {engine.precision}",
        uncertainty is not None and uncertainty.ood_detector is not None,
        rules,
        Record.of(classifier.backbone),
        time.time(),
        classifier,
        network,
    )
    # The first photos take longer than the others, and would find out what does not fit.
    model.answer(np.zeros((2, *model.record.shape), np.uint8))
    return model
