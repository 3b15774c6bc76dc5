"""The choice of the head where photos or classes are many: subsets, views, time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.learning.head import cross_validation, trying
from photograft.learning.head.basis import make_basis
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.out_of_fold import repeated_folds
from photograft.learning.head.sampling import sample_photos
from photograft.learning.head.selection import select
from selection_helpers import (
    LAYERS,
    WIDTH,
    Labels,
    choose,
    folds_seen,
    gather_from,
    keys_of,
    noise,
    signal_in,
)


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
    """Two hundred of ten photos each."""
    features, labels = blobs(2000, 64, 200, 0.6)
    labels[:200] = np.arange(200)
    begin = time.process_time()
    found = choose(features, labels, backbone_layers=[Layer("last", 64)])
    head = fit_head(gather_from(features), found, labels, balanced=False)
    seconds = time.process_time() - begin
    print(f"\nchosen and fitted in {seconds:.1f} s of processor time")
    assert head.weights[0].shape == (64, 200)
    assert found.accuracy > 0.5
    assert found.log_loss < np.log(200) / 2
    assert seconds < 20


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
