"""Series that nobody names: found by order, time, place or likeness, and nothing where none are."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pytest

from photograft.data.series import Series, find_series

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

NUM_CLASSES, PER_CLASS, DIMENSIONS = 3, 60, 64


def drawn(
    seed: int, *, size: int = 1, spread: float = 0.35, per_class: int = PER_CLASS
) -> tuple[Floats, Labels, Labels]:
    """Features of photos in series of `size`, their classes, and the true series of each."""
    rng = np.random.default_rng(seed)
    num_series = NUM_CLASSES * per_class // size
    series = np.repeat(np.arange(num_series), size)
    labels = series * NUM_CLASSES // num_series
    classes = rng.normal(0, 1, (NUM_CLASSES, DIMENSIONS))
    # Photos of a class lie along some directions more than along others.
    scales = np.linspace(1.5, 0.2, DIMENSIONS)
    things = classes[labels[::size]] + rng.normal(0, 1, (num_series, DIMENSIONS)) * scales
    views = things[series] + spread * rng.normal(0, 1, (len(series), DIMENSIONS)) * scales
    return views.astype(np.float32), labels.astype(np.int64), series


def numbered(labels: Labels) -> list[str]:
    return [f"class {c}/IMG_{i:04}.jpg" for i, c in enumerate(labels.tolist())]


def hashed(labels: Labels) -> list[str]:
    names = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(len(labels))]
    return [f"class {c}/{name}.jpg" for c, name in zip(labels.tolist(), names, strict=True)]


def search(
    features: Floats,
    labels: Labels,
    names: list[str],
    groups: Labels | None = None,
    **more: npt.NDArray[np.float64],
) -> Series | None:
    return find_series(
        names,
        labels,
        np.arange(len(labels)) if groups is None else groups,
        lambda rows: features[rows],
        taken=more.get("taken"),
        places=more.get("places"),
    )


def recall(found: Series | None, series: Labels) -> float:
    """Share of photos that are with another one of their own series."""
    assert found is not None
    numbers = found.numbers
    same = (series[:, None] == series) & (numbers[:, None] == numbers) & (numbers >= 0)
    np.fill_diagonal(same, val=False)
    return float(same.any(axis=1).mean())


def wrong(found: Series | None, series: Labels) -> float:
    """Share of photos that are with one of another series."""
    assert found is not None
    numbers = found.numbers
    other = (series[:, None] != series) & (numbers[:, None] == numbers) & (numbers >= 0)
    return float(other.any(axis=1).mean())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("per_class", [15, 60, 200])
def test_nothing_where_photos_are_independent(seed: int, per_class: int) -> None:
    """Whatever their names, numbers, times and places."""
    features, labels, _ = drawn(seed, per_class=per_class)
    rng = np.random.default_rng(seed)
    taken = 60 * np.arange(len(labels), dtype=np.float64)
    places = rng.uniform(0, 0.01, (len(labels), 2))
    assert search(features, labels, numbered(labels), taken=taken, places=places) is None


@pytest.mark.parametrize("dimensions", [2, 4, 8])
def test_nothing_where_photos_are_of_few_dimensions(dimensions: int) -> None:
    """In few dimensions nearest neighbours are much nearer than the tenth ones anyway."""
    rng = np.random.default_rng(dimensions)
    plain = rng.normal(0, 1, (400, dimensions))
    features = np.tanh(plain @ rng.normal(0, 0.5, (dimensions, 100))).astype(np.float32)
    labels = np.repeat(np.arange(2), 200)
    assert search(features, labels, hashed(labels)) is None


def test_nothing_where_classes_are_of_clumps() -> None:
    """Kinds within a class (breeds, say) are no series."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(0, 2, (8, DIMENSIONS))
    features = kinds[rng.integers(0, 8, 400)] + rng.normal(0, 1, (400, DIMENSIONS))
    labels = np.repeat(np.arange(2), 200)
    assert search(features.astype(np.float32), labels, numbered(labels)) is None


def test_running_numbers() -> None:
    features, labels, series = drawn(0, size=3)
    found = search(features, labels, numbered(labels))
    assert found is not None
    assert "file names" in found.told_by
    assert recall(found, series) > 0.95
    assert wrong(found, series) < 0.1


def test_numbers_tell_where_likeness_does_not() -> None:
    """Views that differ nearly as much as things do: only their order gives them away."""
    features, labels, series = drawn(0, size=3, spread=1.0)
    assert search(features, labels, hashed(labels)) is None
    found = search(features, labels, numbered(labels))
    assert found is not None
    assert found.told_by == ("file names",)
    assert recall(found, series) > 0.5
    assert wrong(found, series) < 0.2


