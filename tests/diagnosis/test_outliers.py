"""Photos that look like no class."""

from __future__ import annotations

import numpy as np
import pytest

from photograft.core.errors import InputError
from photograft.diagnosis.outliers import find_outliers


def drawn(num: int = 300, num_classes: int = 3, d: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return features as a network's last layer gives them, none negative, and labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(num) % num_classes
    centres = np.abs(rng.normal(size=(num_classes, d)))
    rows = np.abs(centres[labels] + 0.35 * rng.normal(size=(num, d)))
    return rows.astype(np.float32), labels


def strange(num: int = 1, d: int = 64, seed: int = 1) -> np.ndarray:
    """Return photos of something else: few features speak, each loudly."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((num, d), np.float32)
    for row in rows:
        row[rng.choice(d, 5, replace=False)] = 3
    return rows


def test_strange_photo_is_found() -> None:
    features, labels = drawn()
    features[7] = strange()[0]
    (found,) = find_outliers(features, labels)
    assert found.index == 7
    assert found.score > 4
    assert 0 <= found.nearest < 3


def test_none_among_photos_that_are_alike() -> None:
    assert find_outliers(*drawn()) == []


def test_ranked_the_strangest_first() -> None:
    features, labels = drawn()
    features[7] = strange()[0]
    features[9] = 0.5 * features[9] + 0.5 * strange(seed=2)[0]
    found = find_outliers(features, labels, cut_off=2)
    assert [outlier.index for outlier in found[:2]] == [7, 9]
    scores = [outlier.score for outlier in found]
    assert scores == sorted(scores, reverse=True)


def test_twins_do_not_hide_one_another() -> None:
    """Up to five pictures that say 'not found' are strange together."""
    features, labels = drawn()
    features[[3, 50, 100, 200, 250]] = strange()[0]
    assert {o.index for o in find_outliers(features, labels)} == {3, 50, 100, 200, 250}


def test_group_is_no_neighbour_of_itself() -> None:
    features, labels = drawn()
    copies = np.arange(40, 60)
    features[copies] = strange()[0] + np.arange(20, dtype=np.float32)[:, None] * 1e-3
    assert find_outliers(features, labels) == []
    groups = np.arange(300)
    groups[copies] = 40
    assert {o.index for o in find_outliers(features, labels, groups=groups)} == set(copies.tolist())


def test_unexpected_label_counts_too() -> None:
    """A photo halfway out is named where nothing speaks for its label, and not on that alone."""
    features, labels = drawn()
    features[9] = 0.75 * features[9] + 0.25 * strange(seed=2)[0]
    (halfway,) = find_outliers(features, labels, cut_off=3)
    assert halfway.index == 9
    assert 3 < halfway.score < 4
    sure = np.full((300, 2, 3), np.log(0.01), np.float32)
    sure[np.arange(300), :, labels] = np.log(0.98)
    assert find_outliers(features, labels, log_probabilities=sure) == []
    sure[[9, 10], :, labels[[9, 10]]] = np.log(1e-4)
    (found,) = find_outliers(features, labels, log_probabilities=sure)
    assert found.index == 9
    assert found.score == pytest.approx(halfway.score + 2)


def test_nearest_class() -> None:
    features, labels = drawn()
    alien = strange()[0]
    features[7] = 0.5 * alien + 0.5 * features[labels == 2].mean(axis=0)
    found = find_outliers(features, labels, cut_off=1)
    assert next(o.nearest for o in found if o.index == 7) == 2


def test_loudness_is_no_strangeness() -> None:
    features, labels = drawn()
    features[::7] *= 5
    assert find_outliers(features, labels) == []


def test_blocks_and_references(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = drawn()
    features[[7, 200]] = strange(2)
    whole = find_outliers(features, labels)
    monkeypatch.setattr("photograft.diagnosis.outliers._ROWS", 37)
    parts = find_outliers(features, labels)
    assert [o.index for o in parts] == [o.index for o in whole]
    np.testing.assert_allclose([o.score for o in parts], [o.score for o in whole], rtol=1e-3)
    monkeypatch.setattr("photograft.diagnosis.outliers._REFERENCES", 100)
    assert {o.index for o in find_outliers(features, labels)} == {7, 200}


@pytest.mark.parametrize("num", [0, 1, 2, 19])
def test_too_few_to_tell(num: int) -> None:
    features, labels = drawn()
    features[0] = strange()[0]
    assert find_outliers(features[:num], labels[:num]) == []


def test_all_in_one_group() -> None:
    features, labels = drawn()
    assert find_outliers(features, labels, groups=np.zeros(300, np.int64)) == []


def test_fewer_than_five_neighbours() -> None:
    """Two groups of which one is small: each photo has some neighbours, if few."""
    features, labels = drawn(60)
    groups = np.where(np.arange(60) < 57, 0, 1)
    for found in find_outliers(features, labels, groups=groups, cut_off=-10):
        assert np.isfinite(found.score)
        assert 0 <= found.nearest < 3


def test_all_the_same_but_one() -> None:
    features = np.ones((50, 8), np.float32)
    labels = np.arange(50) % 2
    assert find_outliers(features, labels) == []
    features[4, :4] = 0
    assert [o.index for o in find_outliers(features, labels)] == [4]


def test_dark_features_are_far_from_all() -> None:
    features, labels = drawn()
    features[11] = 0
    assert [o.index for o in find_outliers(features, labels)] == [11]


def test_shapes_that_do_not_fit() -> None:
    features, labels = drawn()
    with pytest.raises(InputError, match="outliers can't be looked for"):
        find_outliers(features[1:], labels)
    with pytest.raises(InputError, match="outliers can't be looked for"):
        find_outliers(features, labels, groups=np.arange(3))
    with pytest.raises(InputError, match="log-probabilities"):
        find_outliers(features, labels, log_probabilities=np.zeros((3, 1, 3), np.float32))
