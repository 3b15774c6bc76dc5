"""Codings of targets and their losses, against losses worked out by hand in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from photograft.core.errors import InputError
from photograft.learning.loop.targets import (
    choose_target_encoding,
    class_weights,
    make_loss,
    mixed_up,
    num_outputs,
    predicted,
)

Numbers = npt.NDArray[np.float64]

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 1.0], [1.0, 1.5, -2.0]])
ONE_HOT = np.eye(3)[[0, 2, 1, 0]]


def log_softmax(logits: Numbers) -> Numbers:
    found: Numbers = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return found


def by_hand(logits: Numbers, targets: Numbers, weights: Numbers | None = None) -> float:
    each = -(targets * log_softmax(logits)).sum(axis=1)
    return float((each if weights is None else each * weights).mean())


def measured(
    target_encoding: str,
    logits: Numbers,
    targets: Numbers,
    weights: Numbers | None = None,
    smoothing: float = 0.0,
) -> float:
    given = np.ones(len(logits)) if weights is None else weights
    parts = [torch.tensor(part, dtype=torch.float32) for part in (logits, targets, given)]
    return float(make_loss(target_encoding, smoothing)(*parts))


@pytest.mark.parametrize(
    ("wanted", "num_classes", "mixed", "chosen"),
    [
        ("auto", 2, False, "binary"),
        ("auto", 2, True, "binary"),
        ("auto", 3, False, "sparse"),
        ("auto", 3, True, "categorical"),
        ("binary", 2, True, "binary"),
        ("sparse", 2, False, "sparse"),
        ("categorical", 2, False, "categorical"),
        ("categorical", 5, True, "categorical"),
    ],
)
def test_choice_of_a_coding(wanted: str, num_classes: int, mixed: bool, chosen: str) -> None:
    assert choose_target_encoding(wanted, num_classes, mixed=mixed) == chosen


@pytest.mark.parametrize(
    ("wanted", "num_classes", "mixed", "words"),
    [
        ("binary", 3, False, "two classes"),
        ("binary", 10, True, "two classes"),
        ("sparse", 3, True, "mixup"),
        ("sparse", 2, True, "mixup"),
    ],
)
def test_codings_that_do_not_fit(wanted: str, num_classes: int, mixed: bool, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        choose_target_encoding(wanted, num_classes, mixed=mixed)
    assert "\n" not in str(caught.value)


def test_outputs() -> None:
    assert [num_outputs(c, 2) for c in ("binary", "sparse", "categorical")] == [1, 2, 2]
    assert num_outputs("sparse", 7) == 7


@pytest.mark.parametrize("target_encoding", ["sparse", "categorical"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_softmax_codings_are_what_they_are_by_hand(target_encoding: str, smoothing: float) -> None:
    smooth = ONE_HOT * (1 - smoothing) + smoothing / 3
    weights = np.array([0.5, 2.0, 1.0, 0.25])
    found = measured(target_encoding, LOGITS, ONE_HOT, weights, smoothing)
    assert found == pytest.approx(by_hand(LOGITS, smooth, weights), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_is_softmax_over_two(smoothing: float) -> None:
    """One output is the difference of two; all three codings say the same."""
    labels, odds = np.array([0, 1, 1, 0, 1]), np.array([[-2.0], [0.3], [5.0], [1.0], [-0.7]])
    one_hot, two = np.eye(2)[labels], np.concatenate([np.zeros_like(odds), odds], axis=1)
    weights = np.array([1.0, 3.0, 0.5, 1.0, 2.0])
    smooth = one_hot * (1 - smoothing) + smoothing / 2
    expected = pytest.approx(by_hand(two, smooth, weights), rel=1e-6)
    assert measured("binary", odds, one_hot, weights, smoothing) == expected
    assert measured("sparse", two, one_hot, weights, smoothing) == expected
    assert measured("categorical", two, one_hot, weights, smoothing) == expected


@pytest.mark.parametrize("target_encoding", ["binary", "categorical"])
def test_mixed_targets(target_encoding: str) -> None:
    shares = np.array([[0.7, 0.3], [0.1, 0.9]])
    odds = np.array([[0.4], [-1.2]])
    two = np.concatenate([np.zeros_like(odds), odds], axis=1)
    found = measured(
        target_encoding, odds if target_encoding == "binary" else two, shares, smoothing=0.1
    )
    assert found == pytest.approx(by_hand(two, shares * 0.9 + 0.05), rel=1e-6)


def test_loss_of_half_precision_logits_is_taken_in_single() -> None:
    logits = torch.tensor([[100.0, 0.0], [0.0, 100.0]], dtype=torch.bfloat16)
    loss = make_loss("sparse", 0.0)(logits, torch.eye(2).flip(0), torch.ones(2))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(100)


def test_predicted() -> None:
    assert predicted("binary", torch.tensor([[-1.0], [0.0], [2.0]])).tolist() == [0, 0, 1]
    assert predicted("sparse", torch.tensor(LOGITS)).tolist() == [0, 0, 1, 1]


def test_class_weights() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    assert class_weights(labels, 3, "none").tolist() == [1, 1, 1]
    found = class_weights(labels, 3, "balanced").numpy()
    np.testing.assert_allclose(found, [6 / 9, 6 / 3, 6 / 6])
    assert found[labels].mean() == pytest.approx(1)  # the learning rate keeps its meaning
    shares = np.bincount(labels, weights=found[labels])
    np.testing.assert_allclose(shares, shares[0])  # every class has the same say


def test_class_without_photos_has_a_weight() -> None:
    assert bool(torch.isfinite(class_weights(np.array([0, 0, 2]), 3, "balanced")).all())


def seeded_mix(x: Tensor, targets: Tensor, alpha: float, seed: int) -> tuple[Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return mixed_up(x, targets, alpha)


def test_mixing_by_hand() -> None:
    """Inputs tell which photo was mixed with which, and by how much; targets must agree."""
    n = 16
    x, targets = torch.eye(n), torch.eye(4)[torch.arange(n) % 4]
    shares = set()
    for seed in range(20):
        mixed, mixed_targets = seeded_mix(x, targets, 0.4, seed)
        np.testing.assert_allclose(mixed.sum(dim=1), np.ones(n), rtol=1e-6)
        np.testing.assert_allclose(mixed_targets, mixed @ targets, rtol=1e-5, atol=1e-7)
        assert ((mixed > 0).sum(dim=1) <= 2).all()
        shares.add(round(float(mixed.diagonal().min()), 5))
    assert len(shares) > 10
    assert all(0 <= share <= 1 for share in shares)


def test_mixing_of_feature_maps() -> None:
    x = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    mixed, targets = seeded_mix(x, torch.eye(2), 1.0, 3)
    assert mixed.shape == x.shape
    share = float(targets[0, 0])
    other = 1 if share < 1 else 0
    np.testing.assert_allclose(mixed[0], share * x[0] + (1 - share) * x[other], rtol=1e-5)


def test_no_mixing() -> None:
    x, targets = torch.ones(3, 2), torch.eye(3)
    state = torch.random.get_rng_state()
    found = mixed_up(x, targets, 0.0)
    assert found[0] is x
    assert found[1] is targets
    assert torch.equal(torch.random.get_rng_state(), state)
