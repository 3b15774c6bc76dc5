"""A page that was written, tried without a browser: its network and its facts, taken out again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from photograft.backbones.engines import runs_prepared
from photograft.backbones.graphs import with_outputs
from photograft.backbones.opening import open_whole
from photograft.backbones.registry import Backbone
from photograft.classifier.export.metadata import read_metadata
from photograft.classifier.export.names import FEATURES, PIXELS
from photograft.classifier.export.order import AnyFloats
from photograft.classifier.export.web.neighbours import LIKENESS
from photograft.classifier.export.web.page import facts_in, network_in
from photograft.classifier.export.web.pixels import page_pixels
from photograft.core.arrays import Pixels


def open_artefact(folder: Path) -> PageArtefact:
    """Open the page in a folder; see `Exporter.open`."""
    return PageArtefact((folder / "index.html").read_text(encoding="utf-8"))


class PageArtefact:
    """What a page says of files, as far as that can be known without a browser.

    Args:
        page: Its HTML.
    """

    def __init__(self, page: str) -> None:
        network, self._facts = network_in(page), facts_in(page)
        self._backbone = _as_in_page(
            read_metadata(onnx.ModelProto.FromString(network))["backbone"], self._facts["looks"]
        )
        probed = with_outputs(network, (FEATURES,))
        self._run = open_whole(probed, runs_prepared())

    def read(self, data: bytes) -> Pixels:
        """Return what the network sees of a photo; see `page_pixels`."""
        return page_pixels(data, self._backbone, max_pixels=self._facts["max_pixels"])

    def ask(
        self, photo: Pixels, *, whole: bool
    ) -> tuple[dict[str, AnyFloats], dict[str, AnyFloats]]:
        """Return both; what users are told by the names of the outputs that the page shows."""
        del whole  # there is no other way
        found = self._run(photo[None])
        others = {name: v[0].astype(np.float32) for name, v in found.items() if name != LIKENESS}
        names = self._facts["outputs"]
        told = {
            name: found[names[name]][0] for name in ("probabilities", "ood_score") if names[name]
        }
        return {PIXELS: photo.astype(np.float32), **others}, told


def _as_in_page(record: dict[str, Any], told: dict[str, Any]) -> Backbone:
    """Return the record of all looks, with what the page is told of decoding and resizing."""
    backbone = Backbone.from_json(record)
    looks = [
        replace(
            look,
            decoded_for=told["decoded_for"],
            **{**own, "input_size": tuple(own["input_size"])},
        )
        for look, own in zip(backbone.looks, told["records"], strict=True)
    ]
    return replace(looks[0], parts=tuple(looks)) if backbone.parts else looks[0]
