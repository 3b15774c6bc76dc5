"""Every kind of head, from the command line: trained, asked, explained, and trained again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import photograft
import system_helpers as system
from photograft import Classifier
from photograft.learning.settings import TrainConfig

pytestmark = pytest.mark.usefixtures("warm_cache")

KINDS = {
    "auto": {"logistic", "discriminant"},
    "logistic": {"logistic"},
    "discriminant": {"discriminant"},
}


@pytest.mark.parametrize("head", KINDS)
def test_commands_go_with_every_kind(
    capsys: pytest.CaptureFixture[str], head: str, photos: Path, tmp_path: Path
) -> None:
    run, some = tmp_path / "run", sorted((photos / "circle").iterdir())[:2]
    said = system.invoke(capsys, "train", photos, "--head", head, "--out", run)
    assert said.code == 0, said.err
    assert system.read_json(run / "run.json")["config"]["head"] == head
    selection = system.read_json(run / "selection.json")
    assert {row["head"] for row in selection["candidates"]} == KINDS[head]
    chosen = selection["chosen"]
    assert {one["head"] for one in chosen["heads"]} <= KINDS[head]
    assert sum(one["share"] for one in chosen["heads"]) == pytest.approx(1)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert all(one["head"] in page for one in chosen["heads"])
    # Still one linear head, whatever it was blended of.
    classifier = Classifier.load(run)
    assert len(classifier.head.weights) == 1
    assert classifier.head.weights[0].shape == (chosen["num_features"], 3)
    for command in (
        ("predict", run, *some),
        ("evaluate", run, photos),
        ("explain", run, *some, "--out", tmp_path / "why"),
        ("suggest", run, photos, "--out", tmp_path / "next.csv"),
        ("report", run),
    ):
        said = system.invoke(capsys, *command)
        assert said.code == 0, (command[0], said.err)
    assert len(list((tmp_path / "why").glob("*.png"))) == 2


def test_default_is_the_blend(run_path: Path) -> None:
    assert TrainConfig().head == "auto"
    assert system.read_json(run_path / "run.json")["config"]["head"] == "auto"


def test_discriminant_is_another_head_and_the_same_again(photos: Path, tmp_path: Path) -> None:
    found = {}
    for name, head in (("first", "discriminant"), ("again", "discriminant"), ("other", "logistic")):
        run = photograft.train(photos, TrainConfig(head=head), out=tmp_path / name)
        found[name] = (run.path / "classifier" / "head.safetensors").read_bytes()
    assert found["first"] == found["again"]
    assert found["first"] != found["other"]


@pytest.mark.parametrize("head", ["auto", "discriminant"])
def test_balanced_heads_and_views(head: str, photos: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        head=head, class_weight="balanced", strategy="features+augment", views=1, test_views="flip"
    )
    run = photograft.train(photos, config, out=tmp_path / "run")
    said = Classifier.load(run.path).predict_proba(sorted((photos / "circle").iterdir())[:3])
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    assert {"plain", "augmented"} <= set(system.read_json(run.path / "selection.json"))
