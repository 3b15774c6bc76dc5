import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from photograft.core.errors import SourceError
from photograft.data.sources.base import Listing
from photograft.data.sources.open import open_source
from photograft.runs.comparison import COMPARISON
from photograft.runs.folder import RUN


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("cats/1.jpg", "cats/2.jpg", "dogs/1.jpg"):
        write(folder / name, name.encode())
    return folder


def write(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def names(listing: Listing) -> list[str]:
    return [item.name for item in listing.items]


def skipped(listing: Listing) -> dict[str, str]:
    return {file.name: file.reason for file in listing.skipped}


def test_items_know_their_class_and_read_their_bytes(root: Path) -> None:
    listing = open_source(root)
    assert listing.kind == "folder"
    assert names(listing) == ["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg"]
    assert [item.label for item in listing.items] == ["cats", "cats", "dogs"]
    assert {item.split for item in listing.items} == {None}
    assert [item.read() for item in listing.items] == [n.encode() for n in names(listing)]
    assert listing.skipped == ()
    assert listing.notes == ()


def test_relative_path_is_read_from_another_folder_later(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    listing = open_source(Path("photos"))
    monkeypatch.chdir("/")
    assert listing.items[0].read() == b"cats/1.jpg"


def test_split_folders(tmp_path: Path) -> None:
    for name in ("train/a/1.jpg", "valid/a/2.jpg", "test/a/3.jpg"):
        write(tmp_path / name)
    listing = open_source(tmp_path)
    assert [(i.name, i.split) for i in listing.items] == [
        ("test/a/3.jpg", "test"),
        ("train/a/1.jpg", "train"),
        ("valid/a/2.jpg", "validation"),
    ]


def test_hidden_folder_is_not_descended_into(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / ".git/objects/1.jpg")
    write(root / "cats/.DS_Store")
    seen = spy_on_scandir(monkeypatch)
    assert skipped(open_source(root)) == {
        ".git/": "hidden or system file",
        "cats/.DS_Store": "hidden or system file",
    }
    assert {path.name for path in seen} == {"photos", "cats", "dogs"}


def spy_on_scandir(monkeypatch: pytest.MonkeyPatch, refused: str = "") -> list[Path]:
    seen: list[Path] = []
    scandir = os.scandir

    def spy(path: Path) -> Any:
        seen.append(Path(path))
        if refused and Path(path).name == refused:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", spy)
    return seen


def test_links_are_followed(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/3.jpg", b"three")
    (root / "birds").symlink_to(tmp_path / "elsewhere")
    (root / "dogs/4.jpg").symlink_to(tmp_path / "elsewhere/3.jpg")
    listing = open_source(root)
    found = {item.name: item for item in listing.items}
    assert found["birds/3.jpg"].label == "birds"
    assert found["birds/3.jpg"].read() == found["dogs/4.jpg"].read() == b"three"


def test_links_that_lead_back_up_are_not_followed(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "private/1.jpg")
    (root / "cats/self").symlink_to(".")
    (root / "cats/root").symlink_to(root)
    (root / "cats/above").symlink_to(tmp_path)
    (root / "cats/knot").symlink_to("knot")
    listing = open_source(root)
    assert skipped(listing) == {
        f"cats/{name}": "symlink loop" for name in ("above", "knot", "root", "self")
    }
    assert names(listing) == ["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg"]


def test_loop_through_a_folder_outside_ends(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "out/1.jpg")
    (tmp_path / "out/back").symlink_to(root)
    (tmp_path / "out/again").symlink_to(tmp_path / "out")
    (root / "birds").symlink_to(tmp_path / "out")
    listing = open_source(root)
    assert skipped(listing) == {"birds/again": "symlink loop", "birds/back": "symlink loop"}


def test_broken_links(root: Path) -> None:
    (root / "cats/gone.jpg").symlink_to("nowhere.jpg")
    (file,) = open_source(root).skipped
    assert (file.name, file.reason) == ("cats/gone.jpg", "broken link")
    assert "nowhere.jpg" in file.detail


@pytest.mark.timeout(20)  # Opening the pipe would wait for ever.
def test_pipes_and_sockets_are_never_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "cats/pipe.jpg")
    monkeypatch.chdir(root / "dogs")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        listing = open_source(root)
    assert skipped(listing) == {
        "cats/pipe.jpg": "not a regular file",
        "dogs/socket": "not a regular file",
    }


def test_folder_without_permission_is_skipped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spy_on_scandir(monkeypatch, refused="dogs")
    listing = open_source(root)
    (file,) = listing.skipped
    assert (file.name, file.reason, file.detail) == ("dogs/", "unreadable", "Permission denied")
    assert listing.notes == ()


def test_root_without_permission_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spy_on_scandir(monkeypatch, refused="photos")
    with pytest.raises(SourceError, match=r"can't be read.*Permission denied"):
        open_source(root)


def test_names_of_any_kind(root: Path) -> None:
    long = "n" * 250 + ".jpg"
    for name in (
        long,
        "two\nlines.jpg",
        "gr\u00fc\u00dfe \U0001f431.jpg",
        "\udcff.jpg",
        "\\xff.jpg",
    ):
        write(root / "cats" / name, name.encode("utf-8", "surrogateescape"))
    listing = open_source(root)
    found = {item.name: item.read() for item in listing.items}
    assert found[f"cats/{long}"] == long.encode()
    assert found["cats/two\nlines.jpg"] == b"two\nlines.jpg"
    assert found["cats/gr\u00fc\u00dfe \U0001f431.jpg"]
    assert {found["cats/\\xff.jpg"], found["cats/\\xff.jpg#2"]} == {b"\xff.jpg", b"\\xff.jpg"}
    for name in found:
        name.encode("utf-8")


def test_folders_deeper_than_the_recursion_limit(root: Path) -> None:
    depth = sys.getrecursionlimit() + 100
    here = os.getcwd()
    try:
        os.chdir(root / "dogs")
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("deep.jpg").write_bytes(b"deep")
    finally:
        os.chdir(here)
    (item,) = [item for item in open_source(root).items if item.name.endswith("deep.jpg")]
    assert item.label == "dogs"
    assert item.read() == b"deep"
    subprocess.run(["rm", "-r", str(root / "dogs")], check=True)


def test_too_large_files_are_refused_when_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photograft.core.files.MAX_FILE_BYTES", 3)
    with pytest.raises(OSError, match="more than 3"):
        open_source(root).items[0].read()


def test_nothing_is_changed(root: Path) -> None:
    def state() -> Iterator[tuple[str, int, int]]:
        for path in sorted(root.rglob("*")):
            status = path.stat()
            yield str(path), status.st_mtime_ns, status.st_size

    before = list(state())
    for item in open_source(root).items:
        item.read()
    assert list(state()) == before


def test_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no photos in class folders.*got no files"):
        open_source(tmp_path)


def test_classes_that_differ_by_case_are_noted(root: Path) -> None:
    write(root / "Cats/9.jpg")
    listing = open_source(root)
    assert {item.label for item in listing.items} == {"Cats", "cats", "dogs"}
    assert listing.notes[0].startswith("classes 'Cats', 'cats' differ only by case")


@pytest.mark.parametrize("inside", ["", "first"])
@pytest.mark.parametrize(
    ("marker", "what"),
    [(RUN, "a run"), (COMPARISON, "a comparison"), ("classifier.json", "a classifier")],
)
def test_what_photograft_wrote_is_no_source(
    root: Path, marker: str, what: str, inside: str
) -> None:
    (root / inside).mkdir(exist_ok=True)
    write(root / inside / marker, b"{}")
    with pytest.raises(SourceError) as caught:
        open_source(root)
    assert f"{root / inside} is {what} that Photograft wrote" in str(caught.value)
    assert f"photograft predict {root / inside} PHOTOS" in str(caught.value)
    assert ("holds more than photos" in str(caught.value)) == bool(inside)
