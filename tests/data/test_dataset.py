"""A source, read: every file accounted for, and none of them touched."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft import Dataset
from photograft.core.errors import ImageError
from photograft.data.dataset import Photo
from photograft.data.groups import (
    across_given_splits,
    conflicting_labels,
    content_groups,
    same_content,
)
from photograft.data.sources.base import SkippedFile
from recording import Recorder


def picture(seed: int = 0, kind: str = "JPEG", size: tuple[int, int] = (24, 16)) -> bytes:
    """A small picture's bytes; another seed gives another picture."""
    rng = np.random.default_rng(seed)
    stream = io.BytesIO()
    pixels = rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of three photos."""
    folder = tmp_path / "photos"
    for i in range(6):
        write(folder / ("cats" if i < 3 else "dogs") / f"{i}.jpg", picture(i))
    return folder


def reasons(dataset: Dataset) -> dict[str, str]:
    return {file.name: file.reason for file in dataset.skipped}


def photo_named(dataset: Dataset, name: str) -> Photo:
    return next(photo for photo in dataset.photos if photo.name == name)


def cut(data: bytes) -> bytes:
    """A picture without its end: its header is whole."""
    return data[:-100]


# --- the account


def test_plain_folder(root: Path) -> None:
    dataset = Dataset.load(root)
    assert dataset.source == str(root)
    assert dataset.kind == "folder"
    assert dataset.name == "photos"
    assert dataset.class_names == ("cats", "dogs")
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.class_counts() == {"cats": 3, "dogs": 3}
    assert dataset.skipped == ()
    assert dataset.skipped_counts() == {}
    photo = dataset.photos[4]
    assert (photo.name, photo.label, photo.split, photo.group) == ("dogs/4.jpg", "dogs", None, None)
    assert (photo.format, photo.width, photo.height, photo.note) == ("JPEG", 24, 16, "")
    assert photo.read() == picture(4)
    assert photo.num_bytes == len(picture(4))
    assert photo.digest == hashlib.sha256(picture(4)).digest()


def every_file(root: Path) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(root)
        for name in names
    )


def test_account_covers_every_file_once(root: Path) -> None:
    write(root / "cats" / "notes.txt", b"a tabby")
    write(root / "cats" / "empty.jpg", b"")
    write(root / "cats" / "really.jpg", b"no picture at all, whatever its name says")
    write(root / "cats" / "short.jpg", cut(picture(9)))
    write(root / "cats" / ".DS_Store", b"\0\0\0\1Bud1")
    write(root / "dogs" / "Thumbs.db", b"\xd0\xcf\x11\xe0")
    write(root / "dogs" / "deeper" / "5.jpg", picture(5))
    write(root / "dogs" / "wrong.jpg", picture(8, "PNG"))
    write(root / "loose.jpg", picture(7))
    dataset = Dataset.load(root)
    rows = dataset.account()
    assert [row["name"] for row in rows] == every_file(root)
    used = [row["name"] for row in rows if row["status"] == "used"]
    skipped = {row["name"]: row["reason"] for row in rows if row["status"] == "skipped"}
    assert used == [photo.name for photo in dataset.photos]
    assert skipped == reasons(dataset)
    assert all(skipped.values())
    assert set(skipped) == {
        "cats/.DS_Store",
        "cats/empty.jpg",
        "cats/notes.txt",
        "cats/really.jpg",
        "dogs/Thumbs.db",
        "loose.jpg",
    }
    assert skipped["cats/empty.jpg"] == "empty file"
    assert skipped["cats/really.jpg"] == skipped["cats/notes.txt"] == "not an image"
    counts = dataset.skipped_counts()
    assert counts["not an image"] == 2
    assert sum(counts.values()) == 6
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    verified = dataset.verified()
    assert [row["name"] for row in verified.account()] == every_file(root)
    assert set(reasons(verified)) - set(skipped) == {"cats/short.jpg"}


def test_row_of_a_photo_and_of_a_skipped_file(root: Path) -> None:
    write(root / "cats" / "0.png", picture(3, "JPEG", (7, 9)))
    write(root / "cats" / "zero.jpg", b"")
    rows = {row["name"]: row for row in Dataset.load(root).account()}
    assert rows["cats/0.png"] == {
        "name": "cats/0.png",
        "status": "used",
        "reason": "",
        "detail": "a JPEG named .png",
        "label": "cats",
        "group": None,
        "sha256": hashlib.sha256(picture(3, "JPEG", (7, 9))).hexdigest(),
        "num_bytes": len(picture(3, "JPEG", (7, 9))),
        "format": "JPEG",
        "width": 7,
        "height": 9,
    }
    assert set(rows["cats/zero.jpg"]) == {"name", "status", "reason", "detail"}


def test_content_decides_and_not_the_extension(root: Path) -> None:
    write(root / "cats" / "a.jpg", picture(7, "PNG"))
    write(root / "cats" / "b.txt", picture(8, "JPEG"))
    write(root / "cats" / "c", picture(9, "BMP"))
    write(root / "cats" / "d.jpg", b"just words")
    dataset = Dataset.load(root)
    notes = {photo.name: (photo.format, photo.note) for photo in dataset.photos if photo.note}
    assert notes == {
        "cats/a.jpg": ("PNG", "a PNG named .jpg"),
        "cats/b.txt": ("JPEG", "a JPEG named .txt"),
        "cats/c": ("BMP", "a BMP without an extension"),
    }
    assert reasons(dataset) == {"cats/d.jpg": "not an image"}


def test_photo_with_too_many_pixels(root: Path) -> None:
    write(root / "cats" / "large.jpg", picture(7, size=(40, 30)))
    dataset = Dataset.load(root, max_pixels=24 * 16)
    assert reasons(dataset) == {"cats/large.jpg": "too large"}
    assert len(dataset.photos) == 6
    assert len(Dataset.load(root, max_pixels=40 * 30).photos) == 7


def test_relative_source_and_a_later_change_of_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    dataset = Dataset.load("photos")
    monkeypatch.chdir("/")
    assert dataset.verified().skipped == ()


def test_name_of_other_sources(root: Path, tmp_path: Path) -> None:
    lines = [f"{root}/{'cats' if i < 3 else 'dogs'}/{i}.jpg,{i % 2}" for i in range(6)]
    manifest = write(tmp_path / "my.list.csv", "\n".join(["path,label", *lines]).encode())
    dataset = Dataset.load(manifest)
    assert (dataset.kind, dataset.name) == ("manifest", "my")
    assert dataset.class_names == ("0", "1")


# --- damage


def test_verified_finds_what_the_header_does_not_tell(root: Path) -> None:
    write(root / "cats" / "short.jpg", cut(picture(7)))
    write(root / "dogs" / "short.png", cut(picture(8, "PNG")))
    write(root / "dogs" / "same.png", cut(picture(8, "PNG")))
    dataset = Dataset.load(root)
    assert len(dataset.photos) == 9
    verified = dataset.verified()
    assert reasons(verified) == {
        "cats/short.jpg": "truncated",
        "dogs/same.png": "truncated",
        "dogs/short.png": "truncated",
    }
    assert [photo.name for photo in verified.photos] == [
        *(f"cats/{i}.jpg" for i in range(3)),
        *(f"dogs/{i}.jpg" for i in range(3, 6)),
    ]
    assert len(dataset.photos) == 9, "the first dataset has changed"
    assert verified.fingerprint() != dataset.fingerprint()
    assert verified.verified() == verified


def test_verified_reports_files_that_are_gone(root: Path) -> None:
    dataset = Dataset.load(root)
    (root / "cats" / "1.jpg").unlink()
    assert reasons(dataset.verified()) == {"cats/1.jpg": "unreadable"}


def test_verified_has_the_limit_that_it_was_loaded_with(root: Path) -> None:
    write(root / "cats" / "large.jpg", picture(7, size=(40, 30)))
    dataset = Dataset.load(root, max_pixels=1200)
    assert dataset.max_pixels == 1200
    assert dataset.verified().skipped == ()
    less = replace(dataset, max_pixels=1199).verified()
    assert reasons(less) == {"cats/large.jpg": "too large"}


def test_without(root: Path) -> None:
    write(root / "cats" / "again.jpg", picture(1))
    dataset = Dataset.load(root)
    assert dataset.without({}) is dataset
    failures = {hashlib.sha256(picture(1)).digest(): ImageError("truncated", "at byte 7")}
    less = dataset.without(failures)
    assert less.skipped == (
        SkippedFile("cats/1.jpg", "truncated", "at byte 7", "cats"),
        SkippedFile("cats/again.jpg", "truncated", "at byte 7", "cats"),
    )
    assert len(less.photos) == 5
    assert [row["name"] for row in less.account()] == [row["name"] for row in dataset.account()]


def test_file_that_can_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from photograft.core.files import read_file
    from photograft.data import known_files

    def read(path: Path) -> bytes:
        if path.name == "4.jpg":
            raise PermissionError(13, "Permission denied")
        if path.name == "5.jpg":
            raise OSError("the disk says no")
        return read_file(path)

    monkeypatch.setattr(known_files, "read_file", read)
    dataset = Dataset.load(root)
    assert dataset.skipped == (
        SkippedFile("dogs/4.jpg", "unreadable", "Permission denied", "dogs"),
        SkippedFile("dogs/5.jpg", "unreadable", "the disk says no", "dogs"),
    )


def test_links_that_lead_nowhere_or_in_a_circle(root: Path) -> None:
    (root / "cats" / "loop").symlink_to(root)
    (root / "cats" / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "cats" / "self.jpg").symlink_to("self.jpg")
    (root / "cats" / "fine.jpg").symlink_to(root / "dogs" / "4.jpg")
    os.mkfifo(root / "cats" / "pipe.jpg")
    dataset = Dataset.load(root)
    assert reasons(dataset) == {
        "cats/gone.jpg": "broken link",
        "cats/loop": "symlink loop",
        "cats/pipe.jpg": "not a regular file",
        "cats/self.jpg": "symlink loop",
    }
    assert photo_named(dataset, "cats/fine.jpg").read() == picture(4)


def test_odd_names_come_through(root: Path) -> None:
    odd = [
        "ümläut – 猫.jpg",
        "new\nline.jpg",
        " space .jpg",
        "comma,quote\"'.jpg",
        "x" * 251 + ".jpg",
        "50% #1 [a] {b} *.jpg",
        "-rf.jpg",
        "no\tdots",
    ]
    for i, name in enumerate(odd):
        write(root / "cats" / name, picture(20 + i))
    raw = os.fsencode(root / "cats") + b"/latin-\xe9.jpg"
    with open(raw, "wb") as file:
        file.write(picture(40))
    dataset = Dataset.load(root).verified()
    assert dataset.skipped == ()
    names = {row["name"] for row in dataset.account()}
    assert {f"cats/{name}" for name in odd} <= names
    assert r"cats/latin-\xe9.jpg" in names
    assert photo_named(dataset, r"cats/latin-\xe9.jpg").read() == picture(40)
    for name in names:
        name.encode("utf-8")
    assert len(names) == len(every_file(root))


@contextmanager
def unchanged(root: Path) -> Iterator[None]:
    """Fails if anything under a folder is another afterwards: content, time, or what there is."""

    def state() -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for path in [root, *sorted(root.rglob("*"))]:
            status = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            found.append((path, status.st_mode, status.st_size, status.st_mtime_ns, data))
        return found

    before = state()
    yield
    assert state() == before


def test_source_is_left_as_it_was(root: Path) -> None:
    write(root / "cats" / "short.jpg", cut(picture(7)))
    write(root / "cats" / "words.jpg", b"words")
    write(root / "train.txt", b"words")
    with unchanged(root.parent):
        dataset = Dataset.load(root)
        dataset.verified().account()
        dataset.fingerprint()


# --- class names


def class_folders(root: Path, names: list[str]) -> Dataset:
    for i, name in enumerate(names):
        write(root / name / "photo.jpg", picture(i))
    return Dataset.load(root)


def test_class_names_are_in_natural_order(tmp_path: Path) -> None:
    names = ["10", "9", "2", "class 11", "class 2", "Zebra", "ant", "a1b10", "a1b9", "élan"]
    dataset = class_folders(tmp_path / "photos", names)
    assert dataset.class_names == (
        "2", "9", "10", "Zebra", "a1b9", "a1b10", "ant", "class 2", "class 11", "élan",
    )  # fmt: skip
    assert [dataset.class_names[c] for c in dataset.labels] == [p.label for p in dataset.photos]
    assert list(dataset.class_counts()) == list(dataset.class_names)


def test_names_of_equal_numbers_are_in_one_order_in_every_process(tmp_path: Path) -> None:
    """Sets of strings are ordered otherwise in every process: class 0 must be the same one."""
    class_folders(tmp_path / "photos", ["1", "01", "001", "a7", "a07"])
    code = "import sys, photograft; print(photograft.Dataset.load(sys.argv[1]).class_names)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "photos")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "1234"
    }
    assert found == {"('001', '01', '1', 'a07', 'a7')\n"}


def test_number_of_very_many_digits(root: Path, tmp_path: Path) -> None:
    """More than Python turns into an int."""
    long = "7" * 6000
    manifest = tmp_path / "list.csv"
    rows = [("cats/0.jpg", long), ("cats/1.jpg", "8"), ("cats/2.jpg", "0" * 5000 + "6")]
    lines = [f"{root / name},{label}" for name, label in rows]
    manifest.write_text("\n".join(["path,label", *lines]))
    assert Dataset.load(manifest).class_names == ("0" * 5000 + "6", "8", long)


# --- the fingerprint


def test_fingerprint_is_that_of_the_photos_only(root: Path) -> None:
    first = Dataset.load(root).fingerprint()
    assert len(first) == 64
    assert Dataset.load(root).fingerprint() == first
    write(root / "cats" / "notes.txt", b"words")
    os.utime(root / "cats" / "0.jpg", (1, 1))
    assert Dataset.load(root).fingerprint() == first
    root.rename(root.with_name("moved"))
    assert Dataset.load(root.with_name("moved")).fingerprint() == first


def test_fingerprint_changes_with_name_label_and_content(root: Path) -> None:
    seen = [Dataset.load(root).fingerprint()]

    def changed() -> None:
        seen.append(Dataset.load(root).fingerprint())

    (root / "cats" / "0.jpg").rename(root / "cats" / "00.jpg")
    changed()
    (root / "cats" / "00.jpg").rename(root / "dogs" / "00.jpg")
    changed()
    write(root / "dogs" / "00.jpg", picture(99))
    changed()
    (root / "dogs" / "00.jpg").unlink()
    changed()
    (root / "dogs").rename(root / "wolves")
    changed()
    assert len(set(seen)) == len(seen)


def test_fingerprint_changes_with_split_and_group(root: Path, tmp_path: Path) -> None:
    def fingerprint(**columns: str) -> str:
        header = ",".join(["path", "label", *columns])
        rows = [
            ",".join([f"{root}/{folder}/{i}.jpg", folder, *columns.values()])
            for folder, i in (("cats", 0), ("cats", 1), ("dogs", 3))
        ]
        path = tmp_path / "list.csv"
        path.write_text("\n".join([header, *rows]))
        return Dataset.load(path).fingerprint()

    found = [
        fingerprint(),
        fingerprint(split="train"),
        fingerprint(split="test"),
        fingerprint(group="train"),
        fingerprint(split="train", group="g"),
    ]
    assert len(set(found)) == len(found)


# --- progress


def test_progress_is_told(root: Path) -> None:
    write(root / "cats" / "copy.jpg", picture(0))
    write(root / "cats" / "words.jpg", b"words")
    recorder = Recorder()
    dataset = Dataset.load(root, progress=recorder)
    assert recorder.opened == [("Reading files", 8, "files")]
    assert recorder.done == {"Reading files": 8}
    dataset.verified(progress=recorder)
    assert recorder.opened[1:] == [("Decoding photos", 6, "photos")]
    assert recorder.done == {"Reading files": 8, "Decoding photos": 6}
    assert (recorder.notes, recorder.said) == ([], [])


# --- duplicates


@pytest.fixture
def copies(tmp_path: Path) -> Dataset:
    """Photos 0 to 7 by name; equal letters stand for equal content."""
    rows = [
        ("0.jpg", "a", "train", ""),
        ("1.jpg", "b", "train", ""),
        ("2.jpg", "a", "test", ""),
        ("3.jpg", "c", "train", "g"),
        ("4.jpg", "d", "train", "h"),
        ("5.jpg", "d", "train", "g"),
        ("6.jpg", "e", "train", "h"),
        ("7.jpg", "a", "train", ""),
    ]
    labels = ["x", "x", "x", "x", "y", "x", "y", "x"]
    lines = ["path,label,split,group"]
    for (name, content, split, group), label in zip(rows, labels, strict=True):
        write(tmp_path / "photos" / name, picture(ord(content)))
        lines.append(f"photos/{name},{label},{split},{group}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    dataset = Dataset.load(tmp_path / "list.csv")
    assert [photo.name[-5] for photo in dataset.photos] == list("01234567")
    return dataset


def test_same_content(copies: Dataset) -> None:
    assert same_content(copies) == [[0, 2, 7], [4, 5]]


def test_conflicting_labels(copies: Dataset) -> None:
    assert conflicting_labels(copies) == [[4, 5]]


def test_across_given_splits(copies: Dataset) -> None:
    assert across_given_splits(copies) == [[0, 2, 7]]


def test_content_groups(copies: Dataset) -> None:
    """5 joins what were two groups until then: 3 by its group, 4 by its content; 4 brings 6."""
    assert content_groups(copies).tolist() == [0, 1, 0, 2, 2, 2, 2, 0]


def test_no_duplicates(root: Path) -> None:
    dataset = Dataset.load(root)
    assert (
        same_content(dataset) == conflicting_labels(dataset) == across_given_splits(dataset) == []
    )
    assert content_groups(dataset).tolist() == list(range(6))
