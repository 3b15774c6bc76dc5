"""The estimators together with scikit-learn: searches, pipelines, processes; and several looks."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline

import system_helpers
from estimator_helpers import (
    CLASSES,
    classifier,
    features,
    pictures,
)
from photograft.classifier.classifier import Classifier
from photograft.core.errors import InputError
from photograft.interfaces.sklearn.estimators import PhotoClassifier
from training_helpers import TINY, TINY_NORM


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"layer": "auto"}, "where nothing is learnt"),
        ({"settings": {"test_views": "flip"}}, "'test_views' can't be among"),
        ({"settings": {"preprocessing": {"center": "feature"}}}, "statistics of training photos"),
    ],
)
def test_parameters_of_features(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        features().set_params(**parameters).fit(["a.jpg"])


def test_nothing_is_looked_at_twice(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], looked_at: list[int]
) -> None:
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(classifier(), paths, labels, cv=folds)
    assert scores.mean() > 0.7
    assert sum(looked_at) == 36
    search = GridSearchCV(
        classifier(),
        {"layer": ["last", "joined", "auto"], "class_weight": [None, "balanced"]},
        cv=folds,
    ).fit(paths, labels)
    assert search.score(paths, labels) > 0.7
    features().transform([*paths, *paths])
    assert sum(looked_at) == 36


def test_each_backbone_of_a_search_looks_once(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], looked_at: list[int]
) -> None:
    search = GridSearchCV(
        classifier(), {"backbone": [TINY, TINY_NORM], "layer": ["last", "joined"]}, cv=2
    ).fit(paths, labels)
    assert len(search.cv_results_["params"]) == 4
    assert sum(looked_at) == 2 * 36


@pytest.mark.slow
def test_processes_share_what_they_saw(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], cache: Path, looked_at: list[int]
) -> None:
    estimator = classifier(cache=str(cache))  # the environment of a worker may be an older one
    at_once = cross_val_score(estimator, paths, labels, cv=3, n_jobs=2)
    assert system_helpers.num_stored(cache) >= 36
    assert np.array_equal(cross_val_score(estimator, paths, labels, cv=3), at_once)
    assert not looked_at


def test_groups_of_a_splitter(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    groups = np.arange(36) // 3
    scores = cross_val_score(
        classifier(), list(paths), labels, groups=groups, cv=StratifiedGroupKFold(3)
    )
    assert scores.shape == (3,)
    assert scores.mean() > 0.5


def test_calibration(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    for method in ("sigmoid", "isotonic"):
        calibrated = CalibratedClassifierCV(classifier(), method=method, cv=2).fit(paths, labels)
        assert calibrated.score(paths, labels) > 0.7


def test_features_in_a_pipeline(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    model = make_pipeline(features(layer="joined"), LogisticRegression(max_iter=2000))
    search = GridSearchCV(model, {"backbonefeatures__layer": ["last", "joined"]}, cv=2)
    assert search.fit(list(paths), labels).score(list(paths), labels) > 0.7


def test_features_beside_other_columns(paths: npt.NDArray[Any]) -> None:
    table = pd.DataFrame(
        {"hour": np.arange(36) % 24, "path": paths.astype(str)}, index=range(100, 136)
    )
    columns = ColumnTransformer(
        [("photo", features(), ["path"]), ("rest", "passthrough", ["hour"])]
    )
    plain = columns.fit_transform(table)
    named = columns.set_output(transform="pandas").fit_transform(table)
    assert list(named.columns) == [*(f"photo__last_{i}" for i in range(24)), "rest__hour"]
    assert list(named.index) == list(table.index)
    assert np.array_equal(named.to_numpy(), plain)
    single = ColumnTransformer([("photo", features(), "path")]).fit_transform(table)
    assert np.array_equal(single, plain[:, :-1])


def test_names_of_joined_layers() -> None:
    names = features(layer="joined").get_feature_names_out()
    row = features(layer="joined").transform(pictures((20, 20), 1))
    assert len(names) == len(set(names)) == row.shape[1]
    assert names[-1] == "last_23"
    one = names[0].rpartition("_")[0]
    alone = features(layer=one).transform(pictures((20, 20), 1))
    assert np.array_equal(alone[0], row[0, : alone.shape[1]])


def test_without_scikit_learn_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
import photograft
from photograft.core.errors import InputError
try:
    import photograft.interfaces.sklearn.estimators
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "pip install 'photograft[sklearn]'" in done.stdout


@pytest.mark.usefixtures("warm_cache")
def test_the_python_of_the_page_runs(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "scikit-learn.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(photos)
    names: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(snippet, "scikit-learn.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert float(lines[0]) > 0.9
    assert "'layer': " in lines[1]
    assert lines[2].endswith("(2, 3)")
    assert float(lines[3]) > 0.9
    assert lines[4] == "['photo__last_0' 'rest__hour']"
    saved = json.loads((tmp_path / "fruit" / "classifier.json").read_text())
    assert saved["class_names"] == list(CLASSES)


LOOKS = ("efficientnet_lite0@64", "efficientnet_lite0@96,mirror")


@pytest.mark.usefixtures("warm_cache")
def test_features_of_several_looks(paths: npt.NDArray[Any]) -> None:
    settings = {"precision": "fp32"}
    joined = features("+".join(LOOKS), layer="joined", settings=settings)
    parts = [features(name, layer="joined", settings=settings) for name in LOOKS]
    found = joined.fit_transform(paths)
    alone = [part.fit_transform(paths) for part in parts]
    assert found.tobytes() == np.concatenate(alone, axis=1).tobytes()
    names = joined.get_feature_names_out().tolist()
    assert names == [
        f"{look}/{name}"
        for look, part in zip(LOOKS, parts, strict=True)
        for name in part.get_feature_names_out()
    ]
    last = features("+".join(LOOKS), settings=settings)
    kept = last.get_feature_names_out().tolist()
    assert {name.rpartition("_")[0] for name in kept} == {f"{look}/last" for look in LOOKS}
    columns = [names.index(name) for name in kept]
    assert np.array_equal(last.fit_transform(paths), found[:, columns])


@pytest.mark.usefixtures("warm_cache")
def test_a_classifier_of_several_looks(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], tmp_path: Path
) -> None:
    model = classifier("+".join(LOOKS), settings={"precision": "fp32"}).fit(paths, labels)
    assert [look.name for look in model.classifier_.backbone.looks] == list(LOOKS)
    assert model.score(paths, labels) == 1
    said = model.predict_proba(paths)
    again = pickle.loads(pickle.dumps(model))
    assert again.predict_proba(paths).tobytes() == said.tobytes()
    model.classifier_.save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved")
    assert loaded.predict_proba(list(paths)).tobytes() == said.tobytes()


@pytest.mark.usefixtures("warm_cache")
def test_no_look_is_searched_for(paths: npt.NDArray[Any]) -> None:
    """An estimator has the network that it is given, however badly it does."""
    given = np.random.default_rng(0).permutation(np.arange(len(paths)) % 2)
    model = PhotoClassifier(settings={"precision": "fp32"}).fit(paths, given)
    assert model.classifier_.backbone.name == "efficientnet_lite0"
    assert len(model.selection_["steps"]) == 1
