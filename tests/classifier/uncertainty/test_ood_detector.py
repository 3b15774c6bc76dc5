"""None of these: what lies far scores high, thresholds keep what they say, odd sets get answers."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load, save

from photograft.classifier.uncertainty.ood_detector import OODDetector
from photograft.classifier.uncertainty.ood_fitting import ValidationPhotos, fit_ood_detector
from photograft.core.errors import InputError
from photograft.features.similarity import unit_rows

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

#: Two early layers that are not used, and three that are.
WIDTHS = (4, 4, 20, 30, 40)
WIDTH = sum(WIDTHS)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def draw(
    rng: np.random.Generator, per_class: int, *, first: int = 0, noise: float = 0.3
) -> tuple[Floats, Labels]:
    """Rows about two centres; `first` names the centres, and 0 those of the known classes."""
    centres = generator(100 + first).gamma(1.0, size=(2, WIDTH))
    labels = np.repeat(np.arange(2), per_class)
    rows = centres[labels] + noise * rng.standard_normal((len(labels), WIDTH))
    return np.maximum(rows, 0).astype(np.float32), labels


def sure(n: int, p: float = 0.9) -> Floats:
    return np.tile(np.log(np.array([p, 1 - p], np.float32)), (n, 1))


def fit(rows: Floats, labels: Labels, groups: Labels | None = None) -> OODDetector:
    groups = np.arange(len(rows)) if groups is None else groups
    return fit_ood_detector(rows, labels, groups, sure(len(rows)), widths=WIDTHS, rng=generator())


def test_foreign_photos_score_higher_than_own() -> None:
    rows, labels = draw(generator(1), 100)
    detector = fit(rows, labels)
    own = detector.scores(draw(generator(2), 100)[0], sure(200))
    foreign = detector.scores(draw(generator(3), 100, first=1)[0], sure(200))
    assert own.dtype == foreign.dtype == np.float32
    assert foreign.min() > own.max()


@pytest.mark.parametrize("kept", [0.5, 0.8, 0.95])
def test_a_threshold_keeps_the_share_of_new_own_photos_that_was_asked_for(kept: float) -> None:
    rows, labels = draw(generator(1), 300)
    detector = fit(rows, labels)
    own = detector.scores(draw(generator(2), 1000)[0], sure(2000))
    assert np.mean(own <= detector.threshold(kept)) == pytest.approx(kept, abs=0.05)


def test_the_share_that_was_kept_is_that_of_the_held_out_photos() -> None:
    detector = fit(*draw(generator(1), 50))
    kept = detector.share_kept(detector.threshold(0.9))
    assert kept.num_photos == 100
    assert kept.share == pytest.approx(0.91)  # the 91st of 100, as the new one counts, too
    assert kept.interval[0] < 0.91 < kept.interval[1]
    assert detector.share_kept(detector.threshold(1)).share == 1
    assert detector.share_kept(-1e6).share == 0


@pytest.mark.parametrize("kept", [0, -0.1, 1.01, float("nan")])
def test_no_share_is_refused(kept: float) -> None:
    detector = fit(*draw(generator(1), 5))
    with pytest.raises(InputError, match="above 0, at most 1"):
        detector.threshold(kept)


def test_doubt_of_the_head_makes_a_photo_more_novel() -> None:
    rows, labels = draw(generator(1), 20)
    detector = fit(rows, labels)
    assert (detector.scores(rows, sure(40, 0.5)) > detector.scores(rows, sure(40, 0.99))).all()


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_duplicates_do_not_make_own_photos_seem_nearer_than_new_ones_are(noise: float) -> None:
    """Each photo comes three times, in a group or not: new photos come without a double."""
    rows, labels = draw(generator(1), 60)
    again = np.tile(rows, (3, 1)) + noise * generator(4).random((360, WIDTH), np.float32)
    own, logs = draw(generator(2), 500)[0], sure(1000)
    for groups in (np.tile(np.arange(120), 3), np.arange(360)):
        detector = fit(again, np.tile(labels, 3), groups)
        assert np.mean(detector.scores(own, logs) <= detector.threshold(0.9)) > 0.8


def test_photos_of_a_group_do_not_vouch_for_each_other() -> None:
    """Bursts: ten photos of each scene are alike, and new scenes are not."""
    rng = generator(1)
    scenes, labels = draw(rng, 30)
    jitter = 0.2 * rng.standard_normal((600, WIDTH)).astype(np.float32)
    burst = np.maximum(np.repeat(scenes, 10, axis=0) + jitter, 0)
    groups = np.repeat(np.arange(60), 10)
    own, logs = draw(generator(2), 300, noise=0.36)[0], sure(600)

    def kept(groups: Labels) -> float:
        detector = fit(burst, np.repeat(labels, 10), groups)
        return float(np.mean(detector.scores(own, logs) <= detector.threshold(0.9)))

    assert kept(groups) > 0.8 > kept(np.arange(600))


def test_held_out_photos_alone_set_the_threshold_where_there_are_enough() -> None:
    rows, labels = draw(generator(1), 60)
    wide = draw(generator(2), 60, noise=0.6)[0]
    groups = np.arange(120)

    def fitted(count: int, own: Floats | None) -> OODDetector:
        held_out = ValidationPhotos(wide[:count], sure(count), labels[:count])
        return fit_ood_detector(
            rows, labels, groups, own, widths=WIDTHS, held_out=held_out, rng=generator()
        )

    assert len(fitted(120, sure(120)).held_out) == 120
    assert len(fitted(20, sure(120)).held_out) == 140
    # A network that learned from its photos: they can't stand for new ones.
    assert len(fitted(20, None).held_out) == 20
    for detector in (fitted(120, sure(120)), fitted(20, sure(120)), fitted(20, None)):
        assert len(detector.left_out) == len(detector.held_out)


def alike(seed: int, per_class: int) -> tuple[Floats, Labels, Floats]:
    """Rows of three classes that overlap, and a head's log-probabilities of them."""
    centres = generator(7).gamma(1.0, size=WIDTH) + 0.25 * generator(8).random((3, WIDTH))
    labels = np.repeat(np.arange(3), per_class)
    rows = centres[labels] + 0.2 * generator(seed).standard_normal((len(labels), WIDTH))
    own = np.eye(3, dtype=np.float32)[labels]
    return np.maximum(rows, 0).astype(np.float32), labels, np.log(0.05 + np.float32(0.85) * own)


