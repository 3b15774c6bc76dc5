"""Extrapolated learning curves: laws recovered, honest intervals, and degenerate curves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from photograft.evaluation.learning_curve.extrapolation import Noise, extrapolate, measure_noise

SIZES = np.array([20.0, 40, 80, 160, 320, 640])


def law(
    n: npt.ArrayLike, a: float = 0.02, b: float = 1.0, c: float = 0.6
) -> npt.NDArray[np.float64]:
    return np.asarray(a + b * np.asarray(n, np.float64) ** -c)


def binomial(errors: npt.NDArray[np.float64], num_photos: int) -> Noise:
    """Noise of sizes that are each scored on photos of their own."""
    rate = (errors * num_photos + 0.5) / (num_photos + 1)
    return Noise(rate * (1 - rate) / num_photos, 0.0)


@pytest.mark.parametrize(("a", "b", "c"), [(0.02, 1.0, 0.6), (0.0, 2.0, 1.0), (0.1, 0.5, 0.3)])
def test_a_power_law_is_recovered(a: float, b: float, c: float) -> None:
    sizes = np.geomspace(20, 5000, 10)
    exact = Noise((0.01 * law(sizes, a, b, c)) ** 2, 0.0)
    targets = sizes[-1] * np.array([1.5, 2, 4])
    found = extrapolate(sizes, law(sizes, a, b, c), exact, targets)
    # Farther off, the slope's own drift counts as much as the law.
    np.testing.assert_allclose(found.median[:2], law(targets[:2], a, b, c), rtol=0.08)
    # Where nothing lasts (a = 0), all other laws that come into question promise less.
    assert (found.low <= 1.08 * law(targets, a, b, c)).all()
    assert (found.high >= law(targets, a, b, c)).all()


def test_the_interval_widens_with_fewer_photos_and_farther_ahead() -> None:
    targets = SIZES[-1] * np.array([2, 10])
    widths = []
    for num_photos in (200, 1000, 5000):
        noise = binomial(law(SIZES), num_photos)
        found = extrapolate(SIZES, law(SIZES), noise, targets)
        widths.append(found.high - found.low)
    assert (widths[0] > [1.5, 1.2] * widths[1]).all()
    assert (widths[1] > [1.5, 1.2] * widths[2]).all()
    relative = extrapolate(SIZES, law(SIZES), binomial(law(SIZES), 5000), targets)
    spread = np.log(relative.high / relative.low)
    assert spread[1] > 1.5 * spread[0]


def test_fewer_scored_photos_widen_what_will_be_measured_only() -> None:
    noise = binomial(law(SIZES), 2000)
    few, many, none = (
        extrapolate(SIZES, law(SIZES), noise, [1280.0], num_scored=n)
        for n in ([50], [10_000], None)
    )
    assert few.high[0] - few.low[0] > 2 * (many.high[0] - many.low[0])
    assert many.high[0] - many.low[0] > none.high[0] - none.low[0]
    np.testing.assert_array_equal(few.draws, none.draws)


def test_simulated_curves_are_covered_about_as_often_as_promised() -> None:
    """Curves drawn with lasting errors and exponents of all kinds, measured on 400 photos."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(120):
        now, share = rng.uniform(0.02, 0.3), rng.uniform(0, 1)
        exponent = np.exp(rng.normal(np.log(0.5), 0.7))
        true = now * (share + (1 - share) * (np.append(SIZES, 2560.0) / 640) ** -exponent)
        true = np.minimum(true, 0.8)
        errors = rng.binomial(400, true[:-1]) / 400
        found = extrapolate(SIZES, errors, binomial(errors, 400), [2560.0], num_scored=[1600])
        measured = rng.binomial(1600, true[-1]) / 1600
        covered.append(found.low[0] - 1e-9 <= measured <= found.high[0] + 1e-9)
    assert 0.7 <= np.mean(covered) <= 0.92


def test_a_curve_that_zigzags_is_trusted_less() -> None:
    smooth = law(SIZES)
    zigzag = smooth * np.array([1.3, 0.7, 1.3, 0.7, 1.3, 1.0])
    noise = Noise((0.03 * smooth) ** 2, 0.0)
    one, other = (extrapolate(SIZES, e, noise, [6400.0]) for e in (smooth, zigzag))
    assert np.log(other.high[0] / other.low[0]) > 1.2 * np.log(one.high[0] / one.low[0])


