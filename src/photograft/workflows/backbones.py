"""Which pretrained networks there are."""

from __future__ import annotations

from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.core.optional import need_torch


def embedded_backbones() -> list[Backbone]:
    """Return the records of the backbones whose weights come with the installation."""
    return list(EMBEDDED.values())


def search_backbones(part: str) -> list[str]:
    """Return the names of timm's pretrained models that have a text in them.

    Raises:
        InputError: torch is not installed.
    """
    need_torch("the list of timm's networks")
    from photograft.backbones.pytorch import zoo  # torch, only where needed

    return zoo.search(part)
