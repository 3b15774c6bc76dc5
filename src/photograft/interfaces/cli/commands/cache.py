"""`photograft cache`: what the feature store holds."""

from __future__ import annotations

from typing import Annotated

import typer

cache_app = typer.Typer(
    help="Look after the store of features.\n\n"
    "Examples:\n\n"
    "  photograft cache info\n\n"
    "  photograft cache prune --max-size 2GB\n\n"
    "  photograft cache clear",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@cache_app.command(help="Show what the store holds.\n\nExample:\n\n  photograft cache info")
def info() -> None:
    """Show; the help text is above."""
    from photograft.core.store import FeatureStore
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console

    tables.show_cache(make_console(), FeatureStore())


@cache_app.command(
    help="Drop what was not used for longest, until the store is small enough.\n\n"
    "Example:\n\n  photograft cache prune --max-size 2GB"
)
def prune(
    max_size: Annotated[str, typer.Option(help="Such as 500MB or 2GB.")] = "10GB",
) -> None:
    """Drop; the help text is above."""
    from photograft.core.store import FeatureStore, parse_size
    from photograft.core.text import size

    print(f"Freed {size(FeatureStore().prune(parse_size(max_size)))}")


@cache_app.command(
    help="Drop everything. Features are computed again when they are needed.\n\n"
    "Example:\n\n  photograft cache clear"
)
def clear() -> None:
    """Drop; the help text is above."""
    from photograft.core.store import FeatureStore
    from photograft.core.text import size

    print(f"Freed {size(FeatureStore().clear())}")
