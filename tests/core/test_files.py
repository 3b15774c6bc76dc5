"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from photograft.core.errors import PhotograftError, StorageError, WeightsError
from photograft.core.files import (
    check_file,
    check_free,
    new_file,
    new_folder,
    sha256_of,
    write_json,
    write_table,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make(path: Path, error: BaseException | None = None) -> None:
    """Make a folder with a file in it, or fail in the middle."""
    with new_folder(path) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "a.txt").write_text("a")
        if error is not None:
            raise error


# --- new_folder


def test_folder_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "run"
    with new_folder(target) as partial:
        (partial / "a.txt").write_text("a")
        assert not target.exists()
        assert partial.parent == target.parent, "a rename to elsewhere is a copy"
    assert names(target) == ["a.txt"]
    assert names(target.parent) == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError, SystemExit])
def test_nothing_is_left_on_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    expected = StorageError if error is OSError else error
    with pytest.raises(expected):
        make(tmp_path / "run", error("stop"))
    assert names(tmp_path) == []


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with new_folder(tmp_path / "run") as partial:
        (partial / "a.txt").write_text("a")
    assert names(tmp_path / "run") == ["a.txt"]


def taken_by_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def taken_by_file(path: Path) -> None:
    path.write_text("mine")


def taken_by_broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def taken_by_link_to_empty_folder(path: Path) -> None:
    (path.parent / "empty").mkdir()
    path.symlink_to("empty")


TAKEN = [taken_by_folder, taken_by_file, taken_by_broken_link, taken_by_link_to_empty_folder]


@pytest.mark.parametrize("take", TAKEN)
def test_what_exists_is_left_alone(tmp_path: Path, take: Any) -> None:
    path = tmp_path / "run"
    take(path)
    before = [(p.name, p.lstat().st_mtime_ns) for p in sorted(tmp_path.rglob("*"))]
    with pytest.raises(StorageError, match=r"run exists already.*--out"):
        check_free(path)
    with pytest.raises(StorageError, match="exists already"), new_folder(path):
        pytest.fail("was entered")
    assert [(p.name, p.lstat().st_mtime_ns) for p in sorted(tmp_path.rglob("*"))] == before


@pytest.mark.parametrize("path", [".", "/"])
def test_place_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match="exists already"), new_folder(Path(path)):
        pytest.fail("was entered")
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with new_folder(tmp_path / "run") as partial:
        left = partial.name
    (tmp_path / "run").rmdir()
    (tmp_path / left).mkdir()
    (tmp_path / left / "stale.txt").write_text("stale")
    with new_folder(tmp_path / "run") as partial:
        assert names(partial) == []
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == []


def test_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "run", tmp_path / "file" / "deep" / "run"):
        with pytest.raises(StorageError, match="file is not a folder that you may write to"):
            check_free(path)
        with pytest.raises(StorageError, match="Choose another folder"), new_folder(path):
            pytest.fail("was entered")
    assert (tmp_path / "file").read_text() == "x"


def test_read_only_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, for whom nothing is read-only: so the system's answer is given."""
    asked: list[Any] = []

    def access(path: Any, mode: int) -> bool:
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(StorageError, match=r"can't be written: .* may write to"):
        check_free(tmp_path / "not" / "yet" / "run")
    assert asked == [(tmp_path, os.W_OK | os.X_OK)]
    with pytest.raises(StorageError), new_folder(tmp_path / "run"):
        pytest.fail("was entered")
    assert names(tmp_path) == []


