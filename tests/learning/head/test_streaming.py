"""Heads that are fitted in passes over their features are those that are fitted in memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from head_helpers import (
    HEADS,
    Labels,
    choose,
    gather_from,
    logits,
    made,
    problem,
)
from photograft.core.arrays import Floats
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.streaming import Wanted, fit_streaming
from photograft.learning.head.streams import Rows


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize(("num_views", "balanced"), [(1, False), (3, True)])
def test_streamed_is_what_it_is_in_memory(
    heads: tuple[tuple[str, tuple[str, ...], float, float], ...], num_views: int, balanced: bool
) -> None:
    features, labels = problem(5000, num_views=num_views)  # more than are read at once
    like = choose(features[:200], labels[:200])
    found = made(*heads, like=like.__class__(**{**vars(like), "num_views": num_views}))
    gather, told = gather_from(features), list[str]()
    kept = fit_head(gather, found, labels, balanced=balanced)
    streamed = fit_head(
        gather, found, labels, balanced=balanced, stream_above=1000, tell=told.append
    )
    wanted, got = (logits(head, features[:, found.columns]) for head in (kept, streamed))
    np.testing.assert_allclose(got, wanted, atol=5e-3)
    assert told[-1].endswith(": 100%")


def test_it_stops_where_no_step_is_any_better() -> None:
    features, labels = problem(1000)
    calls, told = [0], list[str]()

    def read(part: slice) -> Floats:
        # The shift, the sums, the sample and the first loss are of the true features: what comes
        # after is worse at whatever step.
        calls[0] += 1
        return features[part].copy() if calls[0] <= 4 else -features[part]

    weights = np.ones(len(labels), np.float32)
    rows = Rows(read, labels, weights, (features.shape[1],))
    (head,) = fit_streaming(rows, [Wanted(0.03, 0.03, 1)], told.append)
    assert len(told) == 22  # the sums, the first loss, and the twenty steps that are tried
    # What it ends with is the head that it began with, the sample's.
    true = Rows(lambda part: features[part].copy(), labels, weights, (features.shape[1],))
    (wanted,) = fit_streaming(true, [Wanted(0.03, 0.03, 1)])
    np.testing.assert_allclose(logits(head, features), logits(wanted, features), atol=1e-2)


def test_what_fits_is_not_streamed() -> None:
    features, labels = problem()
    found = choose(features, labels)
    told: list[str] = []
    taken = 4 * 200 * (1 + max(len(member.columns) for member in found.members))
    heads = [
        fit_head(
            gather_from(features),
            found,
            labels,
            balanced=False,
            stream_above=above,
            tell=told.append,
        )
        for above in (taken, taken + 1)
    ]
    assert not told
    np.testing.assert_array_equal(heads[0].weights[0], heads[1].weights[0])


@pytest.mark.parametrize("wanted", [Wanted(0.03, 0.03, 1), Wanted(None, 0.0, 1)])
def test_memory_does_not_grow_with_the_rows(wanted: Wanted) -> None:
    peaks = []
    for n in (100_000, 400_000):
        labels = (np.arange(n) * 7 % 3).astype(np.int64)

        def read(part: slice, n: int = n, labels: Labels = labels) -> Floats:
            rng = np.random.default_rng(part.start)
            own = labels[part]
            found: Floats = rng.standard_normal((len(own), 40), np.float32) + own[:, None]
            return found.astype(np.float32)

        tracemalloc.start()
        fit_streaming(Rows(read, labels, np.ones(n, np.float32), (40,)), [wanted])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The weights stand for each row; the sample is of as many rows in both.
    assert peaks[1] - peaks[0] < 16 * 300_000


def test_order_of_the_rows_does_not_matter() -> None:
    """Not even where the first ones are all of one class."""
    features, labels = problem(9000)
    found = made(*HEADS["nested"], like=choose(features[:200], labels[:200]))
    order = np.argsort(labels, kind="stable")
    heads = [
        fit_head(gather_from(x), found, y, balanced=False, stream_above=0)
        for x, y in ((features, labels), (features[order], labels[order]))
    ]
    one, other = (logits(head, features[:, found.columns]) for head in heads)
    np.testing.assert_allclose(one, other, atol=5e-3)


def test_constant_features_tell_nothing() -> None:
    features, labels = problem(300)
    features[:] = 2.5
    found = made(*HEADS["nested"], like=choose(features, labels))
    head = fit_head(gather_from(features), found, labels, balanced=False, stream_above=0)
    shares = np.bincount(labels) / 300
    np.testing.assert_allclose(
        head.predict_proba(features[:1, found.columns])[0], shares, atol=0.05
    )
