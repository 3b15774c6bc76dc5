"""The solver finds what scikit-learn finds, and the head on raw features is that solution."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.learning.head.basis import Basis, make_basis
from photograft.learning.head.solver import photo_weights, solve

Labels = npt.NDArray[np.int64]


def problem(
    n: int, d: int, num_classes: int, seed: int = 0, spread: float = 1.0
) -> tuple[Floats, Labels]:
    """Features of very different scales and offsets, correlated; classes that overlap."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, n)
    labels[:num_classes] = np.arange(num_classes)
    centres = rng.normal(0, spread, (num_classes, d)) / np.sqrt(d)
    hidden = centres[labels] + rng.normal(0, 1, (n, d)) / np.sqrt(d) * 2
    mixed = hidden @ rng.normal(0, 1, (d, d))
    scale, offset = 10 ** rng.uniform(-2, 2, d), rng.normal(0, 5, d)
    return (mixed * scale + offset * scale).astype(np.float32), labels


def basis_of(features: Floats) -> Basis:
    return make_basis(lambda rows: features[rows], *features.shape)


def fit(
    features: Floats,
    labels: Labels,
    l2: float,
    weights: npt.NDArray[Any] | None = None,
    tolerance: float = 1e-9,
) -> Head:
    basis = basis_of(features)
    n, num_classes = len(labels), int(labels.max()) + 1
    weights = np.ones(n) if weights is None else weights
    shares = (weights / weights.sum()).astype(np.float32)[:, None]
    start = np.zeros((len(basis.variances), 1, num_classes), np.float32)
    return basis.head(solve(basis, labels, shares, l2, start, tolerance=tolerance)[:, 0])


def reference(
    features: Floats, labels: Labels, l2: float, weights: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """scikit-learn's probabilities for the same objective: its penalty is 1/C on the sum."""
    x = features.astype(np.float64)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    n = len(labels)
    weights = np.ones(n) if weights is None else weights * n / weights.sum()
    if int(labels.max()) == 1:
        # Its binary case has one weight vector; ours has two, opposite and half as long each, so
        # the same decision costs half the penalty.
        l2 = l2 / 2
    model = LogisticRegression(C=1 / (n * l2), tol=1e-8, max_iter=20_000)
    model.fit(x, labels, sample_weight=weights)
    probabilities: npt.NDArray[np.float64] = model.predict_proba(x)
    return probabilities


# --- the solution


@pytest.mark.parametrize("l2", [1.0, 0.03, 0.001])
@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize(("n", "d"), [(200, 20), (60, 150), (100, 100)])
def test_solution_is_that_of_scikit_learn(n: int, d: int, num_classes: int, l2: float) -> None:
    features, labels = problem(n, d, num_classes, seed=n + num_classes)
    expected = reference(features, labels, l2)
    found = fit(features, labels, l2).predict_proba(features)
    assert np.abs(found - expected).max() < 1e-3
    np.testing.assert_allclose(np.log(found), np.log(expected), atol=0.05)


@pytest.mark.parametrize("num_classes", [12, 40])
def test_many_classes(num_classes: int) -> None:
    features, labels = problem(300, 15, num_classes)
    expected = reference(features, labels, 0.01)
    found = fit(features, labels, 0.01).predict_proba(features)
    assert np.abs(found - expected).max() < 1e-3


def test_looser_tolerance_is_near() -> None:
    features, labels = problem(150, 30, 4)
    exact = fit(features, labels, 0.01).predict_proba(features)
    loose = fit(features, labels, 0.01, tolerance=1e-4).predict_proba(features)
    assert 0 < np.abs(exact - loose).max() < 0.05


def test_weights_are_those_of_scikit_learn() -> None:
    features, labels = problem(200, 20, 3)
    weights = np.random.default_rng(1).uniform(0.1, 3, 200)
    expected = reference(features, labels, 0.02, weights)
    found = fit(features, labels, 0.02, weights).predict_proba(features)
    assert np.abs(found - expected).max() < 1e-3


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    features, labels = problem(200, 20, 3)
    labels = np.where(np.arange(200) > 60, 0, labels)
    weights = photo_weights(labels, balanced=True)
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", labels), rtol=1e-6)
    np.testing.assert_array_equal(photo_weights(labels, balanced=False), np.ones(200))
    balanced = fit(features, labels, 0.02, weights).predict_proba(features)
    expected = reference(features, labels, 0.02, compute_sample_weight("balanced", labels))
    assert np.abs(balanced - expected).max() < 1e-3
    plain = fit(features, labels, 0.02).predict_proba(features)
    assert balanced[:, 1:].sum() > 1.2 * plain[:, 1:].sum()


def test_photo_of_weight_zero_is_left_out() -> None:
    features, labels = problem(100, 10, 3)
    weights = np.where(np.arange(100) < 60, 1.0, 0.0)
    wrong = np.where(weights > 0, labels, (labels + 1) % 3)
    one = fit(features, labels, 0.02, weights).predict_proba(features)
    other = fit(features, wrong, 0.02, weights).predict_proba(features)
    np.testing.assert_array_equal(one, other)


def objective(
    basis: Basis, labels: Labels, weights: Floats, l2: float, w: npt.NDArray[np.float64]
) -> float:
    z = basis.rotated.astype(np.float64) @ w
    z -= z.max(axis=1, keepdims=True)
    loss = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(labels)), labels]
    return float(loss @ weights.astype(np.float64) + l2 / 2 * np.square(w[1:]).sum())


