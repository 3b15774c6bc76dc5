"""What the system tests share: one cache, one trained run, and ways to look at what came out."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from filelock import FileLock

import photograft
from drawing import draw_folder
from photograft.core.store import FeatureStore
from photograft.interfaces.cli import main

CLASSES = ("circle", "square", "triangle")
#: Bytes of one key in a `.keys` file; see `photograft.core.store`.
KEY_BYTES = 36


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """What all processes of a session share: made by the first that needs it, under a lock."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def shared_cache(factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests of a process: the network is converted, a photo looked at, once."""
    folder = factory.getbasetemp() / "shared-cache"
    if not folder.is_dir():
        known = shared_folder(factory) / "known"
        if known.is_dir():  # to another process of this session
            shutil.copytree(known, folder)
        else:
            folder.mkdir()
    return folder


def shared_photos(factory: pytest.TempPathFactory) -> Path:
    """Twenty photos of each of `CLASSES`; not to be changed."""
    folder = shared_folder(factory) / "photos"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            draw_folder(folder, CLASSES, n=20)
    return folder


def shared_run(factory: pytest.TempPathFactory) -> Path:
    """The run folder of a training on `shared_photos`; not to be changed."""
    photos = shared_photos(factory)
    folder = photos.parent / "run"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            cache = shared_cache(factory)
            photograft.train(photos, validation=0.15, out=folder, store=FeatureStore(cache))
            shutil.copytree(cache, folder.parent / "knowing")
            (folder.parent / "knowing").rename(folder.parent / "known")
    return folder


def without_rows(cache: Path, target: Path) -> Path:
    """Copy a cache without its features: the converted network stays, photos and studios go."""
    left = shutil.ignore_patterns("*.rows", "*.keys", "*.lock", "weights", "studio")
    shutil.copytree(cache, target, ignore=left)
    return target


def invoke(capsys: pytest.CaptureFixture[str], *arguments: object) -> Result:
    """Run a command in this process."""
    capsys.readouterr()
    code = main.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)


def lock(monkeypatch: pytest.MonkeyPatch, name: str = "locked") -> None:
    """Let no folder of that name be listed: the tests may run as root, who may list any."""
    scandir = os.scandir

    def refuse(path: Any = ".") -> Any:
        if not isinstance(path, int) and Path(os.fsdecode(path)).name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def assert_one_line(result: Result, *parts: str) -> None:
    """The command failed by the user's doing, and said so in one line that holds `parts`."""
    assert result.code == 2, result
    assert result.err.startswith("photograft: "), result.err
    assert result.err.count("\n") == 1, result.err
    for part in parts:
        assert part in result.err


def command(*arguments: object) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "photograft", *(str(argument) for argument in arguments)]


def start(cache: Path, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, "PHOTOGRAFT_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def num_stored(cache: Path) -> int:
    """How many photos' features the store holds; thumbnails are none."""
    return sum(keys.stat().st_size for keys in feature_keys(cache)) // KEY_BYTES


def feature_keys(cache: Path) -> list[Path]:
    """The files of keys of all that holds features."""
    return [
        keys
        for keys in cache.rglob("*.keys")
        if (note := keys.parent / "space.json").is_file()
        and '"thumbnails"' not in note.read_text(encoding="utf-8")
    ]


def wait_for_rows(cache: Path, num_rows: int, process: subprocess.Popen[str]) -> None:
    """Wait until a process has stored that many photos."""
    deadline = time.monotonic() + 120
    while num_stored(cache) < num_rows:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    """Every path below `root`: its mode, time of change, and content."""
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        digest = hashlib.sha256(content).hexdigest()
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, digest)
    return found


def same_results(runs: Sequence[Path]) -> bool:
    """Whether runs say the very same, byte for byte."""
    return all(
        len({(run / name).read_bytes() for run in runs}) == 1
        for name in ("metrics.json", "predictions.parquet", "files.parquet", "selection.json")
    )
