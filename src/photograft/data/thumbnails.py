"""A thumbnail of each photo, and whether it is dark, blurred, of one colour.

Made once per content and kept in the feature store, as features are: three of a thumbnail's bytes
to each number, which float32 holds exactly.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from photograft.core.digests import Digests, first_of_each
from photograft.core.errors import ImageError
from photograft.core.feature_table import FeatureTable
from photograft.core.parallel import in_order
from photograft.core.progress import Progress, Silent
from photograft.core.segments import Writer
from photograft.core.store import FeatureStore
from photograft.core.upkeep import merge_segments
from photograft.data import images
from photograft.data.dataset import Photo, read_as_listed
from photograft.data.photo import digest_array_of
from photograft.data.sources.reads import num_readers

#: Side of a thumbnail in pixels: small enough to compare many, large enough for a crop to show.
SIDE = 48
#: Part of the store's key: raise it whenever a photo gives another thumbnail.
CODE_VERSION = 3

#: Longest side at which sharpness is measured: larger photos are not sharper for it.
_WORKING_SIDE = 256
_COLOUR_SIDE = 128
_DARK, _BRIGHT = 8, 247
_COLOUR_STEPS = 8

_NUM_PACKED = SIDE * SIDE // 3
_MEASURES = ("brightness", "dark_share", "bright_share", "sharpness", "plain_share")
#: A time as days, and seconds of the day, since float32 would not hold both in one; a place.
_WIDTH = _NUM_PACKED + len(_MEASURES) + 4
_BATCH = 64
#: Photos whose rows are unpacked at once.
_AT_ONCE = 4096
_DAY = 86400


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails of photos with image statistics, in their order.

    Attributes:
        pixels: Luma, squashed to a square, upright; uint8, shape ``(n, 48, 48)``.
        brightness: Mean luma in [0, 1], float32, shape ``(n,)``.
        dark_share: Share of pixels that are all but black, likewise.
        bright_share: Share of pixels that are all but white.
        sharpness: Variance of the Laplacian of luma in [0, 1], at 256 pixels a side at most.
        plain_share: Share of pixels in the commonest of 512 colours, at 128 pixels a side at most.
        taken: EXIF's time of the photo in seconds, float64; NaN where there is none.
        places: EXIF's degrees north and east, to two metres, float64, shape ``(n, 2)``; likewise.
    """

    pixels: npt.NDArray[np.uint8]
    brightness: npt.NDArray[np.float32]
    dark_share: npt.NDArray[np.float32]
    bright_share: npt.NDArray[np.float32]
    sharpness: npt.NDArray[np.float32]
    plain_share: npt.NDArray[np.float32]
    taken: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.brightness)

    def take(self, rows: npt.NDArray[Any]) -> Thumbnails:
        """Return those of some photos, by index or by a boolean for each."""
        return Thumbnails(**{name: value[rows] for name, value in vars(self).items()})


def load_thumbnails(
    photos: Sequence[Photo],
    store: FeatureStore,
    *,
    max_pixels: int = images.DEFAULT_MAX_PIXELS,
    progress: Progress | None = None,
) -> tuple[Thumbnails, dict[bytes, ImageError]]:
    """Look at photos, or remember having done so.

    Args:
        photos: The photos; each distinct content is looked at once.
        store: Where it is kept.
        max_pixels: Photos with more pixels fail.
        progress: Told how far it is.

    Returns:
        The thumbnails of those photos that could be decoded, in their order, and for each other
        content digest what was wrong with it.

    Raises:
        StorageError: The store can't be written.
    """
    key = {
        "backbone": "thumbnails",
        "engine": "pillow",
        "precision": "uint8",
        "code": [images.CODE_VERSION, CODE_VERSION],
        "versions": {"pillow": PIL.__version__},
    }
    space = store.space(key, _WIDTH)
    digests = digest_array_of(photos)
    first = first_of_each(digests)
    distinct = digests[first]
    table = space.find(distinct)
    missing = first[~table.holds(distinct)].tolist()
    failures: dict[bytes, ImageError] = {}

    def look(i: int) -> npt.NDArray[np.float32] | ImageError:
        try:
            return measure_thumbnail(read_as_listed(photos[i]), max_pixels=max_pixels)
        except ImageError as error:
            return error
        except OSError as error:
            return ImageError("unreadable", error.strerror or str(error))

    if missing:
        rows: list[npt.NDArray[np.float32]] = []
        own: list[int] = []

        def flush(writer: Writer) -> None:
            if rows:
                writer.append(digests[own], np.stack(rows))
            rows.clear()
            own.clear()

        looks = in_order(look, missing, num_threads=num_readers(photos))
        with (
            (progress or Silent()).step("Looking at photos", len(missing), "photos") as step,
            space.writer() as writer,
        ):
            for i, found in zip(missing, looks, strict=True):
                if isinstance(found, ImageError):
                    failures[photos[i].digest] = found
                else:
                    rows.append(found)
                    own.append(i)
                if len(rows) == _BATCH:
                    flush(writer)
                step.advance()
            flush(writer)
        merge_segments(space)
        table = space.find(distinct)
    return _unpacked(table, digests[table.holds(digests)]), failures


