"""The choice of the head: what it picks, and that nothing leaks into it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.core.errors import UnknownNameError
from photograft.core.progress import Silent
from photograft.data.splits import make_folds
from photograft.learning.head import choosing, cross_validation, out_of_fold, trying
from photograft.learning.head.basis import make_basis
from photograft.learning.head.blending import blended
from photograft.learning.head.candidates import Gather, HeadCandidate, Question, try_heads
from photograft.learning.head.cross_validation import HeadResult, strongest_of_the_best
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.out_of_fold import repeated_folds
from photograft.learning.head.sampling import sample_photos
from photograft.learning.head.selection import Member, Selection, select, to_json
from photograft.learning.head.solver import solve

Labels = npt.NDArray[np.int64]

LAYERS = tuple(Layer(name, 8) for name in ("a", "b", "c", "d", "last"))
WIDTH = 40


def keys_of(n: int) -> list[bytes]:
    return [hashlib.sha256(str(i).encode()).digest() for i in range(n)]


def gather_from(features: Floats) -> Gather:
    return lambda rows, columns: features[rows][:, columns]


def noise(n: int, seed: int = 0, width: int = WIDTH) -> tuple[Floats, Labels]:
    """Features that tell nothing of the labels."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)).astype(np.float32), rng.integers(0, 2, n)


def signal_in(columns: slice, n: int = 240, strength: float = 2.0) -> tuple[Floats, Labels]:
    """Features of which only some tell the class."""
    features, labels = noise(n)
    features[:, columns] += (strength * labels[:, None]).astype(np.float32)
    return features, labels


def choose(
    features: Floats,
    labels: Labels,
    *,
    groups: Labels | None = None,
    layers: str = "auto",
    head: str = "auto",
    balanced: bool = False,
    seed: int = 0,
    backbone_layers: Sequence[Layer] = LAYERS,
) -> Selection:
    return select(
        gather_from(features),
        labels,
        np.arange(len(labels)) if groups is None else groups,
        keys_of(len(labels)),
        backbone_layers=backbone_layers,
        layers=layers,
        head=head,
        balanced=balanced,
        seed=seed,
    )


def names_of(found: Selection) -> list[tuple[str, ...]]:
    return [candidate.layers for candidate in found.candidates]


# --- layers


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


# --- penalty


def test_penalty_is_strong_for_noise_and_weak_for_a_clear_signal() -> None:
    features, labels = noise(100)
    assert choose(features, labels, layers="last", head="logistic").members[0].strength >= 0.3
    features, labels = signal_in(slice(32, 40), n=400)
    features[:, 32:] += (10 * labels[:, None]).astype(np.float32)
    assert choose(features, labels, layers="last", head="logistic").members[0].strength <= 0.03


def point(l2: float, losses: list[float]) -> HeadResult:
    n = len(losses)
    column, zeros = np.array(losses)[:, None], np.zeros((n, 1), np.int64)
    return HeadResult(l2, column, zeros, zeros == 1, 0.0, np.full(n, 1 / n))


def test_strongest_penalty_that_is_not_worse_beyond_noise() -> None:
    path = [
        point(10.0, [0.9, 0.8, 0.9, 0.8]),  # worse for every photo
        point(1.0, [0.5, 0.3, 0.5, 0.32]),  # worse for some, better for others
        point(0.1, [0.4, 0.4, 0.4, 0.4]),  # the best
        point(0.01, [0.4, 0.4, 0.4, 0.41]),
    ]
    assert path[2].log_loss < path[1].log_loss < path[0].log_loss
    assert strongest_of_the_best(path).strength == 1.0
    assert strongest_of_the_best(path[2:]).strength == 0.1
    clear = [path[0], point(1.0, [0.5, 0.5, 0.5, 0.52]), path[2]]
    assert strongest_of_the_best(clear).strength == 0.1
    negligible = [point(1.0, [0.4011, 0.4012, 0.4011, 0.4012]), path[2]]
    assert strongest_of_the_best(negligible).strength == 1.0


def test_path_is_held_out() -> None:
    """More features than photos: on the photos it learnt from, any head is right."""
    features, labels = noise(60, width=200)
    found = choose(features, labels, backbone_layers=[Layer("last", 200)])
    assert {one.head for one in found.candidates} == {"logistic", "discriminant"}
    assert found.accuracy < 0.75
    assert found.log_loss > 0.6
    assert all(point.log_loss > 0.6 for one in found.candidates for point in one.path)


