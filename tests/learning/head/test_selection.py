"""The choice of the head: which layers and kinds it picks, and that folds leak nothing into it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.core.errors import UnknownNameError
from photograft.learning.head import trying
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.selection import Member, select, to_json
from selection_helpers import (
    LAYERS,
    WIDTH,
    Labels,
    choose,
    folds_seen,
    gather_from,
    keys_of,
    names_of,
    noise,
    signal_in,
)


@pytest.mark.parametrize(
    ("columns", "expected", "seen"),
    [
        (slice(32, 40), ("last",), slice(32, 40)),
        (slice(16, 24), ("c", "d", "last"), slice(16, 40)),
        (slice(0, 8), ("a", "b", "c", "d", "last"), slice(0, 40)),
    ],
)
def test_layers_that_carry_the_signal_are_chosen(
    columns: slice, expected: tuple[str, ...], seen: slice
) -> None:
    features, labels = signal_in(columns)
    found = choose(features, labels, head="logistic")
    assert found.layers == expected
    joined = [("c", "d", "last"), ("a", "b", "c", "d", "last")]
    assert names_of(found) == [("last",), *joined]
    assert [len(one.columns) for one in found.candidates] == [8, 24, 40]
    assert found.columns.tolist() == list(range(40))[seen]
    (member,) = found.members
    assert (member.head, member.layers, member.weight, member.share) == (
        "logistic",
        expected,
        1.0,
        1.0,
    )
    assert found.accuracy > 0.9
    (weight,) = fit_head(gather_from(features), found, labels, balanced=False).weights
    assert weight.shape == (len(found.columns), 2)


@pytest.mark.parametrize("columns", [slice(32, 40), slice(16, 24), slice(0, 8)])
def test_blend_weighs_what_carries_the_signal(columns: slice) -> None:
    """Logistic heads on every set of layers, discriminants on the widest; a few are blended."""
    features, labels = signal_in(columns)
    found = choose(features, labels)
    assert [(one.head, len(one.columns)) for one in found.candidates] == [
        ("logistic", 8),
        ("logistic", 24),
        ("logistic", 40),
        ("discriminant", 40),
    ]
    assert sum(member.share for member in found.members) == pytest.approx(1)
    assert all(member.share >= 0.05 for member in found.members)
    assert sum(member.share for member in found.members if is_told_by(member, columns)) > 0.9
    assert found.accuracy > 0.9
    head = fit_head(gather_from(features), found, labels, balanced=False)
    assert head.weights[0].shape == (len(found.columns), 2)
    predicted = head.predict_proba(features[:, found.columns]).argmax(axis=1)
    assert (predicted == labels).mean() > 0.95


def is_told_by(member: Member, columns: slice) -> bool:
    """Whether a head sees the columns that tell the class."""
    return set(range(columns.start, columns.stop)) <= set(member.columns.tolist())


@pytest.mark.parametrize("head", ["logistic", "discriminant"])
def test_one_kind_of_head_alone(head: str) -> None:
    features, labels = signal_in(slice(16, 24), strength=0.6)
    found = choose(features, labels, head=head)
    assert {one.head for one in found.candidates} == {head}
    (member,) = found.members
    assert (member.head, member.share) == (head, 1.0)
    assert found.held_out.log_probs.shape == (240, 2, 2)
    assert found.accuracy > 0.7
    fitted = fit_head(gather_from(features), found, labels, balanced=False)
    right = fitted.predict_proba(features[:, found.columns]).argmax(axis=1) == labels
    assert right.mean() > found.accuracy - 0.05


def test_blend_is_no_worse_than_its_kinds_where_one_is_at_a_loss() -> None:
    """Classes that are told by their common covariance, photos hardly more than features."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 4
    mixing = rng.normal(size=(WIDTH, WIDTH)) * np.linspace(3, 0.05, WIDTH)[:, None]
    centres = rng.normal(0, 0.45, (4, WIDTH))
    features = ((rng.normal(size=(240, WIDTH)) + centres[labels]) @ mixing).astype(np.float32)
    losses = {
        head: choose(features, labels, head=head).log_loss
        for head in ("auto", "logistic", "discriminant")
    }
    assert losses["auto"] < min(losses["logistic"], losses["discriminant"]) + 0.01, losses


def test_last_is_forced() -> None:
    features, labels = signal_in(slice(0, 8))
    found = choose(features, labels, layers="last")
    assert set(names_of(found)) == {("last",)}
    assert found.accuracy < 0.7


def test_joined_is_forced() -> None:
    features, labels = signal_in(slice(32, 40))
    found = choose(features, labels, layers="joined")
    assert names_of(found)[:2] == [("c", "d", "last"), ("a", "b", "c", "d", "last")]
    assert set(names_of(found)) == set(names_of(found)[:2])


@pytest.mark.parametrize(
    ("layers", "expected", "columns"),
    [
        ("b", ("b",), [*range(8, 16)]),
        ("c,a", ("a", "c"), [*range(8), *range(16, 24)]),
        ("last,d", ("d", "last"), [*range(24, 40)]),
    ],
)
def test_layers_are_forced_by_name(
    layers: str, expected: tuple[str, ...], columns: list[int]
) -> None:
    """In the order that they have in a stored row, whatever the order they were named in."""
    features, labels = signal_in(slice(32, 40))
    found = choose(features, labels, layers=layers)
    assert set(names_of(found)) == {expected}
    assert found.columns.tolist() == columns


def test_layer_that_is_not_there() -> None:
    features, labels = noise(40)
    with pytest.raises(UnknownNameError) as caught:
        choose(features, labels, layers="lost")
    assert "no layer named 'lost'. Did you mean last?" in str(caught.value)
    assert "There are a, b, c, d, last." in str(caught.value)


