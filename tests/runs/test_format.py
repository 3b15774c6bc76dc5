"""What version 0.1.0 wrote, today's code reads: see `tests/fixtures/format_1/README.md`."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest

import system_helpers as system
from drawing import draw_folder
from photograft.classifier.files import checksum
from photograft.core.errors import ClassifierError
from photograft.learning.options import read_settings
from photograft.runs.comparison import Comparison, read_comparison
from photograft.runs.folder import load_facts
from photograft.runs.history import load_history
from photograft.runs.run import Run
from photograft.workflows.report import report

FORMAT_1 = Path(__file__).parents[1] / "fixtures" / "format_1"
CLASSES = ("circle", "square", "triangle")
RUNS = ("run", "comparison/run")
#: Processors add up in different orders.
TOLERANCE = 2e-3

#: What is in the JSON files, and on no page; all else must be found under the name it has in them.
NOT_SHOWN = {
    "run.json": """
        data.num_noted data.skipped doctor doctor.num_photos doctor.cross_validated
        backbone.architecture backbone.mean backbone.std backbone.interpolation backbone.crop_pct
        backbone.crop_mode backbone.layers backbone.paper backbone.per_photo
        certainty.calibration.kind certainty.calibration.slope certainty.calibration.offset
        certainty.calibration.kept certainty.calibration.num_photos
        certainty.abstaining.num_photos certainty.abstaining.sentence
        certainty.abstaining.reached_threshold certainty.abstaining.reached_share
        certainty.sets.threshold certainty.sets.coverage certainty.sets.num_photos
        certainty.sets.method certainty.unknown.kept
        certainty.calibration.before.noise certainty.calibration.before.log_loss
        certainty.calibration.after.noise certainty.calibration.after.log_loss
        certainty.unknown.let_through.num_photos
    """,
    "metrics.json": """
        validation.top_5_accuracy validation.classes validation.confusion
    """,
    "run/selection.json": """
        chosen.num_features chosen.l2 chosen.log_loss chosen.log_loss_se chosen.accuracy chosen.path
        candidates.path
    """,
    "comparison.json": """
        budget run_key tested notes warnings data.kind data.num_photos data.num_skipped data.skipped
        data.num_noted data.class_names data.class_counts data.notes
        candidates.backbone candidates.strategy candidates.recipe candidates.why
        candidates.folds_done candidates.num_photos candidates.train_accuracy candidates.chosen
        candidates.difference_interval candidates.p_value
    """,
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of what was written, to be changed."""
    return Path(shutil.copytree(FORMAT_1, tmp_path / "old"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos, drawn again."""
    return draw_folder(tmp_path_factory.mktemp("drawn") / "shapes", CLASSES, n=12, seed=7)


def change(path: Path, **values: Any) -> None:
    """Write other values into a JSON file; a classifier's checksum is made to fit."""
    data = {**system.read_json(path), **values}
    if data.pop("checksum", None):
        data["checksum"] = checksum(data)
    path.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize("name", RUNS)
def test_run_loads(name: str) -> None:
    folder = FORMAT_1 / name
    run = Run.load(folder)
    assert run.class_names == CLASSES
    assert (run.info, run.scores) == tuple(
        system.read_json(folder / file) for file in ("run.json", "metrics.json")
    )
    assert run.part == "test"
    assert run.metrics is not None
    assert run.metrics.to_json() == run.scores["test"]
    assert {(row["name"], row["split"]) for row in run.predictions()} == {
        (row["name"], row["split"]) for row in run.files() if row["split"] != "train"
    }
    for row in run.predictions():
        assert row["label"] == Path(row["name"]).parent.name
        assert row["predicted"] == CLASSES[int(np.argmax(row["probabilities"]))]
        assert row["probability"] == max(row["probabilities"])
    for row in run.files():
        assert (row["status"], row["reason"], row["detail"]) == ("used", "", "")
        assert (row["format"], row["width"], row["height"]) == ("JPEG", 96, 96)
        assert row["num_bytes"] > 1000
        assert len(row["sha256"]) == 64
    assert "6 photos" in repr(run.metrics)


def test_findings_and_epochs_of_a_run() -> None:
    run = Run.load(FORMAT_1 / "run")
    (finding,) = run.findings()
    assert finding.kind == "few photos"
    assert finding.title == "fewer than 20 photos of circle (12), square (12), triangle (12)"
    assert finding.fix.startswith("Add photos of them first")
    assert run.history is not None
    assert run.history == load_history(run.path)
    assert run.history.kept == 4
    assert [epoch.epoch for epoch in run.history.epochs] == [1, 2, 3, 4]
    last = run.history.epochs[-1]
    assert (last.loss, last.accuracy) == (0.829493, 0.583333)
    assert (last.val_loss, last.val_accuracy) == (15.936, 0.5)
    assert (last.learning_rate, last.seconds) == (0.000161359, 0.00786583)
    solved = Run.load(FORMAT_1 / "comparison" / "run")
    assert (solved.history, solved.findings()) == (None, [])


def test_epoch_that_was_kept_is_the_one_that_the_run_names(old: Path) -> None:
    change(old / "run" / "run.json", history={"kept": 2})
    assert load_history(old / "run").kept == 2
    history = load_facts(old / "run").history
    assert history is not None
    assert history.kept == 2


@pytest.mark.parametrize("name", RUNS)
def test_facts_load(name: str) -> None:
    run, facts = Run.load(FORMAT_1 / name), load_facts(FORMAT_1 / name)
    assert (facts.info, facts.metrics) == (run.info, run.scores)
    assert facts.selection == system.read_json(FORMAT_1 / name / "selection.json")
    assert (facts.part, facts.class_names) == ("test", list(CLASSES))
    assert facts.scores == run.scores["test"]
    assert facts.history == run.history
    assert list(facts.findings or ()) == run.findings()
    assert [(f.name, f.label, f.split, f.sha256, f.num_pixels) for f in facts.files] == [
        (row["name"], row["label"], row["split"], row["sha256"], 96 * 96) for row in run.files()
    ]
    assert all(file.used for file in facts.files)
    assert [
        (a.name, CLASSES[a.label], CLASSES[a.predicted], a.confidence) for a in facts.answers
    ] == [
        (row["name"], row["label"], row["predicted"], row["probability"])
        for row in run.predictions()
        if row["split"] == "test"
    ]


@pytest.mark.parametrize("name", RUNS)
def test_classifier_loads(name: str) -> None:
    run = Run.load(FORMAT_1 / name)
    manifest = system.read_json(run.path / "classifier" / "classifier.json")
    classifier = run.classifier
    assert classifier.class_names == CLASSES
    backbone = json.loads(json.dumps(classifier.backbone.to_json()))
    assert backbone == manifest["backbone"] == run.info["backbone"]
    assert classifier.engine.to_json() == manifest["engine"] == run.info["engine"]
    assert list(classifier.layers) == manifest["layers"] == run.info["layers"]
    assert classifier.trained == manifest["trained"]
    assert classifier.max_pixels == 100_000_000
    num_params = run.info["params"]["total"] - run.info["backbone"]["num_params"]
    assert classifier.head.num_params == num_params


@pytest.mark.parametrize("name", RUNS)
def test_what_a_classifier_knows_of_how_sure_it_is_loads(name: str) -> None:
    run = Run.load(FORMAT_1 / name)
    manifest = system.read_json(run.path / "classifier" / "classifier.json")
    certainty = run.info["certainty"]
    assurance = run.classifier.uncertainty
    assert assurance is not None
    assert assurance.held_out is not None
    assert assurance.held_out.source == manifest["assurance"]["held_out"] == certainty["held_out"]
    assert assurance.calibration == manifest["assurance"]["calibration"] == certainty["calibration"]
    rules = assurance.rules(kept=0.95, min_accuracy=0.95, coverage=0.95)
    assert rules.ood_threshold == pytest.approx(certainty["unknown"]["threshold"], rel=1e-6)
    assert rules.confidence == pytest.approx(certainty["abstaining"][0]["threshold"], rel=1e-6)
    assert rules.sets is not None
    assert rules.sets.threshold == pytest.approx(certainty["sets"]["threshold"], rel=1e-6)
    reference = run.classifier.reference
    assert reference is not None
    learned = {row["name"] for row in run.files() if row["split"] == "train"}
    assert set(reference.names) <= learned
    for photo, label in zip(reference.names, reference.labels, strict=True):
        assert CLASSES[label] == Path(photo).parent.name


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        ({"views": ["plain", "flip"]}, "views", ("plain", "flip")),
        ({"coding": "sigmoid"}, "head.activation", "sigmoid"),
        ({"max_pixels": 7}, "max_pixels", 7),
        ({"assurance": {}}, "uncertainty.calibration", None),
    ],
)
def test_what_the_classifiers_file_says_counts(
    old: Path, changes: dict[str, Any], attribute: str, value: object
) -> None:
    """Also where what it leaves out is as by default."""
    change(old / "run" / "classifier" / "classifier.json", **changes)
    found: Any = Run.load(old / "run").classifier
    for part in attribute.split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize("name", RUNS)