def test_path_begins_at_the_strongest_and_ends_where_nothing_is_gained() -> None:
    features, labels = signal_in(slice(32, 40), strength=0.5)
    path = choose(features, labels, layers="last", head="logistic").candidates[0].path
    assert [point.strength for point in path] == list(cross_validation.PENALTIES[: len(path)])
    assert 2 < len(path) < len(cross_validation.PENALTIES)


def test_penalties() -> None:
    assert cross_validation.PENALTIES[:4] == (10.0, 3.0, 1.0, 0.3)
    assert cross_validation.PENALTIES[-2:] == (3e-5, 1e-5)
    assert list(cross_validation.PENALTIES) == sorted(cross_validation.PENALTIES, reverse=True)


def test_held_out_scores_are_those_of_fits_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """One penalty: each fold left out once a repeat, its photos judged by a head without them."""
    monkeypatch.setattr(cross_validation, "PENALTIES", (0.1,))
    features, labels = signal_in(slice(32, 40), n=80, strength=0.7)
    folds = folds_seen(monkeypatch)
    found = choose(features, labels, layers="last", head="logistic")
    columns = features[:, 32:]
    basis = make_basis(lambda rows: columns[rows], 80, 8)
    losses, hits = np.zeros(80), np.zeros(80)
    assert len(folds) == 2
    for fold_of in folds:
        for fold in range(5):
            held = fold_of == fold
            shares = (~held / (~held).sum()).astype(np.float32)[:, None]
            start = np.zeros((len(basis.variances), 1, 2), np.float32)
            w = solve(basis, labels, shares, 0.1, start, tolerance=1e-8)[:, 0]
            probabilities = basis.head(w).predict_proba(columns)[held]
            losses[held] -= np.log(probabilities[np.arange(held.sum()), labels[held]]) / 2
            hits[held] += (probabilities.argmax(axis=1) == labels[held]) / 2
    assert found.log_loss == pytest.approx(losses.mean(), abs=2e-3)
    assert found.accuracy == pytest.approx(hits.mean(), abs=0.01)
    standard_error = losses.std() / np.sqrt(80)
    chosen = to_json(found)["chosen"]
    assert chosen["log_loss_se"] == pytest.approx(standard_error, rel=0.05)


def test_held_out_predictions_of_one_choice_are_those_of_its_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cross_validation, "PENALTIES", (0.1,))
    features, labels = signal_in(slice(32, 40), strength=0.7)
    found = choose(features, labels, layers="last", head="logistic")
    honest = found.held_out
    assert honest.rows.tolist() == list(range(240))
    assert honest.losses.shape == honest.predicted.shape == honest.folds.shape == (240, 2)
    (point,) = found.candidates[0].path
    np.testing.assert_allclose(honest.losses, point.losses, atol=1e-5)
    np.testing.assert_array_equal(honest.predicted, point.predicted)
    assert found.log_loss == pytest.approx(point.log_loss, abs=1e-5)
    assert found.accuracy == pytest.approx(point.accuracy)
    np.testing.assert_allclose(np.exp(honest.log_probs).sum(axis=2), 1, atol=1e-5)
    assert honest.train_accuracy > found.accuracy


@pytest.mark.parametrize("blends", [False, True])
def test_choosing_the_best_of_many_does_not_flatter_held_out_scores(blends: bool) -> None:
    """Of fifty layers that are noise, the best looks good on the photos that it was chosen on."""
    layers = [Layer(str(i), 1) for i in range(50)]
    optimism, honest_losses = [], []
    for seed in range(4):
        features, labels = noise(80, seed, width=50)
        candidates: list[HeadCandidate] = []
        folds = repeated_folds(labels, np.arange(80), keys_of(80), seed=0)
        question = Question(
            gather_from(features), np.arange(80), labels, folds, np.ones(80, np.float32)
        )
        for i in range(50):
            candidates += try_heads(question, layers, str(i), ("logistic",), Silent())
        chosen = choosing.choose(candidates, labels, blends=blends)
        said = [one.point.log_probs for one in chosen if one.point.log_probs is not None]
        flattered = blended(said, np.array([one.weight for one in chosen]))
        losses = -np.take_along_axis(flattered, labels[:, None, None], axis=2)
        honest = choosing.held_out(candidates, labels, np.arange(80), folds, blends=blends)
        assert (honest.predicted.shape, honest.losses.shape) == ((80, 2), (80, 2))
        honest_losses.append(honest.losses.mean())
        optimism.append(honest.losses.mean() - losses.mean())
    assert np.mean(optimism) > 0.005
    assert min(optimism) > -0.005
    assert np.mean(honest_losses) > np.log(2) - 0.005, "noise tells nothing"


