"""The doctor's whole examination: from photos, thumbnails and features to ranked findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.progress import Progress, Silent
from photograft.core.statistics import wilson_interval
from photograft.core.text import count
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups
from photograft.data.thumbnails import Thumbnails
from photograft.diagnosis.display import findings_html
from photograft.diagnosis.findings import Finding, Flagged, ranked
from photograft.diagnosis.hard_pairs import hard_pairs
from photograft.diagnosis.oddities import check_class_sizes, find_oddities, find_shortcuts
from photograft.diagnosis.outliers import find_outliers
from photograft.diagnosis.series import compare_series, series_findings
from photograft.diagnosis.suspects import Judgement, judge_labels
from photograft.diagnosis.unusable import find_unusable
from photograft.diagnosis.wording import counted
from photograft.learning.head.basis import Basis, make_basis
from photograft.learning.head.out_of_fold import out_of_fold, repeated_folds

#: What costs this share of the photos, or of accuracy that is not there, is serious.
_SERIOUS = 0.01

Labels = npt.NDArray[np.int64]


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
            figures["cross_validated"] = _compared(dataset, basis, judgement, groups, seed)
            figures["series"] = compare_series(dataset, basis, judgement, seed=seed)
            step.advance()
    findings = [
        *find_unusable(dataset),
        *_conflicts(dataset, groups),
        *_leaks(dataset, groups, figures),
        *_near_duplicates(dataset, groups, figures),
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


def _compared(
    dataset: Dataset, basis: Basis, judgement: Judgement, groups: Labels, seed: int
) -> dict[str, Any] | None:
    """Return the accuracy that a random split shows and that of one that keeps groups whole."""
    if len(np.unique(groups)) == len(groups):
        return None
    labels, keys = dataset.labels, [photo.digest for photo in dataset.photos]
    apart = repeated_folds(labels, np.arange(len(labels)), keys, seed=seed)
    random = out_of_fold(basis, labels, apart, judgement.l2)
    found = {}
    for name, logs in (("random", random), ("grouped", judgement.log_probabilities)):
        hits = logs.argmax(axis=2) == labels[:, None]
        found[name] = float(hits.mean())
    shared = np.bincount(groups)[groups] > 1
    return {**found, "num_grouped": int(shared.sum()), "num_groups": len(np.unique(groups))}


def _conflicts(dataset: Dataset, groups: Labels) -> list[Finding]:
    """Return photos of the same or nearly the same content under several labels."""
    members = _members(dataset, groups)
    wrong = [rows for rows in members if len({dataset.photos[i].label for i in rows}) > 1]
    if not wrong:
        return []
    cost = sum(map(len, wrong)) / len(dataset.photos)
    return [
        Finding(
            "conflicting labels",
            _graded(cost),
            cost,
            f"{count(len(wrong), 'group')} of photos that are nearly or exactly the same "
            f"{'stands' if len(wrong) == 1 else 'stand'} under several labels, "
            f"{count(sum(map(len, wrong)), 'photo')} in all",
            "Where they show the same, at most one of the labels is right: relabel or exclude the "
            "others.",
            _flagged(dataset, wrong),
        )
    ]


def _leaks(dataset: Dataset, groups: Labels, figures: dict[str, Any]) -> list[Finding]:
    """Return what the source puts on several sides of its own split."""
    by_group: dict[int, list[int]] = {}
    for i, group in enumerate(groups.tolist()):
        by_group.setdefault(group, []).append(i)
    across = [
        rows
        for rows in by_group.values()
        if len({dataset.photos[i].split for i in rows} - {None}) > 1
    ]
    if not across:
        return []
    later = sum(dataset.photos[i].split != "train" for rows in across for i in rows)
    total = sum(photo.split != "train" for photo in dataset.photos)
    said = _said(figures)
    cost = max(later / max(total, 1), _flattery(figures))
    return [
        Finding(
            "leak",
            _graded(cost),
            cost,
            f"{count(len(across), 'group')} of photos that belong together "
            f"{'lies' if len(across) == 1 else 'lie'} on several sides of the given split, "
            f"{later:,} of them in validation or test{said}",
            "What is learned by heart counts as known: put each group on one side, or take the "
            "split away and let Photograft make one.",
            _flagged(dataset, sorted(across, key=len, reverse=True)),
        )
    ]


def _near_duplicates(dataset: Dataset, groups: Labels, figures: dict[str, Any]) -> list[Finding]:
    members = _members(dataset, groups)
    if not members:
        return []
    num_photos = sum(map(len, members))
    flattery = _flattery(figures)
    given = any(photo.split for photo in dataset.photos)
    kept = (
        "Groups are kept on one side wherever Photograft splits; the given split is as it is."
        if given
        else "Photograft keeps each group on one side of the split, so scores are not flattered."
    )
    return [
        Finding(
            "near duplicates",
            "worth a look" if flattery >= _SERIOUS else "note",
            max(num_photos / len(dataset.photos) / 10, flattery),
            f"{count(num_photos, 'photo')} are copies or near duplicates of others, in "
            f"{count(len(members), 'group')}{_said(figures)}",
            f"{kept} Exclude copies that add nothing; --near-duplicates ignore parts them.",
            _flagged(dataset, members),
        )
    ]


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
        for rank, suspect in enumerate(judgement.ranking.suspects[: judgement.ranking.count])
        if photos[suspect.index].name not in dataset.right
    ]
    if not found:
        return []
    share = len(found) / len(photos)
    return [
        Finding(
            "suspect labels",
            _graded(share),
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


def _members(dataset: Dataset, groups: Labels) -> list[list[int]]:
    """Return the photos of each group of copies or near duplicates, the largest first."""
    found: dict[tuple[int, object], list[int]] = {}
    for i, (group, photo) in enumerate(zip(groups.tolist(), dataset.photos, strict=True)):
        kin = photo.digest if photo.alike is None else photo.alike
        found.setdefault((group, kin), []).append(i)
    several = [rows for rows in found.values() if len(rows) > 1]
    return sorted(several, key=lambda rows: (-len(rows), rows))


def _flagged(dataset: Dataset, members: Sequence[Sequence[int]]) -> tuple[Flagged, ...]:
    return tuple(
        Flagged(photo.name, photo.label, number, "", None, photo.split or "")
        for number, rows in enumerate(members)
        for photo in (dataset.photos[i] for i in rows)
    )


def _graded(cost: float) -> str:
    return "serious" if cost >= _SERIOUS else "worth a look"


def _flattery(figures: dict[str, Any]) -> float:
    compared = figures.get("cross_validated")
    return max(0.0, compared["random"] - compared["grouped"]) if compared else 0.0


def _said(figures: dict[str, Any]) -> str:
    """Return what a random and a grouped split say, as the end of a sentence."""
    compared = figures.get("cross_validated")
    if not compared:
        return ""
    n = figures["num_photos"]
    shown = []
    for name in ("random", "grouped"):
        low, high = wilson_interval(compared[name] * n, n)
        shown.append(f"{compared[name]:.1%} ({low:.1%} to {high:.1%})")
    return f"; cross-validated, a random split says {shown[0]}, a grouped one {shown[1]}"
