"""Heads that are fitted in a moment: the same as they say, honest, and of very few photos too."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pytest

from photograft.backbones.registry import Layer
from photograft.learning.head.refitting import Directions, Refitted, class_probabilities, refit

LAYERS = (Layer("early", 6, "mean"), Layer("late", 10, "mean"), Layer("last", 24, "mean"))
Floats = npt.NDArray[np.float32]


def drawn(num_photos: int, num_classes: int, seed: int = 0) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Features whose classes are well apart in some directions of every layer."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_photos) % num_classes
    centres = 3 * np.random.default_rng(1).normal(size=(num_classes, 40))
    return (centres[labels] + rng.normal(size=(num_photos, 40))).astype(np.float32), labels


def fitted(
    features: Floats,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64] | None = None,
    others: Floats | None = None,
) -> tuple[Directions, Refitted]:
    every = features if others is None else np.concatenate([features, others])
    directions = Directions.fit(every, LAYERS)
    keys = [hashlib.sha256(row.tobytes()).digest() for row in features]
    groups = np.arange(len(labels)) if groups is None else groups
    return directions, refit(directions, directions.rows(features), labels, groups, keys)


def test_head_and_solution_say_the_same() -> None:
    features, labels = drawn(90, 3)
    others, truth = drawn(60, 3, seed=5)
    directions, found = fitted(features, labels, others=others)
    assert directions.layers == ("early", "late", "last")
    said = found.head.predict_proba(others)
    rows = directions.rows(others)
    np.testing.assert_allclose(said, class_probabilities(found.solution, rows), atol=1e-5)
    assert (said.argmax(axis=1) == truth).mean() > 0.95


def test_held_out_answers_are_honest() -> None:
    """Labels that mean nothing are not learned, though the head itself fits them."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(120, 40)).astype(np.float32)
    labels = rng.permutation(np.arange(120) % 2)
    _, found = fitted(features, labels)
    own = (found.head.predict_proba(features).argmax(axis=1) == labels).mean()
    honest = (found.log_probs.argmax(axis=1) == labels).mean()
    assert honest < 0.65 < own
    np.testing.assert_allclose(np.exp(found.log_probs).sum(axis=1), 1, atol=1e-5)
    assert np.exp(found.log_probs).max(axis=1).mean() < 0.65, "and it knows that it knows nothing"


def test_groups_are_kept_together() -> None:
    """Copies under two labels tell nothing of each other where they are one group."""
    features, labels = drawn(40, 2)
    doubled = np.concatenate([features, features + np.float32(1e-3)])
    twice = np.concatenate([labels, 1 - labels])
    groups = np.concatenate([np.arange(40), np.arange(40)])
    _, apart = fitted(doubled, twice, groups)
    right = apart.log_probs.argmax(axis=1) == twice
    assert (right[:40] != right[40:]).all()


def test_a_class_of_one_group_is_never_known_when_it_is_held_out() -> None:
    features, labels = drawn(30, 3)
    groups = np.where(labels == 1, 99, np.arange(30))
    _, found = fitted(features, labels, groups)
    right = found.log_probs.argmax(axis=1) == labels
    assert not right[labels == 1].any()
    assert right[labels != 1].mean() > 0.9


@pytest.mark.parametrize(("num_photos", "num_classes"), [(4, 2), (9, 3), (600, 2)])
def test_any_number_of_photos(num_photos: int, num_classes: int) -> None:
    features, labels = drawn(num_photos, num_classes)
    _, found = fitted(features, labels)
    assert found.log_probs.shape == (num_photos, num_classes)
    assert np.isfinite(found.log_probs).all()
    assert (found.head.predict_proba(features).argmax(axis=1) == labels).mean() > 0.9


def test_all_photos_alike() -> None:
    features = np.ones((6, 40), np.float32)
    _, found = fitted(features, np.arange(6) % 2, np.zeros(6, np.int64))
    assert np.isfinite(found.log_probs).all()
