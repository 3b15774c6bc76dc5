"""A classifier of several looks, from the command line: one in every way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import photograft
import system_helpers as system
from photograft.classifier.classifier import Classifier
from photograft.classifier.heat_maps import HeatMaps
from photograft.core.store import FeatureStore
from photograft.evaluation.comparison.candidates import make_candidates
from photograft.workflows.settings import TrainConfig

pytestmark = pytest.mark.usefixtures("warm_cache")

FIRST, SECOND = "efficientnet_lite0@64", "efficientnet_lite0@96,mirror"
JOINED = f"{FIRST}+{SECOND}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two looks that carries their weights; not to be changed."""
    folder = tmp_path_factory.mktemp("looks") / "run"
    store = FeatureStore(system.shared_cache(tmp_path_factory))
    config = TrainConfig(backbone=JOINED, include_weights="always", precision="fp32")
    photograft.train(system.shared_photos(tmp_path_factory), config, out=folder, store=store)
    return folder


def said_of(run: Path, part: str) -> dict[str, npt.NDArray[np.float32]]:
    return {
        row["name"]: np.array(row["probabilities"], np.float32)
        for row in system.read_rows(run / "predictions.parquet")
        if row["split"] == part
    }


def test_the_run_tells_of_every_look(run: Path) -> None:
    info = system.read_json(run / "run.json")
    assert info["backbone"]["name"] == JOINED
    assert {name.rpartition("/")[0] for name in info["layers"]} <= {FIRST, SECOND}
    # A backbone that is named is taken as it is: nothing else is looked for.
    assert [step["look"] for step in system.read_json(run / "selection.json")["steps"]] == [JOINED]
    assert not any("--effort" in note for note in info["notes"])
    assert JOINED in (run / "report.html").read_text(encoding="utf-8")


def test_its_weights_lie_with_it(run: Path) -> None:
    folder = run / "classifier"
    found = sorted(path.name for path in folder.glob("backbone*"))
    assert found == ["backbone-1.safetensors", "backbone-2.safetensors"]
    files = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))["files"]
    assert set(found) <= set(files)


