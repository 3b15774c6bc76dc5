"""Learning curves: who is learned from and scored, what comes of odd sets, command and picture."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import typer
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from photograft.backbones.registry import Layer
from photograft.core.errors import DatasetError, InputError
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.evaluation.learning_curve.curve import LearningCurve
from photograft.evaluation.learning_curve.measuring import measure_learning_curve
from photograft.evaluation.learning_curve.subsets import choose_penalties, make_subsets
from photograft.interfaces.cli.commands import learning_curve as learning_commands
from photograft.interfaces.cli.views.learning_curve import show_learning_curve
from photograft.learning.job import Job
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig
from photograft.report.plots.learning_curve import _smooth, draw_learning_curve
from sheet_helpers import check_texts, sheets_kept

Indices = npt.NDArray[np.int64]


def keys_of(n: int) -> list[bytes]:
    return [i.to_bytes(32, "big") for i in range(n)]


@dataclass
class DrawnJob:
    """As much of a `Job` as a learning curve asks for, on features that are given."""

    x: npt.NDArray[np.float32]
    y: Indices
    group: Indices
    config: TrainConfig = field(default_factory=TrainConfig)
    progress: Silent = field(default_factory=Silent)

    @property
    def num_classes(self) -> int:
        return int(self.y.max()) + 1

    @property
    def dataset(self) -> Any:
        names = tuple(f"c{c}" for c in range(self.num_classes))
        return SimpleNamespace(name="drawn", class_names=names)

    @property
    def backbone(self) -> Any:
        return SimpleNamespace(name="none", layers=[Layer("last", self.x.shape[1])])

    def part(self, part: str) -> slice:
        """One photo in ten is for validation."""
        return slice(len(self.y) // 10, None) if part == "train" else slice(0, len(self.y) // 10)

    def labels(self, part: str) -> Indices:
        return self.y[self.part(part)]

    def groups(self, part: str) -> Indices:
        return self.group[self.part(part)]

    def digests(self, part: str) -> list[bytes]:
        return keys_of(len(self.y))[self.part(part)]

    def features(self) -> Any:
        def rows(digests: list[bytes], columns: Any) -> npt.NDArray[np.float32]:
            return self.x[[int.from_bytes(digest, "big") for digest in digests]][:, columns]

        return SimpleNamespace(rows=rows)


def drawn_job(
    counts: tuple[int, ...] = (60, 60), *, apart: float = 1.0, width: int = 20, seed: int = 0
) -> Job:
    """Gaussian classes, `apart` standard deviations of each feature's noise from each other."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    centres = rng.normal(size=(len(counts), width)) * apart / np.sqrt(2)
    x = (centres[y] + rng.normal(size=(len(y), width))).astype(np.float32)
    return cast("Job", DrawnJob(x, y, np.arange(len(y))))


def curve_of(job: Job, **settings: Any) -> LearningCurve:
    return measure_learning_curve(job, **{"num_seeds": 5, **settings})


@pytest.fixture(scope="module")
def curve() -> LearningCurve:
    return curve_of(drawn_job((120, 80, 40), apart=0.6), num_seeds=10)


def grouped_labels() -> tuple[Indices, Indices]:
    """Three classes, 90 photos in groups of three of one class, 60 alone."""
    labels = np.concatenate([np.repeat(np.arange(30) % 3, 3), np.arange(60) % 3])
    groups = np.concatenate([np.repeat(np.arange(30), 3), 30 + np.arange(60)])
    return labels.astype(np.int64), groups.astype(np.int64)


def test_subsets_are_nested_and_never_hold_what_is_held_out() -> None:
    labels, groups = grouped_labels()
    subsets = make_subsets(labels, groups, keys_of(150), num_seeds=10, seed=0)
    assert len(subsets.sizes) > 4
    assert (np.diff(subsets.sizes) > 0).all()
    assert not (subsets.train[:-1] & ~subsets.train[1:]).any()
    assert not (subsets.train & subsets.held_out).any()
    np.testing.assert_array_equal(subsets.train[-1], ~subsets.held_out)
    assert (subsets.held_out[:5].sum(axis=0) == 1).all()
    assert (subsets.held_out[5:].sum(axis=0) == 1).all()
    assert (subsets.held_out[:5] != subsets.held_out[5:]).any()


