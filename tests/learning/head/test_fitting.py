"""The head that is fitted for good: the blend of its members, on raw features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from head_helpers import (
    HEADS,
    LAYERS,
    WIDTH,
    Labels,
    choose,
    gather_from,
    keys_of,
    logits,
    made,
    problem,
)
from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.core.progress import Silent
from photograft.features.layers import layer_sets
from photograft.learning.head.basis import make_basis
from photograft.learning.head.candidates import (
    Question,
    nested_basis,
    nested_columns,
    try_heads,
)
from photograft.learning.head.discriminant import fit_discriminant
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.out_of_fold import repeated_folds
from photograft.learning.head.selection import Member
from photograft.learning.head.solver import photo_weights, solve


def by_hand(
    features: Floats, labels: Labels, member: Member, *, balanced: bool = False
) -> tuple[Head, npt.NDArray[np.intp]]:
    """One member's head on its own columns, from a basis of its own."""
    columns = np.sort(member.columns)
    basis = make_basis(lambda rows: features[rows][:, columns], len(features), len(columns))
    weights = photo_weights(labels, balanced=balanced)
    if member.head == "discriminant":
        return basis.head(fit_discriminant(basis, labels, weights, member.strength)), columns
    num_views = len(features) // len(labels)
    shares = np.tile(weights, num_views)[:, None]
    start = np.zeros((len(basis.variances), 1, 3), np.float32)
    solution = solve(
        basis,
        np.tile(labels, num_views),
        shares / shares.sum(),
        member.strength,
        start,
        tolerance=1e-8,
    )
    return basis.head(solution[:, 0]), columns


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize(("num_views", "balanced"), [(1, False), (1, True), (3, False)])
def test_blend_is_the_weighed_sum_of_its_heads_logits(
    heads: tuple[tuple[str, tuple[str, ...], float, float], ...], num_views: int, balanced: bool
) -> None:
    features, labels = problem(num_views=num_views)
    found = made(*heads, like=choose(features, labels))
    head = fit_head(gather_from(features), found, labels, balanced=balanced)
    assert head.weights[0].shape == (len(found.columns), 3)
    assert head.weights[0].dtype == head.biases[0].dtype == np.float32
    expected = np.zeros((len(features), 3))
    for member in found.members:
        own, columns = by_hand(features, labels, member, balanced=balanced)
        expected += member.weight * logits(own, features[:, columns])
    np.testing.assert_allclose(logits(head, features[:, found.columns]), expected, atol=5e-3)


@pytest.mark.parametrize("kind", ["logistic", "discriminant"])
def test_basis_of_nested_sets_gives_the_heads_of_bases_of_their_own(kind: str) -> None:
    features, labels = problem()
    sets = layer_sets(LAYERS, "auto")
    assert len(sets) == 3
    shared = nested_basis(gather_from(features), np.arange(200), sets)
    for number, (_, columns) in enumerate(sets):
        basis = shared.first(number + 1)
        seen = features[:, columns]
        own = make_basis(seen.__getitem__, 200, len(columns))
        order = nested_columns(sets[: number + 1])
        assert sorted(order.tolist()) == columns.tolist()
        assert np.shares_memory(basis.rotated, shared.rotated)
        found = []
        for each, names in ((basis, order), (own, columns)):
            if kind == "logistic":
                start = np.zeros((len(each.variances), 1, 3), np.float32)
                even = np.full((200, 1), 1 / 200, np.float32)
                solution = solve(each, labels, even, 0.03, start, tolerance=1e-9)[:, 0]
            else:
                solution = fit_discriminant(each, labels, np.ones(200, np.float32), 0.3)
            found.append(logits(each.head(solution), features[:, names]))
        np.testing.assert_allclose(found[0], found[1], atol=3e-3)


def test_nested_sets_where_photos_are_few() -> None:
    """A block has no more axes than photos, and each is rotated for itself."""
    features, labels = problem(8)
    sets = layer_sets(LAYERS, "auto")
    shared = nested_basis(gather_from(features), np.arange(8), sets)
    assert shared.first(1).rotated.shape[1] - 1 <= 8
    for number in range(3):
        order = nested_columns(sets[: number + 1])
        basis = shared.first(number + 1)
        head = basis.head(fit_discriminant(basis, labels, np.ones(8, np.float32), 0.3))
        assert np.isfinite(head.predict_proba(features[:, order])).all()


@pytest.mark.parametrize("head", ["auto", "logistic", "discriminant"])
def test_fitted_head_says_what_the_choice_promised(head: str) -> None:
    """On new photos, the loss is about that of the photos that were held out."""
    features, labels = problem(1200)
    found = choose(features[:600], labels[:600], head=head)
    fitted = fit_head(gather_from(features[:600]), found, labels[:600], balanced=False)
    probabilities = fitted.predict_proba(features[600:][:, found.columns])
    losses = -np.log(probabilities[np.arange(600), labels[600:]])
    noise = losses.std() / np.sqrt(600)
    assert abs(losses.mean() - found.log_loss) < 4 * noise
    assert abs((probabilities.argmax(axis=1) == labels[600:]).mean() - found.accuracy) < 0.06


def test_every_kind_on_its_sets_is_tried() -> None:
    features, labels = problem()
    folds = repeated_folds(labels, np.arange(200), keys_of(200), seed=0)
    question = Question(
        gather_from(features), np.arange(200), labels, folds, np.ones(200, np.float32)
    )
    found = try_heads(question, LAYERS, "auto", ("logistic", "discriminant"), Silent())
    assert [(one.head, len(one.layers)) for one in found] == [
        ("logistic", 1),
        ("logistic", 3),
        ("logistic", 5),
        ("discriminant", 5),
    ]
    for one in found:
        strengths = [point.strength for point in one.path]
        assert len(set(strengths)) == len(strengths)
        for point in one.path[-2:]:
            assert point.log_probs is not None
            np.testing.assert_allclose(np.exp(point.log_probs).sum(axis=2), 1, atol=1e-4)
            own = np.take_along_axis(point.log_probs, labels[:, None, None], axis=2)[..., 0]
            np.testing.assert_allclose(point.losses, -own, atol=1e-4)


def test_constant_features_only() -> None:
    features, labels = np.full((60, WIDTH), 2.5, np.float32), np.arange(60) % 3
    found = choose(features, labels)
    head = fit_head(gather_from(features), found, labels, balanced=False)
    said = head.predict_proba(features[:, found.columns])
    np.testing.assert_allclose(said, 1 / 3, atol=0.01)
    assert found.log_loss == pytest.approx(np.log(3), abs=0.02)
