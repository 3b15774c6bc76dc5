"""The doctor: what is found, how it is told, and what becomes of the user's answers."""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

import photograft
import system_helpers as system
from drawing import MakePhotos, draw_photo
from photograft import TrainConfig
from photograft.core.errors import DatasetError, InputError, StorageError
from photograft.core.memo import remembered
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.thumbnails import load_thumbnails
from photograft.diagnosis.examine import Diagnosis, examine
from photograft.diagnosis.findings import Finding, Flagged, columns, ranked
from photograft.diagnosis.oddities import check_class_sizes, find_oddities, find_shortcuts
from photograft.diagnosis.tables import read_findings, write_findings
from photograft.workflows import doctor

pytestmark = pytest.mark.usefixtures("warm_cache")


def kinds(diagnosis: Diagnosis) -> set[str]:
    return {found.kind for found in diagnosis.findings}


def of_kind(diagnosis: Diagnosis, kind: str) -> Finding:
    (found,) = [found for found in diagnosis.findings if found.kind == kind]
    return found


def names(found: Finding) -> list[str]:
    return [photo.name for photo in found.photos]


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))


# Odd files, shortcuts, sizes


@pytest.mark.parametrize(
    ("kind", "picture"),
    [
        ("tiny", noise((40, 90))),
        ("dark", Image.new("RGB", (96, 96), (3, 3, 3))),
        ("blown out", Image.new("RGB", (96, 96), (252, 252, 252))),
        ("one colour", Image.new("RGB", (96, 96), (200, 40, 40))),
        ("blurred", noise((96, 96)).filter(ImageFilter.GaussianBlur(9))),
        ("aspect", noise((600, 100))),
    ],
)
def test_odd_photo_is_found_and_no_other(
    kind: str, picture: Image.Image, make_photos: MakePhotos, tmp_path: Path
) -> None:
    root = make_photos(tmp_path / "photos", n=15)
    picture.save(root / "circle" / "odd.png")
    dataset = Dataset.load(root)
    looks, _ = load_thumbnails(dataset.photos, FeatureStore())
    (found,) = find_oddities(dataset, looks)
    assert (found.kind, names(found)) == (kind, ["circle/odd.png"])
    assert found.severity == "worth a look"
    assert found.title.startswith("1 photo ")


def test_what_the_whole_set_is_like_is_not_odd(make_photos: MakePhotos, tmp_path: Path) -> None:
    dataset = Dataset.load(make_photos(tmp_path / "photos", n=10, size=48))
    looks, _ = load_thumbnails(dataset.photos, FeatureStore())
    (found,) = find_oddities(dataset, looks)
    assert (found.kind, found.severity, found.photos) == ("tiny", "note", ())
    assert "20 of 20 photos" in found.title


