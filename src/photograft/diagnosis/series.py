"""What series among the photos do to figures: within them, and across them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.text import count, percent
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups, parted_series
from photograft.diagnosis.findings import Finding
from photograft.diagnosis.groups import flag_groups
from photograft.diagnosis.suspects import Judgement
from photograft.learning.head.basis import Basis
from photograft.learning.head.out_of_fold import out_of_fold, repeated_folds

#: Standard errors by which figures must differ to be told apart.
_BEYOND = 2.0
#: Accuracy that is not there and is worth a look.
_WORTH_A_LOOK = 0.01


def compare_series(
    dataset: Dataset, basis: Basis, judgement: Judgement, *, seed: int
) -> dict[str, Any] | None:
    """Return the accuracy within series and across them; None where there are no series.

    Args:
        dataset: The photos.
        basis: Of their features.
        judgement: Of heads whose folds do not know of series.
        seed: Of the folds that do.

    Returns:
        ``random``, of folds that part series, and ``grouped``, of folds that keep each on one side;
        ``difference_se``, the standard error of what lies between, series counted once;
        ``num_photos`` in ``num_series``, and how many of these lie ``across_split``, on several
        sides of the given split.
    """
    numbers = np.array([-1 if p.series is None else p.series for p in dataset.photos])
    if not (numbers >= 0).any():
        return None
    labels, groups = dataset.labels, content_groups(dataset, with_series=True)
    if len(np.unique(groups)) < 2:
        return None
    keys = [photo.digest for photo in dataset.photos]
    across = out_of_fold(
        basis, labels, repeated_folds(labels, groups, keys, seed=seed), judgement.l2
    )
    hits = [
        (logs.argmax(axis=2) == labels[:, None]).mean(axis=1)
        for logs in (judgement.log_probabilities, across)
    ]
    return {
        "random": float(hits[0].mean()),
        "grouped": float(hits[1].mean()),
        "difference_se": _clustered_error(hits[0] - hits[1], groups),
        "num_photos": int((numbers >= 0).sum()),
        "num_series": len(np.unique(numbers[numbers >= 0])),
        "across_split": len(parted_series(dataset)),
    }


def flatters(compared: dict[str, Any]) -> bool:
    """Return whether photos are classified better within series than across, beyond noise."""
    difference = compared["random"] - compared["grouped"]
    return bool(difference > _BEYOND * compared["difference_se"])


def series_sentence(compared: dict[str, Any]) -> str:
    """Return what the user should know, without the full stop."""
    within, across = percent(compared["random"]), percent(compared["grouped"])
    if flatters(compared):
        return (
            f"cross-validated, within series {within} are right, across series {across}: expect "
            "the latter for new things and places"
        )
    return f"cross-validated, that makes no difference beyond noise ({within} and {across})"


def series_findings(dataset: Dataset, compared: dict[str, Any] | None) -> list[Finding]:
    """Return the finding that there are series, where there are."""
    if not compared:
        return []
    flattery = compared["random"] - compared["grouped"] if flatters(compared) else 0.0
    members: dict[int, list[int]] = {}
    for i, photo in enumerate(dataset.photos):
        if photo.series is not None:
            members.setdefault(photo.series, []).append(i)
    across = compared["across_split"]
    given = "Photograft keeps each on one side where it splits."
    if across:
        given = (
            f"The given split has {across:,} of them on several sides: its scores are flattered."
        )
        if not dataset.keeps_series:
            given += " Folds are like it."
    return [
        Finding(
            "series",
            "worth a look" if flattery >= _WORTH_A_LOOK else "note",
            max(flattery, 0.0),
            f"{count(compared['num_photos'], 'photo')} look like series of the same thing or "
            f"scene, {compared['num_series']:,} of them; {series_sentence(compared)}",
            f"{given} --group-by says what belongs together, --near-duplicates ignore parts all.",
            flag_groups(dataset, sorted(members.values(), key=lambda rows: (-len(rows), rows))),
        )
    ]


def _clustered_error(values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> float:
    """Return the standard error of a mean over photos of which groups are alike."""
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group, weights=values - values.mean())
    return float(np.sqrt(np.square(sums).sum()) / len(values))