def test_classifier_says_again_what_it_said(name: str, drawn: Path, warm_cache: Path) -> None:
    run = Run.load(FORMAT_1 / name)
    rows = run.predictions()
    parts = {"test", "validation"} if name == "run" else {"test"}
    assert {row["split"] for row in rows} == parts
    found = run.classifier.predict_proba([drawn / row["name"] for row in rows])
    assert np.abs(found - [row["probabilities"] for row in rows]).max() < TOLERANCE


@pytest.mark.parametrize("name", RUNS)
def test_classifier_knows_its_photos_again(name: str, drawn: Path, warm_cache: Path) -> None:
    """What it carries fits what it sees: each training photo is most like itself, and not new."""
    classifier = Run.load(FORMAT_1 / name).classifier
    assert classifier.reference is not None
    assert classifier.uncertainty is not None
    names = classifier.reference.names[:4]
    ((_, features, probabilities, failed),) = classifier.score_batches(
        [(drawn / photo).read_bytes for photo in names]
    )
    assert failed == []
    nearest, distances = classifier.reference.nearest(features[:, classifier.last_columns()], 1)
    assert [classifier.reference.names[i] for i in nearest[:, 0]] == list(names)
    assert distances.max() < 0.01
    novelty = classifier.ood_scores(features, probabilities)
    assert novelty is not None
    assert classifier.uncertainty.ood_detector is not None
    assert novelty.max() < classifier.uncertainty.ood_detector.threshold(0.95)


