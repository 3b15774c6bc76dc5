"""Comparisons from end to end: what is tried, kept, chosen, and never done twice."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import photograft
import system_helpers
from drawing import MakePhotos, draw_folder
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError, StorageError, UnknownNameError, WeightsError
from photograft.core.executors.choosing import executing
from photograft.core.executors.processes import Processes
from photograft.core.store import FeatureStore
from photograft.core.text import parse_duration
from photograft.data.dataset import Dataset
from photograft.data.loading import split_of
from photograft.evaluation.comparison import scheduler, trials
from photograft.evaluation.comparison.candidates import Candidate, make_candidates
from photograft.evaluation.comparison.folders import alone
from photograft.evaluation.comparison.trial_store import Trial, TrialStore
from photograft.interfaces.cli import main
from photograft.interfaces.cli.views.leaderboard import show_comparison
from photograft.learning import job as base
from photograft.learning.settings import TrainConfig
from photograft.runs.comparison import Comparison
from photograft.runs.run import Run
from photograft.workflows.compare import compare_candidates as compare
from photograft.workflows.report import report
from recording import Recorder
from report_helpers import make_comparison
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

        def tried(context: Any, candidate: Candidate, *rest: Any, _go: Any = before) -> Any:
            seen.append(candidate.name)
            return _go(context, candidate, *rest)

        monkeypatch.setattr(scheduler, name, tried)
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
    assert found.run.scores["validation"] is None
    assert found.run.scores["test"]["num_photos"] == 8
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

    def stop(context: Any, candidate: Candidate) -> Any:
        if candidate.config.backbone == TINY_NORM:
            raise KeyboardInterrupt
        return real(context, candidate)

    monkeypatch.setattr(scheduler, "try_stored", stop)
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, cache, stored(TINY, TINY_NORM))
    monkeypatch.setattr(scheduler, "try_stored", real)
    seen = watch(monkeypatch)
    found = run(photos, out, cache, stored(TINY, TINY_NORM))
    assert seen == [f"{TINY_NORM} features"]
    timed = ("ms_per_photo", "train_seconds")
    for one, other in zip(whole.info["candidates"], found.info["candidates"], strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {
            k: v for k, v in other.items() if k not in timed
        }
    assert found.info["winner"] == whole.info["winner"]
    assert found.run.scores == whole.run.scores


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


def test_another_test_is_another_run(photos: Path, tmp_path: Path, cache: Path) -> None:
    """Else half of the photos that the first run was tested on would now have chosen it."""
    counts = []
    for share in (0.3, 0.15):
        config, store = replace(CONFIG, test=share), FeatureStore(cache)
        found = compare(photos, stored(TINY), config, out=tmp_path / "out", store=store)
        counts.append(found.run.scores["test"]["num_photos"])
    assert counts == [12, 6]


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
    assert right.run.scores["test"]["accuracy"] == pytest.approx(
        1 - false.run.scores["test"]["accuracy"]
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
    real, calls = base.Job.score, itertools.count()

    def stop(job: Any, classifier: Any, part: str) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real(job, classifier, part)

    monkeypatch.setattr(base.Job, "score", stop)
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, cache, candidates)
    (path,) = (out / "candidates").iterdir()
    assert json.loads(path.read_text())["done"] == [[0, 0], [0, 1]]
    monkeypatch.setattr(base.Job, "score", real)
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
    assert all(
        "the budget is spent" in why for name, (_, why) in states.items() if name not in tried
    )


def test_candidate_behind_is_passed_over(
    tmp_path: Path, cache: Path, make_photos: MakePhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_photos(tmp_path / "photos", n=30, size=40)
    real = trials.try_stored

    def spoiled(context: Any, candidate: Candidate) -> Any:
        trial, selection = real(context, candidate)
        if candidate.config.backbone == TINY_NORM:
            right = context.pool.labels[:, None]
            trial = replace(trial, predicted=np.where(trial.predicted < 0, -1, 1 - right))
        return trial, selection

    monkeypatch.setattr(scheduler, "try_stored", spoiled)
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
    assert found.info["candidates"][0]["num_photos"] + found.run.scores["test"]["num_photos"] == 39


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
    trial = Trial(
        predicted=np.zeros((3, 2), np.int64),
        losses=np.zeros((3, 2)),
        done=((0, 0), (1, 4)),
        wanted=10,
        train_accuracies=(1.0,),
        seconds=1.0,
        costs={"ms_per_photo": 10.0},
    )
    TrialStore(tmp_path, "photos").save(one, trial)
    loaded = TrialStore(tmp_path, "photos").load(one)
    assert loaded is not None
    assert loaded.predicted.tolist() == trial.predicted.tolist()
    assert TrialStore(tmp_path, "others").load(one) is None


# --- the command


def test_command(
    photos: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["compare", str(photos), "--out", str(out), "--strategies", "features"]
    assert main.run([*arguments, "--backbones", "efficientnet_lite0", "--seed", "2"]) == 0
    shown = capsys.readouterr().out
    assert "efficientnet_lite0 features is the only candidate" in " ".join(shown.split())
    assert f"photograft predict {out / 'run'}" in shown
    info = json.loads((out / "comparison.json").read_text())
    assert info["command"] == (
        f"photograft compare {photos} --out {out} --backbones efficientnet_lite0 "
        "--strategies features --seed 2"
    )
    paths = sorted(photos.rglob("*.jpg"))
    again = photograft.compare(
        Dataset.from_arrays(paths, [path.parent.name for path in paths]),
        backbones=["efficientnet_lite0"],
        strategies=["features"],
        out=tmp_path / "again",
    )
    assert again.info["command"] == ""  # no command can name photos in memory
    assert "photograft compare" not in (again.path / "report.html").read_text(encoding="utf-8")
    assert main.run([*arguments, "--budget", "soon"]) == 2
    assert "such as 90s, 10m or 2h" in capsys.readouterr().err


def test_progress_tells_which_candidate(photos: Path, tmp_path: Path, cache: Path) -> None:
    recorder = Recorder()
    run(photos, tmp_path / "out", cache, stored(TINY, TINY_NORM), progress=recorder)
    assert f"1 of 2: {TINY} features; 10 min left" in recorder.said


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_spans_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_the_winner_is_tested_on_photos_that_had_no_part_in_the_choice(
    tmp_path: Path, cache: Path
) -> None:
    """Not even where photos turn out not to decode, which deals the others anew."""
    source = draw_folder(tmp_path / "photos", n=14, size=48)
    for path in sorted(source.glob("*/0[0-5].jpg")):
        data = path.read_bytes()
        path.with_stem(path.stem + "-cut").write_bytes(data[: len(data) * 4 // 5])
    config = replace(
        tiny_config("scratch", keep="always", loop={"epochs": 1}),
        backbone=TINY,
        near_duplicates="ignore",
    )
    whole = Dataset.load(source).verified()
    assert len(whole.photos) == 28 < len(Dataset.load(source).photos)
    store = FeatureStore(cache)
    found = compare(source, [Candidate(config)], config, out=tmp_path / "c", store=store)
    expected = {whole.photos[i].name for i in split_of(whole, config).test}
    rows = pq.read_table(found.run.path / "files.parquet").to_pylist()
    assert {row["name"] for row in rows if row["split"] == "test"} == expected
    assert found.info["data"]["class_counts"] == found.run.info["data"]["class_counts"]


def test_a_photo_that_is_listed_twice_keeps_its_places(
    photos: Path, tmp_path: Path, cache: Path
) -> None:
    """Once to learn from and once to be tested on: each row is on the side that it is listed on."""
    rows = ["path,label,split"]
    for path in sorted(photos.rglob("*.jpg")):
        part = "test" if path.stem in ("00", "01", "02") else "train"
        rows.append(f"{path},{path.parent.name},{part}")
        if path.stem == "03":
            rows.append(f"{path},{path.parent.name},test")
    manifest = tmp_path / "listed.csv"
    manifest.write_text("\n".join(rows) + "\n")
    found = run(manifest, tmp_path / "out", cache, stored(TINY))
    assert found.info["data"]["class_counts"]["test"] == [4, 4]
    counts = found.run.info["data"]["class_counts"]
    assert (counts["train"], counts["test"]) == ([17, 17], [4, 4])


def test_default_folder(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = compare(photos, stored(TINY), CONFIG, store=FeatureStore(cache))
    assert found.path == Path("comparisons", "shapes")
    assert Comparison is type(found)


# --- what can't be tried, the budget to the second, and being cut short


def test_candidate_without_weights_is_a_row(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = trials.TrialContext.extractor, []

    def offline(context: trials.TrialContext, candidate: Candidate) -> Any:
        if candidate.config.backbone == TINY_NORM:
            asked.append(candidate.name)
            raise WeightsError("they can't be fetched (no network)", fix="Put them there.")
        return real(context, candidate)

    monkeypatch.setattr(trials.TrialContext, "extractor", offline)
    names = stored(TINY, TINY_NORM, strategies=("features", "features+augment"))
    found = run(photos, tmp_path / "out", cache, names)
    rows = {row["id"]: (row["status"], row["why"]) for row in found.info["candidates"]}
    lacking = ("not run", "they can't be fetched (no network)")
    assert rows[f"{TINY_NORM} features"] == rows[f"{TINY_NORM} features+augment"] == lacking
    assert rows[f"{TINY} features"] == rows[f"{TINY} features+augment"] == ("complete", "")
    assert len(asked) == 1, "a network that does not answer is asked again"
    assert "can&#39;t be fetched" in (tmp_path / "out" / "report.html").read_text()
    # Where nothing is left to try, it is an error, and nothing is left behind.
    with pytest.raises(WeightsError, match="no network"):
        run(photos, tmp_path / "nothing", cache, stored(TINY_NORM))
    assert not (tmp_path / "nothing").exists()


def test_candidate_that_can_not_learn_these_photos_is_a_row(
    tmp_path: Path, cache: Path, make_photos: MakePhotos
) -> None:
    source = make_photos(tmp_path / "photos", ("circle", "square", "triangle"), n=12, size=40)
    binary = tiny_config("scratch", keep="always", target_encoding="binary", loop={"epochs": 1})
    found = run(source, tmp_path / "out", cache, [*stored(TINY), Candidate(binary)])
    row = next(row for row in found.info["candidates"] if row["strategy"] == "scratch")
    assert row["status"] == "not run"
    assert "two classes" in row["why"]
    with pytest.raises(InputError, match="two classes"):
        run(source, tmp_path / "nothing", cache, [Candidate(binary)])


def test_budget_ends_a_training_in_the_middle_of_a_fold(
    photos: Path, tmp_path: Path, cache: Path
) -> None:
    config = replace(tiny_config("scratch", keep="always", loop={"epochs": 6}), backbone=TINY)
    candidates, out = [*stored(TINY), Candidate(config)], tmp_path / "out"
    clock = itertools.count()
    late = 10.0**9

    class Slow(Recorder):
        """Its second epoch takes for ever."""

        def step(self, what: str, total: int, unit: str) -> Any:
            nonlocal late
            if what.startswith("Epoch 2/"):
                late = 0.0
            return super().step(what, total, unit)

    def timer() -> float:
        return next(clock) * 1e-9 + (10.0**6 if late == 0 else 0.0)

    found = run(photos, out, cache, candidates, budget=1000, timer=timer, progress=Slow())
    row = next(row for row in found.info["candidates"] if row["strategy"] == "scratch")
    assert (row["status"], row["folds_done"]) == ("not run", 0)
    assert "goes on from there" in row["why"]
    whole = run(photos, tmp_path / "whole", cache, candidates)
    again = run(photos, out, cache, candidates)
    assert [r["accuracy"] for r in again.info["candidates"]] == [
        r["accuracy"] for r in whole.info["candidates"]
    ]


def test_same_network_takes_the_same_time(photos: Path, tmp_path: Path, cache: Path) -> None:
    """Noise must not make one of two candidates on the same network look faster."""
    names = stored(TINY, strategies=("features", "features+augment"))
    run(photos, tmp_path / "out", cache, names[:1])
    found = run(photos, tmp_path / "out", cache, names)
    assert len({row["ms_per_photo"] for row in found.info["candidates"]}) == 1


def test_given_up_is_not_gone_on_with(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny_config("scratch", keep="always", loop={"epochs": 1}), backbone=TINY)
    candidates, out = [*stored(TINY_NORM), Candidate(config)], tmp_path / "out"
    real = trials.try_folds

    def spoiled(context: Any, candidate: Candidate, *rest: Any) -> Any:
        for trial in real(context, candidate, *rest):
            wrong = np.where(trial.predicted < 0, -1, 1 - context.pool.labels[:, None])
            yield replace(trial, predicted=wrong)

    monkeypatch.setattr(scheduler, "try_folds", spoiled)
    first = run(photos, out, cache, candidates).info["candidates"]
    assert "behind beyond noise" in first[1]["why"]
    assert run(photos, out, cache, candidates).info["candidates"] == first


def test_two_at_once_do_not_meet(photos: Path, tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "out"
    with alone(out), pytest.raises(StorageError, match="another comparison is at work"):
        run(photos, out, cache, stored(TINY))
    assert not out.exists()
    assert run(photos, out, cache, stored(TINY)).info["winner"]


def test_disk_that_is_full(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: Any) -> None:
        path.write_text("{")
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("photograft.evaluation.comparison.trial_store.write_json", full)
        with pytest.raises(StorageError, match="No space left"):
            run(photos, out, cache, stored(TINY))
    assert not out.exists()
    with monkeypatch.context() as patch:
        patch.setattr("photograft.runs.comparison.write_json", full)
        with pytest.raises(StorageError, match="run the same command again"):
            run(photos, out, cache, stored(TINY))
    seen = watch(monkeypatch)
    assert run(photos, out, cache, stored(TINY)).info["winner"]
    assert not seen, "what was computed was not kept"
    assert not list(out.rglob(".*partial*"))


@pytest.mark.parametrize("width", [80, 120])
def test_leaderboard_fits_the_terminal(
    photos: Path, tmp_path: Path, cache: Path, width: int
) -> None:
    found = run(photos, tmp_path / "out", cache, stored(TINY))
    (row,) = found.info["candidates"]
    names = [f"efficientnet_lite{i} features+augment" for i in range(3)]
    rows = [{**row, "id": name, "num_params": 4_872_818, "num_bytes": 10**7} for name in names]
    info = {**found.info, "candidates": rows, "winner": names[0]}
    stream = io.StringIO()
    show_comparison(Console(file=stream, width=width), replace(found, info=info))
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines[2:5]] == names
    assert "best, chosen" in lines[2]
    assert {"accuracy", "ms/photo", "verdict"} <= set(lines[1].split())
    assert ("overfit" in lines[1]) == (width == 120)
    assert max(map(len, lines[:5])) <= width


@pytest.mark.slow
def test_interrupted_and_killed_it_goes_on(photos: Path, tmp_path: Path, warm_cache: Path) -> None:
    """Ctrl-C and then kill -9, each between two folds or in one; then the same again."""
    arguments = ["compare", photos, "--recipes", "D1", "--seed", "3"]
    out, whole = tmp_path / "out", tmp_path / "whole"

    def begin(cache: Path) -> subprocess.Popen[str]:
        return system_helpers.start(cache, *arguments, "--out", out, cwd=tmp_path)

    def wait_for(done: int, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 120
        while folds(out) < done:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    first = begin(warm_cache)
    wait_for(1, first)
    first.send_signal(signal.SIGINT)
    said = first.communicate()[1].splitlines()
    assert first.returncode == 130
    assert said[-1] == (
        "photograft: interrupted; what was computed is kept: run the same command again"
    )
    assert not any("Traceback" in line for line in said)
    second = begin(warm_cache)
    wait_for(folds(out) + 1, second)
    meanwhile = begin(warm_cache)
    assert "another comparison is at work" in meanwhile.communicate()[1]
    assert meanwhile.returncode == 2
    second.kill()
    second.communicate()
    assert folds(out) >= 2
    third = begin(warm_cache)
    errors = third.communicate()[1]
    assert third.returncode == 0, errors
    done = system_helpers.start(warm_cache, *arguments, "--out", whole, cwd=tmp_path)
    done.communicate()
    assert done.returncode == 0
    one, other = (json.loads((f / "comparison.json").read_text()) for f in (out, whole))
    timed = ("ms_per_photo", "train_seconds")
    for row, expected in zip(one["candidates"], other["candidates"], strict=True):
        assert {k: v for k, v in row.items() if k not in timed} == {
            k: v for k, v in expected.items() if k not in timed
        }


def folds(folder: Path) -> int:
    """How many folds a comparison folder has kept."""
    found = (folder / "candidates").glob("[!.]*.json")
    return sum(len(json.loads(path.read_text())["done"]) for path in found)


def test_page_marks_the_chosen_one_and_ranks_what_was_tried_in_part_last(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    make_comparison(folder)
    info = json.loads((folder / "comparison.json").read_text())
    rows = [row for row in info["candidates"] if row.get("accuracy") is not None]
    partial = {**rows[-1], "id": "lucky one", "status": "partial", "accuracy": 1.0, "verdict": ""}
    tie = next(row for row in rows if row["verdict"] == "tie")
    info |= {"candidates": [*rows, partial], "winner": tie["id"]}
    (folder / "comparison.json").write_text(json.dumps(info))
    report(folder, output=tmp_path / "page.html", progress=False)
    page = (tmp_path / "page.html").read_text()
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    chosen = body.split('<tr class="chosen">')
    assert len(chosen) == 2
    assert tie["id"] in chosen[1].split("</tr>")[0]
    assert '<span class="badge">chosen</span>' in chosen[1].split("</tr>")[0]
    complete = [row["id"] for row in rows if row["status"] == "complete"]
    assert all(body.index(name) < body.index("lucky one") for name in complete)
    assert "lucky one" not in page[page.index('id="cost"') : page.index('id="how"')]


@pytest.mark.slow
def test_folds_that_are_given_up_are_tried_no_further_elsewhere(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a candidate that is behind, no fold is left under way when the next one is begun."""
    under_way: list[str] = []
    real = trials.try_folds

    def watched(context: Any, candidate: Candidate, *rest: Any) -> Any:
        assert not under_way
        under_way.append(candidate.name)
        with contextlib.closing(real(context, candidate, *rest)) as folds:
            try:
                for trial in folds:
                    wrong = np.where(trial.predicted < 0, -1, 1 - context.pool.labels[:, None])
                    yield replace(trial, predicted=wrong)
            finally:
                under_way.remove(candidate.name)

    monkeypatch.setattr(scheduler, "try_folds", watched)
    candidates = [*stored(TINY_NORM)]
    for name in (TINY, TINY_NORM):
        config = tiny_config("scratch", keep="always", loop={"epochs": 1})
        candidates.append(Candidate(replace(config, backbone=name)))
    with executing(Processes(2)):
        rows = run(photos, tmp_path / "out", cache, candidates).info["candidates"]
    assert [row["id"] for row in rows if "behind beyond noise" in row["why"]]
    assert not under_way