@pytest.mark.parametrize("carries", [True, False])
def test_a_process_without_a_store_says_the_same(
    carries: bool, run: Path, photos: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    if carries:
        shutil.copytree(run / "classifier", elsewhere)
    else:
        Classifier.load(run).save(elsewhere)
        assert not list(elsewhere.glob("backbone*"))
    told = said_of(run, "test")
    files = [str(photos / name) for name in told]
    code = (
        "import sys, numpy as np\n"
        "from photograft import Classifier\n"
        "found = Classifier.load(sys.argv[1]).predict_proba(sys.argv[3:])\n"
        "np.save(sys.argv[2], found)\n"
        "assert 'torch' not in sys.modules\n"
    )
    target = tmp_path / "said.npy"
    subprocess.run(
        [sys.executable, "-c", code, str(elsewhere), str(target), *files],
        env={**os.environ, "PHOTOGRAFT_CACHE": str(tmp_path / "empty cache")},
        check=True,
    )
    assert np.load(target).tobytes() == np.stack(list(told.values())).tobytes()


def test_changed_weights_of_a_look_are_noticed(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(run / "classifier", tmp_path / "changed"))
    weights = folder / "backbone-2.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    said = system.invoke(capsys, "predict", folder, photos / "circle" / "00.jpg")
    system.assert_one_line(said, "backbone-2.safetensors")


def test_commands_go_with_several_looks(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = sorted((photos / "circle").iterdir())[:2]
    for command in (
        ("predict", run, *some),
        ("evaluate", run, photos),
        ("explain", run, *some, "--out", tmp_path / "why"),
        ("suggest", run, photos, "--out", tmp_path / "next.csv"),
        ("report", run),
        ("doctor", photos, "--backbone", JOINED, "--out", tmp_path / "doctor"),
    ):
        said = system.invoke(capsys, *command)
        assert said.code == 0, (command[0], said.err)
    assert len(list((tmp_path / "why").glob("*.png"))) == 2


def test_evaluate_knows_what_it_has_learned_from(run: Path, photos: Path) -> None:
    """The head was fitted on validation photos as well; what is left is the test."""
    found = photograft.evaluate(run, photos)
    num_test = len(said_of(run, "test"))
    assert found.scores is not None
    assert found.trained_on is not None
    assert found.chosen_by is None
    assert found.scores.num_photos == num_test
    assert found.trained_on.num_photos == len(list(photos.glob("*/*"))) - num_test
    assert found.scores.accuracy == system.read_json(run / "metrics.json")["test"]["accuracy"]


def test_evidence_of_all_looks_adds_up_to_the_logit(run: Path, photos: Path) -> None:
    classifier = Classifier.load(run)
    maps = HeatMaps(classifier)
    data = (photos / "square" / "03.jpg").read_bytes()
    bias = classifier.head.biases[0]
    grids = []
    for c in range(3):
        look = maps.evidence_in(data, c)
        wanted = (look.logits - bias)[c] - (look.logits - bias).mean()
        assert look.evidence.sum() == pytest.approx(wanted, rel=1e-3, abs=1e-3)
        grids.append(look.evidence.shape)
    # On the grid of the last look.
    assert set(grids) == {(3, 3)}
    said = classifier.predict_proba([data])[0]
    shifted = np.exp(look.logits - look.logits.max())
    np.testing.assert_allclose(shifted / shifted.sum(), said, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        ("--strategy", "finetune"),
        ("--strategy", "auto"),
        ("--head", "mlp"),
        ("--precision", "int8"),
        ("--weights", "mine.pth"),
        ("--layer", "last,blocks.6"),
    ],
)
def test_what_is_for_one_network_alone_is_refused(
    options: tuple[str, ...], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    said = system.invoke(capsys, "train", photos, "--backbone", JOINED, *options, "--out", out)
    system.assert_one_line(said, JOINED)
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "PHOTOS", "--backbone", "efficientnet_lite0@96,mirror", "--strategy", "finetune"),
        ("compare", "PHOTOS", "--backbones", JOINED, "--strategies", "finetune"),
        ("summary", JOINED),
        ("backbones", "convert", JOINED, "--out", "converted"),
    ],
)
def test_no_network_is_made_of_several_looks(
    arguments: tuple[str, ...], photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [photos if word == "PHOTOS" else word for word in arguments]
    system.assert_one_line(system.invoke(capsys, *given), "several looks")


def test_several_looks_are_left_out_of_what_trains_networks() -> None:
    config = TrainConfig()
    found = make_candidates([FIRST, JOINED], ["features", "finetune"], [], config)
    assert [(one.config.backbone, one.config.strategy) for one in found] == [
        (FIRST, "features"),
        (JOINED, "features"),
        (FIRST, "finetune"),
    ]
    assert {one.config.strategy for one in make_candidates([JOINED], [], [], config)} == {
        "features",
        "features+augment",
    }


def test_views_of_several_looks(photos: Path, tmp_path: Path) -> None:
    """Augmented views, each at the size of the look that sees it; and mirror images at the end."""
    config = TrainConfig(
        backbone=JOINED, strategy="features+augment", views=1, test_views="flip", precision="fp32"
    )
    trained = photograft.train(photos, config, out=tmp_path / "run")
    told = said_of(trained.path, "test")
    found = Classifier.load(trained.path).predict_proba([photos / name for name in told])
    assert found.tobytes() == np.stack(list(told.values())).tobytes()


def test_looks_are_compared_with_others(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (FIRST, SECOND, JOINED)
    said = system.invoke(
        capsys, "compare", photos, "--backbones", ",".join(names), "--strategies", "features",
        "--out", tmp_path / "compared",
    )  # fmt: skip
    assert said.code == 0, said.err
    rows = {
        row["backbone"]: row
        for row in system.read_json(tmp_path / "compared" / "comparison.json")["candidates"]
    }
    assert set(rows) == set(names)
    assert {row["status"] for row in rows.values()} == {"complete"}
    first, second, both = (rows[name]["multiply_adds"] for name in names)
    assert both == first + second
    assert all(row["ms_per_photo"] > 0 for row in rows.values())
    classifier = Classifier.load(tmp_path / "compared" / "run")
    assert classifier.predict_proba([photos / "circle" / "00.jpg"]).shape == (1, 3)
