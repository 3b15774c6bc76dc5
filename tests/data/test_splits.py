"""Splits and folds: disjoint, complete, stratified, grouped, and the same for the same photos."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from photograft.core.errors import DatasetError
from photograft.data.dataset import Dataset, Photo
from photograft.data.groups import content_groups
from photograft.data.sources.base import SkippedFile
from photograft.data.splits import Split, make_folds, make_split

SEEDS = range(12)


def photo(
    label: str,
    content: object,
    *,
    name: str | None = None,
    split: str | None = None,
    group: str | None = None,
) -> Photo:
    return Photo(
        name=name or f"{split or 'all'}/{label}/{content}.jpg",
        label=label,
        split=split,
        group=group,
        digest=hashlib.sha256(repr(content).encode()).digest(),
        num_bytes=1,
        format="JPEG",
        width=8,
        height=8,
        note="",
        read=bytes,
    )


def dataset(photos: Sequence[Photo], skipped: tuple[SkippedFile, ...] = ()) -> Dataset:
    ordered = tuple(sorted(photos, key=lambda photo: photo.name))
    return Dataset("photos", "folder", ordered, skipped, ())


def classes(**sizes: int) -> list[Photo]:
    """So many different photos of each class."""
    return [photo(label, f"{label}{i}") for label, size in sizes.items() for i in range(size)]


def split_of(photos: Dataset, seed: int = 0, validation: float = 0.15, test: float = 0.15) -> Split:
    return make_split(photos, validation=validation, test=test, seed=seed)


def counts(photos: Dataset, split: Split) -> dict[str, tuple[int, int, int]]:
    """How many of each class are in train, validation and test."""
    found = {
        part: Counter(photos.photos[i].label for i in indices)
        for part, indices in split.parts().items()
    }
    return {
        name: (found["train"][name], found["validation"][name], found["test"][name])
        for name in photos.class_names
    }


def sides(photos: Dataset, split: Split) -> dict[int, str]:
    """The part of each photo; fails unless each photo is in just one."""
    part_of: dict[int, str] = {}
    for part, indices in split.parts().items():
        for i in indices.tolist():
            assert i not in part_of
            part_of[i] = part
    assert sorted(part_of) == list(range(len(photos.photos)))
    return part_of


def digests_by_part(photos: Dataset, split: Split) -> dict[str, set[bytes]]:
    return {
        part: {photos.photos[i].digest for i in indices} for part, indices in split.parts().items()
    }


# --- the seeded split


@pytest.mark.parametrize("seed", SEEDS)
def test_every_photo_is_in_one_part_and_classes_are_stratified(seed: int) -> None:
    chance = random.Random(seed)
    sizes = {f"class {i}": chance.randint(2, 60) for i in range(chance.randint(2, 7))}
    validation, test = chance.choice([(0.15, 0.15), (0.1, 0.3), (0.25, 0.05)])
    photos = dataset(classes(**sizes))
    split = split_of(photos, seed, validation, test)
    sides(photos, split)
    for name, (_, num_validation, num_test) in counts(photos, split).items():
        if sizes[name] >= 7:
            assert abs(num_validation - validation * sizes[name]) <= 1
            assert abs(num_test - test * sizes[name]) <= 1


def test_parts_keep_the_order_of_the_photos() -> None:
    split = split_of(dataset(classes(a=30, b=30)))
    for indices in split.parts().values():
        assert indices.tolist() == sorted(indices.tolist())


@pytest.mark.parametrize("seed", SEEDS)
def test_names_and_order_do_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    photos = classes(a=31, b=9, c=4)
    photos += [replace(photos[0], name="a/copy.jpg"), replace(photos[1], name="a/other.jpg")]
    photos[5:29] = [replace(p, group=f"g{i // 3}") for i, p in enumerate(photos[5:29])]
    first = dataset(photos)
    numbers = chance.sample(range(1000), len(photos))
    renamed = dataset(
        [replace(p, name=f"{n:03}.jpg") for p, n in zip(photos, numbers, strict=True)]
    )
    assert [p.digest for p in renamed.photos] != [p.digest for p in first.photos]
    assert digests_by_part(first, split_of(first, seed)) == digests_by_part(
        renamed, split_of(renamed, seed)
    )


def test_another_seed_gives_another_split() -> None:
    photos = dataset(classes(a=20, b=20))
    seen = {tuple(split_of(photos, seed).test.tolist()) for seed in SEEDS}
    assert len(seen) > len(SEEDS) - 2
    assert split_of(photos, 3).test.tolist() == split_of(photos, 3).test.tolist()


def test_split_is_the_one_that_was_always_given() -> None:
    """Held still: an old run must be repeatable with a new version."""
    photos = dataset(classes(a=10, b=6))
    split = split_of(photos, 7)
    names = [[photos.photos[i].name[6:8] for i in part] for part in (split.validation, split.test)]
    assert names == [["a4", "a9", "b5"], ["a0", "a3", "b3"]]


def test_all_places_are_dealt() -> None:
    """No photo is always on the same side, whatever the seed."""
    photos = dataset(classes(a=6, b=6))
    tested = Counter(i for seed in range(60) for i in split_of(photos, seed).test.tolist())
    assert len(tested) == 12


@pytest.mark.parametrize("seed", SEEDS)
def test_same_content_is_on_one_side_even_under_two_labels(seed: int) -> None:
    photos = classes(a=20, b=20)
    photos += [photo("a", f"a{i}", name=f"a/copy {i}.jpg") for i in range(8)]
    photos += [photo("b", f"a{i}", name=f"b/of a, {i}.jpg") for i in range(4, 12)]
    both = dataset(photos)
    split = split_of(both, seed)
    sides(both, split)
    parts = digests_by_part(both, split)
    assert not parts["train"] & parts["validation"]
    assert not parts["train"] & parts["test"]
    assert not parts["validation"] & parts["test"]
    assert split.num_leaks == 0
    for _, num_validation, num_test in counts(both, split).values():
        assert 2 <= num_validation <= 6
        assert 2 <= num_test <= 6


@pytest.mark.parametrize("seed", SEEDS)
def test_given_group_is_on_one_side(seed: int) -> None:
    photos = [
        photo(label, f"{label}{i}", group=f"{label} nest {i // 3}")
        for label in "ab"
        for i in range(45)
    ]
    whole = dataset(photos)
    split = split_of(whole, seed)
    part_of = sides(whole, split)
    found: dict[str | None, set[str]] = {}
    for i, part in part_of.items():
        found.setdefault(whole.photos[i].group, set()).add(part)
    assert all(len(parts) == 1 for parts in found.values())
    assert {part for parts in found.values() for part in parts} == {"train", "validation", "test"}
    for _, num_validation, num_test in counts(whole, split).values():
        assert abs(num_validation - 0.15 * 45) <= 3
        assert abs(num_test - 0.15 * 45) <= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_groups_are_chained_by_content(seed: int) -> None:
    """x and y share a group, y and z their content, z and w a group: all four stay together."""
    chain = [
        photo("a", "x", name="!1", group="g"),
        photo("a", "y", name="!2", group="g"),
        photo("b", "y", name="!3", group="h"),
        photo("b", "w", name="!4", group="h"),
    ]
    whole = dataset([*chain, *classes(a=12, b=12)])
    part_of = sides(whole, split_of(whole, seed))
    assert len({part_of[i] for i in range(4)}) == 1
    groups = content_groups(whole)
    assert groups[:4].tolist() == [0, 0, 0, 0]
    assert len(set(groups.tolist())) == 25


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (2, (2, 0, 0)),
        (3, (2, 0, 1)),
        (4, (2, 1, 1)),
        (5, (3, 1, 1)),
        (6, (4, 1, 1)),
        (10, (6, 2, 2)),
        (100, (70, 15, 15)),
    ],
)
def test_small_class(size: int, expected: tuple[int, int, int]) -> None:
    photos = dataset(classes(small=size, large=40))
    for seed in SEEDS:
        split = split_of(photos, seed)
        assert counts(photos, split)["small"] == expected
        said = [note for note in split.notes if "'small'" in note]
        if size < 4:
            train, validation, test = expected
            assert said == [
                f"class 'small' has {size} photos only: {train} train, "
                f"{validation} validation, {test} test"
            ]
        else:
            assert said == []


def test_small_class_of_which_none_are_set_aside() -> None:
    """It is told of what is learned from, and of no part that nobody asked for."""
    for size, expected in ((2, "2 train, 0 test"), (3, ""), (6, "")):
        photos = dataset(classes(small=size, large=40))
        split = make_split(photos, validation=0.15, test=0.15, seed=0, sets_aside=False)
        said = [note for note in split.notes if "'small'" in note]
        assert said == ([f"class 'small' has {size} photos only: {expected}"] if expected else [])
    split = make_split(photos, validation=0.15, test=0.0, seed=0)
    assert not [note for note in split.notes if "'small'" in note]


def test_whole_numbers_are_met_exactly() -> None:
    photos = dataset(classes(a=100, b=60, c=20))
    for seed in SEEDS:
        assert counts(photos, split_of(photos, seed)) == {
            "a": (70, 15, 15),
            "b": (42, 9, 9),
            "c": (14, 3, 3),
        }


def test_note_says_how_it_was_split() -> None:
    split = split_of(dataset(classes(a=1000, b=1000)), seed=5)
    assert split.notes == (
        "split by seed 5, class by class: 1,400 train, 300 validation, 300 test",
    )


@pytest.mark.parametrize(
    ("validation", "test", "expected"),
    [
        (0.0, 0.15, (17, 0, 3)),
        (0.15, 0.0, (17, 3, 0)),
        (0.0, 0.0, (20, 0, 0)),
        (0.5, 0.5, (2, 8, 10)),
        (0.01, 0.01, (18, 1, 1)),
    ],
)
def test_shares(validation: float, test: float, expected: tuple[int, int, int]) -> None:
    photos = dataset(classes(a=20, b=20))
    split = split_of(photos, 1, validation, test)
    assert counts(photos, split) == {"a": expected, "b": expected}


# --- too little to learn from


def test_one_photo_in_a_class() -> None:
    with pytest.raises(DatasetError, match=r"too few photos to train on in 'rare' \(1\)") as caught:
        split_of(dataset(classes(common=20, rare=1)))
    assert "at least 2 different ones in each class" in str(caught.value)


def test_many_classes_of_one_photo() -> None:
    with pytest.raises(DatasetError) as caught:
        split_of(dataset(classes(common=20, **{f"rare{i}": 1 for i in range(13)})))
    assert "'rare0' (1), 'rare1' (1)" in str(caught.value)
    assert "'rare9' (1) and 3 more classes" in str(caught.value)
    assert "rare10" not in str(caught.value)


def test_copies_of_one_photo_are_one_photo() -> None:
    photos = [photo("copies", "same", name=f"copies/{i}.jpg") for i in range(6)]
    with pytest.raises(DatasetError, match=r"'copies' \(1\)"):
        split_of(dataset([*photos, *classes(a=10)]))


def test_different_photos_are_enough_whatever_their_copies() -> None:
    """Three different photos of a class, one of them twice: two could be trained on."""
    photos = classes(few=3, many=20)
    copy = replace(photos[0], name="all/few/copy.jpg")
    split_of(dataset([*photos, copy]))


def test_one_class() -> None:
    with pytest.raises(DatasetError, match="there is one class only, 'cats'"):
        split_of(dataset(classes(cats=20)))


def test_no_photo() -> None:
    skipped = (SkippedFile("a/1", "not an image"), SkippedFile("a/2", "not an image"))
    with pytest.raises(DatasetError, match="photos has no usable photo; got 2 × not an image"):
        split_of(dataset([], skipped))


# --- the split of the source


def given(**sizes: tuple[int, int, int]) -> list[Photo]:
    return [
        photo(label, f"{label} {part} {i}", split=part)
        for label, numbers in sizes.items()
        for part, size in zip(("train", "validation", "test"), numbers, strict=True)
        for i in range(size)
    ]


@pytest.mark.parametrize("seed", [0, 1])
def test_given_split_is_kept(seed: int) -> None:
    photos = dataset(given(a=(5, 3, 2), b=(4, 2, 1)))
    split = split_of(photos, seed)
    for i, part in sides(photos, split).items():
        assert photos.photos[i].split == part
    assert split.notes == ("the split is the one that the source gives",)


@pytest.mark.parametrize("seed", SEEDS)
def test_validation_is_carved_from_train_where_there_is_a_test(seed: int) -> None:
    photos = dataset(given(a=(20, 0, 5), b=(40, 0, 5)))
    split = split_of(photos, seed)
    sides(photos, split)
    assert counts(photos, split) == {"a": (17, 3, 5), "b": (34, 6, 5)}
    assert {photos.photos[i].split for i in split.test} == {"test"}
    assert {photos.photos[i].split for i in split.validation} == {"train"}
    assert split.notes[1:] == ("it has no validation part: 9 photos of train were set aside",)


def test_carved_validation_differs_by_seed_and_keeps_copies_together() -> None:
    photos = given(a=(20, 0, 5), b=(20, 0, 5))
    photos += [replace(p, name=f"copy of {p.name}") for p in photos if p.split == "train"]
    whole = dataset(photos)
    seen = set()
    for seed in SEEDS:
        split = split_of(whole, seed)
        parts = digests_by_part(whole, split)
        assert not parts["train"] & parts["validation"]
        assert split.num_leaks == 0
        seen.add(tuple(split.validation.tolist()))
    assert len(seen) > 6


def test_nothing_is_carved_where_it_is_not_wanted() -> None:
    photos = dataset(given(a=(20, 0, 5), b=(20, 0, 5)))
    split = split_of(photos, validation=0.0)
    assert len(split.validation) == 0
    assert len(split.train) == 40


def test_given_split_without_test() -> None:
    photos = dataset(given(a=(5, 3, 0), b=(4, 2, 0)))
    split = split_of(photos)
    assert counts(photos, split) == {"a": (5, 3, 0), "b": (4, 2, 0)}
    assert "it has no test part" in split.notes[1]


def test_given_split_of_train_only() -> None:
    photos = dataset(given(a=(5, 0, 0), b=(4, 0, 0)))
    split = split_of(photos)
    assert counts(photos, split) == {"a": (5, 0, 0), "b": (4, 0, 0)}
    assert "it has neither validation nor test" in split.notes[1]


def test_given_split_without_train() -> None:
    with pytest.raises(DatasetError, match="no usable photo to train on"):
        split_of(dataset(given(a=(0, 3, 2), b=(0, 2, 1))))


def test_class_that_is_in_the_test_only() -> None:
    with pytest.raises(DatasetError, match=r"too few photos to train on in 'b' \(0\)"):
        split_of(dataset(given(a=(5, 3, 2), b=(0, 2, 1))))


def test_leaks_are_counted_once_a_content() -> None:
    photos = given(a=(6, 3, 2), b=(6, 2, 1))
    train = [p for p in photos if p.split == "train"]
    photos += [replace(p, name=f"leak {p.name}", split="test") for p in train[:3]]
    photos += [replace(p, name=f"more {p.name}", split="validation") for p in train[:1]]
    photos += [replace(p, name=f"twin {p.name}") for p in train[4:6]]
    whole = dataset(photos)
    split = split_of(whole)
    assert split.num_leaks == 3
    for i, part in sides(whole, split).items():
        assert whole.photos[i].split == part


# --- folds


def folds_of(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64] | None = None,
    num_folds: int = 5,
    seed: int = 0,
) -> npt.NDArray[np.int64]:
    if groups is None:
        groups = np.arange(len(labels))
    keys = [hashlib.sha256(str(i).encode()).digest() for i in range(len(labels))]
    return make_folds(labels, groups, keys, num_folds=num_folds, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_are_stratified_and_none_is_empty(seed: int) -> None:
    chance = np.random.default_rng(seed)
    num_classes, num_folds = int(chance.integers(2, 8)), int(chance.integers(2, 8))
    labels = chance.integers(0, num_classes, int(chance.integers(num_folds, 200)))
    labels = np.concatenate([np.arange(num_classes), labels])
    folds = folds_of(labels, num_folds=num_folds, seed=seed)
    assert set(folds.tolist()) == set(range(num_folds))
    for c in range(num_classes):
        own = np.bincount(folds[labels == c], minlength=num_folds)
        assert own.max() - own.min() <= 1
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= num_classes


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_keep_groups_whole(seed: int) -> None:
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 3, 150)
    groups = chance.integers(0, 50, 150)
    folds = folds_of(labels, groups, seed=seed)
    assert set(folds.tolist()) == set(range(5))
    assert all(len(set(folds[groups == g].tolist())) == 1 for g in set(groups.tolist()))
    assert np.bincount(folds).max() < 40


def test_folds_differ_by_seed_and_not_by_order() -> None:
    labels = np.repeat([0, 1], 20)
    keys = [hashlib.sha256(str(i).encode()).digest() for i in range(40)]
    groups = np.arange(40)
    first = make_folds(labels, groups, keys, num_folds=5, seed=0)
    assert (first != make_folds(labels, groups, keys, num_folds=5, seed=1)).any()
    order = np.random.default_rng(0).permutation(40)
    shuffled = make_folds(labels[order], groups, [keys[i] for i in order], num_folds=5, seed=0)
    np.testing.assert_array_equal(shuffled, first[order])


def test_group_larger_than_a_fold() -> None:
    labels = np.array([0, 1] * 20)
    groups = np.where(np.arange(40) < 20, 0, np.arange(40))
    folds = folds_of(labels, groups)
    assert len(set(folds[:20].tolist())) == 1
    assert set(folds.tolist()) == set(range(5))
    assert (np.bincount(np.delete(folds, np.s_[:20]), minlength=5) > 0).sum() == 4


# Where cross-validation chooses


def test_the_test_is_the_same_whether_photos_are_set_aside_or_not() -> None:
    """So that strategies that need validation photos and those that don't have one test."""
    photos = dataset(classes(a=50, b=23, c=6))
    aside = make_split(photos, validation=0.15, test=0.15, seed=3)
    whole = make_split(photos, validation=0.15, test=0.15, seed=3, sets_aside=False)
    assert whole.test.tolist() == aside.test.tolist()
    assert sorted([*aside.train, *aside.validation]) == whole.train.tolist()
    assert not len(whole.validation)
    assert any("nothing is set aside for validation" in note for note in whole.notes)
    assert not any("set aside" in note for note in aside.notes)
    # Nothing but validation tells how good it is where there is no test.
    alone = make_split(photos, validation=0.15, test=0.0, seed=3, sets_aside=False)
    assert len(alone.validation)


def test_nothing_is_taken_from_a_given_training_part() -> None:
    photos = dataset(given(a=(20, 0, 5), b=(20, 0, 5)))
    whole = make_split(photos, validation=0.15, test=0.15, seed=0, sets_aside=False)
    assert (len(whole.train), len(whole.validation), len(whole.test)) == (40, 0, 10)
    own = dataset(given(a=(20, 7, 5), b=(20, 7, 5)))
    kept = make_split(own, validation=0.15, test=0.15, seed=0, sets_aside=False)
    assert len(kept.validation) == 14