def test_what_a_class_that_is_not_known_lets_through() -> None:
    """As measured by leaving each class out of training in turn."""
    rows, labels, logs = alike(1, 200)
    new, new_labels, said_of_new = alike(2, 200)
    numbers = np.arange(len(labels))

    def learn(known: npt.NDArray[np.bool_], own: npt.NDArray[np.bool_]) -> OODDetector:
        held_out = ValidationPhotos(new[own], said_of_new[own], new_labels[own])
        return fit_ood_detector(
            rows[known],
            labels[known],
            numbers[known],
            logs[known],
            widths=WIDTHS,
            held_out=held_out,
            rng=generator(),
        )

    detector = learn(labels >= 0, new_labels >= 0)
    shares = []
    for kept in (0.5, 0.8, 0.95):
        threshold = detector.threshold(kept)
        said = detector.let_through(threshold)
        assert said is not None
        assert said.num_photos == len(new)
        assert said.interval[0] <= said.share <= said.interval[1]
        passed = []
        for c in range(3):
            partial = learn(labels != c, new_labels != c)
            # Of two classes as likely as each other; none was learned of the third.
            doubtful = np.full((200, 2), np.log(0.5), np.float32)
            scores = partial.scores(new[new_labels == c], doubtful)
            passed.append(float(np.mean(scores <= partial.threshold(kept))))
        assert said.share == pytest.approx(np.mean(passed), abs=0.1)
        shares.append(said.share)
    assert 0.02 < shares[0] < shares[1] < shares[2] < 0.98