# --- folds


def folds_seen(monkeypatch: pytest.MonkeyPatch) -> list[Labels]:
    """Every assignment to folds that the choice makes from now on."""
    seen: list[Labels] = []

    def watch(
        labels: Labels, groups: Labels, keys: Sequence[bytes], *, num_folds: int, seed: int
    ) -> Labels:
        seen.append(make_folds(labels, groups, keys, num_folds=num_folds, seed=seed))
        return seen[-1]

    monkeypatch.setattr(out_of_fold, "make_folds", watch)
    return seen


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


def unbalanced() -> tuple[Floats, Labels]:
    features, _ = noise(220)
    labels = (np.arange(220) < 20).astype(np.int64)
    features[:, 32:] += (0.4 * labels[:, None]).astype(np.float32)
    return features, labels


def test_balanced_gives_the_small_class_its_say() -> None:
    features, labels = unbalanced()
    recalls = []
    for balanced in (False, True):
        found = choose(features, labels, layers="last", balanced=balanced)
        head = fit_head(gather_from(features), found, labels, balanced=balanced)
        predicted = head.predict_proba(features[:, found.columns]).argmax(axis=1)
        recalls.append((predicted[labels == 1] == 1).mean())
    assert recalls[0] < 0.3
    assert recalls[1] > 0.55


def test_balanced_scores_are_means_over_classes() -> None:
    """Half of the small class looks just like the large one, the other half quite different."""
    features, _ = noise(220)
    labels = (np.arange(220) < 20).astype(np.int64)
    features[:10, 32:] += 8
    plain = choose(features, labels, layers="last", head="logistic")
    assert plain.accuracy == pytest.approx(210 / 220, abs=0.02)
    balanced = choose(features, labels, layers="last", head="logistic", balanced=True)
    assert balanced.accuracy == pytest.approx((1 + 0.5) / 2, abs=0.05)


# --- many photos


def small_subset(most: int) -> Callable[..., list[int]]:
    def subset(labels: Labels, groups: Labels | None = None, seed: int = 0) -> list[int]:
        groups = np.arange(len(labels)) if groups is None else groups
        keys = keys_of(len(labels))
        rows: list[int] = sample_photos(labels, groups, keys, seed, most).tolist()
        return rows

    return subset


def test_subset_is_stratified() -> None:
    subset = small_subset(100)
    labels = np.repeat([0, 1, 2], [600, 380, 20])
    rows = subset(labels)
    assert rows == sorted(set(rows))
    assert np.bincount(labels[rows]).tolist() == [60, 38, 10]
    assert subset(labels) == rows
    assert subset(labels, seed=1) != rows


def test_subset_is_all_where_there_are_few() -> None:
    subset = small_subset(100)
    assert subset(np.repeat([0, 1], 50)) == list(range(100))
    assert len(subset(np.repeat([0, 1], 51))) < 102
    assert len(subset(np.arange(200) % 20)) == 200  # ten a class are always wanted


def test_subset_takes_groups_together() -> None:
    """Whole groups, but for one a class where the number that is wanted is reached."""
    subset = small_subset(100)
    labels, groups = np.repeat([0, 1], 500), np.arange(1000) // 5
    rows = subset(labels, groups)
    sizes = np.bincount(groups[rows])
    assert (sizes[sizes > 0] < 5).sum() <= 2
    assert len(rows) == 100


def test_subset_does_not_depend_on_the_order() -> None:
    labels, groups, keys = np.arange(300) // 150, np.arange(300) // 3, keys_of(300)
    order = np.random.default_rng(0).permutation(300)
    plain = sample_photos(labels, groups, keys, 0, 60)
    shuffled = sample_photos(labels[order], groups[order], [keys[i] for i in order], 0, 60)
    assert {keys[i] for i in plain} == {keys[order[i]] for i in shuffled}


