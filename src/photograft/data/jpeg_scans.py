"""Scans of a JPEG, counted before any of them is decoded.

A progressive JPEG is gone through whole once for each of its scans. Cameras and programs make some
ten; thousands, of a few bytes each, are made to keep a decoder busy for minutes.
"""

from __future__ import annotations

import re
from typing import Final

from photograft.core.errors import ImageError

MAX_SCANS: Final = 200

_START_OF_SCAN, _END = 0xDA, 0xD9
#: In what is compressed, 0xff stands before a zero or the number of a restart, and else begins a
#: marker.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
#: Those of a picture of gigabytes are fewer.
_MOST_MARKERS = 100_000
#: Markers that no length follows.
_ALONE = (0x01, 0xD8)


def refuse_many_scans(data: bytes) -> None:
    """Make sure that a JPEG has no more scans than any program writes.

    Args:
        data: The whole file.

    Raises:
        ImageError: It has more than `MAX_SCANS`.
    """
    # Nearly all files are done with here; but what is appended to a picture, such as a film, may
    # hold any bytes.
    if data.count(bytes((0xFF, _START_OF_SCAN))) <= MAX_SCANS:
        return
    at = num_scans = 0
    for _ in range(_MOST_MARKERS):
        found = _MARKER.search(data, at)
        if found is None or found[1][0] == _END:
            return
        at = found.end()
        if found[1][0] not in _ALONE:
            num_scans += found[1][0] == _START_OF_SCAN
            at += int.from_bytes(data[at : at + 2], "big")
        if num_scans > MAX_SCANS:
            break
    raise ImageError("too large", f"a JPEG of more than {MAX_SCANS} scans: too many")