@pytest.mark.parametrize("layers", ["auto", "last", "joined"])
def test_backbone_of_one_layer(layers: str) -> None:
    features, labels = signal_in(slice(0, 8))
    found = choose(features, labels, layers=layers, backbone_layers=[Layer("last", WIDTH)])
    assert set(names_of(found)) == {("last",)}
    assert found.columns.tolist() == list(range(WIDTH))


def test_layers_of_different_widths() -> None:
    layers = [Layer("a", 3), Layer("b", 20), Layer("c", 7), Layer("last", 10)]
    features, labels = signal_in(slice(3, 23))
    found = choose(features, labels, backbone_layers=layers)
    assert names_of(found) == [("last",), *[("b", "c", "last")] * 2]
    assert found.columns.tolist() == list(range(3, 40))


def test_group_is_never_split_across_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = signal_in(slice(32, 40))
    groups = np.arange(240) // 8
    seen = folds_seen(monkeypatch)
    choose(features, labels, groups=groups)
    assert len(seen) == trying.NUM_REPEATS
    for folds in seen:
        assert set(folds.tolist()) == set(range(5))
        assert all(len(set(folds[groups == g].tolist())) == 1 for g in range(30))
    assert (seen[0] != seen[1]).any(), "the repeats are over the same folds"


def test_groups_unmask_what_is_only_recognised() -> None:
    """Photos of a group look alike and tell nothing of others: with groups, that shows."""
    rng = np.random.default_rng(0)
    groups = np.arange(120) // 4
    labels = rng.integers(0, 2, 30)[groups]
    features = rng.normal(size=(30, WIDTH))[groups] + rng.normal(0, 0.05, (120, WIDTH))
    single = features.astype(np.float32)
    assert choose(single, labels).accuracy > 0.9
    assert choose(single, labels, groups=groups).accuracy < 0.75


@pytest.mark.parametrize("groups", [np.zeros(40, np.int64), np.arange(40) % 2])
def test_one_group_or_one_a_class_gives_finite_figures(groups: Labels) -> None:
    features, labels = signal_in(slice(32, 40), n=40)
    if groups.any():
        groups = labels
    found = choose(features, labels, groups=groups)
    json.dumps(to_json(found), allow_nan=False)
    head = fit_head(gather_from(features), found, labels, balanced=False)
    assert np.isfinite(head.weights[-1]).all()


def test_class_of_two_photos() -> None:
    features, labels = signal_in(slice(32, 40), n=60)
    labels[:2] = 2
    labels[2:] %= 2
    found = choose(features, labels)
    head = fit_head(gather_from(features), found, labels, balanced=False)
    assert head.biases[-1].shape == (3,)
    assert np.isfinite(found.log_loss)
    assert found.accuracy > 0.85


@pytest.mark.parametrize("n", [4, 5, 9])
def test_hardly_any_photos(n: int) -> None:
    features, _ = noise(n)
    labels = np.arange(n) % 2
    found = choose(features, labels)
    assert np.isfinite(found.log_loss)
    assert np.isfinite(
        fit_head(gather_from(features), found, labels, balanced=False).biases[-1]
    ).all()


def test_same_seed_gives_the_same_choice() -> None:
    features, labels = signal_in(slice(16, 24), strength=0.6)
    one, other = choose(features, labels, seed=3), choose(features, labels, seed=3)
    assert to_json(one) == to_json(other)
    heads = [
        fit_head(gather_from(features), found, labels, balanced=False) for found in (one, other)
    ]
    np.testing.assert_array_equal(heads[0].weights[-1], heads[1].weights[-1])
    assert to_json(choose(features, labels, seed=4)) != to_json(one)


def test_order_of_the_photos_does_not_matter() -> None:
    features, labels = signal_in(slice(16, 24), strength=0.6)
    order = np.random.default_rng(0).permutation(len(labels))
    keys = keys_of(len(labels))
    shuffled = select(
        gather_from(features[order]),
        labels[order],
        np.arange(len(labels)),
        [keys[i] for i in order],
        backbone_layers=LAYERS,
        layers="auto",
        balanced=False,
        seed=0,
    )
    plain = choose(features, labels)
    assert shuffled.layers == plain.layers
    for one, other in zip(shuffled.members, plain.members, strict=True):
        assert (one.head, one.layers, one.strength) == (other.head, other.layers, other.strength)
        assert one.weight == pytest.approx(other.weight, rel=0.02)
    assert shuffled.log_loss == pytest.approx(plain.log_loss, abs=1e-3)


@pytest.mark.parametrize("head", ["auto", "logistic", "discriminant"])
def test_basis_is_kept_for_the_fit(head: str) -> None:
    """The fit on the same photos and layers does not read the features again."""
    features, labels = signal_in(slice(16, 24))
    found = choose(features, labels, head=head)
    kept = fit_head(gather_from(features), found, labels, balanced=False)

    def refuse(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
        raise AssertionError("read again")

    again = fit_head(refuse, found, labels, balanced=False)
    np.testing.assert_array_equal(kept.weights[-1], again.weights[-1])
    forgotten = tuple(replace(member, basis=None) for member in found.members)
    fresh = fit_head(
        gather_from(features), replace(found, members=forgotten), labels, balanced=False
    )
    np.testing.assert_allclose(kept.weights[-1], fresh.weights[-1], atol=1e-3)
    np.testing.assert_allclose(kept.biases[-1], fresh.biases[-1], atol=1e-3)


# --- balance
