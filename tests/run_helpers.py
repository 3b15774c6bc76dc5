"""What the tests of `photograft train` read from a run folder."""

from __future__ import annotations

from pathlib import Path

import system_helpers as system


def split_of(run: Path) -> dict[str, str]:
    return {row["name"]: row["split"] for row in system.read_rows(run / "files.parquet")}
