"""Comparisons from end to end: what is tried, kept, chosen, and never done twice."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawing import MakePhotos
from photograft import cli, comparison, race, trials
from photograft.candidates import Candidate, Shelf, Trial, make_candidates
from photograft.compare_command import seconds_of
from photograft.comparison import Comparison, compare
from photograft.config import Preprocessing, TrainConfig
from photograft.errors import InputError, StorageError, UnknownNameError
from photograft.leaderboard import choose, make_rows
from photograft.runs import Run
from photograft.store import FeatureStore
from photograft.strategies import base
from system_helpers import Recorder
from training_helpers import TINY, TINY_NORM, tiny_config

CONFIG = TrainConfig(
    weights="random",
    engine="torch",
    precision="fp32",
    validation=0.2,
    test=0.2,
    preprocessing=Preprocessing(input_size=32),
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from drawing import draw_folder

    return draw_folder(tmp_path_factory.mktemp("compared") / "shapes", n=20, size=40)


def stored(*backbones: str, strategies: tuple[str, ...] = ("features",)) -> list[Candidate]:
    return make_candidates(backbones, strategies, [], CONFIG)


def run(
    source: Path, out: Path, cache: Path, candidates: list[Candidate], **options: Any
) -> Comparison:
    return compare(source, candidates, CONFIG, out=out, store=FeatureStore(cache), **options)


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of candidates that are tried from now on."""
    seen: list[str] = []
    for name in ("try_stored", "try_folds"):
        before: Callable[..., Any] = getattr(trials, name)

        def tried(bench: Any, candidate: Candidate, *rest: Any, _go: Any = before) -> Any:
            seen.append(candidate.name)
            return _go(bench, candidate, *rest)

        monkeypatch.setattr(race, name, tried)
    return seen


