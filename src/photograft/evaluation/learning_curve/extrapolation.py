"""Extrapolating a learning curve: an inverse power law with its uncertainty.

The law is ``err(n) = a + b * n ** -c`` with ``a >= 0``: errors of networks fall so over orders of
magnitude (Hestness et al., 2017, "Deep learning scaling is predictable, empirically",
arXiv:1712.00409), though not of every learner, nor from the first photo on (Viering & Loog, 2022,
"The shape of learning curves: a review", arXiv:2103.10948). So the law is not taken at its word:
the logarithm of the true curve strays from it as an integrated Wiener process does, its slope
drifting with every doubling (Wahba, 1978, the prior behind smoothing splines). That process begins
at the largest size that was measured, so that small sizes, where the law need not hold, say little
of it, and uncertainty grows with the distance that is looked ahead.

The posterior is computed on a grid, and drawn from with a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Doubles

#: The probability that an interval is meant to have.
LEVEL = 0.8

#: Of the grid: the error now, as standard deviations off what was measured; the share of it that
#: never goes away (`a`, relative); the exponent; how far the slope drifts in one doubling.
_ERRORS = np.linspace(-4, 4, 33)
_SHARES = np.linspace(0, 1, 17)
_EXPONENTS = np.geomspace(0.05, 2.5, 21)
_DRIFTS = np.array([0.02, 0.05, 0.1, 0.2])
_DRIFT_PRIOR = np.array([0.25, 0.35, 0.25, 0.15])
#: Exponents are log-normal a priori: about this one, and by such a factor.
_EXPONENT_MEDIAN, _EXPONENT_SPREAD = 0.5, 0.7

_NUM_DRAWS = 4000


@dataclass(frozen=True)
class Extrapolation:
    """What a curve may come to.

    Attributes:
        sizes: Numbers of photos, shape ``(t,)``.
        median: Of the error rate that would be measured there, in [0, 1], shape ``(t,)``.
        low: Lower end of its interval.
        high: Upper end.
        draws: Error rates in expectation, without the noise of measuring, one curve a row, shape
            ``(num_draws, t)``.
        now: The same curves at the largest size that was measured, shape ``(num_draws,)``.
    """

    sizes: Doubles
    median: Doubles
    low: Doubles
    high: Doubles
    draws: Doubles
    now: Doubles


@dataclass(frozen=True)
class Noise:
    """How far measured error rates may be off.

    Attributes:
        own: Variance of each size by itself, shape ``(s,)``, above 0.
        shared: Standard deviation of the factor by which all sizes are off together, as a share.
    """

    own: Doubles
    shared: float


def extrapolate(
    sizes: npt.ArrayLike,
    errors: npt.ArrayLike,
    noise: Noise,
    targets: npt.ArrayLike,
    *,
    num_scored: npt.ArrayLike | None = None,
    seed: int = 0,
    level: float = LEVEL,
) -> Extrapolation:
    """Extrapolate error rates.

    Args:
        sizes: Numbers of photos that were learned from, rising, shape ``(s,)``, at least one.
        errors: Error rates that were measured there, in [0, 1], shape ``(s,)``.
        noise: Of those; see `measure_noise`.
        targets: Numbers of photos, none below the largest of `sizes`, shape ``(t,)``.
        num_scored: Photos (as good as independent ones) that the error would be measured on at
            each target, shape ``(t,)``; None for the error in expectation.
        seed: Of the draws.
        level: Probability of the intervals.
    """
    n, measured = np.asarray(sizes, np.float64), np.asarray(errors, np.float64)
    ahead, last = np.asarray(targets, np.float64), float(np.asarray(sizes)[-1])
    grid = _grid(float(measured[-1]), float(np.sqrt(noise.own[-1])))
    law = _law(grid, n / last)
    weights = _posterior(grid, law, measured, noise.own, np.log2(last / n))
    rng = np.random.default_rng([seed, 0x6C63])
    # Systematic resampling (Kitagawa, 1996): as many draws of each cell as its weight deserves.
    places = (np.arange(_NUM_DRAWS) + rng.random()) / _NUM_DRAWS
    cells = np.searchsorted(np.cumsum(weights.ravel()), places).clip(0, weights.size - 1)
    drift, row = np.divmod(rng.permutation(cells), len(grid))
    luck = np.exp(noise.shared * rng.standard_normal(_NUM_DRAWS))
    root = _root(_wiener(np.log2(ahead / last)))
    strays = _DRIFTS[drift][:, None] * (rng.standard_normal((_NUM_DRAWS, len(ahead))) @ root.T)
    now = np.minimum(luck * grid[row, 0], 1.0)
    draws = np.minimum(luck[:, None] * _law(grid[row], ahead / last) * np.exp(strays), 1.0)
    seen = draws
    if num_scored is not None:
        scored = np.maximum(np.rint(np.asarray(num_scored, np.float64)), 1).astype(np.int64)
        seen = rng.binomial(scored, draws) / scored
    low, median, high = np.quantile(seen, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)
    return Extrapolation(ahead, median, low, high, draws, now)


def _grid(error: float, deviation: float) -> Doubles:
    """Return error now, lasting share, exponent and log prior of every cell, shape ``(m, 4)``.

    The error's prior is Jeffreys's for a rate near zero: flat in its square root.
    """
    ends = np.sqrt(np.clip([error + _ERRORS[0] * deviation, error + _ERRORS[-1] * deviation], 0, 1))
    roots = np.linspace(max(ends[0], 1e-4), max(ends[1], 2e-4), len(_ERRORS))
    e, share, exponent = (
        axis.ravel() for axis in np.meshgrid(roots**2, _SHARES, _EXPONENTS, indexing="ij")
    )
    off = np.log(exponent / _EXPONENT_MEDIAN) / _EXPONENT_SPREAD
    return np.stack([e, share, exponent, -0.5 * off**2], axis=1)


def _law(grid: Doubles, ratio: Doubles) -> Doubles:
    """Return the law's error rates at sizes relative to the largest, shape ``(m, len(ratio))``."""
    e, share, exponent = grid[:, 0:1], grid[:, 1:2], grid[:, 2:3]
    law: Doubles = np.minimum(e * (share + (1 - share) * ratio ** (-exponent)), 1.0)
    return law


