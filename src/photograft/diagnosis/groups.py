"""What groups of photos that belong together do to labels, to the given split and to figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from photograft.core.arrays import Labels
from photograft.core.statistics import wilson_interval
from photograft.core.text import count
from photograft.data.dataset import Dataset
from photograft.diagnosis.findings import SERIOUS_COST, Finding, Flagged, severity_of
from photograft.diagnosis.suspects import Judgement
from photograft.learning.head.basis import Basis
from photograft.learning.head.out_of_fold import out_of_fold, repeated_folds


def compare_groups(
    dataset: Dataset, basis: Basis, judgement: Judgement, groups: Labels, *, seed: int
) -> dict[str, Any] | None:
    """Return the accuracy that a random split shows and that of one that keeps groups whole.

    Args:
        dataset: The photos.
        basis: Of their features.
        judgement: Of heads whose folds keep groups whole.
        groups: Of each photo, shape ``(n,)``.
        seed: Of the folds that do not.

    Returns:
        ``random`` and ``grouped``, in [0, 1]; ``num_grouped`` photos that are not alone in their
        group; and ``num_groups``. None where every photo is alone.
    """
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


def group_findings(
    dataset: Dataset, groups: Labels, compared: dict[str, Any] | None
) -> list[Finding]:
    """Return what is wrong with photos that belong together.

    Args:
        dataset: The photos, near duplicates marked.
        groups: Of each photo, shape ``(n,)``.
        compared: From `compare_groups`, where that was measured.
    """
    return [
        *_conflicts(dataset, groups),
        *_leaks(dataset, groups, compared),
        *_near_duplicates(dataset, groups, compared),
    ]


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
            severity_of(cost),
            cost,
            f"{count(len(wrong), 'group')} of photos that are nearly or exactly the same "
            f"{'stands' if len(wrong) == 1 else 'stand'} under several labels, "
            f"{count(sum(map(len, wrong)), 'photo')} in all",
            "Where they show the same, at most one of the labels is right: relabel or exclude the "
            "others.",
            flag_groups(dataset, wrong),
        )
    ]


def _leaks(dataset: Dataset, groups: Labels, compared: dict[str, Any] | None) -> list[Finding]:
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
    said = _said(compared, len(dataset.photos))
    cost = max(later / max(total, 1), _flattery(compared))
    return [
        Finding(
            "leak",
            severity_of(cost),
            cost,
            f"{count(len(across), 'group')} of photos that belong together "
            f"{'lies' if len(across) == 1 else 'lie'} on several sides of the given split, "
            f"{later:,} of them in validation or test{said}",
            "What is learned by heart counts as known: put each group on one side, or take the "
            "split away and let Photograft make one.",
            flag_groups(dataset, sorted(across, key=len, reverse=True)),
        )
    ]


def _near_duplicates(
    dataset: Dataset, groups: Labels, compared: dict[str, Any] | None
) -> list[Finding]:
    members = _members(dataset, groups)
    if not members:
        return []
    num_photos = sum(map(len, members))
    flattery = _flattery(compared)
    given = any(photo.split for photo in dataset.photos)
    kept = (
        "Groups are kept on one side wherever Photograft splits; the given split is as it is."
        if given
        else "Photograft keeps each group on one side of the split, so scores are not flattered."
    )
    return [
        Finding(
            "near duplicates",
            "worth a look" if flattery >= SERIOUS_COST else "note",
            max(num_photos / len(dataset.photos) / 10, flattery),
            f"{count(num_photos, 'photo')} are copies or near duplicates of others, in "
            f"{count(len(members), 'group')}{_said(compared, len(dataset.photos))}",
            f"{kept} Exclude copies that add nothing; --near-duplicates ignore parts them.",
            flag_groups(dataset, members),
        )
    ]


def _members(dataset: Dataset, groups: Labels) -> list[list[int]]:
    """Return the photos of each group of copies or near duplicates, the largest first."""
    found: dict[tuple[int, object], list[int]] = {}
    for i, (group, photo) in enumerate(zip(groups.tolist(), dataset.photos, strict=True)):
        kin = photo.digest if photo.alike is None else photo.alike
        found.setdefault((group, kin), []).append(i)
    several = [rows for rows in found.values() if len(rows) > 1]
    return sorted(several, key=lambda rows: (-len(rows), rows))


def flag_groups(dataset: Dataset, members: Sequence[Sequence[int]]) -> tuple[Flagged, ...]:
    """Return the photos of groups, each given by its photos' indices, with the part they lie in."""
    return tuple(
        Flagged(photo.name, photo.label, number, "", None, photo.split or "")
        for number, rows in enumerate(members)
        for photo in (dataset.photos[i] for i in rows)
    )


def _flattery(compared: dict[str, Any] | None) -> float:
    return max(0.0, compared["random"] - compared["grouped"]) if compared else 0.0


def _said(compared: dict[str, Any] | None, num_photos: int) -> str:
    """Return what a random and a grouped split say, as the end of a sentence."""
    if not compared:
        return ""
    shown = []
    for name in ("random", "grouped"):
        low, high = wilson_interval(compared[name] * num_photos, num_photos)
        shown.append(f"{compared[name]:.1%} ({low:.1%} to {high:.1%})")
    return f"; cross-validated, a random split says {shown[0]}, a grouped one {shown[1]}"