def test_times() -> None:
    """A minute from one view to the next, series days apart; names tell nothing."""
    features, labels, series = drawn(1, size=3, spread=1.0)
    days = np.random.default_rng(0).permutation(series.max() + 1)
    taken = days[series] * 86_400.0 + np.arange(len(series)) % 3 * 60
    found = search(features, labels, hashed(labels), taken=taken)
    assert found is not None
    assert found.told_by == ("times",)
    assert recall(found, series) > 0.8
    assert wrong(found, series) < 0.05


def test_places() -> None:
    """Some metres from one view to the next, series kilometres apart."""
    features, labels, series = drawn(2, size=3, spread=1.0)
    rng = np.random.default_rng(0)
    at = rng.uniform([40, 100], [41, 101], (series.max() + 1, 2))[series]
    found = search(
        features, labels, hashed(labels), places=at + rng.normal(0, 2e-5, (len(series), 2))
    )
    assert found is not None
    assert found.told_by == ("places",)
    assert recall(found, series) > 0.8
    assert wrong(found, series) < 0.05


def test_likeness_alone() -> None:
    features, labels, series = drawn(3, size=3)
    found = search(features, labels, hashed(labels))
    assert found is not None
    assert found.told_by == ("likeness",)
    assert recall(found, series) > 0.9
    assert wrong(found, series) < 0.05


def test_likeness_is_not_asked_in_classes_of_too_many() -> None:
    features, labels, _ = drawn(0, size=4, spread=0.1)
    found = [
        find_series(
            hashed(labels),
            labels,
            np.arange(len(labels)),
            lambda rows: features[rows],
            most_photos=most,
        )
        for most in (PER_CLASS, PER_CLASS - 1)
    ]
    assert found[0] is not None
    assert found[0].told_by == ("likeness",)
    assert found[1] is None


def test_times_and_places_that_nobody_knows() -> None:
    features, labels, series = drawn(3, size=3)
    nowhere = np.full((len(labels), 2), np.nan)
    found = search(features, labels, numbered(labels), taken=nowhere[:, 0], places=nowhere)
    assert recall(found, series) > 0.9


def test_a_few_series_are_not_worth_a_word() -> None:
    features, labels, series = drawn(4)
    features[1::20] = features[::20] + 0.01
    del series
    assert search(features, labels, hashed(labels)) is None


def test_what_is_known_already_is_no_series() -> None:
    """Near duplicates are kept together anyway, and are no sign that more belongs together."""
    features, labels, series = drawn(5, size=3)
    assert search(features, labels, numbered(labels), groups=series) is None


def test_a_series_joins_the_groups_of_its_photos() -> None:
    """Where a series has copies, these are in it, too."""
    features, labels, series = drawn(6, size=4)
    groups = np.arange(len(series)) // 2
    found = search(features, labels, numbered(labels), groups=groups)
    assert found is not None
    for group in np.unique(groups):
        assert len(np.unique(found.numbers[groups == group])) == 1
    assert recall(found, series) > 0.9


def test_no_series_is_most_of_a_class() -> None:
    """Of photos along one long way, some must be left to be told apart from others."""
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 1, (2, 100, DIMENSIONS)).cumsum(axis=1).reshape(200, DIMENSIONS)
    labels = np.repeat(np.arange(2), 100)
    found = search(steps.astype(np.float32), labels, numbered(labels))
    assert found is not None
    assert np.bincount(found.numbers[found.numbers >= 0]).max() <= 20


def test_series_do_not_cross_classes() -> None:
    features, labels, _ = drawn(7, size=4)
    labels = labels.copy()
    labels[::4] = (labels[::4] + 1) % NUM_CLASSES
    found = search(features, labels, numbered(labels))
    assert found is not None
    for number in range(found.numbers.max() + 1):
        assert len(np.unique(labels[found.numbers == number])) == 1


def test_the_same_again() -> None:
    features, labels, _ = drawn(8, size=3)
    one, two = (search(features, labels, numbered(labels)) for _ in range(2))
    assert one is not None
    assert two is not None
    assert np.array_equal(one.numbers, two.numbers)


@pytest.mark.parametrize("size", [(0, 8), (1, 8), (2, 1), (30, 1)])
def test_hardly_anything(size: tuple[int, int]) -> None:
    """No photo, one, a single feature, or all features alike."""
    labels = np.zeros(size[0], np.int64)
    assert search(np.ones(size, np.float32), labels, numbered(labels)) is None
