"""Which pretrained networks there are."""

from __future__ import annotations

from photograft.backbones.registry import EMBEDDED, Backbone


def embedded_backbones() -> list[Backbone]:
    """Return the records of the backbones whose weights come with the installation."""
    return list(EMBEDDED.values())


def search_backbones(part: str) -> list[str]:
    """Return the names of timm's pretrained models that have a text in them."""
    from photograft.backbones.pytorch import zoo  # torch, only where needed

    return zoo.search(part)
