"""Small pictures of photos, to be embedded in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence

from photograft.core.parallel import in_order
from photograft.core.progress import Progress
from photograft.data.images import DEFAULT_MAX_PIXELS, decode

#: The longer side of a thumbnail, in pixels.
SIDE = 104
_QUALITY = 70


def thumbnails(
    names: Sequence[str],
    reads: Mapping[str, Callable[[], bytes]],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress,
) -> dict[str, str]:
    """Return a ``data:`` URI of each photo that can still be read.

    A picture on a page is not worth failing for: one that can't be read or decoded is left out.

    Args:
        names: Of the photos, each once.
        reads: By name, what returns a photo's bytes.
        max_pixels: Photos with more pixels are left out.
        progress: Told how far it is.
    """
    known = [name for name in names if name in reads]
    found = {}
    with progress.step("Drawing thumbnails", len(known), "photos") as step:
        uris = in_order(lambda name: thumbnail(reads[name], max_pixels), known)
        for name, uri in zip(known, uris, strict=True):
            if uri:
                found[name] = uri
            step.advance()
    return found


def thumbnail(read: Callable[[], bytes], max_pixels: int = DEFAULT_MAX_PIXELS) -> str:
    """Return a photo as a small JPEG in a ``data:`` URI; empty where that can't be."""
    try:
        image = decode(read(), max_pixels=max_pixels, at_least=SIDE)
        image.thumbnail((SIDE, SIDE), reducing_gap=2.0)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    except Exception:
        return ""  # whatever a source or a decoder raises: the page says so with a grey tile
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
