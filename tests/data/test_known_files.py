"""Files that were read before: which are read again, and that nothing false is believed."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from drawing import draw_folder
from photograft.core import stamps
from photograft.core.files import read_file
from photograft.data import known_files
from photograft.data.dataset import Dataset

LONG_AGO = time.time() - 1000


class Reads:
    """Counts the files that are read."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._lock = threading.Lock()

    def take(self) -> list[str]:
        names, self.names = sorted(self.names), []
        return names


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    found, read = Reads(), read_file

    def counted(path: Path) -> bytes:
        with found._lock:
            found.names.append(path.name)
        return read(path)

    monkeypatch.setattr(known_files, "read_file", counted)
    # As if all had been made long ago: when an entry changed can't be set.
    monkeypatch.setattr(stamps, "_SETTLED_NS", -60_000_000_000)
    return found


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "photos", n=3, size=32)


def load(photos: Path, cache: Path) -> list[tuple[object, ...]]:
    dataset = Dataset.load(photos, cache=cache, progress=False)
    return [
        (p.name, p.label, p.digest, p.num_bytes, p.format, p.width, p.height, p.note, p.read())
        for p in dataset.photos
    ]


def test_files_are_read_once(photos: Path, tmp_path: Path, reads: Reads) -> None:
    first = load(photos, tmp_path / "cache")
    assert len(set(reads.take())) == 3
    dataset = Dataset.load(photos, cache=tmp_path / "cache", progress=False)
    assert reads.take() == []
    assert [p.digest for p in dataset.photos] == [row[2] for row in first]
    assert load(photos, tmp_path / "cache") == first
    Dataset.load(photos, progress=False)  # who gives no cache reads all
    assert len(reads.take()) == 6 + 6


@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_file_that_changed_is_read_again(
    photos: Path, tmp_path: Path, reads: Reads, keeps_time: bool
) -> None:
    changed = photos / "circle" / "01.jpg"
    os.utime(changed, (LONG_AGO, LONG_AGO))
    load(photos, tmp_path / "cache")
    data = changed.read_bytes()
    changed.write_bytes(data[:-2] + b"\x00\x00")  # of the same size
    if keeps_time:  # as cp -p and rsync do; the entry's own time tells
        os.utime(changed, (LONG_AGO, LONG_AGO))
    reads.take()
    dataset = Dataset.load(photos, cache=tmp_path / "cache", progress=False)
    assert reads.take() == ["01.jpg"]
    assert dataset.photos[1].digest != hashlib.sha256(data).digest()
    assert [p.digest for p in dataset.photos] == [
        p.digest for p in Dataset.load(photos, progress=False).photos
    ]


def test_a_file_that_just_changed_is_not_believed(
    photos: Path, tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "_SETTLED_NS", 4_000_000_000)
    for _ in range(2):
        Dataset.load(photos, cache=tmp_path / "cache", progress=False)
        assert len(reads.take()) == 6


def test_the_user_can_have_all_read(
    photos: Path, tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    Dataset.load(photos, cache=tmp_path / "cache", progress=False)
    reads.take()
    monkeypatch.setenv("PHOTOGRAFT_REHASH", "1")
    Dataset.load(photos, cache=tmp_path / "cache", progress=False)
    assert len(reads.take()) == 6


@pytest.mark.parametrize("damage", ["cut", "digit", "text", "gone", "version"])
def test_a_damaged_record_is_not_believed(
    photos: Path, tmp_path: Path, reads: Reads, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(photos, tmp_path / "cache")
    (record,) = (tmp_path / "cache" / "listed").iterdir()
    text = record.read_text()
    place = text.index(expected[0][2].hex())  # type: ignore[attr-defined]
    digit = "0" if text[place] != "0" else "1"
    match damage:
        case "cut":
            record.write_text(text[: len(text) // 2])
        case "digit":
            record.write_text(text[:place] + digit + text[place + 1 :])
        case "text":
            record.write_bytes(b"\xff\x00 no record")
        case "gone":
            record.unlink()
        case "version":
            monkeypatch.setattr(known_files, "CODE_VERSION", -1)
    reads.take()
    assert [row[:8] for row in load(photos, tmp_path / "cache")] == [row[:8] for row in expected]
    assert len(reads.take()) == 12
    load(photos, tmp_path / "cache")  # and it is made anew
    assert len(reads.take()) == 6


def test_the_limit_of_pixels_holds_for_known_files(
    photos: Path, tmp_path: Path, reads: Reads
) -> None:
    Image.new("RGB", (64, 64)).save(photos / "circle" / "big.png")
    load(photos, tmp_path / "cache")
    dataset = Dataset.load(photos, cache=tmp_path / "cache", max_pixels=2000, progress=False)
    assert [(file.name, file.reason) for file in dataset.skipped] == [
        ("circle/big.png", "too large")
    ]


def test_a_cache_that_cannot_be_written_is_no_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    assert len(Dataset.load(photos, cache=tmp_path / "cache", progress=False).photos) == 6


def test_folders_are_few(
    photos: Path, tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "_MOST_FOLDERS", 2)
    for i in range(4):
        draw_folder(tmp_path / f"photos{i}", n=1, size=32)
        Dataset.load(tmp_path / f"photos{i}", cache=tmp_path / "cache", progress=False)
    assert len(list((tmp_path / "cache" / "listed").iterdir())) == 2


def test_several_at_once(photos: Path, tmp_path: Path, reads: Reads) -> None:
    def run() -> Iterator[list[bytes]]:
        for _ in range(5):
            found = Dataset.load(photos, cache=tmp_path / "cache", progress=False)
            yield [photo.digest for photo in found.photos]

    results: list[list[bytes]] = []
    threads = [threading.Thread(target=lambda: results.extend(run())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert all(found == results[0] for found in results)
