"""From a name and the user's choice of weights to a backbone's record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.errors import WeightsError


def get_backbone(name: str, weights: str = "pretrained") -> Backbone:
    """Return the record of a backbone.

    Args:
        name: An embedded backbone, or any timm model. torch is imported only for the latter.
        weights: ``"pretrained"``, ``"random"``, or the path of a weight file.

    Raises:
        UnknownNameError: There is no such backbone.
        WeightsError: timm has no pretrained weights for it.
    """
    if name in EMBEDDED:
        backbone = EMBEDDED[name]
    else:
        from photograft.backbones.zoo import describe  # torch, only where needed

        backbone = describe(name)
    if weights == "random":
        return replace(backbone, weights="random", weights_sha256="random-seed-0")
    if weights != "pretrained":
        path = Path(weights).expanduser().resolve()
        return replace(backbone, weights=f"file:{path}", weights_sha256="")
    if backbone.weights == "random":
        raise WeightsError(
            f"timm has no pretrained weights for {name}",
            fix="Give a file with --weights FILE, or use --weights random.",
        )
    return backbone