def _posterior(
    grid: Doubles, law: Doubles, measured: Doubles, variances: Doubles, doublings: Doubles
) -> Doubles:
    """Return each cell's probability, shape ``(num_drifts, m)``."""
    typical = np.maximum(
        measured, np.sqrt(variances)
    )  # straying is relative to the curve, which is not 0
    residual = (measured - law).T
    logs = np.empty((len(_DRIFTS), len(grid)))
    for i, drift in enumerate(_DRIFTS):
        stray = drift**2 * np.outer(typical, typical) * _wiener(doublings)
        root = np.linalg.cholesky(np.diag(variances) + stray)
        z = np.linalg.solve(root, residual)
        logs[i] = -0.5 * np.square(z).sum(axis=0) - np.log(np.diag(root)).sum() + grid[:, 3]
    logs += np.log(_DRIFT_PRIOR)[:, None]
    weights = np.exp(logs - logs.max())
    posterior: Doubles = weights / weights.sum()
    return posterior


def _wiener(distances: Doubles) -> Doubles:
    """Return the covariance of an integrated Wiener process that starts level at 0, ``(t, t)``."""
    near = np.minimum.outer(distances, distances)
    far = np.maximum.outer(distances, distances)
    covariance: Doubles = near**2 * (3 * far - near) / 6
    return covariance


def _root(covariance: Doubles) -> Doubles:
    """Return a square root of a matrix that may be singular, as where a target is the last size."""
    values, vectors = np.linalg.eigh(covariance)
    root: Doubles = vectors * np.sqrt(np.maximum(values, 0))
    return root


def measure_noise(
    wrong: Doubles,
    groups: npt.NDArray[np.int64],
    by_seed: Doubles,
    *,
    num_by_seed: float,
    held_out: float = 0.2,
) -> Noise:
    """Return the noise of error rates that were measured on the same photos at every size.

    The luck of which photos are scored is counted in whole groups of them. What it has in common
    at all sizes (a set with many hard photos is hard at every size) is kept apart, as it moves the
    curve and leaves its shape. The luck of which photos are learned from comes on top: seeds share
    most of those, so that their spread understates how far their mean may be off; as Nadeau &
    Bengio (2003, "Inference for the generalization error") do, ``1 / num_seeds + held_out / (1 -
    held_out)`` stands in place of ``1 / num_seeds``.

    Args:
        wrong: Each photo's share of wrong answers at each size, shape ``(s, n)``, in [0, 1].
        groups: Of the photos, shape ``(n,)``.
        by_seed: Error rates of each seed, shape ``(s, num_seeds)``.
        num_by_seed: How many photos each seed scored, on average.
        held_out: The share of all photos that each seed holds out, below 1.
    """
    n, num_seeds = wrong.shape[1], by_seed.shape[1]
    error = wrong.mean(axis=1)
    # No error in n photos does not mean none ever: at least the variance with half an error more.
    rate = (error * n + 0.5) / (n + 1)
    least = rate * (1 - rate) / n
    _, group = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(group, weights=row) for row in wrong - error[:, None]])
    covariance = sums @ sums.T / n**2
    scored = np.maximum(np.diag(covariance), least)
    alike = 0.0
    if len(error) > 1:
        correlation = covariance / np.sqrt(np.outer(scored, scored))
        alike = float(np.clip(correlation[-1, :-1].mean(), 0, 1))
    own = (1 - alike) * scored
    if num_seeds > 1:
        # What the seeds differ by beyond the luck of which photos they score.
        beyond = by_seed.var(axis=1, ddof=1) - rate * (1 - rate) / num_by_seed
        own += (1 / num_seeds + held_out / (1 - held_out)) * np.maximum(beyond, 0)
    return Noise(own, float(np.sqrt(alike * scored[-1]) / rate[-1]))
