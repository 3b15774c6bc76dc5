"""A heat map over its photo: where it is warm the photo is coloured, elsewhere it is grey."""

from __future__ import annotations

import base64
import functools

import numpy as np
import numpy.typing as npt
from PIL import Image

from photograft.backbones.registry import Backbone
from photograft.classifier.heat_placement import in_photo, seen_box
from photograft.core.arrays import Floats

#: How much of the photo its colours hide where it is warmest, and how light the rest of it is.
_MOST_HIDDEN = 0.72
_LIGHTENED = 0.25
#: How much of the photo's own colours is left in what the network never saw.
_UNSEEN = 0.75

#: Rows and columns of a photo in words, by thirds.
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "middle", "right")


def overlay(photo: Image.Image, heat: Floats, backbone: Backbone) -> Image.Image:
    """Return a heat map over its photo, RGB, of the photo's size.

    Args:
        photo: RGB, upright, of any size.
        heat: Of the feature map's grid, shape ``(h, w)``, in [0, 1].
        backbone: That it is of.
    """
    warm = in_photo(heat, backbone, photo.size)[:, :, None]
    grey = np.asarray(photo.convert("L").convert("RGB"), np.float32)
    ground = grey + (255 - grey) * _LIGHTENED
    coloured = colours()[np.round(warm[:, :, 0] * 255).astype(np.uint8)]
    found = ground + (coloured - ground) * (_MOST_HIDDEN * warm**0.75)
    left, top, right, bottom = (round(side) for side in seen_box(backbone, photo.size))
    seen = np.zeros((photo.height, photo.width, 1), bool)
    seen[top:bottom, left:right] = True
    found = np.where(seen, found, ground + (255 - ground) * _UNSEEN)
    return Image.fromarray(np.round(found).clip(0, 255).astype(np.uint8))


def where(heat: Floats, backbone: Backbone, size: tuple[int, int]) -> str:
    """Return in words where in a photo it is warmest, such as ``"top left"``; ``""`` if nowhere.

    Args:
        heat: Of the feature map's grid, shape ``(h, w)``, in [0, 1].
        backbone: That it is of.
        size: Width and height of the photo, upright.
    """
    if not heat.any():
        return ""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    left, top, right, bottom = seen_box(backbone, size)
    y = (top + (bottom - top) * (row + 0.5) / heat.shape[0]) / size[1]
    x = (left + (right - left) * (column + 0.5) / heat.shape[1]) / size[0]
    words = (_ROWS[min(int(y * 3), 2)], _COLUMNS[min(int(x * 3), 2)])
    return "middle" if words == ("middle", "middle") else " ".join(words)


@functools.cache
def colours() -> npt.NDArray[np.float32]:
    """Return the colours of 256 degrees of heat, float32, shape ``(256, 3)``, in [0, 255]."""
    table = np.frombuffer(base64.b64decode(_PLASMA), np.uint8)
    return table.reshape(256, 3).astype(np.float32)


#: Matplotlib's colours "plasma": perceptually uniform, and told apart with any colour vision. Red,
#: green and blue of each degree, a byte each.
_PLASMA = (
    "DQiHEAeIEweJFgeKGQaMGwaNHQaOIAaPIgaQJAaRJgWRKAWSKgWTLAWULgWVLwWWMQWXMwWXNQSYNwSZOASaOgSaPASb"
    "PgScPwScQQSdQwOeRAOeRgOfSAOfSQOgSwOhTAKhTgKiUAKiUQKjUwKjVQKkVgGkWAGkWQGlWwGlXAGmXgGmYAGmYQCn"
    "YwCnZACnZgCnZwCoaQCoagCobACobgCobwCocQCocgGodAGodQGodwGoeAGoegKoewKofQOofgOogASogQSngwWnhAWn"
    "hgamhwemiAimigmliwqljQuljgykjw2kkQ6jkg+jlBCilRGhlhOhmBSgmRWfmhafnBeenRidnhmdoBqcoRuboh2aox6a"
    "pR+ZpiCYpyGXqCKWqiOVqySUrCaUrSeTriiSsCmRsSqQsiuPsyyOtC6NtS+MtjCLtzGKuDKJujOIuzSIvDWHvTeGvjiF"
    "vzmEwDqDwTuCwjyBwz2AxD5/xUB+xkF9x0J8yEN7yUR6ykV6y0Z5zEd4zEl3zUp2zkt1z0x00E1z0U5y0k9x01Fx1FJw"
    "1VNv1VRu1lVt11Zs2Fdr2Vhq2lpq2ltp21xo3F1n3V5m3l9l3mFk32Jj4GNj4WRi4mVh4mZg42hf5Gle5Wpd5Wtd5mxc"
    "525b529a6HBZ6XFY6XJX6nRX63VW63ZV7HdU7XlT7XpS7ntR73xR735Q8H9P8IBO8YFN8YNM8oRL84VL84dK9IhJ9IlI"
    "9YtH9YxG9o1F9o9E95BE95FD95NC+JRB+JVA+Zc/+Zg++Zo++ps9+pw8+p47+586+6E5+6I4/KM4/KU3/KY2/Kg1/Kk0"
    "/asz/awz/a4y/a8x/bEw/bIv/bQv/bUu/rct/rgs/ros/rsr/r0q/r4q/sAp/cIp/cMo/cUn/cYn/cgn/com/csm/M0l"
    "/M4l/NAl/NIl+9Mk+9Uk+9ck+tgk+tok+dwk+d0l+N8l+OEl9+Il9+Ql9uYm9ugm9ekm9esn9O0n8+4n8/An8vIn8fQm"
    "8fUl8Pck8Pkh"
)