def test_comparison_loads() -> None:
    folder = FORMAT_1 / "comparison"
    found, written = Comparison.load(folder), system.read_json(folder / "comparison.json")
    assert found.info == read_comparison(folder)
    assert {name: found.info[name] for name in written if name != "candidates"} == {
        name: value for name, value in written.items() if name != "candidates"
    }
    assert found.run.path == folder / "run"
    assert repr(found.run.metrics) == repr(Run.load(folder / "run").metrics)
    (row,) = found.leaderboard()
    assert {name: row[name] for name in written["candidates"][0]} == written["candidates"][0]
    # A column that has another name by now would be there twice, and empty once.
    assert row.keys() == written["candidates"][0].keys()
    assert "1 candidate, winner 'efficientnet_lite0 features'" in repr(found)


@pytest.mark.parametrize("name", ["run", "comparison"])
def test_page_is_written(
    name: str, old: Path, drawn: Path, capsys: pytest.CaptureFixture[str], warm_cache: Path
) -> None:
    """With the photos, the mistakes explained."""
    run = old / name / ("run" if name == "comparison" else "")
    data = system.read_json(run / "run.json")["data"]
    change(run / "run.json", data={**data, "source": str(drawn)})
    result = system.invoke(capsys, "report", old / name)
    assert result.code == 0, result
    page = (old / name / "report.html").read_text(encoding="utf-8")
    assert "data:image/" in page
    if name == "run":
        assert "16.7%" in page
        assert "Accuracy by epoch" in page
        assert "fewer than 20 photos of circle (12)" in page
        assert "most like it" in page
    else:
        assert "efficientnet_lite0 features is the only candidate" in page
        assert "penalty 0." in page  # from before there were kinds of heads


