"""``photograft explain``: what it prints, the pictures it writes, and how it fails."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from drawing import draw_folder
from photograft.classifier.classifier import Classifier
from photograft.classifier.heat_maps import HeatMaps
from photograft.classifier.reference import Reference
from photograft.core.errors import InputError, StorageError, UnknownNameError
from photograft.interfaces.cli.commands.explain import HELP, explain
from photograft.report.plots.explanation import draw
from photograft.runs.folder import load_facts
from photograft.workflows.explain import explain as explain_photos
from photograft.workflows.predict import predict
from system_helpers import read_json, snapshot

pytestmark = pytest.mark.usefixtures("warm_cache")


def run(*arguments: object) -> Result:
    app = typer.Typer(rich_markup_mode=None)
    app.command(help=HELP)(explain)
    found = CliRunner().invoke(app, [str(a) for a in arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Four training photos of each class of the session's run."""
    from system_helpers import shared_photos, shared_run

    folder, photos = shared_run(tmp_path_factory), shared_photos(tmp_path_factory)
    classifier = Classifier.load(folder)
    maps = HeatMaps(classifier)
    files = [f for f in load_facts(folder).files if f.split == "train"]
    files = [f for name in classifier.class_names for f in files if f.label == name][::3]
    return Reference.fit(
        np.stack([maps.features((photos / f.name).read_bytes()) for f in files]),
        np.array([classifier.class_names.index(f.label) for f in files], np.int64),
        [f.name for f in files],
        rng=np.random.default_rng(0),
    )


@pytest.fixture
def with_reference(run_path: Path, reference: Reference, tmp_path: Path) -> Path:
    copy = shutil.copytree(run_path, tmp_path / "run", ignore=lambda *_: ["classifier"])
    known = replace(Classifier.load(run_path), reference=reference)
    known.save(copy / "classifier", include_weights=False)
    return copy


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "new", ("circle", "square"), n=1, seed=5)