@pytest.mark.parametrize(("n", "d"), [(120, 12), (30, 80)])
def test_no_step_from_the_solution_is_downhill(n: int, d: int) -> None:
    features, labels = problem(n, d, 3)
    basis, l2 = basis_of(features), 0.02
    weights = np.full((n, 1), 1 / n, np.float32)
    start = np.zeros((len(basis.variances), 1, 3), np.float32)
    w = solve(basis, labels, weights, l2, start, tolerance=1e-10)[:, 0].astype(np.float64)
    least = objective(basis, labels, weights[:, 0], l2, w)
    rng = np.random.default_rng(0)
    for _ in range(30):
        step = rng.normal(size=w.shape)
        step *= 1e-3 / np.linalg.norm(step)
        up, down = (objective(basis, labels, weights[:, 0], l2, w + s) for s in (step, -step))
        assert abs(up - down) / 2e-3 < 1e-4, "the slope there is not zero"
        assert min(up, down) > least - 1e-9


def test_several_weightings_at_once_are_several_problems() -> None:
    features, labels = problem(150, 30, 4)
    basis = basis_of(features)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0, 1, (150, 6)) * (rng.random((150, 6)) < 0.8)
    shares = (weights / weights.sum(axis=0)).astype(np.float32)
    start = np.zeros((len(basis.variances), 6, 4), np.float32)
    together = solve(basis, labels, shares, 0.01, start, tolerance=1e-9)
    assert together.shape == start.shape
    for i in range(6):
        alone = solve(basis, labels, shares[:, [i]], 0.01, start[:, [i]], tolerance=1e-9)
        ours, theirs = (
            basis.head(w).predict_proba(features) for w in (together[:, i], alone[:, 0])
        )
        assert np.abs(ours - theirs).max() < 1e-3
    heads = [basis.head(together[:, i]).predict_proba(features) for i in range(6)]
    assert np.abs(heads[0] - heads[1]).max() > 0.01


def test_start_does_not_matter() -> None:
    features, labels = problem(150, 30, 4)
    basis = basis_of(features)
    shares = np.full((150, 1), 1 / 150, np.float32)
    far = np.random.default_rng(0).normal(0, 3, (len(basis.variances), 1, 4)).astype(np.float32)
    found = [
        basis.head(solve(basis, labels, shares, 0.01, start, tolerance=1e-9)[:, 0]).predict_proba(
            features
        )
        for start in (np.zeros_like(far), far)
    ]
    assert np.abs(found[0] - found[1]).max() < 1e-3