@pytest.mark.parametrize(
    ("sizes", "errors"),
    [
        ([8.0], [0.25]),
        ([8.0, 16.0], [0.25, 0.0]),
        ([4.0, 8.0, 16.0], [0.0, 0.0, 0.0]),
        ([4.0, 8.0, 16.0], [1.0, 1.0, 1.0]),
        ([4.0, 8.0, 16.0], [0.1, 0.2, 0.4]),
    ],
)
def test_degenerate_curves_stay_in_bounds(sizes: list[float], errors: list[float]) -> None:
    noise = binomial(np.array(errors), 20)
    targets = sizes[-1] * np.array([1, 2, 10])
    found = extrapolate(sizes, errors, noise, targets, num_scored=[20, 40, 200])
    for values in (found.low, found.median, found.high, found.draws, found.now):
        assert np.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1
    assert (found.low <= found.median).all()
    assert (found.median <= found.high).all()


def test_no_error_is_no_proof_that_there_will_be_none() -> None:
    noise = binomial(np.zeros(3), 50)
    found = extrapolate([10, 20, 40], np.zeros(3), noise, [80.0])
    assert 0.001 < found.high[0] < 0.06


def test_one_size_rests_on_the_prior() -> None:
    """A single point says where the curve is, not how it goes on: it may stay or halve."""
    found = extrapolate([100.0], [0.2], Noise(np.array([1e-6]), 0.0), [400.0])
    assert found.low[0] < 0.13
    assert found.high[0] > 0.17


def test_the_seed_decides() -> None:
    noise = binomial(law(SIZES), 500)
    one, again, other = (extrapolate(SIZES, law(SIZES), noise, [1280.0], seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.draws, again.draws)
    assert (one.draws != other.draws).any()
    assert abs(one.median[0] - other.median[0]) < 0.1 * (one.high[0] - one.low[0])


def test_noise_counts_groups_not_photos() -> None:
    rng = np.random.default_rng(0)
    wrong = np.repeat(rng.random((1, 100)) < 0.2, 4, axis=1).astype(float)
    by_seed = np.full((1, 10), wrong.mean())
    alone, together = (
        measure_noise(wrong, groups, by_seed, num_by_seed=80).own[0]
        for groups in (np.arange(400), np.repeat(np.arange(100), 4))
    )
    assert together == pytest.approx(4 * alone, rel=0.02)
    rate = wrong.mean()
    assert alone == pytest.approx(rate * (1 - rate) / 400, rel=0.05)


def test_noise_that_all_sizes_share_is_kept_apart() -> None:
    rng = np.random.default_rng(0)
    hard = np.tile((rng.random(500) < 0.2).astype(float), (3, 1))
    independent = (rng.random((3, 500)) < 0.2).astype(float)
    groups, by_seed = np.arange(500), np.full((3, 10), 0.2)
    same = measure_noise(hard, groups, by_seed, num_by_seed=100)
    other = measure_noise(independent, groups, by_seed, num_by_seed=100)
    rate = hard[0].mean()
    assert same.shared == pytest.approx(np.sqrt((1 - rate) / rate / 500), rel=0.05)
    assert other.shared < 0.5 * same.shared
    assert (same.own < 0.05 * other.own).all()


def test_seeds_that_differ_by_more_than_luck_add_noise() -> None:
    wrong = np.zeros((1, 500))
    wrong[0, :50] = 1
    apart = 0.1 + 0.2 * np.array([[-1.0, 1.0] * 5])
    calm, wild = (
        measure_noise(wrong, np.arange(500), by_seed, num_by_seed=100).own[0]
        for by_seed in (np.full((1, 10), 0.1), apart)
    )
    added = apart.var(ddof=1) - 0.1 * 0.9 / 100
    assert wild - calm == pytest.approx(0.35 * added, rel=0.02)


def test_noise_is_never_none() -> None:
    noise = measure_noise(np.zeros((2, 10)), np.arange(10), np.zeros((2, 1)), num_by_seed=2)
    assert (noise.own > 0).all()
    assert noise.shared == 0
