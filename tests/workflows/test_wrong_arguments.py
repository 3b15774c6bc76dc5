"""What Python hands over by mistake is said plainly: no bare TypeError, nothing half done."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import photograft
import system_helpers
from photograft.core.errors import ClassifierError, InputError, PhotograftError

#: As a user who is not held by types would call them.
calls = cast("Any", photograft)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run: calls.train(123), "the source can't be understood"),
        (lambda run: calls.train("x", {"bogus": 1}), "no setting named 'bogus'"),
        (lambda run: calls.train("x", [1]), "the settings can't be understood"),
        (lambda run: calls.train("x", config="nope.toml"), "nope.toml can't be read"),
        (lambda run: calls.train("x", bogus=1), "no setting named 'bogus'"),
        (lambda run: calls.train("x", bogus=1), "`photograft train --help` lists them"),
        (lambda run: calls.train("x", epoch=1), "no setting named 'epoch'. Did you mean epochs"),
        (lambda run: calls.compare("x", epoch=1), "no setting named 'epoch'. Did you mean epochs"),
        (lambda run: calls.train("x", epochs="three"), "epochs is of another type"),
        (lambda run: calls.train("x", hidden=5), "hidden is of another type"),
        (lambda run: calls.compare("x", backbones="name"), "a list of names"),
        (lambda run: calls.compare("x", budget="soon"), "such as 90s"),
        (lambda run: calls.doctor(None), "the source can't be understood"),
        (lambda run: calls.inspect(3.5), "the source can't be understood"),
        (lambda run: calls.learning_curve(3.5), "the source can't be understood"),
        (lambda run: calls.evaluate(run, None), "the source can't be understood"),
        (lambda run: calls.evaluate(5, "x"), "no classifier"),
        (lambda run: calls.predict("nowhere", "a.jpg"), "there is no nowhere"),
        (lambda run: calls.predict(5, "a.jpg"), "no classifier"),
        (lambda run: calls.predict(run, 5), "no photo"),
        (lambda run: calls.explain(run, 5), "the photo can't be understood"),
        (lambda run: calls.explain(run, b"x"), "the photo can't be understood"),
        (lambda run: calls.suggest(run, 5), "the folder can't be understood"),
        (lambda run: calls.suggest(run, "nowhere"), "nowhere is no folder"),
        (lambda run: calls.Dataset.load(5), "the source can't be understood"),
        (lambda run: calls.Dataset.from_frame(5), "no table"),
        (lambda run: calls.Classifier.load(5), "the classifier can't be understood"),
        (lambda run: calls.Run.load(None), "the run can't be understood"),
        (lambda run: calls.Comparison.load(None), "the comparison can't be understood"),
        (lambda run: calls.train("x", training=calls.Preprocessing()), "training is of another"),
        (lambda run: calls.TrainConfig(seed="a"), "seed is of another type"),
        (lambda run: calls.TrainConfig(preprocessing={"size": 8}), "no setting named 'size'"),
        (lambda run: calls.train("x", out=3), "the run folder can't be understood"),
        (lambda run: calls.train("x", corrections=3), "corrections can't be understood"),
        (lambda run: calls.train("x", augment=3), "augment can't be understood"),
        (lambda run: calls.train("x", {1: 3}), "no setting named '1'"),
        (lambda run: calls.compare("x", strategy="finetune"), "expected strategies"),
        (lambda run: calls.compare("x", backbones=3), "a list of names"),
        (lambda run: calls.compare("x", out=3), "comparison folder can't be understood"),
        (lambda run: calls.doctor("x", out=3), "the folder can't be understood"),
        (
            lambda run: calls.inspect("x", max_pixels="a"),
            "max_pixels must be a whole number, .* got 'a'",
        ),
        (lambda run: calls.inspect("x", max_pixels=-5), "max_pixels must be .* got -5"),
        (lambda run: calls.predict(run, "a.jpg", max_pixels=0), "max_pixels must be .* got 0"),
        (
            lambda run: calls.Dataset.from_arrays([np.zeros((9, 9))], ["a"], max_pixels=0.5),
            "max_pixels must be .* got 0.5",
        ),
        (lambda run: calls.learning_curve("x", seeds="a"), "seeds can't be 'a'"),
        (lambda run: calls.learning_curve("x", seeds=2.5), "a whole number"),
        (lambda run: calls.learning_curve("x", strategy="scratch"), "strategy 'features'"),
        (lambda run: calls.suggest(run, "x", num=2.5), "a whole number"),
        (lambda run: calls.suggest(run, "x", seed=-1), "seed can't be -1"),
        (lambda run: calls.predict(run, "a.jpg", keep="a"), "got a"),
        (lambda run: calls.predict(run, "a.jpg", coverage="a"), "coverage"),
        (lambda run: calls.explain(run, "a.jpg", class_name=3), "no class named '3'"),
        (lambda run: calls.FeatureStore(3), "cache folder can't be understood"),
    ],
)
def test_a_wrong_argument_is_named(
    call: Callable[[Path], object],
    words: str,
    run_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PhotograftError, match=words):
        call(run_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (123, "got 123, an int$"),
        (None, "got None$"),
        (
            np.zeros((4, 8, 8, 3)),
            r"got an ndarray of shape \(4, 8, 8, 3\)\. .*Dataset\.from_arrays",
        ),
        ((np.zeros((4, 8, 8, 3)), [0, 1, 0, 1]), r"…, a tuple\. .*Dataset\.from_arrays"),
        (["a.jpg", "b.jpg"], r"a list\. .*Dataset\.from_arrays"),
        (pd.DataFrame({"path": ["a"], "label": ["b"]}), r"a DataFrame of .*Dataset\.from_frame"),
    ],
)
@pytest.mark.parametrize("call", [calls.train, calls.compare, calls.inspect, calls.doctor])
def test_what_comes_is_said_on_one_line(
    call: Callable[[Any], object], given: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        call(given)
    assert "\n" not in str(caught.value)


def test_parts_of_settings_may_be_plain_data() -> None:
    config = calls.TrainConfig(preprocessing={"input_size": 32})
    assert config.preprocessing == calls.Preprocessing(input_size=32)


def test_a_store_is_made_of_text_or_a_path(tmp_path: Path) -> None:
    assert calls.FeatureStore(str(tmp_path)).root == calls.FeatureStore(tmp_path).root


@pytest.mark.parametrize(
    "call", [calls.predict, calls.evaluate, calls.explain, calls.suggest], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("inner", ["", "classifier"])
def test_photos_before_their_classifier(
    call: Callable[..., object], photos: Path, run_path: Path, inner: str
) -> None:
    swapped = run_path / inner
    with pytest.raises(InputError) as caught:
        call(photos, swapped)
    assert str(caught.value) == (
        f"{photos} holds no classifier, but {swapped} does. The classifier comes first: give "
        f"{swapped} and then {photos}."
    )


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_photos_before_their_classifier_on_the_command_line(
    capsys: pytest.CaptureFixture[str], photos: Path, run_path: Path, command: str
) -> None:
    files = sorted(photos.glob("*/*.jpg"))[:2]
    result = system_helpers.invoke(capsys, command, *files, run_path)
    system_helpers.assert_one_line(result, f"The classifier comes first: give {run_path}")


def test_a_damaged_classifier_is_not_taken_for_photos(run_path: Path, tmp_path: Path) -> None:
    shutil.copytree(run_path, tmp_path / "run")
    (tmp_path / "run" / "classifier" / "classifier.json").write_text("{}")
    with pytest.raises(ClassifierError, match="changed"):
        photograft.predict(tmp_path / "run", run_path)


@pytest.mark.parametrize(
    "verb",
    ["compare", "doctor", "evaluate", "explain", "learning_curve", "suggest", "train"],
)
def test_every_verb_that_opens_the_store_can_be_given_another(verb: str) -> None:
    assert "store" in inspect.signature(getattr(photograft, verb)).parameters


def test_a_folder_of_runs_names_one(run_path: Path, photos: Path) -> None:
    with pytest.raises(ClassifierError, match=f"{run_path} is one"):
        photograft.predict(run_path.parent, photos / "circle" / "00.jpg")