def measure_thumbnail(data: bytes, *, max_pixels: int) -> npt.NDArray[np.float32]:
    """Return one photo's row for the store, float32.

    Raises:
        ImageError: It is no picture that can be read.
    """
    picture = images.decode(data, max_pixels=max_pixels, at_least=_WORKING_SIDE // 2)
    luma = picture.convert("L")
    thumbnail = luma.resize((SIDE, SIDE), Image.Resampling.BOX)
    luma.thumbnail((_WORKING_SIDE, _WORKING_SIDE), Image.Resampling.BOX)
    picture.thumbnail((_COLOUR_SIDE, _COLOUR_SIDE), Image.Resampling.NEAREST)
    levels = np.array(luma.histogram()) / (luma.width * luma.height)
    measures = [
        levels @ np.arange(256) / 255,
        levels[: _DARK + 1].sum(),
        levels[_BRIGHT:].sum(),
        _sharpness(np.asarray(luma)),
        _plain_share(np.asarray(picture)),
    ]
    packed = np.asarray(thumbnail).reshape(-1, 3).astype(np.float32) @ _PACKING
    place = images.place_of(data, max_pixels=max_pixels)
    return np.concatenate([packed, measures, _taken(data, max_pixels), place]).astype(np.float32)


_PACKING = np.array([65536, 256, 1], np.float32)


def _unpacked(table: FeatureTable, digests: Digests) -> Thumbnails:
    n = len(digests)
    pixels = np.empty((n, SIDE * SIDE), np.uint8)
    others = np.empty((n, _WIDTH - _NUM_PACKED), np.float32)
    for start in range(0, n, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        rows = table.rows(digests[part])
        packed = rows[:, :_NUM_PACKED].astype(np.uint32)
        for place, shift in enumerate((16, 8, 0)):
            pixels[part, place::3] = packed >> shift & 255
        others[part] = rows[:, _NUM_PACKED:]
    day, second, north, east = others[:, -4:].T.astype(np.float64)
    return Thumbnails(
        pixels.reshape(-1, SIDE, SIDE),
        **{name: others[:, i] for i, name in enumerate(_MEASURES)},
        taken=day * _DAY + second,
        places=np.stack([north, east], axis=1),
    )


def _sharpness(luma: npt.NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian (Pech-Pacheco et al., 2000)."""
    if min(luma.shape) < 3:
        return 0.0
    y = luma.astype(np.int16)
    edges = y[:-2, 1:-1] + y[2:, 1:-1]
    edges += y[1:-1, :-2]
    edges += y[1:-1, 2:]
    edges -= 4 * y[1:-1, 1:-1]
    flat = edges.astype(np.float32).ravel()
    return (float(flat @ flat) / flat.size - float(flat.mean()) ** 2) / 255**2


def _plain_share(rgb: npt.NDArray[np.uint8]) -> float:
    """Return the share of pixels in the commonest colour."""
    steps = (rgb // (256 // _COLOUR_STEPS)).astype(np.uint16)
    colours = (steps[..., 0] * _COLOUR_STEPS + steps[..., 1]) * _COLOUR_STEPS + steps[..., 2]
    return float(np.bincount(colours.ravel()).max() / colours.size)


def _taken(data: bytes, max_pixels: int) -> tuple[float, float]:
    """Return the day and the second of the day when a photo was taken; NaN where it is not said."""
    text, fraction = images.taken_at(data, max_pixels=max_pixels)
    match = re.fullmatch(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", text)
    if match is None:
        return float("nan"), float("nan")
    parts = [int(part) for part in match.groups()]
    if not (1 <= parts[1] <= 12 and 1 <= parts[2] <= 31):
        return float("nan"), float("nan")
    seconds = calendar.timegm((*parts, 0, 0, 0))
    return float(seconds // _DAY), float(seconds % _DAY) + fraction
