"""What heads say of photos that they did not learn from."""

from __future__ import annotations

import numpy as np
import pytest

from photograft.learning.head.basis import Basis, make_basis
from photograft.learning.head.cross_validation import cross_validate
from photograft.learning.head.out_of_fold import out_of_fold, repeated_folds


def some(num: int = 90, num_classes: int = 3) -> tuple[Basis, np.ndarray, list[bytes]]:
    rng = np.random.default_rng(0)
    labels = np.arange(num) % num_classes
    rows = rng.normal(size=(num, 12)).astype(np.float32)
    rows[:, :num_classes] += 2 * np.eye(num_classes, dtype=np.float32)[labels]
    return make_basis(lambda part: rows[part], num, 12), labels, [bytes([i]) for i in range(num)]


def test_agrees_with_cross_validation() -> None:
    """The same heads as on cross-validation's path, down to the solver's tolerance."""
    basis, labels, keys = some()
    folds = repeated_folds(labels, np.arange(90), keys, seed=0)
    path = cross_validate(basis, labels, folds, np.ones(90, np.float32))
    point = path[-1]
    found = out_of_fold(basis, labels, folds, point.strength)
    assert found.shape == (90, 2, 3)
    np.testing.assert_allclose(np.exp(found).sum(axis=2), 1, atol=1e-5)
    own = np.take_along_axis(found, labels[:, None, None], axis=2)[..., 0]
    np.testing.assert_allclose(-own, point.losses, rtol=0.03, atol=0.02)
    assert (found.argmax(axis=2) == point.predicted).mean() > 0.98


def test_photo_does_not_judge_itself() -> None:
    """A photo under a wrong label is held against it only by the others."""
    basis, labels, keys = some()
    folds = repeated_folds(labels, np.arange(90), keys, seed=0)
    wrong = labels.copy()
    wrong[0] = 1
    found = out_of_fold(basis, wrong, folds, 1e-3)
    assert (found[0].argmax(axis=1) == 0).all()


def test_photo_without_weight_teaches_nothing() -> None:
    basis, labels, keys = some()
    folds = repeated_folds(labels, np.arange(90), keys, num_repeats=1, seed=0)
    changed = labels.copy()
    changed[:9] = (changed[:9] + 1) % 3
    weights = np.ones(90, np.float32)
    weights[:9] = 0
    a, b = (out_of_fold(basis, y, folds, 0.1, photo_weights=weights) for y in (labels, changed))
    np.testing.assert_array_equal(a, b)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    basis, labels, keys = some()
    folds = repeated_folds(labels, np.arange(90), keys, seed=0)
    whole = out_of_fold(basis, labels, folds, 0.1)
    monkeypatch.setattr("photograft.learning.head.out_of_fold._MAX_ELEMENTS", 90 * 3 * 3)
    np.testing.assert_allclose(out_of_fold(basis, labels, folds, 0.1), whole, atol=0.01)


def test_groups_stay_whole() -> None:
    _, labels, keys = some()
    groups = np.arange(90) // 6
    folds = repeated_folds(labels, groups, keys, seed=3)
    for repeat in folds.T:
        assert all(len(set(repeat[groups == g].tolist())) == 1 for g in range(15))
