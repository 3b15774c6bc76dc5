"""What `--to web` writes: the page and what belongs to it, tried before it is handed out."""

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

import numpy as np
import pytest
from PIL import Image

import photograft
import system_helpers as system
from photograft.backbones.engines import Engine
from photograft.backbones.opening import open_whole
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.certificate import ParityError, certify
from photograft.classifier.export.exporters import EXPORTERS
from photograft.classifier.export.exporting import Exported
from photograft.classifier.export.graph import graph
from photograft.classifier.export.names import FEATURES
from photograft.classifier.export.order import Order
from photograft.classifier.export.parity import Sample
from photograft.classifier.export.web.about import title_of
from photograft.classifier.export.web.building import build_web
from photograft.classifier.export.web.neighbours import LIKENESS, add_likeness, load_neighbours
from photograft.classifier.export.web.page import facts_in
from photograft.classifier.export.web.pixels import page_pixels
from photograft.classifier.head import Head
from photograft.core.errors import ConversionError, ImageError, InputError
from photograft.core.progress import Silent
from photograft.features.preprocessing import prepare
from photograft.workflows.export import export
from web_runtime import NEEDS_RUNTIME

pytestmark = NEEDS_RUNTIME
WEB = EXPORTERS["web"]


@pytest.fixture
def trained(run_path: Path, warm_cache: Path) -> Classifier:
    return replace(Classifier.load(run_path), engine=Engine("openvino", "fp32"))


def samples(photos: Path) -> list[Sample]:
    paths = sorted(photos.rglob("*.jpg"))[::15]
    return [Sample(path.name, path.read_bytes) for path in paths]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The session's run as a page, tried on five of its photos."""
    run, folder = system.shared_run(tmp_path_factory), tmp_path_factory.mktemp("web") / "page"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOGRAFT_CACHE", str(system.shared_cache(tmp_path_factory)))
        return export(run, folder, to="web", num_photos=5, progress=None)


@pytest.mark.slow
def test_what_lies_in_the_folder(plain: Exported) -> None:
    found = plain
    names = {path.name for path in found.folder.iterdir()}
    assert names == {
        *("index.html", "manifest.webmanifest", "service-worker.js", "icon-192.png"),
        *("icon-512.png", "metadata.json", "README.md", "LICENSE.onnxruntime"),
        *("certificate.json", "certificate.html"),
    }
    assert found.model == Path("index.html")
    certificate = json.loads((found.folder / "certificate.json").read_text())
    assert "without a browser" in certificate["note"]
    assert certificate["own"]["same_decision"] == certificate["own"]["num_photos"] == 5
    assert certificate["hard"]["same_decision"] == certificate["hard"]["num_photos"] > 20
    assert certificate["note"] in (found.folder / "certificate.html").read_text().replace(
        "&#39;", "'"
    )
    assert "Microsoft" in (found.folder / "LICENSE.onnxruntime").read_text()
    assert (found.folder / "index.html").stat().st_size < 25e6


def other_head(classifier: Classifier) -> Classifier:
    weights = tuple(weight * np.float32(1.02) for weight in classifier.head.weights)
    return replace(classifier, head=Head(weights, classifier.head.biases))


