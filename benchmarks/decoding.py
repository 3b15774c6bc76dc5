"""What decoding and resizing JPEGs takes: ``python -m benchmarks.decoding``.

Printed are photos a second of one core, for looks of each size and for two at once: decoded for
each look's own input size, as before all looks saw one decoding, and as they do.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from benchmarks.common import report
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone, decoded_alike
from photograft.classifier.export.hard_set import hard_photos
from photograft.features.preprocessing import prepare_looks

SIZES = ((500, 375), (1200, 900), (1600, 1200), (4000, 3000))
LOOKS = ((224,), (260,), (320,), (448,), (224, 320))
#: The quickest of so many rounds, each of so many pixels.
ROUNDS, PIXELS = 3, 6_000_000


def main() -> None:
    """Draw photos, prepare each in both ways, print the rates."""
    lite = get_backbone("efficientnet_lite0")
    drawn = Image.open(io.BytesIO(dict(hard_photos())["large.jpg"]))
    for size in SIZES:
        stream = io.BytesIO()
        drawn.resize(size).save(stream, "JPEG", quality=88)
        for sides in LOOKS:
            own = [replace(lite, input_size=(side, side), decoded_for=0) for side in sides]
            rates = [_rate(stream.getvalue(), looks) for looks in (own, decoded_alike(own))]
            name = " and ".join(map(str, sides))
            report(
                "decoding",
                photo=f"{size[0]} x {size[1]}",
                looks=name,
                own_decodings=rates[0],
                one_decoding=rates[1],
            )


def _rate(data: bytes, looks: Sequence[Backbone]) -> float:
    """Return photos a second of this thread."""
    with Image.open(io.BytesIO(data)) as image:
        num = max(1, PIXELS // (image.width * image.height))
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(num):
            prepare_looks(data, looks)
        best = min(best, time.process_time() - started)
    return round(num / best, 1)


if __name__ == "__main__":
    main()