def test_start_is_where_it_begins_and_is_left_as_it_was() -> None:
    features, labels = problem(50, 5, 2)
    basis = basis_of(features)
    shares = np.full((50, 1), 0.02, np.float32)
    start = np.ones((len(basis.variances), 1, 2), np.float32)
    none = solve(basis, labels, shares, 0.01, start, tolerance=1e-6, max_iterations=0)
    np.testing.assert_array_equal(none, start)
    some = solve(basis, labels, shares, 0.01, start, tolerance=1e-6)
    assert (start == 1).all()
    assert np.abs(some - start).max() > 0.1


def test_class_that_no_photo_of_a_problem_has() -> None:
    """As where a small class falls into one fold: its probability is small, and all is finite."""
    features, labels = problem(100, 10, 3)
    basis = basis_of(features)
    weights = np.ones((100, 2), np.float32)
    weights[labels == 2, 0] = 0
    shares = (weights / weights.sum(axis=0)).astype(np.float32)
    start = np.zeros((len(basis.variances), 2, 3), np.float32)
    for l2 in (10.0, 0.1, 1e-5):
        w = solve(basis, labels, shares, l2, start, tolerance=1e-6)
        assert np.isfinite(w).all()
        probabilities = basis.head(w[:, 0]).predict_proba(features)
        assert probabilities[labels != 2, 2].max() < 0.05
        assert basis.head(w[:, 1]).predict_proba(features)[labels == 2, 2].mean() > 0.2


def test_separable_classes_with_hardly_any_penalty() -> None:
    features = np.concatenate([np.full((20, 3), -1), np.full((20, 3), 1)]).astype(np.float32)
    features += np.random.default_rng(0).normal(0, 0.1, features.shape).astype(np.float32)
    labels = np.repeat([0, 1], 20)
    head = fit(features, labels, 1e-8)
    assert np.isfinite(head.weights[-1]).all()
    assert (head.predict_proba(features).argmax(axis=1) == labels).all()


# --- the basis


@pytest.mark.parametrize(("n", "d"), [(120, 12), (30, 80), (5000, 7)])
def test_head_on_raw_features_is_the_rotated_one(n: int, d: int) -> None:
    features, _ = problem(n, d, 3)
    basis = basis_of(features)
    solution = np.random.default_rng(0).normal(size=(len(basis.variances), 3)).astype(np.float32)
    rotated = basis.rotated.astype(np.float64) @ solution
    np.testing.assert_allclose(basis.head(solution).logits(features), rotated, atol=2e-3)


@pytest.mark.parametrize(("n", "d"), [(5000, 12), (30, 80)])
def test_basis_is_uncorrelated_and_keeps_distances(n: int, d: int) -> None:
    features, _ = problem(n, d, 3)
    basis = basis_of(features)
    assert (basis.rotated[:, 0] == 1).all()
    assert basis.rotated.dtype == np.float32
    x = basis.rotated.astype(np.float64)
    np.testing.assert_allclose(x.T @ x / n, np.diag(basis.variances), atol=1e-3)
    assert (np.diff(basis.variances[1:]) <= 0).all()
    raw = features.astype(np.float64)
    standardised = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    distance = np.linalg.norm(standardised[:5, None] - standardised[None, :5], axis=2)
    ours = np.linalg.norm(x[:5, None] - x[None, :5], axis=2)
    np.testing.assert_allclose(ours, distance, rtol=1e-3, atol=1e-3)


def test_fewer_photos_than_features_need_no_more_axes_than_photos() -> None:
    features, _ = problem(20, 300, 2)
    assert basis_of(features).rotated.shape == (20, 20)  # 19 axes and the intercept


