"""Photos as points: rows of length 1, their main axes, fair samples, who is near to whom."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from photograft.features.similarity import (
    choose_rows,
    main_axes,
    nearest,
    squared_distances,
    unit_rows,
)

Floats = npt.NDArray[np.float32]


def rows(n: int, d: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_every_layer_has_the_same_say() -> None:
    features = rows(9, 30) * np.repeat([1, 1000], [10, 20]).astype(np.float32)
    features[3, :10] = 0
    units = unit_rows(features, np.array([[0, 10], [10, 30]]))
    shares = np.stack([np.square(units[:, :10]).sum(1), np.square(units[:, 10:]).sum(1)])
    assert shares[:, [0, 1, 2, 4]] == pytest.approx(0.5)
    assert shares[:, 3] == pytest.approx([0, 0.5])
    assert np.square(unit_rows(features)).sum(1) == pytest.approx(1)


@pytest.mark.parametrize(("n", "d", "rank"), [(200, 60, 8), (5, 60, 8), (200, 6, 8)])
def test_the_main_axes_hold_what_an_exact_decomposition_holds(n: int, d: int, rank: int) -> None:
    x = rows(n, d) * (0.9 ** np.arange(d)).astype(np.float32)
    axes = main_axes(x, rank, np.random.default_rng(1))
    assert axes.T @ axes == pytest.approx(np.eye(axes.shape[1]), abs=1e-5)
    kept = np.square(x @ axes).sum()
    best = np.square(np.linalg.svd(x, compute_uv=False)[:rank]).sum()
    assert 0.995 * best <= kept <= 1.0001 * np.square(x).sum()


def test_the_nearest_are_those_of_brute_force() -> None:
    units = unit_rows(rows(50, 12))
    squared = squared_distances(units, units)
    np.fill_diagonal(squared, np.inf)
    distances, which = nearest(squared, 3)
    truth = np.square(units[:, None] - units).sum(axis=2)
    np.fill_diagonal(truth, np.inf)
    assert np.array_equal(which, np.argsort(truth, axis=1)[:, :3])
    assert distances == pytest.approx(np.log(np.sort(truth, axis=1)[:, :3]), abs=1e-3)


def test_of_many_a_fair_sample() -> None:
    """Small classes whole, large ones cut alike; another seed takes others."""
    labels = np.repeat([0, 1, 2], [9000, 4000, 100])
    chosen = choose_rows(labels, np.random.default_rng(0), 3000)
    assert np.bincount(labels[chosen]).tolist() == [1450, 1450, 100]
    assert len(set(chosen.tolist())) == 3000
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, choose_rows(labels, np.random.default_rng(0), 3000))
    assert not np.array_equal(chosen, choose_rows(labels, np.random.default_rng(1), 3000))
    assert choose_rows(labels[:5], np.random.default_rng(0), 3000).tolist() == [0, 1, 2, 3, 4]
