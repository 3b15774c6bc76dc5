"""What tests of `photograft predict` share: photos under odd names, and what was written."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from pathlib import Path

import pytest

import system_helpers as system

#: What `odd_names` shows, in order, and what each photo is.
VISIBLE = {
    "a.jpg": "circle",
    "b.jpg": "square",
    "deep/with space.jpg": "circle",
    "deep/日本 ñ.jpg": "square",
    "deep/er/c.jpg": "triangle",
}


def odd_names(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos under odd names and none of their classes in their path."""
    monkeypatch.chdir(tmp_path)
    for target, source in {
        "b.jpg": "square/00.jpg",
        "a.jpg": "circle/00.jpg",
        "deep/er/c.jpg": "triangle/00.jpg",
        "deep/with space.jpg": "circle/01.jpg",
        "deep/日本 ñ.jpg": "square/01.jpg",
        ".hidden/x.jpg": "circle/02.jpg",
        "deep/.hidden.jpg": "circle/02.jpg",
    }.items():
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / source, tmp_path / target)
    return tmp_path


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, str]]:
    result = system.invoke(capsys, "predict", *arguments)
    assert (result.code, result.err) == (0, "")
    return read_csv(result.out)


def give_stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text, newline=""))