def keys(data: Any, *place: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where each key of JSON data is; of a list's rows, those of the first one."""
    if isinstance(data, list) and data:
        yield from keys(data[0], *place, 0)
    elif isinstance(data, dict):
        for key, value in data.items():
            yield (*place, key)
            yield from keys(value, *place, key)


def without(data: Any, place: tuple[str | int, ...]) -> Any:
    """The data less one key."""
    changed = copy.deepcopy(data)
    parent = changed
    for part in place[:-1]:
        parent = parent[part]
    del parent[place[-1]]
    return changed


def seen(folder: Path) -> object:
    """All that is shown of a run or a comparison, or the kind of the error; without the photos."""
    try:
        report(folder, progress=False)
        is_comparison = (folder / "comparison.json").is_file()
        run = Comparison.load(folder).run if is_comparison else Run.load(folder)
        return (folder / "report.html").read_bytes(), repr(run), repr(run.metrics)
    except (ClassifierError, KeyError, TypeError, jinja2.UndefinedError) as error:
        return type(error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("run", "run.json"),
        ("run", "metrics.json"),
        ("comparison", "comparison.json"),
        ("comparison", "run/selection.json"),
    ],
)
def test_all_that_is_shown_is_found_by_the_name_it_had(old: Path, folder: str, file: str) -> None:
    """Less one key, as it would be if today's code knew it by another name, less is shown."""
    shutil.rmtree(next((old / folder).rglob("classifier")))  # explains photos, and takes time
    path = old / folder / file
    data, expected = system.read_json(path), seen(old / folder)
    assert isinstance(expected, tuple)
    hidden = set(NOT_SHOWN[file].split())
    unread = []
    for place in keys(data):
        name = ".".join(part for part in place if isinstance(part, str))
        is_hidden = any(name == key or name.startswith(f"{key}.") for key in hidden)
        if is_hidden or name.startswith("config."):  # settings are tried as such, below
            continue
        path.write_text(json.dumps(without(data, place)), encoding="utf-8")
        if seen(old / folder) == expected:
            unread.append(name)
    assert unread == []


@pytest.mark.parametrize("name", RUNS)
def test_settings_are_understood(name: str) -> None:
    path = FORMAT_1 / name / "run.json"
    settings, written = read_settings(path).to_json(), system.read_json(path)["config"]
    settings["coding"] = settings["target_encoding"]  # as it was called then
    assert {key: settings[key] for key in written} == written


@pytest.mark.slow
def test_training_with_the_settings_of_a_run(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], warm_cache: Path
) -> None:
    path = FORMAT_1 / "run" / "run.json"
    result = system.invoke(capsys, "train", drawn, "--config", path, "--out", tmp_path / "run")
    assert result.code == 0, result
    run = Run.load(tmp_path / "run")
    assert run.info["config"] == read_settings(path).to_json()
    assert run.info["layers"] == ["last"]
    assert run.history is not None
    assert len(run.history.epochs) == 4


@pytest.mark.parametrize("version", [0, 2])
def test_classifier_of_another_format_is_refused(
    version: int, old: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(old / "run" / "classifier" / "classifier.json", format=version)
    fix = "Update Photograft, or train again."
    with pytest.raises(ClassifierError, match=f"in format {version}; expected format 1. {fix}"):
        _ = Run.load(old / "run").classifier
    result = system.invoke(capsys, "predict", old / "run", drawn / "circle" / "00.jpg")
    system.assert_one_line(result, f"format {version}", fix)
    # Its page needs no classifier.
    assert system.invoke(capsys, "report", old / "run").code == 0
