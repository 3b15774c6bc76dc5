"""Photos of a project as files: what is listed, its pictures, and what is brought."""

from __future__ import annotations

import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from drawing import MakePhotos
from photograft.core.errors import ImageError, InputError, StorageError
from photograft.data import Dataset
from photograft.workflows.studio.browsing import browse
from photograft.workflows.studio.intake import Intake
from photograft.workflows.studio.overview import overview, photo_details
from photograft.workflows.studio.pictures import Pictures
from photograft.workflows.studio.project import Project


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.format == "JPEG"
    return image


def scanned(project: Project) -> None:
    """Wait for all thumbnails."""
    over = threading.Event()
    project.on_progress(lambda: None if project.scan.is_running else over.set())
    project.start_scan()
    assert over.wait(60)


GREEN = Image.new("RGB", (60, 40), (20, 160, 60))


def hostile(folder: Path) -> dict[str, bytes]:
    """Files that are or look like photos, by name."""
    deep = np.full((40, 60), 40_000, np.uint16)
    frames = [Image.new("P", (60, 40), i) for i in range(3)]
    return {
        "text.jpg": b"this is no photo\n" * 10,
        "empty.png": b"",
        "torn.jpg": encoded(GREEN.resize((600, 400)))[:900],
        "cmyk.jpg": encoded(GREEN.convert("CMYK")),
        "deep.png": encoded(Image.fromarray(deep), "PNG"),
        "moves.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "one.png": encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), "PNG"),
        "strip.png": encoded(Image.new("L", (4000, 2)), "PNG"),
        "bomb.png": encoded(Image.new("1", (20_000, 20_000)), "PNG"),
        "wrong.png": encoded(GREEN),
        "ein Bär 日本 🐻.jpg": encoded(GREEN),
        f"{'n' * 200}.jpg": encoded(GREEN),
        "=cmd|calc!A0.jpg": encoded(GREEN),
        "no_ending": encoded(GREEN),
        "README.txt": b"read me",
        "data.xml": b"<a/>",
    }


_LINKS = shutil.ignore_patterns("pipe.jpg", "loop", "gone.jpg")


def test_whatever_lies_in_a_folder(tmp_path: Path) -> None:
    """It is listed, drawn or counted as skipped, and `train` takes the table of it."""
    folder = tmp_path / "photos" / "bees"
    folder.mkdir(parents=True)
    files = hostile(folder)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / " blank.jpg").write_bytes(encoded(GREEN))
    (folder / "blank.jpg ").write_bytes(encoded(GREEN))
    (folder / os.fsdecode(b"latin\xe9.jpg")).write_bytes(encoded(GREEN))
    (folder / "loop").symlink_to(folder)
    (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
    os.mkfifo(folder / "pipe.jpg")
    shutil.copytree(folder, folder.with_name("ants"), ignore=_LINKS, symlinks=True)
    with Project.open(tmp_path / "photos") as project:
        scanned(project)
        names = {row.photo.name for row in project.view().rows if row.label == "bees"}
        shown = {*files, " blank.jpg"} - {"README.txt", "data.xml"}
        assert names == {f"bees/{name}" for name in shown}
        skipped = overview(project)["skipped"]
        for reason in ("symlink loop", "broken link", "not a regular file", "not an image"):
            assert skipped[reason] >= 1, reason
        assert skipped["name that a table can't hold"] == 4
        unreadable = set()
        for row in project.view().rows:
            small = project.pictures.thumbnail(row.photo.file, 160)
            assert max(opened(small.data).size) <= 160
            assert max(opened(project.pictures.view(row.photo.file).data).size) <= 1600
            assert photo_details(project, row.photo.id)["label"] == row.label
            if small.problem:
                unreadable.add(Path(row.photo.file).name)
        assert unreadable == {"text.jpg", "empty.png", "torn.jpg", "bomb.png"}
        assert len(project.snapshot().ids) == len(project.view().rows) - 8
        project.save_folders(tmp_path / "saved")
        dataset = Dataset.load(project.write_labels())
    found = {Path(photo.name).name for photo in dataset.photos}
    assert found - {"torn.jpg"} == shown - unreadable  # which decodes nothing
    assert len(Dataset.load(tmp_path / "saved").photos) == len(dataset.photos)


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path / "cache")