def test_of_one_class_nothing_is_left_out() -> None:
    rows, _ = draw(generator(1), 60)
    detector = fit(rows, np.zeros(len(rows), np.int64), np.arange(len(rows)))
    assert detector.let_through(detector.threshold()) is None


def test_what_is_saved_answers_the_same() -> None:
    rows, labels = draw(generator(1), 100)
    detector = fit(rows, labels)
    tensors = load(save(detector.tensors()))
    again = OODDetector.from_tensors(tensors)
    new = draw(generator(2), 50)[0]
    assert np.array_equal(again.scores(new, sure(100)), detector.scores(new, sure(100)))
    assert again.threshold(0.8) == detector.threshold(0.8)
    assert tensors["held_out"].dtype == np.float32
    with pytest.raises(KeyError):
        OODDetector.from_tensors({name: t for name, t in tensors.items() if name != "radii"})


def test_the_same_seed_gives_the_same() -> None:
    rows, labels = draw(generator(1), 40)
    first, second = fit(rows, labels), fit(rows, labels)
    for name, tensor in first.tensors().items():
        assert np.array_equal(tensor, second.tensors()[name])


def test_two_photos_a_class() -> None:
    rows, labels = draw(generator(1), 2)
    detector = fit(rows, labels)
    foreign = draw(generator(3), 20, first=1)[0]
    assert (detector.scores(foreign, sure(40)) > detector.threshold()).all()


def test_all_photos_one_group() -> None:
    rows, labels = draw(generator(1), 10)
    detector = fit(rows, labels, np.zeros(20, np.int64))
    assert np.isfinite(detector.scores(rows, sure(20))).all()
    foreign = draw(generator(3), 20, first=1)[0]
    assert (detector.scores(foreign, sure(40)) > detector.threshold()).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_features_that_are_all_the_same(value: float) -> None:
    rows = np.full((10, WIDTH), value, np.float32)
    detector = fit(rows, np.arange(10) % 2)
    assert np.isfinite(detector.held_out).all()
    assert (detector.scores(rows, sure(10)) <= detector.threshold()).all()


def test_one_photo() -> None:
    rows, labels = draw(generator(1), 1)
    detector = fit(rows[:1], labels[:1])
    assert detector.scores(rows[:1], sure(1)) <= detector.threshold()


def test_nothing_held_out_is_refused() -> None:
    rows, labels = draw(generator(1), 5)
    with pytest.raises(InputError, match="held-out"):
        fit_ood_detector(rows, labels, np.arange(10), None, widths=WIDTHS, rng=generator())


def test_layers_have_the_same_say_whatever_their_size() -> None:
    rows = np.concatenate([100 * np.ones((1, 3)), np.ones((1, 2))], axis=1).astype(np.float32)
    units = unit_rows(rows, np.array([[0, 3], [3, 5]]))
    assert np.square(units[0, :3]).sum() == pytest.approx(0.5)
    assert np.square(units[0, 3:]).sum() == pytest.approx(0.5)


def test_many_photos_are_quick_and_small() -> None:
    rng = generator(1)
    rows = rng.random((5000, 1792), np.float32)
    labels = np.where(np.arange(5000) < 30, 1, 0)
    widths = (16, 24, 40, 112, 320, 1280)
    start = time.thread_time()
    detector = fit_ood_detector(
        rows, labels, np.arange(5000), sure(5000), widths=widths, rng=generator()
    )
    assert time.thread_time() - start < 10  # a second on an idle core
    assert sum(tensor.nbytes for tensor in detector.tensors().values()) < 2_000_000
    # The rarest class is carried along whole.
    assert (detector.scores(rows[:30], sure(30)) < detector.threshold()).all()
