"""The doctor's whole examination: from photos, thumbnails and features to ranked findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from photograft.core.arrays import Floats, Labels
from photograft.core.progress import Progress, Silent
from photograft.core.text import count
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups
from photograft.data.thumbnails import Thumbnails
from photograft.diagnosis.display import findings_html
from photograft.diagnosis.findings import Finding, Flagged, ranked, severity_of
from photograft.diagnosis.groups import compare_groups, group_findings
from photograft.diagnosis.hard_pairs import hard_pairs
from photograft.diagnosis.oddities import check_class_sizes, find_oddities, find_shortcuts
from photograft.diagnosis.outliers import find_outliers
from photograft.diagnosis.series import compare_series, series_findings
from photograft.diagnosis.suspects import Judgement, judge_labels
from photograft.diagnosis.unusable import find_unusable
from photograft.diagnosis.wording import counted
from photograft.learning.head.basis import make_basis


@dataclass(frozen=True)
class Diagnosis:
    """What an examination found.

    Attributes:
        findings: The most severe first.
        figures: What was measured on the way, as plain JSON types: ``num_photos``; and as far as
            it was measured ``cross_validated``: ``{"random": ..., "grouped": ...}``, the accuracy
            of held-out photos in folds that part what belongs together, and in folds that do not;
            and ``series``, as `compare_series` gives it.
    """

    findings: tuple[Finding, ...]
    figures: dict[str, Any]

    def __repr__(self) -> str:
        found = " and ".join(counted(self.findings)) or "nothing wrong found"
        return f"Diagnosis({found} in {count(self.figures['num_photos'], 'photo')})"

    def _repr_html_(self) -> str:
        return findings_html(self.findings, self.figures["num_photos"])


def examine(
    dataset: Dataset,
    thumbnails: Thumbnails,
    features: Floats | None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Examine photos and their labels.

    Args:
        dataset: The photos, near duplicates marked; all of them decode.
        thumbnails: Of the same photos, in the same order.
        features: Of the backbone's last layer, float32, shape ``(n, d)``; without them labels are
            not judged.
        seed: Of the folds.
        progress: Told how far it is.
    """
    figures: dict[str, Any] = {"num_photos": len(dataset.photos)}
    groups = content_groups(dataset, with_series=False)
    judgement = None
    if features is not None and len(dataset.class_names) > 1 and len(np.unique(groups)) > 1:
        basis = make_basis(lambda rows: features[rows], *features.shape)
        judgement = judge_labels(
            basis,
            dataset.labels,
            groups,
            [photo.digest for photo in dataset.photos],
            seed=seed,
            progress=progress,
        )
        with (progress or Silent()).step(
            "Comparing random with grouped cross-validation", 1, "splits"
        ) as step:
            figures["cross_validated"] = compare_groups(
                dataset, basis, judgement, groups, seed=seed
            )
            figures["series"] = compare_series(dataset, basis, judgement, seed=seed)
            step.advance()
    findings = [
        *find_unusable(dataset),
        *group_findings(dataset, groups, figures.get("cross_validated")),
        *series_findings(dataset, figures.get("series")),
        *find_shortcuts(dataset),
        *find_oddities(dataset, thumbnails),
        *check_class_sizes(dataset),
    ]
    if judgement is not None and features is not None:
        findings += _suspects(dataset, judgement)
        findings += _outliers(dataset, features, groups, judgement)
        findings += _hard_pairs(dataset, judgement)
    return Diagnosis(tuple(ranked(findings)), figures)


def _suspects(dataset: Dataset, judgement: Judgement) -> list[Finding]:
    photos, names = dataset.photos, dataset.class_names
    found = [
        Flagged(
            photos[suspect.index].name,
            photos[suspect.index].label,
            rank,
            names[suspect.suggested],
            float(suspect.score),
            "",
        )
        for rank, suspect in enumerate(judgement.ranking.flagged)
        if photos[suspect.index].name not in dataset.right
    ]
    if not found:
        return []
    share = len(found) / len(photos)
    return [
        Finding(
            "suspect labels",
            severity_of(share),
            share,
            f"{count(len(found), 'label')} {'looks' if len(found) == 1 else 'look'} wrong to what "
            "was learned from the other photos",
            "Look at each: relabel it, exclude it, or say ok where the label is right.",
            tuple(found),
        )
    ]


def _outliers(
    dataset: Dataset,
    features: Floats,
    groups: Labels,
    judgement: Judgement,
) -> list[Finding]:
    photos, names = dataset.photos, dataset.class_names
    found = [
        Flagged(
            photos[outlier.index].name,
            photos[outlier.index].label,
            rank,
            "",
            None,
            f"{outlier.score:.1f} deviations out; nearest to {names[outlier.nearest]}",
        )
        for rank, outlier in enumerate(
            find_outliers(
                features,
                dataset.labels,
                groups=groups,
                log_probabilities=judgement.log_probabilities,
            )
        )
        if photos[outlier.index].name not in dataset.right
    ]
    if not found:
        return []
    return [
        Finding(
            "outliers",
            "worth a look",
            len(found) / len(photos),
            f"{count(len(found), 'photo')} {'looks' if len(found) == 1 else 'look'} like no class",
            "Exclude what does not belong here, such as placeholders and pictures of something "
            "else; say ok to what does.",
            tuple(found),
        )
    ]


def _hard_pairs(dataset: Dataset, judgement: Judgement) -> list[Finding]:
    pairs = hard_pairs(judgement.log_probabilities, dataset.labels, dataset.class_names)
    return [
        Finding(
            "hard pair",
            "note",
            pair.num_confused / len(dataset.photos),
            f"{pair.first} and {pair.second} are hard to tell apart: {pair.share:.0%} of their "
            f"photos are taken for the other (95% interval {pair.interval[0]:.0%} to "
            f"{pair.interval[1]:.0%})",
            "More photos of both help, or one class for the two where that serves.",
        )
        for pair in pairs
    ]
