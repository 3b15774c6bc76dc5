"""Nearest training photos: as brute force has them, the same after saving, few enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save

from classifier_helpers import make_classifier, record
from photograft.classifier.reference import (
    FILE_NAME,
    Neighbour,
    Reference,
    read_reference,
    write_reference,
)
from photograft.core.errors import ClassifierError, InputError

Floats = npt.NDArray[np.float32]


def problem(n: int = 60, d: int = 40, seed: int = 0) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Rows in three clusters, all positive as features are."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    centres = np.random.default_rng(9).uniform(0, 3, (3, d))
    return np.abs(centres[labels] + rng.normal(0, 0.5, (n, d))).astype(np.float32), labels


def fit(features: Floats, labels: npt.NDArray[np.int64], seed: int = 0) -> Reference:
    names = [f"{i}.jpg" for i in range(len(labels))]
    return Reference.fit(features, labels, names, rng=np.random.default_rng(seed))


def cosine(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return 1 - np.asarray(a @ b.T, np.float64)


def test_as_brute_force() -> None:
    features, labels = problem()
    queries, _ = problem(20, seed=1)
    which, distances = fit(features, labels).nearest(queries, k=7)
    assert which.shape == distances.shape == (20, 7)
    assert distances.dtype == np.float32
    exact = cosine(queries, features)
    assert distances == pytest.approx(np.sort(exact, axis=1)[:, :7], abs=3e-3)
    assert np.take_along_axis(exact, which, axis=1) == pytest.approx(distances, abs=3e-3)
    assert (np.diff(distances, axis=1) >= 0).all()


def test_many_features_in_few_numbers() -> None:
    """Clusters in 3,000 features: projected, the nearest are still of the photo's own."""
    features, labels = problem(400, 3000)
    queries, wanted = problem(50, 3000, seed=1)
    reference = fit(features, labels)
    assert reference.rows.shape == (400, 128)
    which, _ = reference.nearest(queries)
    assert (reference.labels[which] == wanted[:, None]).all()
    assert sum(t.nbytes for t in reference.tensors().values()) < 1_000_000


def test_the_very_same_photo_is_nearest_and_at_no_distance() -> None:
    features, labels = problem()
    which, distances = fit(features, labels).nearest(features, k=1)
    assert which[:, 0].tolist() == list(range(60))
    assert distances.max() < 2e-3
    assert distances.min() >= 0


def test_alike_in_distance_in_their_order() -> None:
    features, labels = problem()
    features[7] = features[31]
    which, _ = fit(features, labels).nearest(features[31:32] * 2, k=2)
    assert which.tolist() == [[7, 31]]


@pytest.mark.parametrize(("n", "d"), [(1, 5), (3, 200), (40, 2)])
def test_few_photos_and_few_features(n: int, d: int) -> None:
    features, labels = problem(n, d)
    which, distances = fit(features, labels).nearest(features, k=5)
    assert which.shape == (n, min(5, n))
    assert np.isfinite(distances).all()


def test_rows_of_zeros() -> None:
    features, labels = problem()
    features[:2] = 0
    _, distances = fit(features, labels).nearest(np.zeros((1, 40), np.float32))
    assert np.isfinite(distances).all()


def test_the_same_after_saving(tmp_path: Path) -> None:
    features, labels = problem(80, 300)
    names = [f"{i}-\udcff-é.jpg" for i in range(80)]
    reference = Reference.fit(features, labels, names, rng=np.random.default_rng(0))
    assert read_reference(tmp_path, 3) is None
    write_reference(tmp_path, reference)
    again = read_reference(tmp_path, 3)
    assert again is not None
    assert again.names == reference.names
    assert np.array_equal(again.labels, reference.labels)
    assert np.array_equal(again.rows, reference.rows)
    (which, distances), (same, alike) = reference.nearest(features), again.nearest(features)
    assert np.array_equal(which, same)
    assert np.array_equal(distances, alike)
    assert {t.dtype.name for t in reference.tensors().values()} == {"uint8", "int32", "float16"}


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_file(tmp_path: Path, damage: str) -> None:
    write_reference(tmp_path, fit(*problem()))
    path = tmp_path / FILE_NAME
    data = path.read_bytes()
    path.write_bytes(data[:-9] if damage == "cut" else data.replace(b'"labels"', b'"lobels"'))
    with pytest.raises(ClassifierError, match="is not as it was written"):
        read_reference(tmp_path, 3)


@pytest.mark.parametrize(
    "forged",
    [
        {"labels": np.full(60, 3, np.int32)},
        {"labels": np.full(60, -1, np.int32)},
        {"labels": np.zeros(59, np.int32)},
        {"rows": np.zeros((61, 16), np.float16)},
        {"rows": np.zeros((60, 3), np.float16)},
        {"projection": np.zeros(16, np.float16)},
        {"rows": np.full((60, 40), np.nan, np.float16)},
        {"names": np.frombuffer(b'{"a": 1}', np.uint8).copy()},
        {"names": np.frombuffer(b"[]", np.uint8).copy()},
    ],
)
def test_a_forged_file(tmp_path: Path, forged: dict[str, npt.NDArray[np.generic]]) -> None:
    """What does not fit together is found when it is read, not when it is used."""
    tensors = fit(*problem()).tensors()
    assert tensors["rows"].shape == (60, 40)
    (tmp_path / FILE_NAME).write_bytes(save(tensors | forged))
    with pytest.raises(ClassifierError, match="is not as it was written"):
        read_reference(tmp_path, 3)


def test_seeded() -> None:
    features, labels = problem(400, 300)
    a, b, c = (fit(features, labels, seed) for seed in (0, 0, 1))
    assert np.array_equal(a.rows, b.rows)
    assert not np.array_equal(a.rows, c.rows)


def test_in_words() -> None:
    features, labels = problem()
    found = fit(features, labels).neighbours(features[4], ("x", "y", "z"), k=2)
    assert len(found) == 2
    assert found[0] == Neighbour("4.jpg", "y", found[0].distance)


def test_nothing_to_compare_with() -> None:
    with pytest.raises(InputError, match="no training photos to compare with"):
        fit(np.empty((0, 4), np.float32), np.empty(0, np.int64))
    with pytest.raises(InputError, match="expected features, labels and names"):
        fit(np.ones((3, 4), np.float32), np.zeros(2, np.int64))


def test_columns_of_the_last_layer_that_is_used() -> None:
    backbone = record("efficientnet_lite0")
    joined = make_classifier(backbone, ("blocks.6", "last"))
    assert joined.last_columns().tolist() == list(range(512, 1792))
    earlier = make_classifier(backbone, ("blocks.4", "blocks.6"))
    assert earlier.last_columns().tolist() == list(range(192, 512))
