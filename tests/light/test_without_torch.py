"""The main job where torch is not installed: it runs, and what can't run says what to install.

`scripts/test` runs this in an environment without torch; in others there is nothing to try.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from drawing import draw_folder
from onnx_helpers import MAP, TOKENS, write_network
from photograft.core.store import default_cache_dir
from server_helpers import serving

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is not None, reason="torch is installed"
)
FIXTURE = Path(__file__).parents[1] / "fixtures" / "format_1" / "run"


def photograft(*arguments: object, code: int = 0) -> str:
    """Run a command; return what it said."""
    command = [sys.executable, "-m", "photograft", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(
        tmp_path_factory.mktemp("set") / "photos", ("circle", "square"), n=12, seed=1
    )


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    photograft("train", photos, "--out", folder)
    return folder


def test_torch_and_matplotlib_are_not_here() -> None:
    for package in ("torch", "torchvision", "timm", "matplotlib"):
        assert importlib.util.find_spec(package) is None


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_training(photos: Path, tmp_path: Path, engine: str) -> None:
    pytest.importorskip(engine)
    options = ("--engine", engine, "--include-weights", "always", "--out", tmp_path / "run")
    photograft("train", photos, *options)
    classifier = json.loads((tmp_path / "run" / "classifier" / "classifier.json").read_text())
    assert classifier["engine"]["name"] == engine
    photo = next(photos.rglob("*.jpg"))
    assert photo.parent.name in photograft("predict", tmp_path / "run", photo)


@pytest.mark.parametrize(
    "options",
    [
        (
            "--strategy",
            "features+augment",
            "--views",
            "1",
            "--augment",
            "brightness=0.2,rotation=9",
        ),
        ("--pooling", "flatten", "--layer", "last", "--input-size", "96"),
        ("--backbone", "efficientnet_lite1", "--test-views", "flip"),
        ("--precision", "int8"),
    ],
)
def test_training_in_other_ways(photos: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    photograft("train", photos, *options, "--out", tmp_path / "run")


def test_what_follows_a_training(run: Path, photos: Path, tmp_path: Path) -> None:
    photo = next(photos.rglob("*.jpg"))
    assert photo.parent.name in photograft("predict", run, photo)
    photograft("evaluate", run, photos)
    photograft("explain", run, photo, "--out", tmp_path / "explained")
    photograft("suggest", run, photos, "-n", "2")
    photograft("report", run)


def test_questions_of_photos(photos: Path, tmp_path: Path) -> None:
    photograft("inspect", photos)
    photograft("doctor", photos, "--out", tmp_path / "doctor")
    photograft("learning-curve", photos, "--output", tmp_path / "curve.png")
    photograft("backbones")


def test_pictures_on_demand(photos: Path, tmp_path: Path) -> None:
    photograft("augment", photos, "-o", tmp_path / "augmented.png")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"history": {"kept": 2}}')
    (tmp_path / "run" / "history.csv").write_text(
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"
        "1,0.7,0.5,0.6,0.6,0.001,1\n2,0.5,0.7,0.5,0.8,0.001,1\n"
    )
    for name in ("curves.png", "curves.svg"):
        photograft("plot", tmp_path / "run", "-o", tmp_path / name)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "validation" in (tmp_path / "curves.svg").read_text(encoding="utf-8")


def test_comparing_offers_what_can_be_run(photos: Path, tmp_path: Path) -> None:
    photograft("compare", photos, "--backbones", "efficientnet_lite0", "--out", tmp_path / "all")
    found = json.loads((tmp_path / "all" / "comparison.json").read_text())
    assert {row["strategy"] for row in found["candidates"]} == {"features", "features+augment"}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("train", "--strategy", "finetune"), "the strategy finetune"),
        (("train", "--strategy", "scratch"), "the strategy scratch"),
        (("train", "--strategy", "auto"), "the strategy auto"),
        (("train", "--head", "mlp"), "the head mlp"),
        (("train", "--strategy", "features+augment", "--views", "-1"), "augmenting anew"),
        (
            ("train", "--strategy", "features+augment", "--augment", "rand_augment=2"),
            "the augmentation rand_augment",
        ),
        (("train", "--backbone", "resnet18"), "the backbone resnet18"),
        (("train", "--weights", "random"), "preparing efficientnet_lite0"),
        (("train", "--track", "tensorboard"), "the tracker tensorboard"),
        (("compare", "--strategies", "features,finetune"), "the strategy finetune"),
        (("compare", "--recipes", "A3"), "the head mlp"),
    ],
    ids=str,
)
def test_what_needs_torch_says_so(
    photos: Path, tmp_path: Path, arguments: tuple[str, ...], what: str
) -> None:
    command, *options = arguments
    said = photograft(command, photos, *options, "--out", tmp_path / "out", code=2)
    assert f"{what} needs torch" in " ".join(said.split()) or what in said
    assert "Run: pip install 'photograft[torch]'." in said
    assert not (tmp_path / "out").exists()


def test_other_commands_that_need_torch() -> None:
    for arguments in (("summary", "efficientnet_lite0"), ("backbones", "--search", "resnet")):
        assert "pip install 'photograft[torch]'" in photograft(*arguments, code=2)


def test_an_engine_that_is_not_here(photos: Path, tmp_path: Path) -> None:
    said = photograft("train", photos, "--engine", "torch", "--out", tmp_path / "run", code=2)
    assert "the engine torch is not installed. Run: pip install 'photograft[torch]'" in said


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_onnx_file(photos: Path, tmp_path: Path, engine: str) -> None:
    """The whole job with a network of one's own: the engine is all that runs it."""
    pytest.importorskip(engine)
    encoder, run = write_network(tmp_path / "own.onnx", (MAP, TOKENS)), tmp_path / "run"
    given = ("--backbone", encoder, "--engine", engine)
    assert "taken as NCHW" in photograft("train", photos, *given, "--out", run)
    photo = next(photos.rglob("*.jpg"))
    photograft("predict", run, photo)
    photograft("explain", run, photo, "--out", tmp_path / "why")
    said = photograft("train", photos, *given, "--strategy", "finetune", code=2)
    assert "is an ONNX file, which can't be trained" in said


def test_converting(tmp_path: Path) -> None:
    for name in ("resnet50", "efficientnet_lite0", "vgg16_notop.h5"):
        said = photograft("backbones", "convert", name, "--out", tmp_path / "out", code=2)
        assert "Run: pip install 'photograft[torch]'." in said
    assert not (tmp_path / "out").exists()


def test_a_classifier_of_an_earlier_version(photos: Path) -> None:
    photo = next(photos.rglob("*.jpg"))
    assert str(photo) in photograft("predict", FIXTURE, photo)


def test_serving(run: Path, photos: Path) -> None:
    photo = next(photos.rglob("*.jpg"))
    with serving(default_cache_dir(), run) as server:
        reply = server.send_photo(photo.read_bytes())
        assert reply.json["predictions"][0]["label"] == photo.parent.name
        assert server.stop()[0] == 0
