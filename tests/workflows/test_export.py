"""Exports from beginning to end: what lies in the folder runs without Photograft."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from photograft.backbones.engines import Engine
from photograft.backbones.get import get_backbone
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.exporters import EXPORTERS
from photograft.classifier.export.hard_set import hard_photos
from photograft.core.errors import InputError, StorageError, UnknownNameError
from photograft.workflows.export import export
from photograft.workflows.train import train
from recording import Recorder
from system_helpers import invoke

#: Runs an example where Photograft can't be imported.
ALONE = """
import sys, runpy
sys.modules["photograft"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not [name for name in sys.modules if name.startswith("photograft.")]
"""


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture
def made(run_path: Path, warm_cache: Path, module_folder: Path) -> Callable[[str, str], Path]:
    """Exports of the session's run, each made once."""

    def make(to: str, precision: str) -> Path:
        folder = module_folder / f"{to}-{precision}"
        if not folder.exists():
            export(run_path, folder, to=to, precision=precision, num_photos=5, progress=None)
        return folder

    return make


def example(folder: Path, *photos: Path) -> list[str]:
    """What an export's own example prints, in an interpreter without Photograft."""
    code = [sys.executable, "-I", "-c", ALONE, str(folder / "example.py"), *map(str, photos)]
    # Threads that wait for each other take many times as long on a machine that does other work.
    env = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(code, capture_output=True, text=True, timeout=250, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("to", [name for name, way in EXPORTERS.items() if way.runtime])
def test_the_example_answers_as_the_classifier(
    to: str, made: Callable[[str, str], Path], run_path: Path, photos: Path, tmp_path: Path
) -> None:
    folder = made(to, "fp32")
    files = sorted(photos.rglob("*.jpg"))[::13]
    for name, data in hard_photos():
        if len(data) < 200_000:
            (tmp_path / name).write_bytes(data)
            files.append(tmp_path / name)
    if to == "torch":  # which is slow to begin with
        files = files[::4]
    classifier = replace(Classifier.load(run_path), engine=Engine("openvino", "fp32"))
    rules = json.loads((folder / "metadata.json").read_text("utf-8"))["rules"]
    for line, path, found in zip(
        example(folder, *files), files, classifier.predict(files, progress=None), strict=True
    ):
        label = found.label
        assert found.ood_score is not None
        assert found.probability is not None
        if found.ood_score > rules["unknown"]["ood_threshold"]:
            label = "unknown"
        said, _, probability = line.removeprefix(f"{path}: ").partition(" ")
        assert said == label
        assert abs(float(probability.strip("()")) - found.probability) < 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_precisions(to: str, precision: str, made: Callable[[str, str], Path]) -> None:
    whole, less = made(to, "fp32"), made(to, precision)

    def size(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.rglob("model.*") if path.suffix != ".xml")

    assert size(less) < {"fp16": 0.6, "int8": 0.4}[precision] * size(whole)
    found = json.loads((less / "certificate.json").read_text("utf-8"))
    assert found["precision"] == precision
    assert found["accuracy"]["num_photos"] == 5


@pytest.mark.slow
def test_what_lies_in_the_folder(made: Callable[[str, str], Path]) -> None:
    folder = made("onnx", "fp32")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.md", "certificate.html", "certificate.json", "example.py"),
        *("inference-service.yaml", "metadata.json", "photos"),
    ]
    assert [path.name for path in (folder / "photos" / "1").iterdir()] == ["model.onnx"]
    readme = (folder / "README.md").read_text("utf-8")
    service = (folder / "inference-service.yaml").read_text("utf-8")
    assert "@" not in readme + service, "a place that nobody filled in"
    assert "circle, square and triangle" in readme
    assert "kind: InferenceService" in service
    page = (folder / "certificate.html").read_text("utf-8")
    assert "Parity certificate" in page
    assert "all 32 photos" in page


@pytest.mark.slow
def test_openvino_model_server_finds_its_version(made: Callable[[str, str], Path]) -> None:
    folder = made("openvino", "fp32")
    names = sorted(path.name for path in (folder / "photos" / "1").iterdir())
    assert names == ["model.bin", "model.xml"]
    service = (folder / "inference-service.yaml").read_text("utf-8")
    assert "openvino_ir" in service
    assert '{"INFERENCE_PRECISION_HINT": "f32"}' in service


@pytest.mark.slow
def test_the_command_with_photos_of_ones_own(
    run_path: Path,
    photos: Path,
    warm_cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own, out = tmp_path / "own", tmp_path / "out"
    shutil.copytree(photos / "circle", own / "circle")
    (own / "notes.txt").write_text("no photo")
    given = ("--photos", own, "--num-photos", 100, "--out", out)
    found = invoke(capsys, "export", run_path, *given)
    assert found.code == 0, found.err
    assert "decides as the library does for all 47 photos" in found.out
    assert f"Next:        python {out / 'example.py'} PHOTOS..." in found.out
    certificate = json.loads((out / "certificate.json").read_text("utf-8"))
    assert certificate["own"]["num_photos"] == 20
    assert certificate["accuracy"]["num_photos"] == 20
    assert [row["name"] for row in certificate["not_compared"]] == ["notes.txt"]


@pytest.mark.slow
def test_photos_that_are_gone(
    make_photos: Callable[..., Path], warm_cache: Path, tmp_path: Path
) -> None:
    """It is said, and the drawn photos are tried all the same."""
    source = make_photos(tmp_path / "source", n=6)
    run = train(source, out=tmp_path / "run", progress=None)
    shutil.rmtree(source)
    told = Recorder()
    found = export(run, tmp_path / "out", progress=told)
    assert any("are gone" in text and "--photos" in text for text in told.said)
    assert found.certificate["own"]["num_photos"] == 0
    with pytest.raises(InputError, match="--photos"):
        export(run, tmp_path / "int8", precision="int8", progress=None)
    assert not (tmp_path / "int8").exists()


@pytest.mark.slow
def test_what_is_refused_leaves_nothing(
    run_path: Path,
    warm_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the command line: exit code 2, one line, no folder."""
    from photograft.classifier.export import certificate

    monkeypatch.setitem(certificate.TOLERANCES["fp32"], "probabilities", -1.0)
    found = invoke(capsys, "export", run_path, "--num-photos", 1, "--out", tmp_path / "out")
    assert found.code == 2
    assert "answers otherwise" in found.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_formats_and_precisions_that_there_are_not(run_path: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean onnx"):
        export(run_path, tmp_path / "out", to="onx")
    with pytest.raises(InputError, match="precision"):
        export(run_path, tmp_path / "out", precision="fp8")
    with pytest.raises(InputError, match="to torch can't be in int8; expected fp32"):
        export(run_path, tmp_path / "out", to="torch", precision="int8")


def test_a_folder_that_is_taken(run_path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="exists already"):
        export(run_path, tmp_path, progress=None)


def test_no_photos_in_a_folder(run_path: Path, warm_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no photos"):
        export(run_path, tmp_path / "out", photos=tmp_path, progress=None)


def test_hard_photos_are_hard() -> None:
    """Each is of the kind that its name says, and they are the same on each call."""
    found = dict(hard_photos())
    assert hard_photos() == tuple(found.items())
    by_name = {}
    for name, data in found.items():
        by_name[Path(name).stem] = Image.open(io.BytesIO(data))
    assert [by_name[f"EXIF orientation {i}"].getexif()[274] for i in range(1, 9)] == [*range(1, 9)]
    assert by_name["CMYK"].mode == "CMYK"
    assert by_name["16 bits"].mode == "I;16"
    assert by_name["alpha"].mode == "RGBA"
    assert by_name["palette"].mode == "P"
    assert by_name["1 x 1"].size == (1, 1)
    assert max(by_name["wide"].size) / min(by_name["wide"].size) >= 100
    assert by_name["large"].size >= (2000, 1500)


def test_looks_with_decodings_of_their_own_are_refused(
    run_path: Path, warm_cache: Path, tmp_path: Path
) -> None:
    """Those of classifiers from before."""
    joined = get_backbone("efficientnet_lite0+efficientnet_lite2")
    old = replace(joined, parts=tuple(replace(look, decoded_for=0) for look in joined.parts))
    classifier = replace(Classifier.load(run_path), backbone=old)
    with pytest.raises(InputError, match=r"decoded for each look anew.*Train again with the same"):
        export(classifier, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
