"""Moving a photo's pixels at random: one affine map, so that the photo is resampled once."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from photograft.core.arrays import Pixels
from photograft.features.settings import Augmentation

#: 3 x 3, maps ``(x, y, 1)``; pixel i lies between i and i + 1, as in Pillow.
Map = npt.NDArray[np.float64]

_CROP_TRIES = 10
_CROP_RATIO = math.log(4 / 3)


def draw_map(
    settings: Augmentation, rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, int]
) -> Map:
    """Draw where each place of the result, ``(height, width) = size``, comes from in the photo.

    As Keras's ImageDataGenerator composes them: the photo is turned, shifted, sheared and zoomed
    about its middle, then cropped, brought to its size, and mirrored.
    """
    height, width = shape
    photo = np.eye(3)
    if settings.rotation:  # to the left where positive
        angle = math.radians(rng.uniform(-settings.rotation, settings.rotation))
        cos, sin = math.cos(angle), math.sin(angle)
        photo = photo @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    if settings.width_shift or settings.height_shift:
        right = rng.uniform(-settings.width_shift, settings.width_shift) * width
        down = rng.uniform(-settings.height_shift, settings.height_shift) * height
        photo = photo @ _scale_and_move(1, 1, -right, -down)
    if settings.shear:
        angle = math.radians(rng.uniform(-settings.shear, settings.shear))
        photo = photo @ np.array([[1, -math.sin(angle), 0], [0, math.cos(angle), 0], [0, 0, 1]])
    if settings.zoom:
        across = rng.uniform(1 - settings.zoom, 1 + settings.zoom)
        along = across
        if not settings.keep_aspect:
            along = rng.uniform(1 - settings.zoom, 1 + settings.zoom)
        photo = photo @ _scale_and_move(1 / across, 1 / along)
    middle = _scale_and_move(1, 1, width / 2, height / 2)
    photo = middle @ photo @ _scale_and_move(1, 1, -width / 2, -height / 2)
    left, top, box_width, box_height = (
        _draw_crop(settings.min_crop, rng, shape) if settings.min_crop else (0, 0, width, height)
    )
    found = photo @ _scale_and_move(box_width / size[1], box_height / size[0], left, top)
    if settings.horizontal_flip and rng.random() < 0.5:
        found = found @ _scale_and_move(-1, 1, size[1], 0)
    if settings.vertical_flip and rng.random() < 0.5:
        found = found @ _scale_and_move(1, -1, 0, size[0])
    # Without this, a turn by 90 degrees would come out a hair beside the pixels.
    rounded: Map = found.round(10)
    return rounded


def _scale_and_move(x_scale: float, y_scale: float, right: float = 0, down: float = 0) -> Map:
    return np.array([[x_scale, 0, right], [0, y_scale, down], [0, 0, 1]], np.float64)


def _draw_crop(
    min_crop: float, rng: np.random.Generator, shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Draw left, top, width and height as torchvision's RandomResizedCrop does.

    The scheme is that of Szegedy et al. (2015, arXiv:1409.4842).
    """
    height, width = shape
    for _ in range(_CROP_TRIES):
        area = height * width * rng.uniform(min_crop, 1)
        ratio = math.exp(rng.uniform(-_CROP_RATIO, _CROP_RATIO))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    # No such crop fits: the largest in the middle whose sides are in proportion.
    w = max(1, min(width, round(height * math.exp(_CROP_RATIO))))
    h = max(1, min(height, round(width * math.exp(_CROP_RATIO))))
    return (width - w) // 2, (height - h) // 2, w, h


def resample(
    pixels: Pixels, found: Map, size: tuple[int, int], settings: Augmentation
) -> Image.Image:
    """Return the photo as a map shows it.

    Args:
        pixels: RGB, shape ``(height, width, 3)``.
        found: Where each place of the result comes from in the photo, as `draw_map` gives it.
        size: Height and width of the result.
        settings: What stands where the map leaves the photo.
    """
    height, width = size
    bilinear = Image.Resampling.BILINEAR
    (a, b, _), (d, e, _) = found[:2]
    left, top, right, bottom = _bounds(found, size)
    inside = left >= 0 and top >= 0 and right <= pixels.shape[1] and bottom <= pixels.shape[0]
    if b == d == 0 and inside:  # an upright box: Pillow's resizing shrinks it without jagged edges
        image = Image.fromarray(pixels).resize(
            (width, height), bilinear, (left, top, right, bottom)
        )
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if a < 0 else image
        return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if e < 0 else image
    image, found = _shrink(pixels, found)
    fill = (round(settings.fill_value),) * 3
    if settings.fill_mode != "constant":
        left, top, right, bottom = _bounds(found, size)
        # One pixel more on each side: Pillow looks at a pixel's neighbours.
        x, y = math.floor(left) - 1, math.floor(top) - 1
        columns = _places(x, math.ceil(right) + 1, image.width, settings.fill_mode)
        rows = _places(y, math.ceil(bottom) + 1, image.height, settings.fill_mode)
        image = Image.fromarray(np.asarray(image).take(rows, axis=0).take(columns, axis=1))
        found = _scale_and_move(1, 1, -x, -y) @ found
    coefficients = [float(value) for value in found[:2].flat]
    affine = Image.Transform.AFFINE
    return image.transform((width, height), affine, coefficients, bilinear, fillcolor=fill)


def _bounds(found: Map, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what is seen of the photo."""
    height, width = size
    corners = found @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    (left, top), (right, bottom) = corners[:2].min(1).tolist(), corners[:2].max(1).tolist()
    # To a millionth of a pixel, lest a crop to the photo's very edge seem to lie beyond it.
    return round(left, 6), round(top, 6), round(right, 6), round(bottom, 6)


def _shrink(pixels: Pixels, found: Map) -> tuple[Image.Image, Map]:
    """Return the photo averaged over blocks of pixels if more than one falls on one of the result.

    Bilinear resampling looks at two pixels a side and would miss what lies between. It also bounds
    the memory that filling takes.
    """
    image = Image.fromarray(pixels)
    across, down = (max(1, int(math.hypot(*row[:2]))) for row in found[:2])
    if across == down == 1:
        return image, found
    width, height = max(1, image.width // across), max(1, image.height // down)
    scale = _scale_and_move(width / image.width, height / image.height)
    return image.resize((width, height), Image.Resampling.BOX), scale @ found


def _places(start: int, stop: int, length: int, fill_mode: str) -> npt.NDArray[np.intp]:
    """Return which of `length` pixels stand at the places from `start` to before `stop`."""
    places = np.arange(start, stop)
    if fill_mode == "nearest":
        return places.clip(0, length - 1)
    if fill_mode == "wrap":
        return places % length
    places %= 2 * length
    return np.minimum(places, 2 * length - 1 - places)