def test_no_group_is_split() -> None:
    labels, groups = grouped_labels()
    subsets = make_subsets(labels, groups, keys_of(150), num_seeds=5, seed=0)
    for rows in [*subsets.held_out, *subsets.train.reshape(-1, 150)]:
        inside = np.bincount(groups[rows], minlength=90)
        assert set(inside[:30].tolist()) <= {0, 3}


def test_subsets_are_stratified() -> None:
    labels = np.repeat([0, 1, 2], [300, 150, 60]).astype(np.int64)
    subsets = make_subsets(labels, np.arange(510), keys_of(510), num_seeds=5, seed=0)
    for train in subsets.train[2:].reshape(-1, 510):
        counts = np.bincount(labels[train], minlength=3)
        assert np.abs(counts - train.sum() * np.array([300, 150, 60]) / 510).max() <= 2
    smallest = [np.bincount(labels[train], minlength=3) for train in subsets.train[0]]
    assert np.min(smallest) >= 2
    assert np.sum(smallest, axis=1).max() <= 12


def test_another_seed_deals_otherwise() -> None:
    labels, groups = grouped_labels()
    one, again, other = (
        make_subsets(labels, groups, keys_of(150), num_seeds=5, seed=s) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.train, again.train)
    assert (one.held_out != other.held_out).any()


def test_one_group_of_everything_is_refused() -> None:
    with pytest.raises(DatasetError, match="held out"):
        make_subsets(
            np.array([0, 1] * 10), np.zeros(20, np.int64), keys_of(20), num_seeds=5, seed=0
        )


def test_what_is_held_out_was_not_learned_from() -> None:
    """Labels without rhyme, and more features than photos: whoever has seen them knows them."""
    job = drawn_job((60, 60), apart=0.0, width=200)
    accuracy = curve_of(job).overall
    assert (accuracy > 0.3).all()
    assert (accuracy < 0.7).all()


def test_penalties_are_chosen_without_the_photos_that_they_are_scored_on() -> None:
    rng = np.random.default_rng(0)
    held_out = np.zeros((4, 40), np.bool_)
    for j in range(4):
        held_out[j, (20 * (j % 2)) : (20 * (j % 2) + 20)] = True
    losses = rng.random((6, 4, 40))
    chosen = choose_penalties([losses], held_out)
    tempting = losses.copy()
    tempting[5, :, held_out[0]] = -100  # very good on the photos of the first and third seeds
    changed = choose_penalties([tempting], held_out)
    assert (chosen[0, [0, 2]] == changed[0, [0, 2]]).all()
    assert (changed[0, [1, 3]] == 5).all()


def test_more_photos_do_better_and_more_is_promised(curve: LearningCurve) -> None:
    assert curve.num_photos == 240
    assert curve.overall[-1] > curve.overall[0] + 0.1
    assert curve.log_loss[-1].mean() < curve.log_loss[0].mean()
    assert curve.accuracy.shape == curve.penalties.shape == (len(curve.sizes), 10)
    assert curve.recall.shape == (len(curve.sizes), 3)
    assert [forecast.multiple for forecast in curve.forecasts] == [1.5, 2, 4, 10]
    for forecast in curve.forecasts:
        assert 0 <= forecast.low <= forecast.accuracy <= forecast.high <= 1
        assert forecast.num_photos == round(forecast.multiple * curve.sizes[-1])
    np.testing.assert_allclose(curve.recall[-1] @ [120, 80, 40] / 240, curve.overall[-1], atol=1e-9)


def test_the_answer_is_a_sentence(curve: LearningCurve) -> None:
    first, *_, last = curve.sentences()
    double = curve.forecasts[1]
    assert first.startswith(f"Twice as many photos: {double.accuracy:.1%} (80% interval")
    assert f"now {curve.overall[-1]:.1%}" in first
    assert "can't know" in last


@pytest.mark.parametrize(
    ("now", "said"),
    [(0.80, "80.0%: +5.0 points."), (0.85, "a gain too small"), (0.90, "than now, some of which")],
)
def test_the_answer_says_what_is_gained(curve: LearningCurve, now: float, said: str) -> None:
    ahead = tuple(replace(forecast, accuracy=0.85) for forecast in curve.forecasts)
    assert said in replace(curve, overall=np.array([0.5, now]), forecasts=ahead).sentences()[0]


