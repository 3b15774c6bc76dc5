"""Tables for spreadsheets: how they are written, and that nothing in them is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from photograft.core.errors import StorageError
from photograft.core.spreadsheets import guarded, new_csv, open_csv, unguarded


def test_written_for_excel_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "table.csv"
    with new_csv(path, ["name", "label", "score"], fix="", keys=("name",)) as write:
        write({"name": "=Bär.jpg", "label": "=Bär", "score": -0.5, "more": "left out"})
        write({"name": 'a, "b"', "label": None})
    assert path.read_bytes() == (
        '\ufeffname,label,score\n=Bär.jpg,\'=Bär,-0.5\n"a, ""b""",,\n'.encode()
    )
    with open_csv(path, ("name",)) as opened:
        assert list(opened.reader)[1] == ["=Bär.jpg", "'=Bär", "-0.5"]


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-x", "@SUM(1)", "\t=1", "＝1", "-1+1"])
def test_what_would_be_run_is_guarded(text: str) -> None:
    assert guarded(text) == "'" + text
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "cat", "-", "-5", "+1,5", "'cat", "a=b"])
def test_what_would_not_is_left_alone(text: str) -> None:
    assert guarded(text) == unguarded(text) == text


def test_table_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_csv(tmp_path / "a.csv", ["x"], fix="") as write:
        write({"x": 1 / 0})
    assert not list(tmp_path.iterdir())


def test_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with (
        pytest.raises(StorageError, match=r"file can't be made.*Choose another"),
        new_csv(tmp_path / "file" / "a.csv", ["x"], fix="Choose another."),
    ):
        pass
