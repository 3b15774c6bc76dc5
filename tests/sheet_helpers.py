"""Pictures as they would be written: what is written on them stays on them and covers nothing."""

from __future__ import annotations

import pytest

from photograft.core.drawing.sheet import Sheet


def sheets_kept(monkeypatch: pytest.MonkeyPatch) -> list[Sheet]:
    """Have sheets kept in a list in place of being written."""
    found: list[Sheet] = []
    monkeypatch.setattr(Sheet, "save", lambda sheet, path: found.append(sheet))
    return found


def check_texts(sheet: Sheet) -> None:
    """Check that all texts lie on the paper, and none on another."""
    width, height = sheet.image.size
    for said, (left, low, right, high), _ in sheet.boxes:
        assert -1 <= left <= right <= width + 1, said
        assert -1 <= low <= high <= height + 1, said
    straight = [(said, box) for said, box, is_slanted in sheet.boxes if not is_slanted]
    for i, (said, box) in enumerate(straight):
        for other, its in straight[:i]:
            across = min(box[2], its[2]) - max(box[0], its[0])
            along = min(box[3], its[3]) - max(box[1], its[1])
            assert min(across, along) < 2, f"{said!r} and {other!r}"