def test_no_zero_has_a_sign(curve: LearningCurve) -> None:
    gains = tuple(replace(gain, gain=-1e-6, low=-2e-4, high=1e-5) for gain in curve.classes)
    stream = io.StringIO()
    show_learning_curve(Console(file=stream, width=80), replace(curve, classes=gains))
    assert "0.0 to 0.0" in stream.getvalue()
    assert not {"+0.0", "-0.0"} & set(stream.getvalue().split())


def test_the_band_of_few_photos_is_smooth_and_ends_where_it_did() -> None:
    edge = 0.9 + 0.02 * np.round(np.linspace(0, 3, 24))
    smooth = _smooth(edge)
    assert smooth[[0, -1]] == pytest.approx(edge[[0, -1]])
    assert np.abs(np.diff(smooth)).max() < 0.5 * np.abs(np.diff(edge)).max()


def test_the_same_seed_gives_the_same_curve() -> None:
    one, again, other = (curve_of(drawn_job(), seed=s) for s in (0, 0, 1))
    assert one.to_json() == again.to_json()
    assert one.to_json() != other.to_json()


def test_the_class_that_is_hard_has_most_to_gain() -> None:
    """Two classes hard to tell apart; two that are never mistaken."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 150)
    centres = np.zeros((4, 170))
    centres[2, :10], centres[3, 10:20], centres[1, 20:] = 5, 5, 0.25
    x = (centres[y] + rng.normal(size=(600, 170))).astype(np.float32)
    order = rng.permutation(600)
    found = curve_of(cast("Job", DrawnJob(x[order], y[order], np.arange(600))))
    assert {gain.name for gain in found.classes if gain.stands_out} == {"c0", "c1"}
    assert [gain.stands_out for gain in found.classes] == [True, True, False, False]
    named = [f"{gain.name} ({100 * gain.gain:+.1f})" for gain in found.classes[:2]]
    assert f"Most to gain, in points: {', '.join(named)}." in found.sentences()


def test_classes_that_noise_swamps_are_not_told_apart() -> None:
    found = curve_of(drawn_job((15, 15), apart=0.4))
    assert not any(gain.stands_out for gain in found.classes)
    assert any("can't be told apart" in line for line in found.sentences())


@pytest.mark.parametrize("counts", [(2, 2), (3, 2), (200, 2), (2, 2, 2), (5, 4)])
def test_tiny_classes_are_borne(counts: tuple[int, ...], tmp_path: Path) -> None:
    found = curve_of(drawn_job(counts), num_seeds=10)
    json.dumps(found.to_json(), allow_nan=False)
    double = found.forecasts[1]
    assert 0 <= double.low <= double.accuracy <= double.high <= 1
    if max(counts) < 10:
        assert any("sizes could be measured" in line for line in found.sentences())
        assert double.high - double.low > 0.05
    draw_learning_curve(found, tmp_path / "curve.png")
    show_learning_curve(Console(file=io.StringIO()), found)


def test_perfection_is_not_boasted_of() -> None:
    found = curve_of(drawn_job((40, 40), apart=8.0))
    assert found.overall[-1] == 1
    assert found.forecasts[1].low < 1
    assert any("No photo was answered wrongly" in line for line in found.sentences())


def test_more_photos_narrow_the_interval() -> None:
    widths = []
    for n in (20, 300):
        double = curve_of(drawn_job((n, n), apart=0.5)).forecasts[1]
        widths.append(double.high - double.low)
    assert widths[0] > 1.5 * widths[1]


@pytest.mark.parametrize("settings", [{"num_seeds": 0}, {"multiples": (0.5,)}])
def test_numbers_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        measure_learning_curve(drawn_job(), **settings)


def test_balanced_classes_get_the_same_say() -> None:
    job = drawn_job((300, 30), apart=0.5)
    plain = curve_of(job)
    job = cast("Job", replace(cast("Any", job), config=TrainConfig(class_weight="balanced")))
    balanced = curve_of(job)
    assert balanced.recall[-1, 1] > plain.recall[-1, 1]


def test_the_table_holds_every_size_and_seed(curve: LearningCurve) -> None:
    rows = curve.rows()
    assert len(rows) == curve.accuracy.size
    assert float(rows[-1]["accuracy"]) == pytest.approx(curve.accuracy[-1, -1], abs=1e-6)
    assert float(rows[0]["recall c2"]) == pytest.approx(curve.recall_by_seed[0, 0, 2], abs=1e-6)


def test_the_picture_is_drawn(curve: LearningCurve, tmp_path: Path) -> None:
    draw_learning_curve(curve, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.width > 1200
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)):
        assert (pixels == colour).all(axis=1).sum() > 100


def test_odd_names_and_many_classes_are_drawn(
    curve: LearningCurve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = curve_of(drawn_job((8,) * 12, apart=2.0))
    names = {name: f"_${name}" for name in found.class_names}
    gains = tuple(replace(gain, name=names[gain.name]) for gain in found.classes)
    odd = replace(found, name="a$b_c", class_names=tuple(names.values()), classes=gains)
    sheets = sheets_kept(monkeypatch)
    draw_learning_curve(odd, tmp_path / "curve.png")
    (sheet,) = sheets
    check_texts(sheet)
    said = [text for text, _, _ in sheet.boxes]
    assert {"_$c0", "5 others"} <= {*said}
    with pytest.raises(InputError, match="png"):
        draw_learning_curve(curve, tmp_path / "curve.jpg")


@pytest.mark.usefixtures("warm_cache")
def test_the_command_measures_draws_and_tells(photos: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(learning_commands.learning_curve)
    picture, table = tmp_path / "curve.png", tmp_path / "curve.csv"
    arguments = [str(photos), "--seeds", "5", "-o", str(picture), "--table", str(table)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "Twice as many photos" in done.output
    assert "triangle" in done.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert table.read_text("utf-8-sig").startswith("photos,seed,accuracy")
    wrong = CliRunner().invoke(app, [str(photos), "-o", str(tmp_path / "curve.gif")])
    assert isinstance(wrong.exception, InputError)


@pytest.mark.usefixtures("warm_cache")
def test_the_command_takes_answers_and_groups(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    def measure(job: Job, **settings: Any) -> LearningCurve:
        jobs.append(job)
        return measure_learning_curve(job, **settings)

    monkeypatch.setattr("photograft.workflows.learning_curve.measure_learning_curve", measure)
    app = typer.Typer()
    app.command()(learning_commands.learning_curve)
    out = str(tmp_path / "curve.png")
    left_out = prepare(str(photos), TrainConfig(), store=FeatureStore(), progress=Silent())
    name = left_out.dataset.photos[0].name
    answers = tmp_path / "findings.csv"
    answers.write_text(f"name,action,value\n{name},exclude,\n", encoding="utf-8")
    arguments = [str(photos), "--seeds", "5", "-o", out, "--corrections", str(answers)]
    options = ["--group-by", r"(\d)\.\w+$", "--near-duplicates", "ignore"]  # by its last digit
    done = CliRunner().invoke(app, [*arguments, *options])
    assert done.exit_code == 0, done.output
    (job,) = jobs
    assert name not in {photo.name for photo in job.dataset.photos}
    assert len(job.dataset.photos) == len(left_out.dataset.photos) - 1
    assert len(set(job.groups("train"))) <= 10 < len(set(left_out.groups("train")))


@pytest.mark.usefixtures("warm_cache")
def test_the_test_part_is_not_used(photos: Path) -> None:
    job = prepare(str(photos), TrainConfig(), store=FeatureStore(), progress=Silent())
    assert len(job.split.test)
    asked: set[bytes] = set()
    table = job.features()

    def rows(digests: list[bytes], columns: Any) -> npt.NDArray[np.float32]:
        asked.update(digests)
        return table.rows(digests, columns)

    watched = replace(job, table=cast("Any", SimpleNamespace(rows=rows)))
    found = measure_learning_curve(watched, num_seeds=5)
    assert asked == set(job.digests("train")) | set(job.digests("validation"))
    assert found.num_photos == len(asked)
