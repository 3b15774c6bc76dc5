"""Hashes that are known: of a file that stays, and only of that."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from photograft.core import stamps
from photograft.core.files import sha256_of
from photograft.core.stamps import known_sha256


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read."""
    found: list[Path] = []

    def read(path: Path) -> str:
        found.append(path)
        return sha256_of(path)

    monkeypatch.setattr(stamps, "sha256_of", read)
    return found


def test_a_file_is_read_once_while_it_stays(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "_SETTLED_NS", -60_000_000_000)
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    for _ in range(3):
        assert known_sha256(path) == hashlib.sha256(b"one").hexdigest()
    assert len(hashed) == 1
    times = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert known_sha256(path) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_just_changed_is_read_again(tmp_path: Path, hashed: list[Path]) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    for _ in range(3):
        assert known_sha256(path) == hashlib.sha256(b"one").hexdigest()
    assert len(hashed) == 3


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        known_sha256(tmp_path / "weights")
