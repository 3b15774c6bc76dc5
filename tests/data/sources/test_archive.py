import gzip
import io
import os
import pickle
import stat
import tarfile
import tempfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from photograft.core.errors import SourceError, StorageError
from photograft.data.sources import archives, spool
from photograft.data.sources.archives import read_archive
from photograft.data.sources.base import Listing

FILES = {
    f"{label}/{i}.jpg": f"{label}{i}".encode() * 50 for label in ("cats", "dogs") for i in "12"
}
SUFFIXES = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]


def pack(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    compression = {".tar": "", ".tgz": "gz"}.get(path.suffix, path.suffix[1:])
    with tarfile.open(path, f"w:{compression}") as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            add(tar, name, data)
    return path


def add(
    tar: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    tar.addfile(info, io.BytesIO(data))


def read_all(listing: Listing) -> dict[str, bytes]:
    return {item.name: item.read() for item in listing.items}


def skipped(listing: Listing) -> dict[str, str]:
    return {file.name: file.reason for file in listing.skipped}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_lists_and_reads_its_members(tmp_path: Path, suffix: str) -> None:
    listing = read_archive(pack(tmp_path / f"photos{suffix}", FILES))
    assert listing.kind == "archive"
    assert read_all(listing) == FILES
    assert [item.label for item in listing.items] == ["cats", "cats", "dogs", "dogs"]
    assert listing.skipped == ()
    assert [path.name for path in tmp_path.iterdir()] == [f"photos{suffix}"]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_layout_is_that_of_folders(tmp_path: Path, suffix: str) -> None:
    files = {
        "README.md": b"",
        "__MACOSX/._x": b"",
        "set/train/a/1.jpg": b"1",
        "set/val/a/2.jpg": b"2",
    }
    listing = read_archive(pack(tmp_path / f"photos{suffix}", files))
    assert [(i.name, i.label, i.split) for i in listing.items] == [
        ("set/train/a/1.jpg", "a", "train"),
        ("set/val/a/2.jpg", "a", "validation"),
    ]
    assert skipped(listing) == {
        "README.md": "not in a class folder",
        "__MACOSX/": "hidden or system file",
    }
    assert listing.notes == ("classes were taken from set/",)


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_empty_class_folders_are_noted(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photos{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("./", b"")
            archive.writestr("cats/1.jpg", b"")
            archive.writestr("empty/", b"")
    else:
        with tarfile.open(path, "w") as tar:
            add(tar, ".", kind=tarfile.DIRTYPE)
            add(tar, "./cats/1.jpg")
            add(tar, "./empty", kind=tarfile.DIRTYPE)
    listing = read_archive(path)
    assert listing.notes == ("class folder empty is empty",)
    assert [item.name for item in listing.items] == ["cats/1.jpg"]


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_unsafe_paths_are_skipped_and_nothing_is_written(tmp_path: Path, suffix: str) -> None:
    unsafe = ["/abs/1.jpg", "../up/1.jpg", "cats/../../1.jpg", "C:/win/1.jpg", "..\\1.jpg"]
    inside = tmp_path / "inside"
    inside.mkdir()
    path = pack(inside / f"photos{suffix}", FILES | dict.fromkeys(unsafe, b"x"))
    before = sorted(tmp_path.rglob("*"))
    listing = read_archive(path)
    assert read_all(listing) == FILES
    assert skipped(listing) == dict.fromkeys(unsafe, "unsafe path")
    assert sorted(tmp_path.rglob("*")) == before


def test_links_and_devices_in_tar_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "cats/1.jpg", b"1")
        add(tar, "cats/soft", kind=tarfile.SYMTYPE, link="/etc/passwd")
        add(tar, "cats/hard", kind=tarfile.LNKTYPE, link="cats/1.jpg")
        add(tar, "cats/fifo", kind=tarfile.FIFOTYPE)
        add(tar, "cats/dev", kind=tarfile.CHRTYPE)
    listing = read_archive(path)
    assert read_all(listing) == {"cats/1.jpg": b"1"}
    assert skipped(listing) == {
        "cats/soft": "link",
        "cats/hard": "link",
        "cats/fifo": "not a regular file",
        "cats/dev": "not a regular file",
    }


def test_links_and_encrypted_members_in_zip_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cats/1.jpg", b"1")
        for name, mode in (("cats/soft", stat.S_IFLNK), ("cats/fifo", stat.S_IFIFO)):
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (mode | 0o644) << 16
            archive.writestr(info, b"/etc/passwd")
        archive.writestr("cats/secret.jpg", b"2")
        archive.getinfo("cats/secret.jpg").flag_bits |= 1
    listing = read_archive(path)
    assert read_all(listing) == {"cats/1.jpg": b"1"}
    assert skipped(listing) == {
        "cats/soft": "link",
        "cats/fifo": "not a regular file",
        "cats/secret.jpg": "encrypted",
    }


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_members_that_declare_too_much_are_skipped(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / f"photos{suffix}", FILES | {"cats/big.jpg": bytes(1001)})
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1000)
    listing = read_archive(path)
    assert skipped(listing) == {"cats/big.jpg": "too large"}
    assert "1,001 bytes" in listing.skipped[0].detail
    assert len(listing.items) == 4


def test_zip_member_that_holds_more_than_it_declares_is_not_read_on(tmp_path: Path) -> None:
    path = pack(tmp_path / "photos.zip", {"cats/bomb.jpg": bytes(10_000_000)})
    data = path.read_bytes()
    declared = (10_000_000).to_bytes(4, "little")
    assert data.count(declared) == 2
    path.write_bytes(data.replace(declared, (10).to_bytes(4, "little")))
    (item,) = read_archive(path).items
    with pytest.raises(OSError, match="damaged"):
        item.read()


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_a_path_stored_twice_counts_once_and_the_last_wins(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photos{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("cats/1.jpg", b"old")
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr("cats/1.jpg", b"new")
    else:
        with tarfile.open(path, "w") as tar:
            add(tar, "cats/1.jpg", b"old")
            add(tar, "./cats/1.jpg", b"new")
    listing = read_archive(path)
    assert read_all(listing) == {"cats/1.jpg": b"new"}
    assert skipped(listing) == {"cats/1.jpg#2": "listed twice"}


def test_zip_names_in_utf8_without_the_flag_as_macos_writes_them(tmp_path: Path) -> None:
    path = pack(tmp_path / "photos.zip", {"k\u00e4tzchen/1.jpg": b"1", "dogs/1.jpg": b"2"})
    data = bytearray(path.read_bytes())
    for magic, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(magic)
        assert data[at + flags_at + 1] == 0x08
        data[at + flags_at + 1] = 0
    path.write_bytes(data)
    listing = read_archive(path)
    assert {item.label for item in listing.items} == {"k\u00e4tzchen", "dogs"}
    assert read_all(listing)["k\u00e4tzchen/1.jpg"] == b"1"


def test_zip_with_backslashes_as_old_windows_programs_write_it(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("cats\\1.jpg", "dogs\\1.jpg"):
            info = zipfile.ZipInfo(name)
            info.create_system = 0
            archive.writestr(info, name.encode())
    listing = read_archive(path)
    assert {item.label for item in listing.items} == {"cats", "dogs"}


def test_tar_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = pack(tmp_path / "photos.tar", {"cats/\udcff.jpg": b"1", "dogs/1.jpg": b"2"})
    assert read_all(read_archive(path))["cats/\\xff.jpg"] == b"1"


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_members_are_read_from_many_threads(tmp_path: Path, suffix: str) -> None:
    files = {f"c{i % 5}/{i}.jpg": os.urandom(20_000) for i in range(60)}
    listing = read_archive(pack(tmp_path / f"photos{suffix}", files))
    barrier = threading.Barrier(8)

    def work(_: int) -> dict[str, bytes]:
        barrier.wait()
        return read_all(listing)

    with ThreadPoolExecutor(8) as pool:
        assert all(found == files for found in pool.map(work, range(8)))


def test_sparse_members_are_read_whole(tmp_path: Path) -> None:
    # GNU sparse 1.0: a map of the data before the data itself.
    payload = b"1\n4\n3\n".ljust(512, b"\0") + b"abc"
    with tarfile.open(tmp_path / "photos.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("GNUSparseFile.0/1.jpg")
        info.size = len(payload)
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "cats/1.jpg",
            "GNU.sparse.realsize": "10",
        }
        tar.addfile(info, io.BytesIO(payload))
    assert read_all(read_archive(tmp_path / "photos.tar")) == {"cats/1.jpg": b"\0\0\0\0abc\0\0\0"}


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def spoil(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(b ^ 0xFF for b in data[middle : middle + 40]) + data[middle + 40 :]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_archives_that_were_cut_short_are_refused(tmp_path: Path, suffix: str) -> None:
    files = {name: os.urandom(20_000) for name in FILES}
    path = pack(tmp_path / f"photos{suffix}", files)
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(SourceError, match="damaged or incomplete"):
        read_archive(path)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".tar.xz"])
def test_compressed_archives_with_wrong_bytes_are_refused(tmp_path: Path, suffix: str) -> None:
    path = pack(tmp_path / f"photos{suffix}", {name: os.urandom(20_000) for name in FILES})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SourceError, match="damaged or incomplete"):
        read_archive(path)


def test_tar_with_a_damaged_header_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "photos.tar", FILES)
    data = bytearray(path.read_bytes())
    at = data.index(b"dogs/1.jpg")
    data[at : at + 4] = b"DOGS"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"damaged header at byte {at:,}"):
        read_archive(path)


@pytest.mark.timeout(20)
def test_tar_header_of_negative_size_does_not_loop(tmp_path: Path) -> None:
    path = pack(tmp_path / "photos.tar", FILES)
    data = bytearray(path.read_bytes())
    header = bytearray(data[512 * 4 : 512 * 5])
    header[124:136] = b"\xff" * 10 + (0x10000 - 1536).to_bytes(2, "big")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    data[512 * 4 : 512 * 5] = header
    path.write_bytes(data)
    with pytest.raises(SourceError, match="damaged or incomplete"):
        read_archive(path)


def test_zip_member_with_wrong_bytes_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    path.write_bytes(path.read_bytes().replace(b"dogs1dogs1", b"dogs1dogs0", 1))
    found = {item.name: item for item in read_archive(path).items}
    assert found["cats/1.jpg"].read() == FILES["cats/1.jpg"]
    with pytest.raises(OSError, match=r"dogs/1\.jpg is damaged"):
        found["dogs/1.jpg"].read()


def test_compressed_file_that_is_no_tar(tmp_path: Path) -> None:
    path = tmp_path / "photos.tar.gz"
    path.write_bytes(gzip.compress(b"path,label\n" * 100))
    with pytest.raises(SourceError, match="no archive that can be read"):
        read_archive(path)


def test_unpacking_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "photos.tar.gz", {"cats/1.jpg": bytes(5_000_000)})
    monkeypatch.setattr(spool, "MAX_UNPACKED_BYTES", 3_000_000)
    with pytest.raises(SourceError, match="at most 3,000,000 bytes"):
        read_archive(path)


def test_full_disk_is_told_apart_from_a_damaged_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "photos.tar.gz", FILES)

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(StorageError, match=r"No space left on device.*TMPDIR"):
        read_archive(path)


def test_archive_without_class_folders(tmp_path: Path) -> None:
    path = pack(tmp_path / "photos.zip", {"1.jpg": b"", "2.jpg": b""})
    with pytest.raises(SourceError, match="2 × not in a class folder"):
        read_archive(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_members_are_read_by_other_processes(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which have another folder."""
    pack(tmp_path / f"photos{suffix}", FILES)
    monkeypatch.chdir(tmp_path)
    listing = read_archive(Path(f"photos{suffix}"))
    data = pickle.dumps([item.read for item in listing.items])
    monkeypatch.chdir("/")
    assert sorted(read() for read in pickle.loads(data)) == sorted(FILES.values())