def test_comparison_folder(photos: Path, tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "out"
    found = run(photos, out, cache, stored(TINY, TINY_NORM), command="photograft compare it")
    info = json.loads((out / "comparison.json").read_text())
    assert info == found.info
    assert {row["id"] for row in info["candidates"]} == {
        f"{TINY} features",
        f"{TINY_NORM} features",
    }
    assert {row["status"] for row in info["candidates"]} == {"complete"}
    assert {row["verdict"] for row in info["candidates"]} == {"best", "tie"}
    assert info["folds"] == {"num_folds": 5, "num_repeats": 2, "num_photos": 32}
    for row in info["candidates"]:
        low, high = row["accuracy_interval"]
        assert low <= row["accuracy"] <= high
        assert row["overfitting"] == pytest.approx(row["train_accuracy"] - row["accuracy"])
        assert row["num_params"] == row["num_trainable"] + row["num_non_trainable"]
        assert row["num_bytes"] == 4 * row["num_params"]
        assert min(row["multiply_adds"], row["ms_per_photo"], row["train_seconds"]) > 0
    assert len((out / "leaderboard.csv").read_text().splitlines()) == 3
    assert "<html" in (out / "report.html").read_text()
    assert info["command"] == "photograft compare it"
    assert info["verdict"].startswith(info["winner"])
    assert "test photos" in info["verdict"]
    # The chosen one learned from all photos but the test's, and is a run like any other.
    classifier = Run.load(out / "run").classifier
    assert [classifier.backbone.name, *classifier.class_names] == [
        info["winner"].removesuffix(" features"),
        "circle",
        "square",
    ]
    assert found.run.metrics["validation"] is None
    assert found.run.metrics["test"]["num_photos"] == 8
    assert found.run.info["data"]["class_counts"]["train"] == [16, 16]


def test_second_call_does_only_what_is_new(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    seen = watch(monkeypatch)
    first = run(photos, out, cache, stored(TINY))
    before = (out / "run" / "run.json").stat().st_mtime_ns
    again = run(photos, out, cache, stored(TINY))
    assert seen == [f"{TINY} features"]
    assert again.info["candidates"] == first.info["candidates"]
    assert (out / "run" / "run.json").stat().st_mtime_ns == before
    more = run(photos, out, cache, stored(TINY, TINY_NORM))
    assert seen == [f"{TINY} features", f"{TINY_NORM} features"]
    kept = next(row for row in more.info["candidates"] if row["backbone"] == TINY)
    figures = {k: v for k, v in kept.items() if k not in ("verdict", "difference_interval")}
    old = first.info["candidates"][0]
    assert {k: old[k] for k in ("accuracy", "log_loss", "ms_per_photo")}.items() <= figures.items()


def test_interrupted_comparison_goes_on(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    whole = run(photos, tmp_path / "whole", cache, stored(TINY, TINY_NORM))
    real = trials.try_stored

    def stop(bench: Any, candidate: Candidate) -> Any:
        if candidate.config.backbone == TINY_NORM:
            raise KeyboardInterrupt
        return real(bench, candidate)

    monkeypatch.setattr(race, "try_stored", stop)
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, cache, stored(TINY, TINY_NORM))
    monkeypatch.setattr(race, "try_stored", real)
    seen = watch(monkeypatch)
    found = run(photos, out, cache, stored(TINY, TINY_NORM))
    assert seen == [f"{TINY_NORM} features"]
    timed = ("ms_per_photo", "train_seconds")
    for one, other in zip(whole.info["candidates"], found.info["candidates"], strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {
            k: v for k, v in other.items() if k not in timed
        }
    assert found.info["winner"] == whole.info["winner"]
    assert found.run.metrics == whole.run.metrics


def test_damaged_trial_is_done_again(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = run(photos, out, cache, stored(TINY))
    (path,) = (out / "candidates").iterdir()
    path.write_text(path.read_text()[:-40])
    seen = watch(monkeypatch)
    assert run(photos, out, cache, stored(TINY)).info["winner"] == first.info["winner"]
    assert seen == [f"{TINY} features"]


def test_other_photos_are_another_comparison(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, other = tmp_path / "out", tmp_path / "shapes"
    shutil.copytree(photos, other)
    run(photos, out, cache, stored(TINY))
    (other / "circle" / "00.jpg").unlink()
    seen = watch(monkeypatch)
    found = run(other, out, cache, stored(TINY))
    assert seen == [f"{TINY} features"]
    assert found.info["data"]["num_photos"] == 39


def test_the_test_is_no_part_of_the_choice(photos: Path, tmp_path: Path, cache: Path) -> None:
    """Wrong labels on all test photos change the score at the end, and nothing before."""
    given = tmp_path / "given"
    for part, numbers in (("train", range(16)), ("test", range(16, 20))):
        for name in ("circle", "square"):
            (given / part / name).mkdir(parents=True)
            for i in numbers:
                shutil.copy(photos / name / f"{i:02}.jpg", given / part / name)
    wrong = tmp_path / "wrong"
    shutil.copytree(given, wrong)
    (wrong / "test" / "circle").rename(wrong / "test" / "x")
    (wrong / "test" / "square").rename(wrong / "test" / "circle")
    (wrong / "test" / "x").rename(wrong / "test" / "square")
    names = stored(TINY, TINY_NORM)
    right, false = (run(s, tmp_path / f"{s.name}-out", cache, names) for s in (given, wrong))
    keys = ("id", "accuracy", "log_loss", "verdict", "chosen")
    assert [[row[k] for k in keys] for row in right.info["candidates"]] == [
        [row[k] for k in keys] for row in false.info["candidates"]
    ]
    assert right.info["winner"] == false.info["winner"]
    assert right.run.metrics["test"]["accuracy"] == pytest.approx(
        1 - false.run.metrics["test"]["accuracy"]
    )


def test_new_winner_is_said_to_wear_the_test_out(photos: Path, tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "out"
    first = run(photos, out, cache, stored(TINY_NORM))
    assert first.info["tested"] == [f"{TINY_NORM} features"]
    assert not any("winners" in text for text in first.info["warnings"])
    second = run(photos, out, cache, stored(TINY))
    assert second.info["tested"] == [f"{TINY_NORM} features", f"{TINY} features"]
    assert any("2 winners" in text for text in second.info["warnings"])
    assert second.run.info["backbone"]["name"] == TINY


def test_dearer_strategies_and_recipes(photos: Path, tmp_path: Path, cache: Path) -> None:
    candidates = stored(TINY, strategies=("features", "features+augment"))
    config = tiny_config("finetune", unfreeze="1", keep="always", loop={"epochs": 2})
    candidates.append(Candidate(replace(config, weights="random")))
    scratch = tiny_config("scratch", keep="always", loop={"epochs": 2})
    candidates.append(Candidate(scratch))
    found = run(photos, tmp_path / "out", cache, candidates, prefer="accuracy")
    rows = {row["strategy"]: row for row in found.info["candidates"]}
    assert {row["status"] for row in rows.values()} <= {"complete", "partial"}
    assert rows["features+augment"]["chosen"]["num_views"] > 1
    assert rows["finetune"]["folds_done"] >= 1
    assert rows["finetune"]["num_trainable"] > rows["features"]["num_trainable"]
    assert rows["scratch"]["num_trainable"] == rows["scratch"]["num_params"]
    assert rows["finetune"]["num_photos"] <= 32


def test_folds_of_a_training_are_kept_one_by_one(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny_config("scratch", keep="always", loop={"epochs": 1}), backbone=TINY)
    candidates, out = [Candidate(config)], tmp_path / "out"
    whole = run(photos, tmp_path / "whole", cache, candidates)
    real, calls = base.probabilities, itertools.count()

    def stop(job: Any, classifier: Any, part: str) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real(job, classifier, part)

    monkeypatch.setattr(trials, "probabilities", stop)
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, cache, candidates)
    (path,) = (out / "candidates").iterdir()
    assert json.loads(path.read_text())["done"] == [[0, 0], [0, 1]]
    monkeypatch.setattr(trials, "probabilities", real)
    row = run(photos, out, cache, candidates).info["candidates"][0]
    expected = whole.info["candidates"][0]
    assert (row["accuracy"], row["log_loss"], row["folds_done"]) == (
        expected["accuracy"],
        expected["log_loss"],
        5,
    )


def test_budget_is_spent_on_the_cheap_first(photos: Path, tmp_path: Path, cache: Path) -> None:
    """With a clock that jumps by a minute, nothing but the first is tried."""
    ticks = itertools.count(step=60)
    names = stored(TINY_NORM, TINY, strategies=("features+augment", "features"))
    found = run(photos, tmp_path / "out", cache, names, budget=50, timer=lambda: float(next(ticks)))
    states = {row["id"]: (row["status"], row["why"]) for row in found.info["candidates"]}
    tried = [name for name, (state, _) in states.items() if state == "complete"]
    assert len(tried) == 1
    assert tried[0].endswith(" features")
    assert all("are left" in why for name, (_, why) in states.items() if name not in tried)


def test_candidate_behind_is_passed_over(
    tmp_path: Path, cache: Path, make_photos: MakePhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_photos(tmp_path / "photos", n=30, size=40)
    real = trials.try_stored

    def spoiled(bench: Any, candidate: Candidate) -> Any:
        trial, selection = real(bench, candidate)
        if candidate.config.backbone == TINY_NORM:
            right = bench.pool.labels[:, None]
            trial = replace(trial, predicted=np.where(trial.predicted < 0, -1, 1 - right))
        return trial, selection

    monkeypatch.setattr(race, "try_stored", spoiled)
    names = stored(TINY, TINY_NORM, strategies=("features", "features+augment"))
    found = run(source, tmp_path / "out", cache, names)
    rows = {row["id"]: row for row in found.info["candidates"]}
    assert rows[f"{TINY_NORM} features"]["verdict"] == "worse"
    assert rows[f"{TINY_NORM} features+augment"]["status"] == "not run"
    assert "worse than the best" in rows[f"{TINY_NORM} features+augment"]["why"]
    assert rows[f"{TINY} features+augment"]["status"] == "complete"


def test_photo_that_does_not_decode_is_left_out(photos: Path, tmp_path: Path, cache: Path) -> None:
    source = tmp_path / "shapes"
    shutil.copytree(photos, source)
    path = source / "circle" / "05.jpg"
    path.write_bytes(path.read_bytes()[:500])
    found = run(source, tmp_path / "out", cache, stored(TINY))
    assert found.info["candidates"][0]["num_photos"] + found.run.metrics["test"]["num_photos"] == 39


@pytest.mark.parametrize("bad", ["there", "inside", "file"])
def test_folders_that_can_not_be_used(photos: Path, tmp_path: Path, cache: Path, bad: str) -> None:
    folder = {"there": tmp_path / "there", "inside": photos / "out", "file": tmp_path / "f"}[bad]
    if bad == "there":
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
    if bad == "file":
        folder.write_text("mine")
    with pytest.raises(StorageError, match="Choose a"):
        run(photos, folder, cache, stored(TINY))
    assert not (photos / "out").exists()


def test_bad_settings(photos: Path, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(InputError, match="prefer"):
        run(photos, tmp_path / "out", cache, stored(TINY), prefer="beauty")
    with pytest.raises(InputError, match="budget"):
        run(photos, tmp_path / "out", cache, stored(TINY), budget=0)
    with pytest.raises(InputError, match="strategy"):
        make_candidates([], ["magic"], [], CONFIG)
    with pytest.raises(UnknownNameError, match="Z9"):
        make_candidates([], [], ["Z9"], CONFIG)
    with pytest.raises(InputError, match="no training"):
        make_candidates([], [], ["D3"], CONFIG)


def test_candidates() -> None:
    names = [candidate.name for candidate in make_candidates([], [], [], TrainConfig())]
    assert len(names) == 9
    assert names[:3] == [f"efficientnet_lite{i} features" for i in range(3)]
    assert names[-1] == "efficientnet_lite2 finetune"
    recipes = make_candidates([], [], ["D4", "d5"], TrainConfig(seed=3))
    assert [c.name for c in recipes] == ["recipe D4", "recipe D5"]
    assert {c.config.seed for c in recipes} == {3}
    both = make_candidates(["resnet50"], ["features", "scratch"], ["D4"], TrainConfig())
    assert [c.name for c in both] == ["resnet50 features", "auto scratch", "recipe D4"]


def test_key_tells_candidates_apart(tmp_path: Path) -> None:
    (one,) = stored(TINY)
    others = [
        Candidate(replace(one.config, seed=1)),
        Candidate(replace(one.config, backbone=TINY_NORM)),
        Candidate(replace(one.config, strategy="features+augment")),
    ]
    keys = {c.key("photos") for c in [one, *others]} | {one.key("others")}
    assert len(keys) == 5
    trial = make_trial([True] * 3)
    Shelf(tmp_path, "photos").save(one, trial)
    loaded = Shelf(tmp_path, "photos").load(one)
    assert loaded is not None
    assert loaded.predicted.tolist() == trial.predicted.tolist()
    assert Shelf(tmp_path, "others").load(one) is None


# --- the choice


def make_trial(right: list[bool], *, ms: float = 10.0, adds: int = 100, size: int = 400) -> Trial:
    predicted = np.where(np.array(right), 0, 1)[:, None].repeat(2, axis=1)
    return Trial(
        predicted=predicted,
        losses=predicted.astype(np.float64),
        done=tuple((r, f) for r in range(2) for f in range(5)),
        wanted=10,
        train_accuracies=(1.0,),
        seconds=1.0,
        costs={"ms_per_photo": ms, "multiply_adds": adds, "num_bytes": size},
    )


def chosen(
    shares: dict[str, tuple[float, int, int]], prefer: str, n: int = 1000
) -> tuple[str, str]:
    """Choose among features of backbones of such accuracies, multiply-adds and sizes."""
    rng, labels = np.random.default_rng(0), np.zeros(n, np.int64)
    hard = rng.random(n)
    found = {
        f"{name} features": make_trial((hard < share).tolist(), ms=adds / 10, adds=adds, size=size)
        for name, (share, adds, size) in shares.items()
    }
    candidates = [Candidate(TrainConfig(backbone=name)) for name in shares]
    rows = make_rows(candidates, found, {}, labels, np.arange(n))
    winner, words = choose(rows, prefer)
    return winner["backbone"], words


THREE = {"small": (0.95, 50, 900), "large": (0.952, 200, 800), "poor": (0.80, 10, 100)}


def test_cheapest_of_the_ties_is_chosen() -> None:
    name, words = chosen(THREE, "speed")
    assert name == "small"
    assert "fastest of 2 that can't be told apart on 1,000 photos" in words
    assert "5.0 ms a photo to 20.0 ms" in words


def test_preferences() -> None:
    name, words = chosen(THREE, "accuracy")
    assert name == "large"
    assert "the most of all; one other can't be told from it" in words
    name, words = chosen(THREE, "size")
    assert name == "large"


def test_clear_winner() -> None:
    name, words = chosen({"good": (0.95, 50, 9), "poor": (0.80, 10, 1)}, "speed")
    assert name == "good"
    assert "better than every other beyond noise (poor features comes next" in words
    assert "only candidate" in chosen({"good": (0.95, 50, 9)}, "speed")[1]


# --- the command


def test_command(
    photos: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["compare", str(photos), "--out", str(out), "--strategies", "features"]
    assert cli.run([*arguments, "--backbones", "efficientnet_lite0", "--seed", "2"]) == 0
    shown = capsys.readouterr().out
    assert "efficientnet_lite0 features is the only candidate" in " ".join(shown.split())
    assert f"photograft predict {out / 'run'}" in shown
    info = json.loads((out / "comparison.json").read_text())
    assert info["command"] == (
        f"photograft compare {photos} --out {out} --backbones efficientnet_lite0 "
        "--strategies features --budget 10m --seed 2"
    )
    assert cli.run([*arguments, "--budget", "soon"]) == 2
    assert "such as 90s, 10m or 2h" in capsys.readouterr().err


def test_progress_tells_which_candidate(photos: Path, tmp_path: Path, cache: Path) -> None:
    recorder = Recorder()
    run(photos, tmp_path / "out", cache, stored(TINY, TINY_NORM), progress=recorder)
    assert f"1 of 2: {TINY} features" in recorder.said


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_spans_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_default_folder(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = compare(photos, stored(TINY), CONFIG, store=FeatureStore(cache))
    assert found.path == Path("comparisons", "shapes")
    assert comparison.Comparison is type(found)
