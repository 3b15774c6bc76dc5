"""Seeded, stratified, grouped splits and folds.

The order in which photos are dealt out comes from a hash of the seed and their content, not from
their place in a list: the same photos give the same split under any file names, on any machine.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Indices
from photograft.core.errors import DatasetError
from photograft.core.text import count
from photograft.data.dataset import Dataset
from photograft.data.empty_classes import nothing_usable
from photograft.data.groups import across_given_splits, content_groups
from photograft.data.photo import digests_of

#: A class needs this many distinct photos to train on: one to learn from while the other is held
#: out by cross-validation.
MIN_TRAIN_PHOTOS = 2

#: Of a class with fewer photos it is said where a part has none of them.
_SMALL = 7

#: Share of the photos for validation where nobody says.
DEFAULT_SHARE = 0.15


@dataclass(frozen=True)
class Split:
    """Which photos are for training, validation and test.

    Attributes:
        train: Indices into ``dataset.photos``.
        validation: Likewise; may be empty.
        test: Likewise; may be empty.
        notes: How the split came about, and what is odd about it.
        num_leaks: How many groups of photos (copies, near duplicates, groups by the user's word)
            the source itself puts on more than one side.
    """

    train: Indices
    validation: Indices
    test: Indices
    notes: tuple[str, ...] = ()
    num_leaks: int = 0

    def parts(self) -> dict[str, Indices]:
        """Return the three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def make_split(
    dataset: Dataset, *, validation: float, test: float, seed: int, sets_aside: bool = True
) -> Split:
    """Split a dataset: as its source says, else seeded, stratified and grouped.

    Args:
        dataset: At least two classes.
        validation: Share of each class for validation, where the source does not say.
        test: Share of each class for the test, where the source does not say.
        seed: The same seed and photos give the same split.
        sets_aside: Whether photos are set aside for validation. Where not, those that would be are
            for training, and the test is the same; but without a test they are set aside.

    Raises:
        DatasetError: There is one class only, or a class has too few photos to train on.
    """
    _check_classes(dataset)
    given = set(dataset.records.columns["split"]) - {None}
    own = validation if sets_aside else 0.0
    split = _given_split(dataset, own, seed) if given else None
    if split is None:
        parts = _deal_classes(dataset, np.arange(len(dataset.photos)), (validation, test), seed)
        train, held, tested = parts
        aside = validation if sets_aside or not len(tested) else 0.0
        notes = []
        if len(held) and not aside:
            parts = np.sort(np.concatenate([train, held])), held[:0], tested
            notes.append(
                "nothing is set aside for validation: cross-validation chooses, and does it the "
                f"better the more photos there are (--validation {validation:g} sets some aside)"
            )
        split = Split(
            *parts,
            notes=(
                f"split by seed {seed}, class by class: {len(parts[0]):,} train, "
                f"{len(parts[1]):,} validation, {len(parts[2]):,} test",
                *notes,
                *_small_class_notes(dataset, parts, (1.0, aside, test)),
            ),
        )
    _check_train(dataset, split)
    return split


def make_folds(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    *,
    num_folds: int,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Deal photos into folds, stratified by class, groups kept whole.

    Args:
        labels: Class indices, shape ``(n,)``.
        groups: Group numbers, shape ``(n,)``.
        keys: A stable identity per photo, such as its content digest.
        num_folds: How many folds.
        seed: Another seed gives other folds.

    Returns:
        The fold of each photo, shape ``(n,)``, in ``[0, num_folds)``.
    """
    counts = _distinct_counts(labels, keys, int(labels.max()) + 1)
    quotas = np.repeat(counts[None, :] / num_folds, num_folds, axis=0)
    return _deal(labels, groups, keys, quotas, seed)


def _given_split(dataset: Dataset, validation: float, seed: int) -> Split | None:
    parts = {
        name: np.flatnonzero([split == name for split in dataset.records.columns["split"]])
        for name in ("train", "validation", "test")
    }
    notes = ["the split is the one that the source gives"]
    if not len(parts["train"]):
        raise DatasetError(
            "the source's split has no usable photo to train on",
            expected="a train folder, or rows whose split is 'train'",
        )
    if not len(parts["validation"]) and len(parts["test"]) and validation > 0:
        train, held, _ = _deal_classes(dataset, parts["train"], (validation, 0.0), seed)
        parts |= {"train": train, "validation": held}
        aside = count(len(held), "photo of train was", "photos of train were")
        notes.append(f"it has no validation part: {aside} set aside")
    if not len(parts["test"]):
        notes.append(
            "it has no test part: there is no test score, and the validation score stands alone"
            if len(parts["validation"])
            else "it has neither validation nor test: nothing tells how good the classifier is"
        )
    leaks = across_given_splits(dataset)
    return Split(
        parts["train"], parts["validation"], parts["test"], tuple(notes), num_leaks=len(leaks)
    )


def _deal_classes(
    dataset: Dataset, indices: Indices, shares: tuple[float, float], seed: int
) -> tuple[Indices, Indices, Indices]:
    """Deal the photos at `indices` into train, validation and test."""
    labels, groups = dataset.labels[indices], content_groups(dataset)[indices]
    digests = digests_of(dataset.photos)
    keys = [digests[i] for i in indices.tolist()]
    quotas = np.array(
        [_quotas(n, *shares) for n in _distinct_counts(labels, keys, len(dataset.class_names))]
    ).T
    part = _deal(labels, groups, keys, quotas.astype(np.float64), seed)
    return indices[part == 0], indices[part == 1], indices[part == 2]


def _quotas(num_photos: int, validation: float, test: float) -> tuple[int, int, int]:
    """Return how many of a class's photos go to train, validation and test.

    Each part gets at least one where there are enough; train never gets fewer than two while
    there are two; the test comes before validation.

    >>> [_quotas(n, 0.15, 0.15) for n in (1, 2, 3, 4, 10, 100)]
    [(1, 0, 0), (2, 0, 0), (2, 0, 1), (2, 1, 1), (6, 2, 2), (70, 15, 15)]
    """
    num_test = max(round(num_photos * test), 1) if test > 0 else 0
    num_validation = max(round(num_photos * validation), 1) if validation > 0 else 0
    spare = max(num_photos - MIN_TRAIN_PHOTOS, 0)
    num_test = min(num_test, spare)
    num_validation = min(num_validation, spare - num_test)
    return num_photos - num_test - num_validation, num_validation, num_test


def _deal(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    quotas: npt.NDArray[np.float64],
    seed: int,
) -> npt.NDArray[np.int64]:
    """Deal whole groups into parts so that each part's class counts come near its quotas.

    Greedy: the largest groups first, in hashed order among equals, each to the part that lacks
    most of the group's classes. For groups of one this meets whole-number quotas exactly. Copies of
    a photo count once.

    Args:
        labels: Shape ``(n,)``.
        groups: Shape ``(n,)``.
        keys: Length n.
        quotas: Shape ``(num_parts, num_classes)``.
        seed: Mixed into the hashed order.
    """
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(i)
    salt = seed.to_bytes(8, "little")
    order = {
        group: hashlib.sha256(salt + min(keys[i] for i in rows)).digest()
        for group, rows in members.items()
    }
    lacking = [list(row) for row in quotas.tolist()]
    room = [sum(row) for row in lacking]
    part = np.zeros(len(labels), dtype=np.int64)
    for group in sorted(members, key=lambda g: (-len(members[g]), order[g])):
        rows = members[group]
        classes = Counter(c for c, _ in {(int(labels[i]), keys[i]) for i in rows})
        best = max(
            range(len(lacking)),
            key=lambda p: (sum(n * lacking[p][c] for c, n in classes.items()), room[p]),
        )
        part[rows] = best
        room[best] -= sum(classes.values())
        for c, n in classes.items():
            lacking[best][c] -= n
    return part


def _distinct_counts(
    labels: npt.NDArray[np.int64], keys: Sequence[bytes], num_classes: int
) -> npt.NDArray[np.int64]:
    """Return how many different photos each class has, shape ``(num_classes,)``."""
    distinct = {(label, key) for label, key in zip(labels.tolist(), keys, strict=True)}
    return np.bincount([label for label, _ in distinct], minlength=num_classes)


def _check_classes(dataset: Dataset) -> None:
    names = dataset.class_names
    if not names:
        raise nothing_usable(dataset.source, dataset.skipped_counts())
    if len(names) == 1:
        raise DatasetError(
            f"there is one class only, {names[0]!r}",
            expected="at least two, each in a folder of its own",
            fix="Add a folder with photos of what it is to be told apart from.",
        )


def _check_train(dataset: Dataset, split: Split) -> None:
    train = dataset.records.take(split.train)
    distinct = set(zip(train.labels, digests_of(train), strict=True))
    counts = Counter(label for label, _ in distinct)
    few = [name for name in dataset.class_names if counts[name] < MIN_TRAIN_PHOTOS]
    if few:
        raise DatasetError(
            "too few photos to train on in "
            + ", ".join(f"{name!r} ({counts[name]})" for name in few[:10])
            + (f" and {count(len(few) - 10, 'more class', 'more classes')}" if few[10:] else ""),
            expected=f"at least {MIN_TRAIN_PHOTOS} different ones in each class",
            fix="Add photos, or take the class away.",
        )


def _small_class_notes(
    dataset: Dataset, parts: tuple[Indices, ...], shares: tuple[float, ...]
) -> list[str]:
    """Return what to say of classes so small that a part lacks them that was to have a share."""
    wanted = [
        (name, np.bincount(dataset.labels[part], minlength=len(dataset.class_names)))
        for name, part, share in zip(("train", "validation", "test"), parts, shares, strict=True)
        if share
    ]
    notes = []
    for c, name in enumerate(dataset.class_names):
        counts = [(part, int(found[c])) for part, found in wanted]
        total = sum(found for _, found in counts)
        if total < _SMALL and not all(found for _, found in counts):
            dealt = ", ".join(f"{found} {part}" for part, found in counts)
            notes.append(f"class {name!r} has {count(total, 'photo')} only: {dealt}")
    return notes
