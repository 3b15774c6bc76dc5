"""Damaged TIFFs are told of by the program, not by libtiff; all in processes of their own."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from drawing import MakePhotos
from photograft.data import libtiff

pytestmark = pytest.mark.skipif(
    not features.check("libtiff") or sys.platform == "win32",
    reason="needs a libtiff that Pillow is linked to",
)

#: Compression -> mode of the picture.
KINDS = {"tiff_lzw": "RGB", "tiff_deflate": "RGB", "jpeg": "RGB", "group4": "1"}

#: Decodes as anyone would, and says nothing itself.
BY_PILLOW = """
import contextlib, pathlib, sys
from PIL import Image
for path in map(pathlib.Path, sys.argv[1:]):
    with contextlib.suppress(OSError), Image.open(path) as image:
        image.load()
"""
BY_THREADS = """
import pathlib, sys
from photograft.core.errors import ImageError
from photograft.core.parallel import in_order
from photograft.data.images import decode
def attempt(path):
    try:
        decode(pathlib.Path(path).read_bytes())
    except ImageError as error:
        return error.reason
print(*in_order(attempt, sys.argv[1:] * 20, num_threads=8))
print("a line of our own", file=sys.stderr)
raise RuntimeError("a fault of our own")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def damaged(make_photos: MakePhotos, tmp_path: Path) -> Path:
    """Class folders with good photos and a damaged TIFF of each kind."""
    root = make_photos(tmp_path / "photos", n=2, size=16)
    rng = np.random.default_rng(0)
    for kind, mode in KINDS.items():
        stream = io.BytesIO()
        picture = Image.fromarray(rng.integers(0, 256, (128, 128, 3), np.uint8))
        picture.convert(mode).save(stream, "TIFF", compression=kind)
        data = bytearray(stream.getvalue())
        data[200 : len(data) // 2] = rng.bytes(len(data) // 2 - 200)
        (root / "circle" / f"{kind}.tif").write_bytes(data)
    return root


def tiffs(root: Path) -> list[str]:
    return [str(path) for path in sorted(root.rglob("*.tif"))]


def test_libtiff_says_nothing_in_inspect(damaged: Path, tmp_path: Path) -> None:
    for path in tiffs(damaged):  # each of them is a case that matters
        assert run("-c", BY_PILLOW, path).stderr
    done = run("-m", "photograft", "inspect", str(damaged))
    assert done.stderr == ""
    assert done.returncode == 0
    assert "circle/tiff_lzw.tif (unreadable: " in done.stdout


def test_errors_of_the_program_come_through(damaged: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    account = tmp_path / "file" / "account.csv"
    done = run("-m", "photograft", "inspect", str(damaged), "--files", str(account))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "photograft: " in done.stderr
    assert "account.csv" in done.stderr


def test_threads_and_tracebacks(damaged: Path) -> None:
    done = run("-c", BY_THREADS, *tiffs(damaged))
    assert "unreadable" in done.stdout
    first, *others = done.stderr.splitlines()
    assert first == "a line of our own"
    assert others[0] == "Traceback (most recent call last):"
    assert others[-1] == "RuntimeError: a fault of our own"
    assert all(line.startswith("  ") for line in others[1:-1])


@pytest.mark.parametrize("file", ["nowhere.so", np.random.mtrand.__file__])
def test_a_build_without_that_function_is_no_error(
    monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("PIL._imaging.__file__", file)
        libtiff.hush.cache_clear()
        assert not libtiff.hush()
    libtiff.hush.cache_clear()
    assert libtiff.hush()