CHANGES: dict[str, Callable[[str], str]] = {
    "resized otherwise": lambda page: page.replace('"bicubic"', '"bilinear"'),
    "another head": lambda page: page,
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_page_that_answers_otherwise_is_refused(
    trained: Classifier, photos: Path, change: str, tmp_path: Path
) -> None:
    written = other_head(trained) if change == "another head" else trained
    page = build_web(written)["index.html"].decode()
    (tmp_path / "index.html").write_text(CHANGES[change](page), encoding="utf-8")
    with pytest.raises(ParityError, match="otherwise"):
        certify(trained, tmp_path, WEB, Order("page"), samples(photos), progress=Silent())


def test_what_is_no_page_is_refused(trained: Classifier, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<html></html>")
    with pytest.raises(ConversionError, match="packed-network"):
        certify(trained, tmp_path, WEB, Order("page"), [], progress=Silent())


def test_likeness_is_that_of_the_reference(trained: Classifier, photos: Path) -> None:
    reference = trained.reference
    assert reference
    reads = {name: (photos / name).read_bytes for name in reference.names[::2]}
    neighbours = load_neighbours(reference, reads, trained.max_pixels)
    assert neighbours
    assert set(neighbours.which.tolist()) == set(range(0, len(reference.names), 2))
    for picture in neighbours.pictures:
        assert Image.open(io.BytesIO(picture)).size == (96, 96)
    model = graph(trained, prepared=True)
    add_likeness(model, trained, neighbours)
    data = (photos / reference.names[1]).read_bytes()
    run = open_whole(model.SerializeToString(), "onnxruntime", (FEATURES,))
    found = run(prepare(data, trained.backbone)[None])
    row = found[FEATURES][:, trained.last_columns()]
    which, distances = reference.nearest(row, len(reference.names))
    by_place = dict(zip(which[0].tolist(), distances[0].tolist(), strict=True))
    expected = [1 - by_place[i] for i in neighbours.which.tolist()]
    np.testing.assert_allclose(found[LIKENESS][0], expected, atol=1e-4)


def test_photos_that_are_gone_are_no_neighbours(trained: Classifier, photos: Path) -> None:
    reference = trained.reference
    assert reference

    def gone() -> bytes:
        raise OSError("gone")

    reads = dict.fromkeys(reference.names, gone)
    first = reference.names[0]
    assert load_neighbours(reference, reads, trained.max_pixels) is None
    found = load_neighbours(
        reference, reads | {first: (photos / first).read_bytes}, trained.max_pixels
    )
    assert found
    assert found.which.tolist() == [0]


@pytest.mark.slow
def test_neighbours_are_shown_only_where_they_are_allowed(
    run_path: Path, warm_cache: Path, plain: Exported, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    export(run_path, shown, to="web", num_photos=0, neighbours=True, progress=None)
    for folder, allowed in ((plain.folder, False), (shown, True)):
        facts = facts_in((folder / "index.html").read_text(encoding="utf-8"))
        assert bool(facts["neighbours"]) is allowed
    with pytest.raises(InputError, match="shows no training photos"):
        export(run_path, tmp_path / "x", to="onnx", neighbours=True, progress=None)
    loaded = Classifier.load(run_path)
    with pytest.raises(InputError, match="no training photos to show"):
        export(loaded, tmp_path / "x", to="web", neighbours=True, progress=None)


def test_a_network_that_is_too_much_for_a_page(
    trained: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photograft.classifier.export.web.building.MAX_BYTES", 10_000_000)
    with pytest.raises(InputError, match=r"the network takes .* MB, too much for a page.*10\.0 MB"):
        build_web(trained)


def test_names_are_no_markup(trained: Classifier) -> None:
    names = ("</script><b>x", "a & b", "-->")
    page = build_web(replace(trained, class_names=names), title="<i>?")["index.html"].decode()
    assert "<b>x" not in page
    assert "<i>" not in page
    assert facts_in(page)["class_names"] == list(names)


def test_titles(trained: Classifier) -> None:
    assert title_of(trained) == "circle, square or triangle?"
    assert title_of(replace(trained, class_names=("cat", "dog"))) == "cat or dog?"
    many = replace(trained, class_names=tuple("abcdefg"), trained={"name": "letters"})
    assert title_of(many) == "letters"
    assert title_of(replace(many, trained={})) == "7 classes"


def test_pixels_of_a_page(trained: Classifier) -> None:
    """Those of the library; what depends on the browser is not compared."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (1000, 900, 3), np.uint8))
    for mode, settings in (("RGB", {"subsampling": 2}), ("L", {}), ("CMYK", {})):
        stream = io.BytesIO()
        image.convert(mode).save(stream, "JPEG", **settings)
        data = stream.getvalue()
        if mode == "CMYK":
            with pytest.raises(ImageError, match="the browser"):
                page_pixels(data, trained.backbone, max_pixels=trained.max_pixels)
        else:
            found = page_pixels(data, trained.backbone, max_pixels=trained.max_pixels)
            np.testing.assert_array_equal(found, prepare(data, trained.backbone))


def test_without_the_runtime_it_says_what_to_do(run_path: Path, tmp_path: Path) -> None:
    """As where the package was installed on a machine without Node."""
    source = Path(photograft.__file__).parent
    ignored = shutil.ignore_patterns("runtime", "__pycache__")
    shutil.copytree(source, tmp_path / "src" / "photograft", ignore=ignored)
    command = ["export", str(run_path), "--to", "web", "--out", str(tmp_path / "page")]
    ended = subprocess.run(
        [sys.executable, "-m", "photograft", *command, "--num-photos", "0"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "carries no runtime for browsers" in ended.stderr
    assert "scripts/build_web.py" in ended.stderr
    assert not (tmp_path / "page").exists()