def test_features_are_read_in_slices_once() -> None:
    features, _ = problem(5000, 3, 2)
    seen: list[slice] = []

    def read(rows: slice) -> Floats:
        seen.append(rows)
        return features[rows]

    before = features.copy()
    basis = make_basis(read, 5000, 3)
    assert [i for rows in seen for i in range(5000)[rows]] == list(range(5000))
    assert max(len(range(5000)[rows]) for rows in seen) <= 2048
    np.testing.assert_array_equal(features, before)
    (block,) = basis.blocks
    np.testing.assert_allclose(block.mean, features.mean(axis=0, dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(block.scale, features.std(axis=0, dtype=np.float64), rtol=1e-4)


def test_constant_and_duplicated_features_change_nothing() -> None:
    features, labels = problem(100, 10, 3)
    constant = np.full((100, 2), [7.3, 0.0], np.float32)
    plain = fit(features, labels, 0.02)
    more = np.concatenate([constant, features], axis=1)
    basis = basis_of(more)
    assert basis.rotated.shape == (100, 11)
    head = fit(more, labels, 0.02)
    assert np.abs(head.predict_proba(more) - plain.predict_proba(features)).max() < 1e-3
    # Twice the same feature: the same predictions as scikit-learn's, and no blow-up.
    twice = np.concatenate([features, features[:, :4]], axis=1)
    assert basis_of(twice).rotated.shape == (100, 11)
    found = fit(twice, labels, 0.02).predict_proba(twice)
    assert np.abs(found - reference(twice, labels, 0.02)).max() < 1e-3


@pytest.mark.parametrize("n", [40, 6])
def test_constant_features_only(n: int) -> None:
    features, labels = np.full((n, 8), 3.7, np.float32), np.arange(n) % 2
    head = fit(features, labels, 0.1)
    np.testing.assert_allclose(head.predict_proba(features), 0.5, atol=1e-3)


def test_mostly_dead_features() -> None:
    """As after a ReLU: most features are zero, for every photo seen."""
    features, labels = problem(100, 10, 3)
    dead = np.concatenate([features, np.zeros((100, 90), np.float32)], axis=1)
    head, plain = fit(dead, labels, 0.02), fit(features, labels, 0.02)
    assert np.abs(head.predict_proba(dead) - plain.predict_proba(features)).max() < 1e-3
    awake = dead.copy()
    awake[:, 10:] = 1.0  # then come alive in a new photo
    assert np.abs(head.predict_proba(awake) - head.predict_proba(dead)).max() < 1e-3


def test_feature_that_hardly_moves_does_not_become_the_loudest() -> None:
    features, labels = problem(100, 10, 2)
    median = float(np.median(features.std(axis=0)))
    nearly = np.full((100, 1), 2.0, np.float32)
    nearly[labels == 1] += np.float32(1e-4 * median)
    both = np.concatenate([features, nearly], axis=1)
    head = fit(both, labels, 0.02)
    moved = both.copy()
    moved[:, -1] += 0.01 * median
    # Standardised by its own deviation of 5e-5 medians, it would have moved by 200 of them.
    assert np.abs(head.logits(moved) - head.logits(both)).max() < 50


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 1e6, 1e12])
def test_scale_of_the_features_does_not_matter(factor: float) -> None:
    features, labels = problem(100, 10, 3)
    scaled = (features * np.float32(factor)).astype(np.float32)
    plain = fit(features, labels, 0.02).predict_proba(features)
    found = fit(scaled, labels, 0.02).predict_proba(scaled)
    assert np.abs(found - plain).max() < 1e-3


def test_large_offset() -> None:
    rng = np.random.default_rng(0)
    features = (1e4 + rng.normal(0, 1, (200, 5))).astype(np.float32)
    labels = (features[:, 0] > 1e4).astype(np.int64)
    head = fit(features, labels, 0.01)
    assert (head.predict_proba(features).argmax(axis=1) == labels).mean() > 0.97


