"""Blending: which heads are listened to, how much, and how sure the blend may be."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize

from photograft.core.arrays import Floats
from photograft.learning.head.blending import blend, blended

Labels = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


def log_softmax(z: Doubles) -> Doubles:
    z = z - z.max(axis=-1, keepdims=True)
    found: Doubles = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return found


def drawn_from(z: Doubles, seed: int = 0) -> Labels:
    """Labels as likely as the logits of shape ``(n, k)`` say."""
    noise = np.random.default_rng(seed).gumbel(size=z.shape)
    found: Labels = (z + noise).argmax(axis=1)
    return found


def even(n: int) -> Doubles:
    return np.full(n, 1 / n)


def said(z: Doubles, num_repeats: int = 1) -> Floats:
    """What a head of these logits says, the same in every repeat."""
    return np.repeat(log_softmax(z)[:, None], num_repeats, axis=1).astype(np.float32)


def loss(log_probs: Floats, labels: Labels) -> float:
    return float(-np.take_along_axis(log_probs, labels[:, None, None], axis=2).mean())


def heads(n: int = 4000, k: int = 3, m: int = 3, seed: int = 1) -> list[Doubles]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1.5, (n, k)) for _ in range(m)]


def test_known_mixture_is_found() -> None:
    z = heads()
    labels = drawn_from(0.9 * z[0] + 0.4 * z[1] + 0.6 * z[2])
    weights, shares = blend([said(one) for one in z], labels, even(4000))
    np.testing.assert_allclose(weights, [0.9, 0.4, 0.6], atol=0.1)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.02)  # logits spread alike
    assert shares.sum() == pytest.approx(1)


def test_weights_are_the_least_of_the_loss() -> None:
    z = heads(1500, m=2)
    labels = drawn_from(0.7 * z[0] + 0.5 * z[1])
    weights, _ = blend([said(one) for one in z], labels, even(1500))

    def objective(a: Doubles) -> float:
        found: float = -log_softmax(a[0] * z[0] + a[1] * z[1])[np.arange(1500), labels].mean()
        return found

    least = minimize(objective, np.ones(2), bounds=[(0, None)] * 2)
    assert objective(weights) < least.fun + 5e-4


@pytest.mark.parametrize("seed", range(4))
def test_head_that_is_of_no_use_gets_nothing(seed: int) -> None:
    """Loud or quiet, a head of noise is left out; so is one that says the contrary."""
    z = heads(600, m=2, seed=seed)
    labels = drawn_from(2 * z[0], seed)
    for useless in (z[1], 0.01 * z[1], -z[0]):
        weights, shares = blend([said(z[0]), said(useless)], labels, even(600))
        assert weights[0] > 1
        assert weights[1] == shares[1] == 0
        assert shares[0] == 1


def test_weights_are_never_negative() -> None:
    z = heads(300, m=5, seed=3)
    labels = drawn_from(z[0] + 0.5 * z[1] - 0.7 * z[2])
    weights, shares = blend([said(one) for one in z], labels, even(300))
    assert (weights >= 0).all()
    assert (shares >= 0).all()
    assert weights[2] == 0
    assert ((shares == 0) | (shares >= 0.05)).all()


def test_where_no_head_tells_anything_the_blend_is_unsure() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0, 3, (200, 2))
    labels = z.argmin(axis=1)  # worse than chance
    weights, shares = blend([said(z), said(2 * z)], labels, even(200))
    assert weights.sum() > 0
    assert shares.sum() == 1
    found = blended([said(z), said(2 * z)], weights)
    np.testing.assert_allclose(np.exp(found), 0.5, atol=0.01)


def test_heads_that_say_nothing_at_all() -> None:
    z = np.zeros((40, 3))
    weights, shares = blend([said(z), said(z)], np.arange(40) % 3, even(40))
    assert np.isfinite(weights).all()
    assert weights.sum() > 0
    assert shares.sum() == 1


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_scale_of_a_heads_logits_does_not_matter(factor: float) -> None:
    z = heads(1000, m=2)
    labels = drawn_from(z[0] + 0.5 * z[1])
    plain = blend([said(z[0]), said(z[1])], labels, even(1000))
    scaled = blend([said(factor * z[0]), said(z[1])], labels, even(1000))
    np.testing.assert_allclose(scaled.weights * [factor, 1], plain.weights, rtol=1e-2)
    np.testing.assert_allclose(scaled.shares, plain.shares, atol=5e-3)
    ours = blended([said(z[0]), said(z[1])], plain.weights)
    theirs = blended([said(factor * z[0]), said(z[1])], scaled.weights)
    np.testing.assert_allclose(np.exp(ours), np.exp(theirs), atol=5e-3)


def test_constants_of_rows_do_not_matter() -> None:
    z = heads(500, m=2)
    labels = drawn_from(z[0] + z[1])
    shift = np.random.default_rng(0).normal(0, 20, (500, 1, 1)).astype(np.float32)
    plain, _ = blend([said(one) for one in z], labels, even(500))
    shifted, _ = blend([said(one) + shift for one in z], labels, even(500))
    np.testing.assert_allclose(plain, shifted, rtol=1e-4)


def test_heads_that_say_the_same_are_weighed_alike() -> None:
    z = heads(500, m=1)[0]
    labels = drawn_from(z)
    weights, shares = blend([said(z)] * 3, labels, even(500))
    np.testing.assert_allclose(shares, 1 / 3, atol=1e-3)
    assert weights.sum() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("factor", [0.01, 1, 100])
def test_classes_that_are_clearly_parted_leave_it_a_little_unsure(factor: float) -> None:
    """As sure as targets of some pseudo photos beside a class's own allow."""
    labels = np.repeat([0, 1], [40, 10])
    z = np.where(labels[:, None] == np.arange(2), 1.0, -1.0) * factor
    weights, _ = blend([said(z), said(0.5 * z)], labels, even(50))
    assert np.isfinite(weights).all()
    found = np.exp(blended([said(z), said(0.5 * z)], weights))
    own = found[np.arange(50), 0, labels]
    pseudo = 0.25 + 10 / 25
    np.testing.assert_allclose(own, 1 - pseudo / (25 + 2 * pseudo), atol=2e-3)


