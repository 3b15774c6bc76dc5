"""Classifiers as pages: what hinders one is remembered, what may pass is not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from photograft.workflows.serving.pages import PageError, Pages


def refused(pages: Pages, model: Any) -> PageError:
    with pytest.raises(PageError) as found:
        asyncio.run(pages.get(model))
    return found.value


def test_what_hinders_a_page_is_remembered_of_the_same_classifier(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    pages = Pages(are_had=True)
    model: Any = SimpleNamespace(name="m", checksum="1", digest="", folder=folder)
    try:
        first = refused(pages, model)
        assert first.kind == "not-found"
        folder.rmdir()  # else it would now be said that there is none
        assert str(refused(pages, model)) == str(first)
        model.checksum = "2"
        assert str(refused(pages, model)) != str(first)
    finally:
        pages.close()


def test_where_there_is_no_room_it_is_a_fault_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    model: Any = SimpleNamespace(name="m", checksum="1", digest="", folder=tmp_path)
    assert refused(Pages(are_had=True), model).kind == "failed"


def test_a_page_that_is_made_at_the_second_try_is_there(tmp_path: Path) -> None:
    class Tried(Pages):
        """Whose process is ended at the first try."""

        num_tries = 0

        def _run(self, folder: Path, out: Path) -> tuple[int, str]:
            self.num_tries += 1
            if self.num_tries == 1:
                return -9, ""
            out.mkdir()
            (out / "index.html").write_text("page")
            (out / "metadata.json").write_text(json.dumps({"digest": "d"}))
            return 0, ""

    pages = Tried(are_had=True)
    model: Any = SimpleNamespace(name="m", checksum="1", digest="d", folder=tmp_path)
    try:
        assert refused(pages, model).kind == "failed"
        assert asyncio.run(pages.get(model)).is_file()
    finally:
        pages.close()