def test_free_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_free(tmp_path / "not" / "yet" / "run")
    monkeypatch.chdir(tmp_path)
    check_free(Path("run"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(tmp_path: Path, code: int) -> None:
    with pytest.raises(StorageError) as caught:
        make(tmp_path / "run", OSError(code, os.strerror(code)))
    assert f"run can't be written ({os.strerror(code)})" in str(caught.value)
    assert "Free some space and run the same command again" in str(caught.value)
    assert names(tmp_path) == []


def test_full_disk_at_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(StorageError, match="No space left on device"):
        make(tmp_path / "run")
    assert names(tmp_path) == []


def test_other_failure_names_another_way_out(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Choose another folder with --out"):
        make(tmp_path / "run", OSError(errno.EIO, "Input/output error"))


@pytest.mark.parametrize("error", [WeightsError("no weights"), PhotograftError("else")])
def test_own_errors_pass_unchanged(tmp_path: Path, error: PhotograftError) -> None:
    """Weights that are missing are an OSError too, and say what to do: not that of a full disk."""
    with pytest.raises(PhotograftError) as caught:
        make(tmp_path / "run", error)
    assert caught.value is error
    assert names(tmp_path) == []


# --- files


def test_json_is_readable_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    data = {"z": 1, "a": ["å", None, 1.5]}
    write_json(path, data)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == data
    assert list(json.loads(text)) == ["z", "a"]
    assert "å" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_number_that_is_none(tmp_path: Path, number: float) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": number})
    assert not path.exists()


def test_table(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_table(tmp_path / "t.parquet", {"name": ["a\nb", "é"], "size": [1, None]})
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == [
        {"name": "a\nb", "size": 1},
        {"name": "é", "size": None},
    ]


def test_checksum(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "data").write_bytes(data)
    assert sha256_of(tmp_path / "data") == hashlib.sha256(data).hexdigest()


def fill(path: Path, error: Exception | None = None) -> None:
    """Write a file, or fail in the middle."""
    with new_file(path, fix="Try elsewhere.") as partial:
        partial.write_text("half")
        if error is not None:
            raise error


def test_new_file_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with new_file(path, fix="") as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("error", [ValueError("stop"), OSError(errno.ENOSPC, "full"), KeyError()])
def test_older_file_stays_on_an_error(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    expected = StorageError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        fill(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_asks_for_space_and_for_no_other_file(tmp_path: Path, code: int) -> None:
    with pytest.raises(StorageError, match="Free some space and run the same command") as caught:
        fill(tmp_path / "a.csv", OSError(code, os.strerror(code)))
    assert "Try elsewhere" not in str(caught.value)
    assert names(tmp_path) == []


def test_new_file_in_a_folder_that_is_not_there_makes_it(tmp_path: Path) -> None:
    fill(tmp_path / "none" / "deeper" / "a.csv")
    assert names(tmp_path / "none" / "deeper") == ["a.csv"]


@pytest.mark.parametrize("place", ["file/a.csv", "file/none/a.csv"])
def test_new_file_in_a_folder_that_can_not_be_made(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(StorageError, match=r"folder .*file.* can't be made .*Try elsewhere"):
        fill(tmp_path / place)
    with pytest.raises(StorageError, match=r"file is not a folder .*Try elsewhere"):
        check_file(tmp_path / place, fix="Try elsewhere.")


def test_a_folder_where_a_file_is_to_be_is_known_beforehand(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="it is a folder"):
        check_file(tmp_path, fix="")
    check_file(tmp_path / "none" / "a.csv", fix="")
    assert names(tmp_path) == []


@pytest.mark.parametrize("check", [check_file, check_free])
def test_below_a_folder_that_nobody_may_enter(
    check: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a stand-in for the system: the tests may run as root, who may enter any."""
    locked = tmp_path / "locked"
    locked.mkdir()

    def refusing(look: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def refuse(path: Any, **options: Any) -> os.stat_result:
            if not isinstance(path, int) and locked in Path(os.fsdecode(path)).parents:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return look(path, **options)

        return refuse

    monkeypatch.setattr(os, "stat", refusing(os.stat))
    monkeypatch.setattr(os, "lstat", refusing(os.lstat))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked)
    with pytest.raises(StorageError, match=r"locked is not a folder that you may write to\. Try"):
        check(locked / "runs" / "a", fix="Try elsewhere.")
