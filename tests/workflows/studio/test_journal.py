"""The journal: what was kept is there, what is torn is dropped, what is damaged is said."""

from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from photograft.core.errors import InputError, StorageError
from photograft.workflows.studio.journal import Journal

RECORDS: list[dict[str, Any]] = [
    {"do": "label", "paths": ["a.jpg", "ä\n.jpg"], "label": "bee"},
    {"do": "undo"},
    {"do": "class", "action": "create", "name": "wasp"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def kept(path: Path) -> list[dict[str, object]]:
    journal = Journal(path)
    journal.close()
    return [{k: v for k, v in record.items() if k != "at"} for record in journal.records]


def write(path: Path) -> None:
    journal = Journal(path)
    for record in RECORDS:
        journal.append(record)
    journal.close()


def test_what_was_kept_is_there(path: Path) -> None:
    write(path)
    assert kept(path) == RECORDS


def test_a_line_torn_anywhere_is_dropped_and_the_next_one_is_whole(path: Path) -> None:
    write(path)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in range(last, len(whole)):
        path.write_bytes(whole[:size])
        journal = Journal(path)
        assert len(journal.records) == 2
        assert journal.has_torn_line == (size > last)
        journal.append(RECORDS[2])
        journal.close()
        assert kept(path) == RECORDS


@pytest.mark.parametrize(
    "tail", [b"\0" * 40, b"\0" * 40 + b"\n", b'{"do":"la', b"[1]\n", b"\xff\n"]
)
def test_a_last_line_of_anything_else_is_dropped(path: Path, tail: bytes) -> None:
    write(path)
    with path.open("ab") as file:
        file.write(tail)
    assert kept(path) == RECORDS


def test_damage_in_its_midst_is_said_and_nothing_is_changed(path: Path) -> None:
    write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"oops\n" + lines[2])
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"line 2 of .*damaged"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_full_disk_takes_nothing_away(path: Path) -> None:
    """A limit of the file's size stands for it."""
    write(path)
    before = path.read_bytes()
    journal = Journal(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(StorageError, match="could not be kept"):
            journal.append({"do": "label", "paths": ["x" * 100], "label": "bee"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before
    journal.append({"do": "redo"})
    journal.close()
    assert kept(path) == [*RECORDS, {"do": "redo"}]


def test_a_full_disk_is_called_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"the disk is full.*Free some space"):
        journal.append({"do": "undo"})
    monkeypatch.undo()
    journal.close()
    assert kept(path) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be kept"):
        Journal(tmp_path / "none" / "journal.jsonl")
