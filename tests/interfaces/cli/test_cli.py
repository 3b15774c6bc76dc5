"""The command line: help, exit codes, messages of one line, progress, what each command says."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import MakePhotos
from photograft.core.store import FeatureStore
from photograft.interfaces.cli import app as commands
from photograft.interfaces.cli import main

COMMANDS = [
    [],
    ["train"],
    ["predict"],
    ["evaluate"],
    ["export"],
    ["serve"],
    ["studio"],
    ["compare"],
    ["learning-curve"],
    ["report"],
    ["doctor"],
    ["explain"],
    ["suggest"],
    ["inspect"],
    ["backbones"],
    ["backbones", "convert"],
    ["demo"],
    ["summary"],
    ["plot"],
    ["augment"],
    ["subset"],
    ["cache"],
    ["cache", "info"],
    ["cache", "prune"],
    ["cache", "clear"],
    ["recipe"],
    ["recipe", "list"],
    ["recipe", "show"],
    ["recipe", "run"],
]


pytestmark = pytest.mark.usefixtures("warm_cache")


# Help


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_examples(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    result = system.invoke(capsys, *command, "--help")
    assert result.code == 0
    assert result.err == ""
    head, found, examples = result.out.partition("Example")
    assert found
    assert head.startswith("Usage: photograft")
    prefix = " ".join(["photograft", *command])
    assert re.search(rf"^ +{prefix}\b", examples, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_examples_are_real_commands(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """Each option in an example is one that the command has."""
    out = system.invoke(capsys, *command, "--help").out
    examples = out.partition("Example")[2].partition("Options:")[0].partition("Arguments:")[0]
    for line in re.findall(r"photograft ([^\n]+)", examples):
        name = line.split()[0]
        is_group = name in ("cache", "recipe") or line.startswith("backbones convert ")
        words = line.split()[:2] if is_group else [name]
        own = system.invoke(capsys, *words, "--help")
        assert own.code == 0, line
        for option in re.findall(r"(?<= )--?[a-z][a-z-]*", line):
            assert option in own.out, line


def test_every_command_is_tested() -> None:
    """A new command has to be put on the list above."""
    names: set[tuple[Any, ...]] = {(name,) for name in _commands(commands.app)}
    for group in commands.app.registered_groups:
        names |= {(group.name,), *((group.name, name) for name in _commands(group.typer_instance))}
    assert names == {tuple(command) for command in COMMANDS if command}


def _commands(app: Any) -> list[Any]:
    return [
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
    ]


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    result = system.invoke(capsys)
    assert result.code == 2
    assert result.err.startswith("Usage: photograft")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert system.invoke(capsys, "--version").out == f"{photograft.__version__}\n"


def test_help_is_quick_and_runs_as_a_module() -> None:
    """0.5 s is promised of `photograft --help`; the best of three, as others may be at work."""
    took = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(system.command("--help"), capture_output=True, text=True)
        took.append(time.perf_counter() - start)
        assert done.returncode == 0
        assert "Usage: photograft" in done.stdout
    assert min(took) <= 0.5, took


def test_help_imports_no_torch() -> None:
    code = (
        "import sys; from photograft.interfaces.cli.main import run; run(['train', '--help']); "
        "sys.exit(sum(m in sys.modules for m in ('torch', 'timm', 'numpy', 'rich', 'openvino')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Exit codes


def test_missing_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    result = system.invoke(capsys, "train", tmp_path / "fotos")
    system.assert_one_line(result, "there is no", f"Did you mean {tmp_path / 'photos'}?")


def test_one_class(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    make_photos(tmp_path / "photos", classes=["only"], n=3)
    result = system.invoke(capsys, "train", tmp_path / "photos", "--out", tmp_path / "run")
    system.assert_one_line(result, "one class only, 'only'", "at least two")
    assert not (tmp_path / "run").exists()


def test_one_photo_in_a_class(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    make_photos(tmp_path / "photos", n=4)
    for path in sorted((tmp_path / "photos" / "square").iterdir())[1:]:
        path.unlink()
    result = system.invoke(capsys, "train", tmp_path / "photos", "--out", tmp_path / "run")
    system.assert_one_line(result, "too few photos", "'square' (1)")


def test_empty_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in ("train", "inspect"):
        system.assert_one_line(system.invoke(capsys, command, tmp_path), "no files")


def test_folder_without_any_photo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "notes.txt").write_text("nothing here")
    result = system.invoke(capsys, "train", tmp_path / "photos", "--out", tmp_path / "run")
    system.assert_one_line(result, "no usable photo", "2 × not an image")


@pytest.mark.slow
def test_unknown_backbone_is_told_the_nearest(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    result = system.invoke(
        capsys, "train", photos, "--backbone", "efficientnet_lit0", "--out", tmp_path / "run"
    )
    system.assert_one_line(result, "'efficientnet_lit0'", "Did you mean efficientnet_lite0")


def test_unknown_layer_is_told_before_any_photo_is_looked_at(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(cache))
    result = system.invoke(capsys, "train", photos, "--layer", "first", "--out", tmp_path / "run")
    system.assert_one_line(result, "there is no layer named 'first'", "There are ", "last.")
    assert system.num_stored(cache) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train"], "Missing argument 'SOURCE'. See `photograft train --help`."),
        (["predict", "run"], "Missing argument 'PATHS'"),
        (["train", "x", "--seed", "one"], "--seed"),
        (["train", "x", "--seed", "-1"], "seed"),
        (["train", "x", "--test", "0.9"], "expected 0 to 0.5, got 0.9"),
        (["train", "x", "--strategy", "magic"], "'features', 'features+augment', 'finetune', "),
        (["train", "x", "--engine", "onnx"], "engine can't be 'onnx'"),
        (["train", "x", "--device", "tpu"], "device can't be 'tpu'"),
        (["train", "x", "--strategy", "fintune"], "'auto'. Did you mean finetune or features?"),
        (
            ["train", "x", "--head", "tree"],
            "head can't be 'tree'; expected 'auto', 'logistic', 'discriminant' or 'mlp'",
        ),
        (["train", "x", "--hidden", "a"], "hidden can't be understood; expected widths such as"),
        (["train", "x", "--dropout", "1"], "dropout can't be 1; expected a number from 0 to 0.99"),
        (["train", "x", "--epochs", "0"], "epochs can't be 0; expected a number from 1"),
        (["train", "x", "--input-size", "3"], "input_size can't be 3"),
        (["train", "x", "--augment", "spin=3"], "there is no augmentation named 'spin'"),
        (["train", "x", "--config", "none.toml"], "none.toml can't be read"),
        (["train", "x", "--class-weight", "heavy"], "class_weight can't be 'heavy'"),
        (["train", "x", "--keep", "never"], "keep can't be 'never'; expected 'better'"),
        (["train", "x", "--precision", "fp64"], "precision can't be 'fp64'"),
        (["train", "x", "--max-pixels", "0"], "max_pixels"),
        (["train", "x", "--nonsense"], "--nonsense"),
        (["train", "x", "--max-pixels", "100M"], "expected a whole number, all of its digits"),
        (["predict", "run", "x", "--top", "0"], "'--top': expected at least 1. See"),
        (["predict", "run", "x", "--keep", "most"], "'--keep': expected a number. See"),
        (["plot", "run", "--smoothing", "2"], "'--smoothing': expected at most 0.999. See"),
        (["predict", "run", "x", "-o", "x.xlsx"], "open CSV files: call it 'x.csv'"),
        (["suggest", "run", "x", "--out", "x.ods"], "open CSV files: call it 'x.csv'"),
        (["learning-curve", "x", "--table", "x.XLSX"], "open CSV files: call it 'x.csv'"),
        (["cache", "prune", "--max-size", "lots"], "'lots' is no size"),
        (["cache", "prune", "--max-size", "-1"], "size"),
        (["evaluate", "nowhere", "x"], "there is no nowhere; expected a run folder"),
        (["predict", "nowhere", "x"], "there is no nowhere; expected a run folder"),
        (["recipe", "show", "Z9"], "there is no recipe named 'Z9'. `photograft recipe list`"),
        (["recipe", "run", "Z9", "x"], "there is no recipe named 'Z9'"),
        (["summary", "no_such_net"], "there is no backbone named 'no_such_net'"),
        (["augment", "nowhere"], "nowhere; expected a folder of class folders"),
        (["plot", "nowhere"], "nowhere is no run folder"),
        (["subset", "nowhere", "out"], "nowhere; expected a folder of class folders"),
        (["triain"], "Did you mean 'train'? See `photograft --help`."),
        (["cache", "show"], "show"),
        (["recipe", "copy"], "copy"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_gets_one_line(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = system.invoke(capsys, *arguments)
    system.assert_one_line(result, says)
    assert result.out == ""


def test_our_own_fault_is_owned_up_to(
    capsys: pytest.CaptureFixture[str], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bolt came loose")

    monkeypatch.setattr("photograft.workflows.inspect.inspect", fail)
    result = system.invoke(capsys, "inspect", photos)
    assert result.code == 1
    assert "Traceback" in result.err
    assert "RuntimeError: a bolt came loose" in result.err
    last = result.err.splitlines()[-1]
    assert last.startswith("photograft: ")
    assert "please report" in last


def test_interrupt_is_130_and_one_line(
    capsys: pytest.CaptureFixture[str], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("photograft.workflows.inspect.inspect", interrupt)
    result = system.invoke(capsys, "inspect", photos)
    assert result.code == 130
    assert result.err.startswith("photograft: interrupted")
    assert result.err.count("\n") == 1


def test_exit_code_reaches_the_shell(tmp_path: Path) -> None:
    done = subprocess.run(
        system.command("inspect", tmp_path / "none"), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("photograft: there is no")
    with pytest.raises(SystemExit) as stop:
        main.main(["--version"])
    assert stop.value.code == 0


def test_full_standard_output(photos: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            system.command("inspect", photos), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "photograft: no space left to write to\n"


def test_reader_that_leaves_early_is_no_fault(photos: Path) -> None:
    """As in `photograft inspect photos | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            system.command("inspect", photos), stdout=closed, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 0
    assert done.stderr == ""


# inspect


def test_inspect_accounts_without_training(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "photos", n=4)
    whole = (source / "circle" / "00.jpg").read_bytes()
    (source / "circle" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (source / "square" / "notes.txt").write_text("text")
    (source / "square" / "copy.jpg").write_bytes(whole)
    (source / "circle" / "jpeg.png").write_bytes((source / "circle" / "01.jpg").read_bytes())
    before = system.snapshot(tmp_path)
    result = system.invoke(capsys, "inspect", source)
    assert result.code == 0
    assert system.snapshot(tmp_path) == before
    assert re.search(r"circle\W+5\b", result.out)
    assert re.search(r"square\W+5\b", result.out)
    assert "Skipped 2 files: " in result.out
    assert "circle/cut.jpg (truncated" in result.out
    assert "square/notes.txt (not an image" in result.out
    assert "circle/jpeg.png (a JPEG named .png)" in result.out
    assert "1 photo is under several labels with the very same content" in result.out
    assert "circle/00.jpg and square/copy.jpg" in result.out


def test_inspect_shows_the_given_split(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    make_photos(tmp_path / "train", n=4)
    make_photos(tmp_path / "test", n=2, seed=1)
    out = system.invoke(capsys, "inspect", tmp_path).out
    assert re.search(r"class\W+photos\W+train\W+test", out)
    assert re.search(r"circle\W+6\W+4\W+2", out)


@pytest.mark.parametrize(
    ("number", "groups", "lie"), [(1, "1 group", "lies"), (2, "2 groups", "lie")]
)
def test_inspect_counts_groups_and_their_photos(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    groups: str,
    lie: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    make_photos(tmp_path / "train", n=4)
    make_photos(tmp_path / "test", n=2, seed=1)
    for i in range(number):
        for copy in ("one", "two"):
            name = f"circle/{copy}{i}.jpg"
            shutil.copy(tmp_path / "train" / f"circle/0{i}.jpg", tmp_path / "test" / name)
    out = system.invoke(capsys, "inspect", tmp_path).out
    assert f"Warning: {groups} of photos that belong together (copies, or one group of" in out
    assert f") {lie} on several sides of the split, {3 * number} photos in all" in out
    are = "photo is" if number == 1 else "photos are"
    assert f"{number} {are} there more than once" in out


def test_inspect_writes_a_row_per_file(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "photos", n=3)
    (source / "circle" / "empty.jpg").touch()
    target = tmp_path / "account.parquet"
    result = system.invoke(capsys, "inspect", source, "--files", target)
    assert result.code == 0
    assert f"Files: {target}" in result.out
    rows = system.read_rows(target)
    assert [row["name"] for row in rows] == sorted(
        str(p.relative_to(source)) for p in source.rglob("*.jpg")
    )
    skipped = [(row["name"], row["reason"]) for row in rows if row["status"] == "skipped"]
    assert skipped == [("circle/empty.jpg", "empty file")]
    assert {row["label"] for row in rows} == {"circle", "square", None}


def test_inspect_limit_of_pixels(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "photos", n=2)
    out = system.invoke(capsys, "inspect", source, "--max-pixels", 1000).out
    assert "Skipped 4 files: 4 × too large" in out
    assert "the limit is 1,000" in out


@pytest.mark.parametrize("option", ["--files", "--json"])
def test_unwritable_extra_file_is_no_fault_of_ours(
    capsys: pytest.CaptureFixture[str], photos: Path, run_path: Path, tmp_path: Path, option: str
) -> None:
    command = ["inspect"] if option == "--files" else ["evaluate", run_path]
    (tmp_path / "file").touch()
    result = system.invoke(capsys, *command, photos, option, tmp_path / "file" / "x.json")
    system.assert_one_line(result, "x.json can't be written: ", "file is not a folder", option)
    assert result.out == ""
    result = system.invoke(capsys, *command, photos, option, tmp_path / "new" / "deep" / "x.json")
    assert result.code == 0
    assert (tmp_path / "new" / "deep" / "x.json").is_file()


# evaluate


def test_evaluate_scores_every_photo(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=system.CLASSES, n=5, seed=3)
    target = tmp_path / "scores.json"
    result = system.invoke(capsys, "evaluate", run_path, source, "--json", target)
    assert result.code == 0, result.err
    assert "all (15 photos)" in result.out
    assert f"Scores: {target}" in result.out
    scores = json.loads(target.read_text())
    assert scores["num_photos"] == 15
    assert f"{scores['accuracy']:.1%}" in result.out
    right = sum(
        prediction.label == Path(prediction.name).parent.name
        for prediction in photograft.Classifier.load(run_path).predict(
            sorted(source.rglob("*.jpg"))
        )
    )
    assert scores["accuracy"] == right / 15


def test_evaluate_on_the_test_part_gives_the_test_score(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path, tmp_path: Path
) -> None:
    rows = system.read_rows(run_path / "files.parquet")
    lines = [f"{photos / r['name']},{r['label']}" for r in rows if r["split"] == "test"]
    (tmp_path / "test.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    target = tmp_path / "scores.json"
    result = system.invoke(capsys, "evaluate", run_path, tmp_path / "test.csv", "--json", target)
    assert result.code == 0
    found, own = system.read_json(target), system.read_json(run_path / "metrics.json")["test"]
    assert {name: found[name] for name in own} == own
    assert "Warning" not in result.out


def test_evaluate_on_fewer_classes_is_fine(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=("circle", "square"), n=2, seed=4)
    assert system.invoke(capsys, "evaluate", run_path, source).code == 0


def test_evaluate_on_a_class_that_is_not_known(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=("circle", "star"), n=2)
    result = system.invoke(capsys, "evaluate", run_path, source)
    system.assert_one_line(result, "expected circle, square, triangle, got star")


def test_evaluate_by_rules(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=system.CLASSES, n=5, seed=3)
    asked = ["--min-accuracy", "0.95", "--coverage", "0.9"]
    target = tmp_path / "scores.json"
    result = system.invoke(capsys, "evaluate", run_path, source, *asked, "--json", target)
    assert (result.code, result.err) == (0, "")
    scores = system.read_json(target)
    classifier = photograft.Classifier.load(run_path)
    assert classifier.uncertainty
    rules = classifier.uncertainty.rules(min_accuracy=0.95, coverage=0.9)
    assert rules.confidence
    assert rules.sets
    paths = sorted(source.rglob("*.jpg"))
    said = classifier.predict_proba(paths)
    labels = np.array([classifier.class_names.index(path.parent.name) for path in paths])
    kept = said.max(axis=1) >= rules.confidence
    answered = scores["answered"]
    assert answered["confidence"] == rules.confidence
    assert answered["share"] == kept.mean()
    right = (said.argmax(axis=1) == labels)[kept]
    assert answered["accuracy"] == (right.mean() if len(right) else None)
    sets = rules.sets.sets(said)
    assert scores["sets"]["coverage"] == sets[np.arange(15), labels].mean()
    assert scores["sets"]["mean_size"] == sets.sum(axis=1).mean()
    text = " ".join(result.out.split())
    assert f"Answered from a confidence of {rules.confidence:.4f} on: {kept.mean():.1%}" in text
    assert f"Sets of classes: {scores['sets']['coverage']:.1%} hold the right one" in text
    plain = system.invoke(capsys, "evaluate", run_path, source, "--json", target)
    assert "Sets of classes" not in plain.out
    without = {k: v for k, v in scores.items() if k not in ("answered", "sets")}
    assert system.read_json(target) == without


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--min-accuracy", "2"], "least accuracy"), (["--coverage", "0"], "can't be a coverage")],
    ids=str,
)
def test_evaluate_by_what_is_no_rule(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path, options: list[str], says: str
) -> None:
    system.assert_one_line(system.invoke(capsys, "evaluate", run_path, photos, *options), says)


def test_evaluate_by_rules_that_a_classifier_can_not_know(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path, tmp_path: Path
) -> None:
    bare = dataclasses.replace(photograft.Classifier.load(run_path), uncertainty=None)
    bare.save(tmp_path / "older", include_weights=False)
    for option in ("--min-accuracy", "--coverage"):
        result = system.invoke(capsys, "evaluate", tmp_path / "older", photos, option, "0.9")
        system.assert_one_line(result, "this classifier does not know how sure it may be")
        assert result.out == ""


# backbones and cache


def test_backbones(capsys: pytest.CaptureFixture[str]) -> None:
    result = system.invoke(capsys, "backbones")
    assert result.code == 0
    for name in ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "Apache-2.0"):
        assert name in result.out


@pytest.mark.slow
def test_backbones_search(capsys: pytest.CaptureFixture[str]) -> None:
    result = system.invoke(capsys, "backbones", "--search", "resnet18")
    assert result.code == 0
    assert any(line.startswith("resnet18") for line in result.out.splitlines())
    nothing = system.invoke(capsys, "backbones", "--search", "zzzz")
    system.assert_one_line(nothing, "'zzzz'")


def test_cache_info_prune_and_clear(
    capsys: pytest.CaptureFixture[str],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(cache))
    empty = system.invoke(capsys, "cache", "info")
    assert empty.code == 0
    assert str(cache / "features") in empty.out.replace("\n", "")
    assert system.invoke(capsys, "cache", "clear").out == "Freed 0 B\n"

    import numpy as np

    space = FeatureStore(cache).space({"backbone": "b", "engine": "e", "precision": "fp32"}, 250)
    for start in (0, 10):
        with space.writer() as writer:
            digests = [bytes([start + i]) * 32 for i in range(10)]
            writer.append(digests, np.ones((10, 250), np.float32))
    info = system.invoke(capsys, "cache", "info")
    assert re.search(r"b, e, fp32\W+20\b", info.out)
    assert system.invoke(capsys, "cache", "prune", "--max-size", "1MB").out == "Freed 0 B\n"
    pruned = system.invoke(capsys, "cache", "prune", "--max-size", "12kB")
    assert (pruned.code, pruned.out) == (0, "Freed 10.4 kB\n")
    assert system.num_stored(cache) == 10
    assert system.invoke(capsys, "cache", "clear").out == "Freed 10.4 kB\n"
    assert system.num_stored(cache) == 0


# Progress


def test_output_that_is_kept_has_a_line_a_phase_and_no_line_broken(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("photograft.interfaces.cli.views.progress.PATIENCE", 0.0)
    monkeypatch.setenv("COLUMNS", "40")
    long_name = "a_photo_with_a_name_longer_than_a_terminal_is_wide_" * 2 + ".jpg"
    folder = make_photos(tmp_path / ("a_class_of_a_long_name_" * 4), n=3)
    (folder / "circle" / long_name).write_bytes(b"nothing")
    (folder / "circle").rename(folder / ("circles_of_all_sizes_" * 4))
    result = system.invoke(capsys, "inspect", folder)
    assert result.code == 0
    assert result.err.splitlines() == ["Reading files: 7 files", "Decoding photos: 6 photos"]
    assert long_name in result.out
    assert "circles_of_all_sizes_" * 4 in result.out
    assert "…" not in result.out


def test_soon_done_is_quiet_when_standard_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str], photos: Path, run_path: Path, tmp_path: Path
) -> None:
    for arguments in (
        ("inspect", photos),
        ("train", photos, "--out", tmp_path / "run"),
        ("evaluate", run_path, photos),
        ("predict", run_path, photos, "-o", tmp_path / "answers.csv"),
    ):
        result = system.invoke(capsys, *arguments)
        assert (result.code, result.err) == (0, "")


def read_terminal(arguments: list[str], cache: Path, cwd: Path) -> tuple[int, str]:
    """Run a command on a terminal of 100 columns; return its exit code and all that it drew."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover
        os.chdir(cwd)
        os.environ.update(PHOTOGRAFT_CACHE=str(cache), TERM="xterm-256color", COLUMNS="100")
        os.execv(arguments[0], arguments)
    drawn = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not data:
            break
        drawn += data
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    return os.waitstatus_to_exitcode(status), text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_progress_on_a_terminal(
    make_photos: MakePhotos, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    system.shared_run(tmp_path_factory)
    cache = system.without_rows(system.shared_cache(tmp_path_factory), tmp_path / "cache")
    make_photos(tmp_path / "photos", n=100, size=64)
    code, drawn = read_terminal(system.command("train", "photos", "--out", "run"), cache, tmp_path)
    assert code == 0, drawn
    assert "Extracting features" in drawn
    assert re.search(r"Extracting features[^\n]*\b200/200\b", drawn)
    counts = {int(n) for n in re.findall(r"Extracting features[^\r\n]*?(\d+)/200", drawn)}
    assert len(counts) > 2, "it moves"
    assert re.search(r"Extracting features[^\r\n]*\d photos/s", drawn)
    assert re.search(r"Extracting features[^\r\n]*\d:\d\d left", drawn)
    assert "Run:        run" in drawn
    code, drawn = read_terminal(
        system.command("predict", "run", "photos/circle/00.jpg"), cache, tmp_path
    )
    assert code == 0
    # Rows on the screen come without a bar, which would get in their way; a file comes with one.
    assert re.fullmatch(r"photos/circle/00\.jpg  circle \d+\.\d%\r\n", drawn)
    code, drawn = read_terminal(
        system.command("predict", "run", "photos", "-o", "answers.csv"), cache, tmp_path
    )
    assert code == 0
    assert re.search(r"Classifying[^\n]*\b200/200\b", drawn)
    assert drawn.endswith("Predictions: answers.csv\r\n200 photos: circle 100, square 100\r\n")