def colours(path: Path) -> int:
    """How many different colours the right half of the upper part has: the heat map."""
    with Image.open(path) as image:
        width, height = image.size
        part = image.convert("RGB").crop((width // 2, height // 8, width, height // 2))
        return len(part.getcolors(part.width * part.height) or [])


def test_a_photo_is_explained(
    with_reference: Path, reference: Reference, new: Path, tmp_path: Path
) -> None:
    photo = new / "circle" / "00.jpg"
    found = run(with_reference, photo, "--out", tmp_path / "why")
    assert found.exit_code == 0, found.output
    assert f"{photo}: circle (" in found.output
    assert f"picture: {tmp_path / 'why' / '00.png'}" in found.output
    rows = re.findall(r"^    (\d\.\d\d)  (\w+) +(\S+)$", found.output, re.MULTILINE)
    assert len(rows) == 5
    distances = [float(distance) for distance, _, _ in rows]
    assert distances == sorted(distances)
    assert {name for _, _, name in rows} <= set(reference.names)
    assert all(name.startswith(f"{label}/") for _, label, name in rows)
    assert rows[0][1] == "circle"
    assert "Note:" not in found.output
    assert colours(tmp_path / "why" / "00.png") > 1000


def test_another_class_and_several_photos_of_one_name(
    with_reference: Path, new: Path, tmp_path: Path
) -> None:
    found = run(with_reference, new, "--out", tmp_path / "why", "--class", "square")
    assert found.exit_code == 0, found.output
    assert found.output.count("asked for: square (") == 1  # of the other it is the prediction
    assert sorted(p.name for p in (tmp_path / "why").iterdir()) == ["00-2.png", "00.png"]


def test_a_bare_classifier_still_has_a_heat_map(run_path: Path, new: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    replace(Classifier.load(run_path), reference=None).save(bare, include_weights=False)
    found = run(bare, new / "circle" / "00.jpg", "--out", tmp_path / "why")
    assert found.exit_code == 0, found.output
    assert "Note: the classifier carries no training photos" in found.output
    assert "most like it" not in found.output
    assert colours(tmp_path / "why" / "00.png") > 1000


def test_training_photos_that_are_gone(with_reference: Path, new: Path, tmp_path: Path) -> None:
    info = read_json(with_reference / "run.json")
    info["data"]["source"] = str(tmp_path / "nowhere")
    (with_reference / "run.json").write_text(json.dumps(info))
    found = run(with_reference, new / "circle" / "00.jpg", "--out", tmp_path / "why")
    assert found.exit_code == 0, found.output
    assert "Note: the training photos are not found any more" in found.output
    assert len(re.findall(r"^    \d\.\d\d  ", found.output, re.MULTILINE)) == 5


def test_what_can_not_be_read_is_said_and_the_rest_explained(
    with_reference: Path, new: Path, tmp_path: Path
) -> None:
    (new / "broken.jpg").write_bytes(b"no photo")
    found = run(with_reference, new, tmp_path / "none.jpg", "--out", tmp_path / "why")
    assert found.exit_code == 2
    assert "broken.jpg: can't be read: " in found.output
    assert "none.jpg: can't be read: " in found.output
    assert "2 of 4 files could not be read" in found.output
    assert len(list((tmp_path / "why").iterdir())) == 2


def test_an_unknown_class_names_the_nearest(with_reference: Path, new: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no class named .cirle.*Did you mean circle"):
        run(with_reference, new, "--class", "cirle")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A photo like the training photos of the session's run, and one like none of them."""
    folder = draw_folder(tmp_path / "odd", ("circle",), n=1, seed=5)
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    return folder


def test_what_predict_calls_unknown_is_explained_as_unknown(
    with_reference: Path, odd: Path, tmp_path: Path
) -> None:
    answers = predict(with_reference, odd, unknown=True)
    assert isinstance(answers, list)
    assert {p.answer for p in answers} == {"circle", "unknown"}
    found = explain_photos(with_reference, odd, out=tmp_path / "why")
    assert [e.is_unknown for e in found] == [p.answer == "unknown" for p in answers]
    assert [e.ood_score for e in found] == [p.ood_score for p in answers]
    (unknown,) = (e for e in found if e.is_unknown)
    said = run(with_reference, odd, "--out", tmp_path / "said").output
    assert f"noise.png: unknown (nearest {unknown.label} " in said
    assert "like none of the classes" in said
    assert f"{unknown.ood_threshold:.2f}" in said
    assert re.search(r"00.jpg: circle \(", said)


def test_the_picture_says_unknown(with_reference: Path, odd: Path, tmp_path: Path) -> None:
    (unknown,) = explain_photos(with_reference, odd / "noise.png")
    backbone = Classifier.load(with_reference).backbone
    with Image.open(odd / "noise.png") as photo:
        for name, is_unknown in (("known", False), ("unknown", True)):
            shown = replace(unknown, is_unknown=is_unknown)
            draw(shown, photo, backbone, {}, tmp_path / f"{name}.png")
    with Image.open(tmp_path / "known.png") as known, Image.open(tmp_path / "unknown.png") as other:
        assert other.width == known.width
        assert other.height > known.height  # by the line that says why


def test_how_much_is_unknown_is_the_users_choice(with_reference: Path, new: Path) -> None:
    all_known = explain_photos(with_reference, new, keep=0.999)
    fewer = explain_photos(with_reference, new, keep=0.01)
    assert sum(e.is_unknown for e in all_known) < sum(e.is_unknown for e in fewer) == 2
    with pytest.raises(InputError, match="share"):
        explain_photos(with_reference, new, keep=2)


def test_a_classifier_that_can_not_tell_what_is_unknown(
    run_path: Path, new: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    replace(Classifier.load(run_path), uncertainty=None).save(bare)
    assert not any(e.is_unknown for e in explain_photos(bare, new))
    with pytest.raises(InputError, match="does not know what is unknown"):
        explain_photos(bare, new, keep=0.9)


def test_pictures_never_go_among_the_photos(
    with_reference: Path, new: Path, photos: Path, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    photo = new / "circle" / "00.jpg"
    for given, out in (
        (new, new / "why"),
        (photo, photo.parent),
        (f"{new}/circle/*.jpg", new / "circle"),
        (photo, photos / "why"),  # of the training photos it would be a class
        (photo, photos / "circle"),
    ):
        with pytest.raises(StorageError, match="photos"):
            run(with_reference, given, "--out", out)
    assert snapshot(tmp_path) == before
    assert not (photos / "why").exists()


def test_nothing_to_explain(with_reference: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = run(with_reference, tmp_path / "empty", "--out", tmp_path / "why")
    assert found.exit_code == 2
    assert "there are no photos" in found.output