def test_a_thumbnail_is_upright_and_as_large_as_it_can_be(
    pictures: Pictures, tmp_path: Path
) -> None:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    image = Image.new("RGB", (1200, 800), (200, 0, 0))
    image.paste((0, 0, 200), (0, 0, 1200, 400))  # blue above; turned, it is to the right
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(image, exif=tags.tobytes()))
    for size in (160, 320):
        found = opened(pictures.thumbnail(str(path), size).data)
        assert found.height == size
        assert found.width == pytest.approx(size * 2 / 3, abs=1)
        left, right = found.getpixel((5, size // 2)), found.getpixel((found.width - 5, size // 2))
        assert isinstance(left, tuple)
        assert isinstance(right, tuple)
        assert left[0] > 150 > left[2]
        assert right[2] > 150 > right[0]
        assert not found.getexif()
    assert opened(pictures.view(str(path)).data).size == (800, 1200)


def test_a_small_photo_stays_small(pictures: Pictures, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (20, 30)), "PNG"))
    assert opened(pictures.thumbnail(str(tmp_path / "a.png"), 320).data).size == (20, 30)


def test_a_thumbnail_is_made_once_and_anew_when_the_file_changes(
    pictures: Pictures, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(GREEN))
    first = pictures.thumbnail(str(path), 160)
    mode = path.stat()
    path.chmod(0o600)  # another time of change, so that reading it would show
    second = Pictures(tmp_path / "cache").thumbnail(str(path), 320)
    assert (tmp_path / "cache").exists()
    path.write_bytes(encoded(Image.new("RGB", (60, 40), (200, 0, 0))))
    os.utime(path, ns=(mode.st_atime_ns, mode.st_mtime_ns + 10**9))
    third = pictures.thumbnail(str(path), 160)
    assert len({first.tag, second.tag, third.tag}) == 3
    red = opened(third.data).getpixel((5, 5))
    assert isinstance(red, tuple)
    assert red[0] > 150


def test_nothing_is_read_of_a_file_that_has_its_thumbnail(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(GREEN))
    made = pictures.thumbnail(str(path), 160)
    reads: list[Path] = []
    monkeypatch.setattr("photograft.workflows.studio.pictures.read_file", reads.append)
    assert pictures.thumbnail(str(path), 160) == made
    assert pictures.has_thumbnail(str(path))
    assert Pictures(tmp_path / "cache").thumbnail(str(path), 160) == made
    assert reads == []


def test_a_cache_that_can_not_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(GREEN))
    assert not Pictures(tmp_path / "cache").thumbnail(str(path), 160).problem


def test_the_oldest_thumbnails_go_first(pictures: Pictures, tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.jpg").write_bytes(encoded(GREEN))
        pictures.thumbnail(str(tmp_path / f"{i}.jpg"), 160)
    kept = sorted((tmp_path / "cache").rglob("*.jpg"), key=lambda p: p.stat().st_mtime_ns)
    pictures.prune(sum(p.stat().st_size for p in kept[4:]))
    assert sorted((tmp_path / "cache").rglob("*.jpg")) == sorted(kept[4:])


def test_the_project_is_none_of_the_photos(tmp_path: Path, make_photos: MakePhotos) -> None:
    folder = make_photos(tmp_path / "photos", n=2, size=16)
    with Project.open(folder, folder / "mine") as project:
        Intake(project).bring(encoded(GREEN), "new.jpg", "square")
        assert dict(project.view().counts) == {"circle": 2, "square": 3}
    with Project.open(folder, folder / "mine") as project:
        assert dict(project.view().counts) == {"circle": 2, "square": 3}
        assert project.view().by_id[project.id_of("photos/new.jpg") or ""].label == "square"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.open(None, tmp_path / "project") as found:
        yield found


def test_a_photo_is_brought_as_it_is(project: Project) -> None:
    intake, data = Intake(project), encoded(GREEN, quality=30)
    brought = intake.bring(data, "C:\\photos\\bear.jpeg", "bears", "burst 1")
    row = project.row(brought.id)
    assert (row.label, row.group, row.photo.path) == ("bears", "burst 1", "photos/bear.jpg")
    assert project.read(brought.id) == data
    again = intake.bring(data, "other.jpg", "wolves")
    assert again == (brought.id, True)
    assert project.row(brought.id).label == "bears"
    assert project.ledger.marks.can_undo is None


def test_a_copy_of_a_photo_of_the_folder_is_told(tmp_path: Path, make_photos: MakePhotos) -> None:
    folder = make_photos(tmp_path / "photos", n=3, size=16)
    with Project.open(folder) as project:
        data = (folder / "circle/01.jpg").read_bytes()
        brought = Intake(project).bring(data, "x.jpg", "square")
        assert brought.is_duplicate
        assert project.row(brought.id).photo.file == str(folder / "circle/01.jpg")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd.png"),
        ("..", "__.png"),
        ("", "_.png"),
        (".hidden.png", "_hidden.png"),
        ("con.png", "con_.png"),
        ("a\0b\n.png", "a_b_.png"),
        ("🐻" * 100 + ".png", "🐻" * 49 + ".png"),
        ("photo.exe", "photo.png"),
    ],
)
def test_names_of_what_is_brought(project: Project, name: str, kept: str) -> None:
    brought = Intake(project).bring(encoded(GREEN, "PNG"), name)
    assert os.listdir(project.folder / "photos") == [kept]
    assert project.row(brought.id).photo.name == kept


