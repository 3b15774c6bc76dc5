"""The confidence that is chosen keeps to what is said of it."""

from __future__ import annotations

import json
import time

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from photograft.classifier.uncertainty.abstaining import Abstention, _tail, choose_threshold
from photograft.core.errors import InputError
from photograft.core.statistics import wilson_interval


def choose(confidences: list[float], right: list[int], target: float) -> Abstention:
    return choose_threshold(np.array(confidences), np.array(right, np.bool_), target)


def drawn(n: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Confidences from 0.6 to 1 that are what they say: above t, (1 + t) / 2 are right."""
    rng = np.random.default_rng(seed)
    confidences = rng.uniform(0.6, 1, n)
    return confidences, rng.random(n) < confidences


def test_lowest_threshold_that_reaches_the_target_by_hand() -> None:
    found = choose([0.5, 0.9, 0.8, 0.6, 0.7], [0, 1, 1, 1, 0], 0.75)
    # From the top: right, right, wrong, right: 3 of 4; then wrong.
    assert found.threshold == found.reached_threshold == 0.6
    assert found.accuracy == 0.75
    assert found.share == found.reached_share == 0.8
    assert found.accuracy_interval == wilson_interval(3, 4)
    assert found.share_interval == wilson_interval(4, 5)
    assert (found.is_reached, found.is_shown, found.num_photos) == (True, False, 5)
    # Of all, 3 of 4 are right: no more than is asked, which no number of such photos can show; of
    # the two it is surest of, all are.
    assert found.more_photos is not None
    assert found.sentence == (
        "Not enough photos were held out to promise that 75% of its answers are right; about "
        f"{found.more_photos} more would do, if it does as well on them."
    )


def test_ties_are_answered_together() -> None:
    """The right one of two with the same confidence can't be answered without the wrong one."""
    for right in ([1, 0, 0], [0, 1, 0]):
        found = choose([0.9, 0.9, 0.5], right, 0.6)
        assert not found.is_reached
        assert (found.threshold, found.accuracy, found.share) == (0.9, 0.5, 2 / 3)
    found = choose([0.8] * 10, [1] * 9 + [0], 0.9)
    assert (found.threshold, found.accuracy, found.share) == (0.8, 0.9, 1.0)


@pytest.mark.parametrize(("n", "shown"), [(1, False), (30, False), (1000, True)])
def test_all_right(n: int, shown: bool) -> None:
    found = choose(np.linspace(0.5, 1, n).tolist(), [1] * n, 0.99)
    assert (found.is_reached, found.is_shown) == (True, shown)
    assert (found.accuracy, found.share) == (1.0, 1.0)
    assert found.threshold == 0.5


def test_all_wrong() -> None:
    found = choose([0.9, 0.8, 0.7], [0, 0, 0], 0.9)
    assert (found.is_reached, found.is_shown, found.reached_threshold) == (False, False, None)
    assert (found.accuracy, found.share, found.reached_share) == (0.0, 1.0, 0.0)
    assert found.sentence == (
        "However sure it is, fewer than 90% of its answers are right: at best 0% of those to the "
        "held-out photos were."
    )


@pytest.mark.parametrize("right", [0, 1])
def test_one_photo(right: int) -> None:
    found = choose([0.7], [right], 0.99)
    assert found.is_reached == bool(right)
    assert not found.is_shown
    assert (found.threshold, found.share, found.accuracy) == (0.7, 1.0, float(right))


def test_nearest_where_none_reaches_it() -> None:
    found = choose([0.9, 0.8, 0.7, 0.6], [0, 1, 1, 0], 0.9)
    assert not found.is_reached
    assert (found.threshold, found.accuracy) == (0.7, 2 / 3)


def test_shown_threshold_is_above_the_one_that_is_but_reached() -> None:
    confidences, right = drawn(2000, 0)
    found = choose_threshold(confidences, right, 0.9)
    assert found.is_reached
    assert found.is_shown
    assert found.reached_threshold is not None
    assert 0.75 < found.reached_threshold < found.threshold < 0.95
    assert found.share < found.reached_share
    assert found.accuracy > 0.9
    answered = confidences >= found.threshold
    assert found.accuracy == right[answered].mean()
    assert found.share == answered.mean()
    assert found.sentence == (
        f"Where it is at least {found.threshold:.1%} sure ({found.share:.1%} of photos), at least "
        "90% of its answers are right; leave the others to a person."
    )


@pytest.mark.parametrize(
    ("n", "wrong", "target"),
    [(60, [], 0.95), (100, [70], 0.95), (100, [70, 90], 0.99)],
)
def test_so_many_more_photos_would_show_it(n: int, wrong: list[int], target: float) -> None:
    """As many times the same answers show what these do not, and not much fewer do."""
    confidences, right = np.linspace(1, 0.5, n), np.ones(n, np.bool_)
    right[wrong] = False
    found = choose_threshold(confidences, right, target)
    assert (found.is_reached, found.is_shown) == (True, False)
    assert found.more_photos is not None

    def shown(total: int) -> bool:
        # Each answer so many times, as evenly as it goes, a mistake rather too often.
        times = np.diff(np.round(np.linspace(0, total, n + 1)).astype(int)) + ~right
        total = int(times.sum())
        near = np.linspace(0, 1e-9, total)  # none has the confidence of another
        many = np.repeat(confidences, times) - near
        return choose_threshold(many, np.repeat(right, times), target).is_shown

    needed = n + found.more_photos
    assert any(shown(total) for total in range(needed, needed + 5))
    assert not any(shown(total) for total in range(n, n + (found.more_photos - 10) // 2))


def test_how_many_more_where_no_number_would_do() -> None:
    certain = choose(np.linspace(0.5, 1, 50).tolist(), [1] * 50, 1.0)
    assert certain.more_photos is None
    assert certain.sentence == "No number of photos can promise that 100% of its answers are right."
    # All answers are equally sure, and exactly as many right as is asked.
    just = choose([0.8] * 10, [1] * 9 + [0], 0.9)
    assert just.more_photos is None
    assert just.sentence.endswith("it would take far more than can be had.")
    shown = choose(np.linspace(0.5, 1, 1000).tolist(), [1] * 1000, 0.9)
    assert shown.is_shown
    assert shown.more_photos is None


def test_shown_is_true_and_reached_is_a_guess() -> None:
    """On drawn photos the truth is known: 0.9 of those above 0.8 are right."""
    false, lucky, shown = 0, 0, 0
    for seed in range(300):
        found = choose_threshold(*drawn(500, seed), 0.9)
        shown += found.is_shown
        false += found.is_shown and found.threshold < 0.8
        lucky += found.reached_threshold is not None and found.reached_threshold < 0.8
    assert shown > 160
    assert false <= 20  # 15 on average at most
    assert lucky > 100


def test_a_confident_mistake_does_not_end_it() -> None:
    confidences = np.linspace(0.5, 1, 2000)
    right = np.ones(2000, np.bool_)
    right[[-1, -2]] = False
    found = choose_threshold(confidences, right, 0.99)
    assert found.is_shown
    assert found.share == 1


def test_certainty_is_never_shown() -> None:
    found = choose(np.linspace(0.5, 1, 5000).tolist(), [1] * 5000, 1.0)
    assert (found.is_reached, found.is_shown) == (True, False)


def test_no_target_is_met_by_all() -> None:
    found = choose([0.9, 0.6], [0, 0], 0.0)
    assert (found.is_reached, found.share) == (True, 1.0)


@pytest.mark.parametrize(("count", "right"), [(1, 1), (1, 0), (50, 47), (2000, 1990), (40, 0)])
def test_tail_is_the_binomial_one(count: int, right: int) -> None:
    for target in (0.5, 0.9, 0.999):
        expected = stats.binom.sf(right - 1, count, target)
        assert _tail(count, right, target) == pytest.approx(expected, rel=1e-9)


def test_order_does_not_matter_and_single_precision_is_kept() -> None:
    confidences, right = drawn(300, 1)
    single = confidences.astype(np.float32)
    order = np.random.default_rng(0).permutation(300)
    found = choose_threshold(single, right, 0.9)
    assert found == choose_threshold(single[order], right[order], 0.9)
    # The photo at the threshold is answered after a detour through JSON, too.
    again = Abstention.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again == found
    assert (single >= again.threshold).mean() == found.share


def test_json_where_nothing_is_reached() -> None:
    found = choose([0.9], [0], 0.9)
    assert Abstention.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_many_photos_are_quick() -> None:
    confidences, right = drawn(20_000, 0)
    start = time.perf_counter()
    assert choose_threshold(confidences, right, 0.9).is_shown
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    ("confidences", "right", "target", "message"),
    [
        ([], [], 0.9, "there are no held-out photos"),
        ([0.5], [1, 0], 0.9, "belong to every photo"),
        ([float("nan")], [1], 0.9, "belong to every photo"),
        ([0.5], [1], 1.1, "the least accuracy can't be 1.1"),
        ([0.5], [1], -0.1, "the least accuracy can't be -0.1"),
        ([0.5], [1], float("nan"), "the least accuracy can't be nan"),
    ],
)
def test_what_can_not_be_chosen_from(
    confidences: list[float], right: list[int], target: float, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        choose(confidences, right, target)
