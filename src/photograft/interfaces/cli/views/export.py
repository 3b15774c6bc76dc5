"""How an export is told of: what agrees, how nearly, and what to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from photograft.interfaces.cli.views.account import print_whole
from photograft.interfaces.cli.views.tables import quoted
from photograft.report.export_page import FILE_NAME, certificate_context

#: Lies beside what other programs run.
EXAMPLE = "example.py"

if TYPE_CHECKING:
    from photograft.workflows.types import Exported


def show_exported(console: Console, found: Exported) -> None:
    """Print where an export lies, and what its certificate says."""
    if found.certificate:
        for sentence in certificate_context(found.certificate)["verdict"]:
            print_whole(console, sentence)
        skipped = found.certificate["not_compared"]
        for row in skipped[:5]:
            print_whole(console, f"Not compared: {row['name']} ({row['reason']})")
        if len(skipped) > 5:
            print_whole(console, f"and {len(skipped) - 5:,} more")
    print_whole(console, f"Export:      {found.folder}")
    if not found.certificate:
        return
    print_whole(console, f"Model:       {found.folder / found.model}")
    print_whole(console, f"Certificate: {found.folder / FILE_NAME}")
    if (found.folder / EXAMPLE).is_file():
        print_whole(console, f"Next:        python {quoted(found.folder / EXAMPLE)} PHOTOS...")
    else:
        print_whole(console, "Next:        open the model in a browser, or mail it")