def test_a_name_that_is_taken_gets_a_number(project: Project) -> None:
    intake = Intake(project)
    for i in range(3):
        intake.bring(encoded(Image.new("RGB", (8, 8), (i * 90, 0, 0))), "A.jpg" if i else "a.jpg")
    assert sorted(os.listdir(project.folder / "photos")) == ["A-2.jpg", "A-3.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: b"text", "not an image"),
        (lambda: b"", "empty file"),
        (lambda: encoded(GREEN.resize((600, 400)))[:900], "truncated"),
        (lambda: encoded(Image.new("1", (11_000, 11_000)), "PNG"), "too large"),
    ],
)
def test_what_is_no_photo_is_not_brought(
    project: Project, make: Callable[[], bytes], reason: str
) -> None:
    revision = project.revision
    with pytest.raises(ImageError, match=reason):
        Intake(project).bring(make(), "a.jpg", "bears")
    assert project.revision == revision
    assert not (project.folder / "photos").exists()


@pytest.mark.parametrize("at", ["os.fsync", "sync"])
def test_a_disk_that_is_full_leaves_nothing_half(
    project: Project, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"photograft.workflows.studio.intake.{at}", full)
    with pytest.raises(StorageError, match="Free some space"):
        Intake(project).bring(encoded(GREEN), "a.jpg")
    monkeypatch.undo()
    assert os.listdir(project.folder / "photos") == []
    assert project.view().rows == ()


def test_many_at_once(project: Project) -> None:
    """From eight threads: all are there, each under a name of its own."""
    intake = Intake(project)

    def bring(start: int) -> None:
        for i in range(start, start + 5):
            data = encoded(Image.new("RGB", (9, 9), (i * 6, 255 - i * 6, i)), "PNG")
            intake.bring(data, "webcam.png", "bears", "burst")

    threads = [threading.Thread(target=bring, args=(5 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(project.view().counts) == {"bears": 40}
    assert len(set(os.listdir(project.folder / "photos"))) == 40


def test_browsing(tmp_path: Path, make_photos: MakePhotos) -> None:
    make_photos(tmp_path / "photos", n=3, size=16)
    (tmp_path / "photos" / ".hidden").mkdir()
    found = browse(str(tmp_path / "photos"))
    assert [one["name"] for one in found["folders"]] == ["circle", "square"]
    assert (found["parent"], found["num_photos"]) == (str(tmp_path), 6)
    for wrong in ("photos", str(tmp_path / "none"), "/\0", str(tmp_path / "photos/circle/00.jpg")):
        with pytest.raises(InputError):
            browse(wrong)
    assert browse("/")["parent"] is None


def test_the_background_waits_for_what_is_asked(tmp_path: Path, make_photos: MakePhotos) -> None:
    with Project.open(make_photos(tmp_path / "photos", n=4, size=16)) as project:
        with project.pictures.asked():
            project.start_scan()
            time.sleep(0.2)
            assert project.scan.done == 0
        deadline = time.monotonic() + 20
        while project.scan.is_running:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert overview(project)["scanning"] is None
        assert all(project.pictures.has_thumbnail(r.photo.file) for r in project.view().rows)


def test_a_photo_that_no_picture_can_be_made_of_holds_up_no_other(
    tmp_path: Path, make_photos: MakePhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: str, size: int) -> None:
        raise RuntimeError(file)

    with Project.open(make_photos(tmp_path / "photos", n=2, size=16)) as project:
        monkeypatch.setattr(project.pictures, "thumbnail", fail)
        scanned(project)
        assert (project.scan.found, project.scan.done) == (4, 4)


def test_a_scan_can_be_left(tmp_path: Path, make_photos: MakePhotos) -> None:
    project = Project.open(make_photos(tmp_path / "photos", n=4, size=16))
    with project.pictures.asked():
        project.start_scan()
        project.close()
    assert project.scan.is_running  # nothing waited for it


def test_what_can_not_be_kept_leaves_no_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="too long"):
        Intake(project).bring(encoded(GREEN), "a.jpg", "b" * 101)
    assert not (project.folder / "photos").exists()

    def full(record: object) -> str:
        raise StorageError("the disk is full")

    monkeypatch.setattr(project.ledger, "keep", full)
    with pytest.raises(StorageError, match="full"):
        Intake(project).bring(encoded(GREEN), "a.jpg", "bears")
    assert os.listdir(project.folder / "photos") == []
