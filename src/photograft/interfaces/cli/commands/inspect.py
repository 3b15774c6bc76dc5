"""`photograft inspect`: account for every file of a source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    MaxPixels,
    Source,
)

HELP = (
    "Account for every file of a source, without training: what can be used, what can't, "
    "and why.\n\n" + LAYOUTS + "\n\nExamples:\n\n"
    "  photograft inspect photos/\n\n"
    "  photograft inspect photos.zip --files account.parquet"
)


def inspect(
    source: Source,
    files: Annotated[
        Path | None, typer.Option(help="Also write a row per file to this Parquet file.")
    ] = None,
    max_pixels: MaxPixels = 250_000_000,
) -> None:
    """Account; the help text is above."""
    from photograft.core.files import check_file, new_file, write_table
    from photograft.interfaces.cli.views.account import show_account
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.inspect import inspect as account

    fix = "Choose another file with --files."
    if files is not None:
        check_file(files, fix=fix)
    progress = make_progress()
    dataset = account(source, max_pixels=max_pixels, progress=progress)
    show_account(make_console(), dataset)
    if files is not None:
        rows = dataset.account()
        names = list(dict.fromkeys(key for row in rows for key in row))
        with new_file(files, fix=fix) as partial:
            write_table(partial, {name: [row.get(name) for row in rows] for name in names})
        print(f"Files: {files}")
