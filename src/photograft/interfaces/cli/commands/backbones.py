"""`photograft backbones`: list pretrained networks."""

from __future__ import annotations

from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    fail,
)

HELP = (
    "List the backbones.\n\nExamples:\n\n"
    "  photograft backbones\n\n"
    "  photograft backbones --search mobilenet"
)


def backbones(
    search: Annotated[
        str | None, typer.Option(help="List timm's pretrained models with this in their name.")
    ] = None,
) -> None:
    """List; the help text is above."""
    from photograft.core.errors import as_typed
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.workflows.backbones import embedded_backbones, search_backbones

    if search is None:
        tables.show_backbones(make_console(), embedded_backbones())
        print("Any timm model works, too: photograft backbones --search NAME")
        return
    names = search_backbones(search)
    for name in names:
        print(name)
    if not names:
        fail(f"timm has no pretrained model with {as_typed(search)} in its name")