def test_format_that_gives_the_class_away(make_photos: MakePhotos, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", n=20)
    assert find_shortcuts(Dataset.load(root)) == []
    for file in (root / "square").iterdir():
        Image.open(file).save(file.with_suffix(".png"))
        file.unlink()
    (found,) = find_shortcuts(Dataset.load(root))
    assert (found.kind, found.severity) == ("shortcut", "serious")
    assert found.title.startswith("the file format alone tells the class of 100% of the photos")
    assert "20 that are" in found.title


def test_size_that_gives_the_class_away(make_photos: MakePhotos, tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", ("circle",), n=20, size=96)
    make_photos(tmp_path / "photos", ("square",), n=20, size=100)
    (found,) = find_shortcuts(Dataset.load(tmp_path / "photos"))
    assert "the image size alone tells the class" in found.title


def test_sizes_that_are_all_different_give_nothing_away(tmp_path: Path) -> None:
    for k, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        for i in range(15):
            noise((70 + 4 * i + 2 * k, 90 + i)).save(tmp_path / name / f"{i}.png")
    assert find_shortcuts(Dataset.load(tmp_path)) == []


def test_class_sizes(make_photos: MakePhotos, tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", ("many",), n=60, size=32)
    make_photos(tmp_path / "photos", ("few",), n=4, size=32)
    found = check_class_sizes(Dataset.load(tmp_path / "photos"))
    assert [f.kind for f in found] == ["few photos", "uneven classes"]
    assert "few (4)" in found[0].title
    assert found[1].title == "60 photos of many to 4 of few"


# The whole examination


def test_sound_photos_have_nothing_wrong(make_photos: MakePhotos, tmp_path: Path) -> None:
    found = doctor.doctor(make_photos(tmp_path / "photos", n=30)).diagnosis
    assert kinds(found) <= {"near duplicates"}
    assert all(f.severity == "note" for f in found.findings)


@pytest.fixture
def swapped(make_photos: MakePhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Circles and squares, three of which lie in each other's folder.

    In bfloat16 one of the three is at the very threshold.
    """
    monkeypatch.setattr("photograft.backbones.engines.choose_precision", lambda precision: "fp32")
    root = make_photos(tmp_path / "photos", n=30)
    for i in (3, 8):
        shutil.move(root / "circle" / f"{i:02}.jpg", root / "square" / f"swapped{i}.jpg")
    shutil.move(root / "square" / "05.jpg", root / "circle" / "swapped5.jpg")
    return root


SWAPPED = ["circle/swapped5.jpg", "square/swapped3.jpg", "square/swapped8.jpg"]


def test_suspect_labels_are_found_and_answered(swapped: Path, tmp_path: Path) -> None:
    """From findings.csv, filled in, back to the doctor and to a training."""
    before = {p: p.read_bytes() for p in swapped.rglob("*.jpg")}
    out = tmp_path / "checkup"
    found = of_kind(doctor.doctor(swapped, out=out).diagnosis, "suspect labels")
    assert sorted(names(found)) == SWAPPED
    assert {photo.suggestion for photo in found.photos} == {"circle", "square"}
    assert found.severity == "serious"
    with (out / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    answers = {
        SWAPPED[0]: ("relabel", "square"),
        SWAPPED[1]: ("exclude", ""),
        SWAPPED[2]: ("ok", ""),
    }
    for row in rows:
        if row["kind"] == "suspect labels":
            row["action"], row["value"] = answers[row["name"]]
    with (out / "findings.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = TrainConfig(corrections=str(out / "findings.csv"))
    again = doctor.doctor(swapped, config)
    assert "suspect labels" not in kinds(again.diagnosis)
    assert again.dataset.class_counts() == {"circle": 28, "square": 31}
    with pytest.raises(StorageError, match="has been filled in"):
        doctor.doctor(swapped, out=out)
    run = photograft.train(swapped, config, out=tmp_path / "run")
    assert run.info["data"]["skipped"] == {"excluded": 1}
    assert {p: p.read_bytes() for p in swapped.rglob("*.jpg")} == before


def test_training_begins_with_the_doctor(
    capsys: pytest.CaptureFixture[str], swapped: Path, tmp_path: Path
) -> None:
    result = system.invoke(capsys, "train", swapped, "--out", tmp_path / "run")
    assert result.code == 0, result.err
    assert "3 labels look wrong" in result.out
    assert f"photograft doctor {swapped} shows all" in result.out
    found = read_findings(tmp_path / "run" / "findings.parquet")
    assert "suspect labels" in {f.kind for f in found}
    assert system.read_json(tmp_path / "run" / "run.json")["doctor"]["num_photos"] == 60
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "3 labels look wrong" in page


def test_leak_is_measured(make_photos: MakePhotos, tmp_path: Path) -> None:
    """Labels drawn by lot: only who has seen a photo's copy can know its label."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "photos" / part / name).mkdir(parents=True)
    for i in range(40):
        photo = draw_photo(np.random.default_rng([1, 0, i]), i % 3, 96)
        label = "ab"[int(rng.integers(2))]
        photo.save(tmp_path / "photos" / "train" / label / f"{i}.jpg", quality=90)
        photo.save(tmp_path / "photos" / "test" / label / f"{i}.jpg", quality=90)
    found = doctor.doctor(tmp_path / "photos").diagnosis
    compared = found.figures["cross_validated"]
    assert compared["random"] > compared["grouped"] + 0.2
    leak = of_kind(found, "leak")
    assert found.findings[0] is leak
    assert leak.severity == "serious"
    assert "40 groups" in leak.title
    assert f"a random split says {compared['random']:.1%}" in leak.title
    assert f"a grouped one {compared['grouped']:.1%}" in leak.title
    assert len({photo.group for photo in leak.photos}) == 40


def test_same_photo_under_two_labels(make_photos: MakePhotos, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", n=12)
    shutil.copy(root / "circle" / "00.jpg", root / "square" / "copy.jpg")
    found = of_kind(doctor.doctor(root).diagnosis, "conflicting labels")
    assert sorted(names(found)) == ["circle/00.jpg", "square/copy.jpg"]
    assert found.severity == "serious"
    assert found.title == (
        "1 group of photos that are nearly or exactly the same stands under several labels, 2 "
        "photos in all"
    )


def test_what_concerns_few_of_many_photos_is_not_serious(
    make_photos: MakePhotos, tmp_path: Path
) -> None:
    """A leak of one of 211 test photos, and one photo three times among 423."""
    root = tmp_path / "photos"
    for seed, part in enumerate(("train", "test")):
        make_photos(root / part, n=105, size=32, seed=seed)
    photo = draw_photo(np.random.default_rng(99), 2, 32)
    for place in ("train/circle", "train/square", "test/square"):
        photo.save(root / place / "same.png")
    dataset = Dataset.load(root)
    found = examine(dataset, load_thumbnails(dataset.photos, FeatureStore())[0], None)
    for kind in ("leak", "conflicting labels"):
        assert of_kind(found, kind).severity == "worth a look"


def test_files_that_cant_be_used(make_photos: MakePhotos, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", n=12)
    (root / "circle" / "text.jpg").write_text("not a photo")
    (root / "square" / "empty.jpg").touch()
    found = of_kind(doctor.doctor(root).diagnosis, "unusable")
    assert sorted(names(found)) == ["circle/text.jpg", "square/empty.jpg"]


def test_one_class_and_two_photos(make_photos: MakePhotos, tmp_path: Path) -> None:
    """Nothing to tell apart: what can be looked at is."""
    root = make_photos(tmp_path / "photos", ("only",), n=2)
    Image.new("RGB", (96, 96)).save(root / "only" / "black.png")
    first, *others = doctor.doctor(root).diagnosis.findings
    assert (first.kind, first.severity) == ("one class", "serious")
    assert "of one class, only: there is nothing" in first.title
    assert "dark" in {found.kind for found in others}


def test_folder_without_photos(tmp_path: Path) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "x.jpg").write_text("x")
    with pytest.raises((DatasetError, InputError), match=r"no usable photo|no photo"):
        doctor.doctor(tmp_path / "photos")


def test_groups_by_name(make_photos: MakePhotos, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos" / "train", n=10)
    make_photos(tmp_path / "photos" / "test", n=10, seed=1)
    for part in (root, tmp_path / "photos" / "test"):
        for file in part.rglob("*.jpg"):
            file.rename(file.with_name(f"person{int(file.stem) // 2}_{file.name}"))
    found = doctor.doctor(tmp_path / "photos", TrainConfig(group_by=r"\w+/person\d+")).diagnosis
    assert "leak" in kinds(found)


def test_out_folder_that_wont_do(make_photos: MakePhotos, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", n=4)
    with pytest.raises(StorageError, match="among the photos"):
        doctor.doctor(root, out=root / "checkup")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(StorageError, match="no examination of photos"):
        doctor.doctor(root, out=tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("name", ["run.json", "comparison.json"])
def test_findings_of_a_run_are_not_written_over(
    make_photos: MakePhotos, tmp_path: Path, name: str
) -> None:
    """Nor is its page."""
    for file in (name, "findings.parquet", "report.html"):
        (tmp_path / file).write_text("kept")
    with pytest.raises(StorageError, match="no examination of photos"):
        doctor.doctor(make_photos(tmp_path / "photos", n=4), out=tmp_path)
    assert (tmp_path / "report.html").read_text() == "kept"


def test_command_writes_tables_and_a_page(
    capsys: pytest.CaptureFixture[str], swapped: Path, tmp_path: Path
) -> None:
    for _ in range(2):  # a second time over its own, not yet answered
        result = system.invoke(capsys, "doctor", swapped, "--out", tmp_path / "out")
        assert result.code == 0, result.err
    assert result.out.startswith("1 serious problem in 60 photos")
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert files == ["findings.csv", "findings.parquet", "report.html"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert all(name in page for name in SWAPPED)


def test_answers_are_remembered_and_no_longer_than_they_hold(
    swapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = doctor.doctor(swapped).diagnosis
    never = "photograft.diagnosis.diagnose.examine"
    monkeypatch.setattr(never, lambda *_, **__: pytest.fail("examined again"))
    assert doctor.doctor(swapped).diagnosis == first
    shutil.move(swapped / "circle" / "00.jpg", swapped / "square" / "again.jpg")
    with pytest.raises(pytest.fail.Exception, match="examined again"):
        doctor.doctor(swapped)


# Parts


def test_remembered(tmp_path: Path) -> None:
    asked: list[int] = []

    def make() -> dict[str, Any]:
        asked.append(1)
        return {"answer": [1, 2.5, None]}

    for _ in range(2):
        assert remembered(tmp_path, {"what": "x"}, make) == {"answer": [1, 2.5, None]}
    assert len(asked) == 1
    (file,) = (tmp_path / "answers").iterdir()
    file.write_text("{", encoding="utf-8")
    assert remembered(tmp_path, {"what": "x"}, make) == {"answer": [1, 2.5, None]}
    remembered(tmp_path, {"what": "y"}, make)
    assert len(asked) == 3
    (tmp_path / "file").touch()
    assert remembered(tmp_path / "file", {"what": "x"}, make) == {"answer": [1, 2.5, None]}


FINDINGS = [
    Finding("b", "note", 0.5, "a note", "nothing"),
    Finding(
        "a",
        "serious",
        0.1,
        "=1+1, a title",
        "do it",
        (
            Flagged('=cat/ü, "1".jpg', "cat", 0, "dog", 0.97, "-x"),
            Flagged("b.jpg", "@dog", 1, "", None, ""),
        ),
    ),
    Finding("c", "serious", 0.2, "graver", "do it"),
]


def test_the_gravest_and_dearest_first() -> None:
    assert [f.kind for f in ranked(FINDINGS)] == ["c", "a", "b"]


def test_table_has_a_row_per_photo_and_finding() -> None:
    table = columns(FINDINGS)
    assert table["name"] == ["", '=cat/ü, "1".jpg', "b.jpg", ""]
    assert table["finding"] == [0, 1, 1, 2]
    assert {len(cells) for cells in table.values()} == {4}


def test_findings_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_findings(tmp_path, FINDINGS)
    assert read_findings(tmp_path / "findings.parquet") == FINDINGS
    with (tmp_path / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # A name is the key by which an answer finds its photo; other cells are no formulas.
    assert [row["name"] for row in rows] == ["", '=cat/ü, "1".jpg', "b.jpg", ""]
    assert rows[1]["title"] == "'=1+1, a title"
    assert rows[2]["label"] == "'@dog"
    assert list(rows[0])[list(rows[0]).index("name") + 1 :][:2] == ["action", "value"]
    digest = hashlib.sha256((tmp_path / "findings.csv").read_bytes()).digest()
    write_findings(tmp_path, FINDINGS)
    assert hashlib.sha256((tmp_path / "findings.csv").read_bytes()).digest() == digest


def test_damaged_findings_are_said(tmp_path: Path) -> None:
    (tmp_path / "findings.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="holds no findings, or is damaged"):
        read_findings(tmp_path / "findings.parquet")