def test_more_photos_allow_more_confidence() -> None:
    confidences = []
    for n in (10, 100, 1000):
        labels = np.arange(n) % 2
        z = np.where(labels[:, None] == np.arange(2), 1.0, -1.0)
        weights, _ = blend([said(z)], labels, even(n))
        confidences.append(float(np.exp(blended([said(z)], weights)).max()))
    assert confidences == sorted(confidences)
    assert 0.7 < confidences[0] < 0.9
    assert 0.999 < confidences[2] < 1


def test_overconfident_head_is_calibrated() -> None:
    z = heads(3000, m=1)[0]
    labels = drawn_from(z)
    weights, shares = blend([said(8 * z)], labels, even(3000))
    assert weights[0] == pytest.approx(1 / 8, rel=0.1)
    assert shares[0] == 1


def test_photos_count_by_their_shares() -> None:
    """Balanced, the few photos of the class that only the second head knows weigh more."""
    rng = np.random.default_rng(0)
    labels = (np.arange(800) < 40).astype(np.int64)
    signs = np.stack([1.0 - labels, labels], axis=1) - 0.5
    common = 2 * signs * (labels == 0)[:, None] + rng.normal(0, 1, (800, 2))
    rare = 6 * signs * (labels == 1)[:, None] + rng.normal(0, 1, (800, 2))
    balanced = np.where(labels == 1, 0.5 / 40, 0.5 / 760)
    plain = blend([said(common), said(rare)], labels, even(800)).shares
    fair = blend([said(common), said(rare)], labels, balanced).shares
    assert fair[1] > plain[1] + 0.1


def test_photos_of_no_share_are_left_out() -> None:
    z = heads(800, m=2)
    labels = drawn_from(z[0] + 0.5 * z[1])
    shares = np.where(np.arange(800) < 400, 1 / 400, 0)
    spoilt = labels.copy()
    spoilt[400:] = (spoilt[400:] + 1) % 3
    one = blend([said(x) for x in z], labels, shares).weights
    other = blend([said(x) for x in z], spoilt, shares).weights
    alone = blend([said(x[:400]) for x in z], labels[:400], even(400)).weights
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, alone, rtol=1e-6)


def test_every_repeat_counts() -> None:
    z = heads(600, m=2)
    labels = drawn_from(z[0])
    both = np.stack([log_softmax(z[0]), log_softmax(z[1])], axis=1).astype(np.float32)
    weights, _ = blend([both, said(z[0], 2)], labels, even(600))
    assert weights[1] > 0
    alone, _ = blend([both], labels, even(600))
    assert 0 < alone[0] < 0.8, "half of what it says is noise"


def test_blend_is_no_worse_than_its_best_head() -> None:
    z = heads(2000, m=3)
    labels = drawn_from(z[0] + 0.8 * z[1])
    own = [said(one) for one in z]
    weights, _ = blend(own, labels, even(2000))
    assert loss(blended(own, weights), labels) < min(loss(one, labels) for one in own) - 0.05


def test_blended_is_the_softmax_of_the_weighed_logits() -> None:
    z = heads(50, k=4, m=2)
    found = blended([said(one, 2) for one in z], np.array([0.3, 1.7]))
    assert found.dtype == np.float32
    assert found.shape == (50, 2, 4)
    np.testing.assert_allclose(found[:, 1], log_softmax(0.3 * z[0] + 1.7 * z[1]), atol=1e-4)


def test_same_bits_again() -> None:
    z = heads(300, m=3)
    labels = drawn_from(z[0] + z[1])
    one, other = (blend([said(x) for x in z], labels, even(300)) for _ in range(2))
    np.testing.assert_array_equal(one.weights, other.weights)


def test_many_answers_are_sampled() -> None:
    """Seven thousand photos of three hundred classes and three heads; a busy machine is allowed."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 300, 7_000)
    z = [rng.normal(0, 1, (7_000, 1, 300)).astype(np.float32) for _ in range(3)]
    for weight, one in zip((5, 4, 0), z, strict=True):
        one[np.arange(7_000), 0, labels] += weight
    begin = time.process_time()
    weights, shares = blend(z, labels, even(7_000))
    assert time.process_time() - begin < 20
    assert shares[0] > shares[1] > 0.3
    assert weights[2] == 0