def test_choice_on_a_subset_and_fit_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "SELECTION_PHOTOS", 100)
    features, labels = signal_in(slice(16, 24), n=600)
    groups = np.arange(600) // 3
    seen = folds_seen(monkeypatch)
    found = choose(features, labels, groups=groups)
    assert found.num_photos == 100
    assert all(member.basis is None for member in found.members)
    assert set("cd") < set(found.layers)
    assert [len(folds) for folds in seen] == [100, 100]
    read: list[int] = []

    def gather(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
        read.extend(rows.tolist())
        return features[rows][:, columns]

    head = fit_head(gather, found, labels, balanced=False)
    assert sorted(read) == list(range(600))
    predicted = head.predict_proba(features[:, found.columns]).argmax(axis=1)
    assert (predicted == labels).mean() > 0.95


def test_views_share_the_rows_that_a_choice_is_made_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the views, half the photos; the head is fitted on every view of every photo."""
    monkeypatch.setattr(trying, "SELECTION_PHOTOS", 150)
    monkeypatch.setattr(trying, "SELECTION_ROWS", 200)
    plain, labels = signal_in(slice(16, 24), n=400)
    features = np.concatenate([plain, plain + np.float32(0.1)])
    read: list[int] = []

    def gather(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
        read.extend(rows.tolist())
        return features[rows][:, columns]

    found = select(
        gather,
        labels,
        np.arange(400),
        keys_of(400),
        backbone_layers=LAYERS,
        layers="joined",
        balanced=False,
        seed=0,
        num_views=2,
    )
    assert (found.num_photos, found.num_views) == (100, 2)
    photos = {i % 400 for i in read}
    assert len(photos) == 100
    assert set(read) == photos | {i + 400 for i in photos}
    read.clear()
    head = fit_head(gather, found, labels, balanced=False)
    assert sorted(read) == list(range(800))
    predicted = head.predict_proba(plain[:, found.columns]).argmax(axis=1)
    assert (predicted == labels).mean() > 0.95


def test_head_is_scored_on_the_plain_view_of_photos_that_it_never_saw() -> None:
    """Views that give the answer away, in the plain photo or not, teach nothing about others."""
    features, labels = noise(120)
    giveaway = features.copy()
    giveaway[:, 32:] += 4 * labels[:, None].astype(np.float32)

    def accuracy(views: list[Floats]) -> float:
        return select(
            gather_from(np.concatenate(views)),
            labels,
            np.arange(120),
            keys_of(120),
            backbone_layers=LAYERS,
            layers="last",
            balanced=False,
            seed=0,
            num_views=len(views),
        ).accuracy

    assert accuracy([features, giveaway]) < 0.7
    assert accuracy([features, features]) < 0.7
    assert accuracy([giveaway, giveaway]) > 0.9


def test_problems_in_several_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = signal_in(slice(32, 40), strength=0.6)
    whole = choose(features, labels, layers="last", head="logistic")
    monkeypatch.setattr(cross_validation, "_MAX_ELEMENTS", 3 * 240 * 2)
    parts = choose(features, labels, layers="last", head="logistic")
    assert parts.members[0].strength == whole.members[0].strength
    assert parts.log_loss == pytest.approx(whole.log_loss, abs=1e-3)


def test_json() -> None:
    features, labels = signal_in(slice(32, 40))
    found = choose(features, labels)
    data = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert data["chosen"]["layers"] == list(found.layers)
    assert data["chosen"]["num_features"] == len(found.columns)
    assert data["chosen"]["log_loss"] == found.log_loss
    assert data["chosen"]["accuracy"] == found.accuracy
    assert data["chosen"]["heads"] == [
        {
            "head": member.head,
            "layers": list(member.layers),
            "strength": member.strength,
            "share": member.share,
        }
        for member in found.members
    ]
    assert [row["head"] for row in data["candidates"]] == [*["logistic"] * 3, "discriminant"]
    assert (data["num_photos"], data["num_folds"], data["num_repeats"]) == (240, 5, 2)
    assert data["candidates"][0]["path"][0][0] == 10.0
    assert [strength for strength, _, _ in data["candidates"][3]["path"]] == [0.9, 0.6, 0.3, 0.0]


# --- speed


def blobs(n: int, d: int, num_classes: int, distance: float) -> tuple[Floats, Labels]:
    """Features such as a backbone gives: correlated, of uneven scale, classes that overlap."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, n)
    spectrum = (1 / np.sqrt(1 + np.arange(d))).astype(np.float32)
    features = rng.normal(size=(n, d)).astype(np.float32) * spectrum
    centres = rng.normal(size=(num_classes, d)).astype(np.float32) * spectrum
    features += distance * centres[labels]
    return features, labels


@pytest.mark.slow
def test_choice_for_five_thousand_photos_is_quick() -> None:
    """The target is a few seconds; a busy machine is allowed for."""
    features, labels = blobs(5000, 1280, 5, 0.12)
    begin = time.perf_counter()
    found = choose(features, labels, backbone_layers=[Layer("last", 1280)])
    head = fit_head(gather_from(features), found, labels, balanced=False)
    seconds = time.perf_counter() - begin
    print(f"\nchosen and fitted in {seconds:.1f} s: {found.members}")
    assert found.num_photos == 5000
    assert 0.5 < found.accuracy < 0.999
    assert (head.predict_proba(features).argmax(axis=1) == labels).mean() > found.accuracy
    assert seconds < 20


@pytest.mark.slow
def test_twenty_thousand_photos() -> None:
    features, labels = blobs(21_000, 512, 5, 0.15)
    train, train_labels = features[:20_000], labels[:20_000]
    begin = time.perf_counter()
    found = choose(train, train_labels, backbone_layers=[Layer("last", 512)])
    head = fit_head(gather_from(train), found, train_labels, balanced=False)
    seconds = time.perf_counter() - begin
    right = (head.predict_proba(features[20_000:]).argmax(axis=1) == labels[20_000:]).mean()
    print(f"\nchosen and fitted in {seconds:.1f} s: {found.accuracy:.3f}, {right:.3f}")
    assert found.num_photos == pytest.approx(trying.SELECTION_PHOTOS, abs=5)
    assert abs(right - found.accuracy) < 0.05
    assert all(member.basis is None for member in found.members)


@pytest.mark.slow
def test_all_heads_on_all_layers_are_tried_quickly() -> None:
    """As EfficientNet-Lite0 gives them; the target is five seconds on two idle cores."""
    widths = (96, 144, 80, 192, 1280)
    layers = [Layer(name, width) for name, width in zip("abcde", widths, strict=True)]
    features, labels = blobs(5000, sum(widths), 5, 0.06)
    begin = time.process_time()
    found = choose(features, labels, backbone_layers=layers)
    seconds = time.process_time() - begin
    print(f"\nchosen in {seconds:.1f} s of processor time")
    assert len(found.candidates) == 4
    assert 0.6 < found.accuracy < 0.99
    assert seconds < 30


@pytest.mark.slow
def test_many_classes() -> None:
    """Three hundred of ten photos each."""
    features, labels = blobs(3000, 64, 300, 0.6)
    labels[:300] = np.arange(300)
    begin = time.process_time()
    found = choose(features, labels, backbone_layers=[Layer("last", 64)])
    head = fit_head(gather_from(features), found, labels, balanced=False)
    seconds = time.process_time() - begin
    print(f"\nchosen and fitted in {seconds:.1f} s of processor time")
    assert head.weights[0].shape == (64, 300)
    assert found.accuracy > 0.5
    assert found.log_loss < np.log(300) / 2
    assert seconds < 40


def test_figures_of_candidates_keep_no_answers_in_memory() -> None:
    features, labels = signal_in(slice(16, 24))
    found = choose(features, labels)
    assert all(one.basis is None for one in found.candidates)
    assert all(point.log_probs is None for one in found.candidates for point in one.path)
    assert found.held_out.log_probs.shape == (240, 2, 2)


def test_where_classes_are_many_fewer_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = signal_in(slice(32, 40), strength=1.0)
    folds = repeated_folds(labels, np.arange(240), keys_of(240), seed=0)
    ones = np.ones(240, np.float32)
    basis = make_basis(lambda rows: features[rows], 240, WIDTH)

    def kept(most: int) -> list[int]:
        monkeypatch.setattr(cross_validation, "_MAX_KEPT", most)
        path = cross_validation.cross_validate(basis, labels, folds, ones, keep_log_probs=True)
        return [i - len(path) for i, point in enumerate(path) if point.log_probs is not None]

    assert kept(1_000_000)[-4:] == [-4, -3, -2, -1]
    assert kept(240 * 2 * 2) == [-2, -1]


def test_threads_do_not_change_a_bit() -> None:
    """The same choice and the same head, however many threads the libraries may have."""
    program = """
import hashlib, json, numpy as np
from photograft.backbones.registry import Layer
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.selection import select, to_json
rng = np.random.default_rng(0)
labels = np.arange(300) % 3
features = (rng.normal(size=(3, 120))[labels] * 0.3 + rng.normal(size=(300, 120))).astype("f4")
gather = lambda rows, columns: features[rows][:, columns]
found = select(gather, labels, np.arange(300), [i.to_bytes(32, "big") for i in range(300)],
    backbone_layers=[Layer("a", 30), Layer("b", 40), Layer("last", 50)], layers="auto",
    balanced=False, seed=0)
head = fit_head(gather, found, labels, balanced=False)
text = json.dumps(to_json(found)).encode() + found.held_out.log_probs.tobytes()
print(hashlib.sha256(text + head.weights[0].tobytes() + head.biases[0].tobytes()).hexdigest())
"""
    digests = set()
    for threads in ("1", "3"):
        env = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1
