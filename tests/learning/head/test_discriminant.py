"""Shrunk discriminants are scikit-learn's, in every fold, and sound where photos are few."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from photograft.core.arrays import Floats
from photograft.learning.head.basis import Basis, make_basis
from photograft.learning.head.candidates import discriminant_path
from photograft.learning.head.discriminant import (
    LEDOIT_WOLF,
    SHRINKAGES,
    fit_discriminant,
    out_of_fold_discriminants,
)

Labels = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


def problem(n: int, d: int, num_classes: int = 3, seed: int = 0) -> tuple[Floats, Labels]:
    """Features of different scales and offsets, correlated; classes of different sizes."""
    rng = np.random.default_rng(seed)
    labels = np.minimum(rng.integers(0, num_classes + 1, n), num_classes - 1)
    labels[:num_classes] = np.arange(num_classes)
    centres = rng.normal(0, 0.7, (num_classes, d))
    mixed = (centres[labels] + rng.normal(0, 1, (n, d))) @ rng.normal(0, 1, (d, d))
    return (mixed * 10 ** rng.uniform(-1, 1, d) + rng.normal(0, 5, d)).astype(np.float32), labels


def basis_of(features: Floats) -> Basis:
    return make_basis(lambda rows: features[rows], *features.shape)


def ones(n: int) -> Floats:
    return np.ones(n, np.float32)


def standardised(features: Floats) -> Doubles:
    x = features.astype(np.float64)
    spread = x.std(axis=0)
    found: Doubles = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return found


def centred(x: Doubles, labels: Labels) -> Doubles:
    means = np.stack([x[labels == c].mean(axis=0) for c in range(int(labels.max()) + 1)])
    found: Doubles = x - means[labels]
    return found


def by_hand(x: Doubles, labels: Labels, shrinkage: float, priors: Doubles) -> tuple[Doubles, float]:
    """Textbook discriminant functions of rows `x`: weights and biases below, and the share."""
    rows = centred(x, labels)
    own = ledoit_wolf(rows, assume_centered=True)[1] if shrinkage == LEDOIT_WOLF else shrinkage
    covariance = rows.T @ rows / len(rows)
    d = len(covariance)
    shrunk = (1 - own) * covariance + own * np.trace(covariance) / d * np.eye(d)
    means = np.stack([x[labels == c].mean(axis=0) for c in range(len(priors))])
    weight = np.linalg.solve(shrunk, means.T)
    bias = np.log(priors) - 0.5 * np.einsum("cd,dc->c", means, weight)
    return np.vstack([weight, bias]), float(own)


def probabilities(x: Doubles, solution: Doubles) -> Doubles:
    z = x @ solution[:-1] + solution[-1]
    z -= z.max(axis=1, keepdims=True)
    found: Doubles = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return found


@pytest.mark.parametrize(("n", "d"), [(200, 12), (90, 60)])
@pytest.mark.parametrize("shrinkage", [0.1, 0.3, 0.9, 1.0])
def test_same_as_scikit_learn(n: int, d: int, shrinkage: float) -> None:
    features, labels = problem(n, d)
    basis = basis_of(features)
    head = basis.head(fit_discriminant(basis, labels, ones(n), shrinkage))
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    theirs.fit(standardised(features), labels)
    found = head.predict_proba(features)
    assert np.abs(found - theirs.predict_proba(standardised(features))).max() < 1e-3


@pytest.mark.parametrize(("n", "d"), [(300, 10), (80, 60), (40, 90)])
def test_share_is_ledoit_and_wolfs(n: int, d: int) -> None:
    features, labels = problem(n, d)
    basis = basis_of(features)
    x = basis.rotated[:, 1:].astype(np.float64)
    share = ledoit_wolf(centred(x, labels), assume_centered=True)[1]
    assert 0.001 < share < 1
    ours = fit_discriminant(basis, labels, ones(n), LEDOIT_WOLF)
    given = fit_discriminant(basis, labels, ones(n), share)
    np.testing.assert_allclose(ours, given, rtol=2e-3, atol=2e-3 * np.abs(given).max())
    other = fit_discriminant(basis, labels, ones(n), min(1.0, share * 1.2 + 0.05))
    assert np.abs(ours - other).max() > np.abs(ours - given).max() * 3


@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_same_as_by_hand_on_rotated_features(shrinkage: float) -> None:
    features, labels = problem(150, 20)
    basis = basis_of(features)
    priors = np.bincount(labels) / len(labels)
    x = standardised(features)
    expected, _ = by_hand(x, labels, shrinkage, priors)
    head = basis.head(fit_discriminant(basis, labels, ones(150), shrinkage))
    assert np.abs(head.predict_proba(features) - probabilities(x, expected)).max() < 1e-3


def test_priors_are_the_photos_weights() -> None:
    features, labels = problem(200, 5)
    basis = basis_of(features)
    counts = np.bincount(labels)
    assert counts.max() > 1.5 * counts.min()
    plain = fit_discriminant(basis, labels, ones(200), 0.3)
    balanced = (200 / (3 * counts[labels])).astype(np.float32)
    even = fit_discriminant(basis, labels, balanced, 0.3)
    np.testing.assert_array_equal(plain[1:], even[1:])
    difference = (plain - even)[0].astype(np.float64)
    np.testing.assert_allclose(
        difference - difference.mean(),
        np.log(counts) - np.log(counts).mean(),
        atol=1e-3,
    )


@pytest.mark.parametrize(("n", "d"), [(100, 8), (60, 90)])
@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_folds_are_refits_without_them(n: int, d: int, shrinkage: float) -> None:
    features, labels = problem(n, d)
    basis = basis_of(features)
    folds = np.stack([np.arange(n) % 5, np.arange(n) * 7 // 3 % 4], axis=1)
    weights = np.random.default_rng(1).uniform(0.5, 2, n).astype(np.float32)
    found, accuracy = out_of_fold_discriminants(basis, labels, folds, weights, (shrinkage,))
    assert found.shape == (1, n, 2, 3)
    assert found.dtype == np.float32
    x, right = basis.rotated[:, 1:].astype(np.float64), []
    for repeat in range(2):
        for fold in np.unique(folds[:, repeat]):
            out = folds[:, repeat] == fold
            sums = np.bincount(labels[~out], weights[~out], minlength=3)
            solution, _ = by_hand(x[~out], labels[~out], shrinkage, sums / sums.sum())
            said = probabilities(x, solution)
            ours = np.exp(found[0, out, repeat])
            assert np.abs(ours - said[out]).max() < 2e-3
            right.append((said[~out].argmax(axis=1) == labels[~out]).mean())
    assert accuracy[0] == pytest.approx(np.mean(right), abs=0.01)


def test_class_that_a_fold_lacks_is_not_predicted_there() -> None:
    features, labels = problem(60, 6)
    labels[:] = np.arange(60) % 2
    labels[:4] = 2
    folds = (np.arange(60) // 4 % 5)[:, None]  # all four lie in one fold
    found, _ = out_of_fold_discriminants(basis_of(features), labels, folds, ones(60))
    assert np.isfinite(found).all()
    assert np.exp(found[:, :4, 0, 2]).max() < 1e-3
    np.testing.assert_allclose(np.exp(found).sum(axis=3), 1, atol=1e-5)


def test_class_that_no_photo_is_of() -> None:
    features, labels = problem(60, 6)
    labels[labels == 1] = 3
    basis = basis_of(features)
    head = basis.head(fit_discriminant(basis, labels, ones(60), 0.3))
    said = head.predict_proba(features)
    assert said.shape == (60, 4)
    assert said[:, 1].max() < 1e-3


def test_one_group_leaves_nothing_to_learn_from() -> None:
    features, labels = problem(30, 6)
    folds = np.zeros((30, 2), np.int64)
    found, accuracy = out_of_fold_discriminants(basis_of(features), labels, folds, ones(30))
    assert (found == 0).all()
    assert accuracy.tolist() == [0.0] * len(SHRINKAGES)


@pytest.mark.parametrize("n", [3, 12, 30])
def test_fewer_photos_than_features(n: int) -> None:
    features, labels = problem(n, 200)
    basis = basis_of(features)
    for shrinkage in SHRINKAGES:
        head = basis.head(fit_discriminant(basis, labels, ones(n), shrinkage))
        assert np.isfinite(head.weights[0]).all()
        assert (head.predict_proba(features).argmax(axis=1) == labels).all()
    folds = (np.arange(n) % 3)[:, None]
    found, _ = out_of_fold_discriminants(basis, labels, folds, ones(n))
    assert np.isfinite(found).all()


def test_constant_features_change_nothing() -> None:
    features, labels = problem(100, 10)
    more = np.concatenate([np.full((100, 2), [7.3, 0.0], np.float32), features], axis=1)
    heads = []
    for x in (features, more):
        basis = basis_of(x)
        heads.append(basis.head(fit_discriminant(basis, labels, ones(100), 0.3)).predict_proba(x))
    assert np.abs(heads[0] - heads[1]).max() < 1e-3


@pytest.mark.parametrize("n", [40, 6])
def test_constant_features_only(n: int) -> None:
    features, labels = np.full((n, 8), 3.7, np.float32), np.arange(n) % 2
    basis = basis_of(features)
    for shrinkage in SHRINKAGES:
        head = basis.head(fit_discriminant(basis, labels, ones(n), shrinkage))
        np.testing.assert_allclose(head.predict_proba(features), 0.5, atol=1e-3)
    folds = (np.arange(n) // 2 % 3)[:, None]
    found, _ = out_of_fold_discriminants(basis, labels, folds, ones(n))
    np.testing.assert_allclose(np.exp(found), 0.5, atol=1e-3)


def test_views_are_held_out_together_and_the_plain_one_is_scored() -> None:
    """Each photo is told by a mark of its own, which its other view bears, too."""
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(60, 100)).astype(np.float32)
    labels = rng.integers(0, 2, 60)
    folds = (np.arange(60) % 5)[:, None]
    views = np.concatenate([plain, plain + np.float32(0.01)])
    found, accuracy = out_of_fold_discriminants(basis_of(views), labels, folds, ones(60), (0.3,))
    assert found.shape == (1, 60, 1, 2)
    assert (found[0, :, 0].argmax(axis=1) == labels).mean() < 0.75
    assert accuracy[0] > 0.95
    # In the plain view alone a mark tells the class, and that is the one that is scored.
    marked = plain[:, :5].copy()
    marked[:, 0] += 10 * labels
    for first, second, right in ((marked, plain[:, :5], True), (plain[:, :5], marked, False)):
        basis = basis_of(np.concatenate([first, second]))
        said, _ = out_of_fold_discriminants(basis, labels, folds, ones(60), (0.3,))
        assert ((said[0, :, 0].argmax(axis=1) == labels).mean() > 0.85) == right


def test_a_class_that_lies_in_one_fold_is_not_recognised_there() -> None:
    """Its mean of nothing would lie nearer to its photos than the means of all the others."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    centres = np.array([[8.0, 8.0], [-8.0, 8.0], [0.0, 0.0]])
    features = (centres[labels] + rng.normal(0, 1, (90, 2))).astype(np.float32)
    features = np.concatenate([features, rng.normal(0, 1, (90, 8)).astype(np.float32)], axis=1)
    folds = np.where(labels == 2, 0, np.arange(90) // 3 % 5)[:, None]
    basis = basis_of(features)
    said, _ = out_of_fold_discriminants(basis, labels, folds, ones(90))
    right = said[:, :, 0].argmax(axis=2) == labels
    assert not right[:, labels == 2].any()
    assert right[:, labels != 2].all()
    np.testing.assert_allclose(np.exp(said).sum(axis=3), 1, atol=1e-5)
    # Nor are heads less sure of the others for it.
    for point in discriminant_path(basis, labels, folds, ones(90)):
        assert np.exp(-point.losses[labels != 2]).mean() > 0.9


def test_same_bits_whatever_the_threads() -> None:
    program = """
import hashlib, numpy as np
from photograft.learning.head.basis import make_basis
from photograft.learning.head.discriminant import fit_discriminant, out_of_fold_discriminants
rng = np.random.default_rng(0)
x, labels = rng.normal(size=(600, 150)).astype(np.float32), np.arange(600) % 4
basis = make_basis(lambda rows: x[rows], 600, 150)
ones, folds = np.ones(600, np.float32), np.stack([np.arange(600) % 5] * 2, axis=1)
found, _ = out_of_fold_discriminants(basis, labels, folds, ones)
own = fit_discriminant(basis, labels, ones, 0.0)
print(hashlib.sha256(found.tobytes() + own.tobytes()).hexdigest())
"""
    digests = set()
    for threads in ("1", "2", "4"):
        env = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_many_classes_are_quick() -> None:
    """Three hundred classes of ten photos; a busy machine is allowed for."""
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 300
    features = (rng.normal(0, 1, (300, 64))[labels] + rng.normal(0, 1, (3000, 64))).astype(
        np.float32
    )
    begin = time.process_time()
    folds = np.stack([np.arange(3000) // 300 % 5, np.arange(3000) // 600], axis=1)
    found, _ = out_of_fold_discriminants(basis_of(features), labels, folds, ones(3000))
    assert time.process_time() - begin < 8
    assert found.shape == (4, 3000, 2, 300)
    assert (found[1].argmax(axis=2) == labels[:, None]).mean() > 0.5