def test_probabilities_of_extreme_logits() -> None:
    head = Head((np.array([[1e30, -1e30]], np.float32),), (np.zeros(2, np.float32),))
    found = head.predict_proba(np.array([[1e5], [-1e5], [0.0]], np.float32))
    np.testing.assert_array_equal(found, [[1, 0], [0, 1], [0.5, 0.5]])
    assert found.dtype == np.float32


def test_probabilities_sum_to_one() -> None:
    features, labels = problem(100, 10, 5)
    probabilities = fit(features, labels, 0.02).predict_proba(features)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities >= 0).all()


# --- heads of several layers


def layered(target_encoding: str, widths: tuple[int, ...] = (4, 6, 5, 3)) -> Head:
    rng = np.random.default_rng(0)
    pairs = list(pairwise(widths))
    return Head(
        tuple(rng.normal(size=pair).astype(np.float32) for pair in pairs),
        tuple(rng.normal(size=width).astype(np.float32) for _, width in pairs),
        target_encoding,
    )


def test_hidden_layers_have_a_relu_between_them_and_none_at_the_ends() -> None:
    head = layered("softmax")
    x = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    a, b, c = (weight.astype(np.float64) for weight in head.weights)
    p, q, r = head.biases
    hidden = np.maximum(np.maximum(x @ a + p, 0) @ b + q, 0)
    logits = hidden @ c + r
    np.testing.assert_allclose(head.logits(x), logits, rtol=1e-6)
    assert logits.min() < 0 < logits.max()
    exponentials = np.exp(logits)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.predict_proba(x), expected, rtol=1e-5)


def test_sigmoid_gives_the_second_class_its_log_odds() -> None:
    head = layered("sigmoid", (4, 6, 1))
    x = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    logits = head.logits(x)
    assert logits.shape == (9, 2)
    odds = logits[:, 1] - logits[:, 0]
    found = head.predict_proba(x)
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-odds)), rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("target_encoding", "widths"),
    [
        ("softmax", (4, 3)),
        ("softmax", (4, 6, 3)),
        ("softmax", (4, 6, 5, 3)),
        ("sigmoid", (4, 1)),
        ("sigmoid", (4, 6, 1)),
    ],
)
def test_gradient_is_that_of_small_steps(target_encoding: str, widths: tuple[int, ...]) -> None:
    head, rng = layered(target_encoding, widths), np.random.default_rng(3)
    x = rng.normal(0, 1, 4).astype(np.float32)
    direction = rng.normal(0, 1, 2 if target_encoding == "sigmoid" else 3)
    step = np.float32(2**-8)
    steps = step * np.eye(4, dtype=np.float32)
    ahead, behind = (head.logits(x + sign * steps) @ direction for sign in (1, -1))
    found = head.gradient(x, direction)
    assert found.dtype == np.float32
    assert found.shape == x.shape
    np.testing.assert_allclose(found, (ahead - behind) / (2 * step), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("widths", [(4, 3), (4, 6, 3), (4, 6, 5, 3)])
def test_tensors_give_the_head_back(widths: tuple[int, ...]) -> None:
    head = layered("softmax", widths)
    tensors = head.tensors()
    # Names that a linear head has had from the first.
    assert {"weight", "bias"} <= set(tensors)
    assert tensors["weight"].shape == widths[-2:]
    assert head.num_params == sum(tensor.size for tensor in tensors.values())
    again = Head.from_tensors(dict(sorted(tensors.items())), "softmax")
    assert again.activation == "softmax"
    for one, other in (
        *zip(again.weights, head.weights, strict=True),
        *zip(again.biases, head.biases, strict=True),
    ):
        np.testing.assert_array_equal(one, other)
    for name in tensors:
        with pytest.raises(KeyError):
            Head.from_tensors({n: t for n, t in tensors.items() if n != name}, "softmax")


def test_one_photo_is_judged_as_among_others() -> None:
    features, labels = problem(100, 10, 3)
    head = fit(features, labels, 0.02)
    alone = np.concatenate([head.predict_proba(row[None]) for row in features])
    np.testing.assert_allclose(alone, head.predict_proba(features), atol=1e-6)
