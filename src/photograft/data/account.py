"""What became of every file of a source, as rows: for tables, and for pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from photograft.core.errors import InputError
from photograft.data.photo import Photo
from photograft.data.sources.base import SkippedFile


def account_rows(photos: Sequence[Photo], skipped: Sequence[SkippedFile]) -> list[dict[str, Any]]:
    """Return one row per file, sorted by name: what it is and what became of it."""
    rows: list[dict[str, Any]] = [
        {
            "name": photo.name,
            "status": "used",
            "reason": "",
            "detail": photo.note,
            "label": photo.label,
            "group": photo.group,
            "sha256": photo.digest.hex(),
            "num_bytes": photo.num_bytes,
            "format": photo.format,
            "width": photo.width,
            "height": photo.height,
        }
        for photo in photos
    ]
    rows += [
        {"name": file.name, "status": "skipped", "reason": file.reason, "detail": file.detail}
        for file in skipped
    ]
    return sorted(rows, key=lambda row: str(row["name"]))


def photo_frame(photos: Sequence[Photo]) -> Any:
    """Return photos as a pandas DataFrame, a row for each; see `Dataset.to_frame`.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(
            "a DataFrame needs pandas", got=str(error), fix="Run: pip install pandas."
        ) from error
    names = ("name", "label", "split", "group", "width", "height", "format", "note")
    columns = {name: [getattr(photo, name) for photo in photos] for name in names}
    note = columns.pop("note")
    digests = [photo.digest.hex() for photo in photos]
    return pd.DataFrame({**columns, "sha256": digests, "note": note})
