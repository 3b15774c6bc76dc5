"""The choice of the head's penalty and of balanced classes; held-out scores are of what was."""

from __future__ import annotations

import json

import numpy as np
import pytest

from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.core.progress import Silent
from photograft.learning.head import choosing, cross_validation
from photograft.learning.head.basis import make_basis
from photograft.learning.head.blending import blended
from photograft.learning.head.candidates import HeadCandidate, Question, try_heads
from photograft.learning.head.cross_validation import strongest_of_the_best
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.out_of_fold import repeated_folds
from photograft.learning.head.selection import to_json
from photograft.learning.head.solver import solve
from selection_helpers import (
    Labels,
    choose,
    folds_seen,
    gather_from,
    keys_of,
    noise,
    point,
    signal_in,
)


def test_penalty_is_strong_for_noise_and_weak_for_a_clear_signal() -> None:
    features, labels = noise(100)
    assert choose(features, labels, layers="last", head="logistic").members[0].strength >= 0.3
    features, labels = signal_in(slice(32, 40), n=400)
    features[:, 32:] += (10 * labels[:, None]).astype(np.float32)
    assert choose(features, labels, layers="last", head="logistic").members[0].strength <= 0.03


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
