"""Secrets of addresses: where they go, and where they are shown; and what errors of stores mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drawing import draw_jpeg
from photograft.core.addresses import shown_address
from photograft.core.errors import SourceError
from photograft.data.dataset import Dataset
from photograft.data.sources.addresses import Address, local_path, parse_address
from photograft.data.sources.open import open_source
from photograft.data.sources.places import FarFile, FarFolder
from photograft.data.sources.stores import cause_of, unreachable
from s3_server import Store, s3_server

PHOTO = draw_jpeg("photo")


@pytest.fixture
def s3() -> Iterator[Store]:
    with s3_server() as store:
        store.files = {"bucket/photos/a/1.jpg": PHOTO}
        yield store


@pytest.fixture
def memory() -> Iterator[Any]:
    system = pytest.importorskip("fsspec").filesystem("memory")
    yield system
    system.rm("/set", recursive=True)


@pytest.mark.parametrize(
    ("manifest", "row", "user"),
    [
        ("s3://k:secret@bucket/m", "s3://other/x.jpg", "k:secret"),
        ("sftp://me:secret@host/m", "sftp://host/x.jpg", "me:secret"),
        ("sftp://me:secret@host/m", "sftp://evil.host/x.jpg", ""),
        ("hdfs://me:secret@host:8020/m", "hdfs://host:8021/x.jpg", ""),
        ("smb://me:secret@host/m", "smb://evil/x.jpg", ""),
        (
            "abfs://one:secret@a.dfs.core.windows.net/m",
            "abfs://two@a.dfs.core.windows.net/x.jpg",
            "two:secret",
        ),
        (
            "abfs://one:secret@a.dfs.core.windows.net/m",
            "abfs://one@evil.dfs.core.windows.net/x.jpg",
            "one",
        ),
    ],
)
def test_a_secret_goes_to_its_own_host_only(manifest: str, row: str, user: str) -> None:
    found = parse_address(f"{manifest}?session=12345").resolve(row)
    assert isinstance(found, Address)
    assert found.user == user
    assert found.options == ("session=12345" if "secret" in user else "")


def test_a_far_manifest_names_no_file_of_this_machine(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "own.jpg").write_bytes(PHOTO)
    # Two files: readers of one file in the memory share its position.
    memory.pipe({"/set/a.jpg": PHOTO, "/set/b.jpg": PHOTO})
    rows = [f"{scheme}://{tmp_path}/own.jpg" for scheme in ("local", "file", "sftp")]
    rows += [f"memory://x::file:/{tmp_path}/own.jpg", "abfs://photos@evil.host/x.jpg"]
    text = "".join(f"{row},b\n" for row in rows)
    memory.pipe("/set/m.csv", f"path,label\na.jpg,a\nmemory://set/b.jpg,b\n{text}".encode())
    dataset = Dataset.load("memory://set/m.csv", progress=False)
    assert [photo.name for photo in dataset.photos] == ["a.jpg", "memory://set/b.jpg"]
    reasons = [(file.reason, file.detail.partition(" is ")[2]) for file in dataset.skipped]
    no_store = ("missing", "of no store that a manifest at an address may name")
    assert sorted(reasons)[:5] == [("missing", "at no host of Azure's"), *[no_store] * 4]


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:half/other@bucket/photos",
        "s3://AKIA:half?other@bucket/photos",
        "s3://AKIA:half",
        "gs://AKIA:half/photos",
        "abfs://photos:half/other==@account.dfs.core.windows.net/photos",
        "sftp://me:half/other@host/photos",
    ],
)
def test_a_secret_with_a_slash_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SourceError, match="write / as %2F") as error:
        open_source(text)
    shown = str(error.value) + shown_address(text)
    assert not any(part in shown for part in ("half", "other", "AKIA"))


def test_another_machine_s_file_is_told_without_its_user() -> None:
    with pytest.raises(SourceError, match=r"^file://server/photos is an address"):
        local_path("file://me:secret@server/photos")


def test_ports_and_signs_in_paths_are_no_secrets() -> None:
    assert str(parse_address("hdfs://host:8020/me@home.jpg")) == "hdfs://host:8020/me@home.jpg"
    assert str(parse_address("s3://k:a%2Fb@bucket/me@home.jpg")) == "s3://bucket/me@home.jpg"


def test_the_user_of_an_endpoint_is_not_shown() -> None:
    for sign in ("@", "%40"):
        text = f"s3://bucket/x?endpoint_override=http://me:secret{sign}host:9000&region=r"
        assert shown_address(text) == "s3://bucket/x?endpoint_override=host:9000&region=r"


@pytest.mark.parametrize(
    "said",
    [
        "strange: thekey or the/secret",
        "strange: the%2Fsecret",
        "strange: GET https://host/x?sas=the%2Btoken",
        "strange: GET https://host/x?sas=the+token",
        "strange: proxy http://me:the+other@host/",
        "strange: https://host/x?sv=1&sig=the+signature",
        "strange: endpoint the:password",
        "strange: " + "x" * 185 + "the/secret",
    ],
)
def test_what_a_store_says_is_masked(said: str) -> None:
    address = parse_address(
        "s3://thekey:the%2Fsecret@bucket/x?sas=the%2Btoken&endpoint_override=http://the:password@h"
    )
    told = str(unreachable(address, OSError(said)))
    assert "strange: " in told
    assert "the" not in told.replace("s3://bucket/x can't be read; got ", "").replace(
        "Check the address", ""
    )


def test_what_a_read_says_is_masked(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/set/a.jpg", PHOTO)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError("strange: https://me:secret@host/a?sig=abc") from ValueError("x")

    monkeypatch.setattr(type(memory), "_open", refuse)
    with pytest.raises(OSError, match=r"^memory://set/a\.jpg: strange: https://…@host/a\?sig=…$"):
        FarFolder(parse_address("memory://set")).read("a.jpg")
    with pytest.raises(OSError, match=r"sig=…$"):
        FarFile(parse_address("memory://set/a.jpg")).open()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (FileNotFoundError("Path does not exist 'bucket/photos/403.jpg'"), "missing"),
        (FileNotFoundError("When opening a bucket: NoSuchBucket"), "there is no such bucket"),
        (OSError("AWS Error UNKNOWN (HTTP status 403) during GetObject"), "access is denied"),
        (OSError("photos/403.jpg: AWS Error NO_SUCH_KEY"), "missing"),
        (OSError("photos/403.jpg holds 1,403 bytes"), "photos/403.jpg holds 1,403 bytes"),
    ],
)
def test_what_errors_mean(error: Exception, cause: str) -> None:
    assert cause_of(parse_address("s3://bucket/photos/403.jpg"), error) == cause


def test_a_size_is_not_taken_for_a_status(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photograft.data.sources.places.MAX_FILE_BYTES", 10)
    s3.files["bucket/photos/a/1.jpg"] = bytes(403)
    folder = FarFolder(parse_address(s3.address("bucket/photos")))
    with pytest.raises(OSError, match="the file has 403 bytes, more than 10"):
        folder.read("a/1.jpg")
