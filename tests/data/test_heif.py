"""HEIC photos, read like all others. Their reader writes none, so two small ones stand here."""

import base64
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawing import draw_folder
from photograft.core.errors import ImageError
from photograft.data import heif, images
from photograft.data.dataset import Dataset

#: 64 x 48 pixels, red beside blue over light grey, to be turned by a quarter to the right: by the
#: container, and by its EXIF, which must not turn it once more. Taken on 6 May 2024.
TURNED = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAA"
    "AAAAAAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAFoAAgAAAAACRgABAAAAAAAAAGIAAAA4aWlu"
    "ZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAB"
    "B2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkA"
    "AAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAA"
    "AAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAa"
    "aXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAMRtZGF0AAAAVigBrxOA9SeBP//gpUf/utZ4fg8NMT/+88Yj+gax/+L1"
    "NA2u/Z3sQo1euvtm9lvJ+NVlHQFTUPjzlyLKg/VNjJILm0/FaOP1kpM8MmhkdYA0J56HIpwgAAAABkV4aWYAAE1N"
    "ACoAAAAIAAIBEgADAAAAAQAGAACHaQAEAAAAAQAAACYAAAAAAAKQAwACAAAAFAAAAESSkQACAAAABDI1MAAAAAAA"
    "MjAyNDowNTowNiAwNzowODowOQA="
)

#: The same upright, its upper quarter transparent.
CLEAR = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAmttZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAA"
    "AAAAAAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAACjwABAAAAAAAAAFoAAgAAAAAC6QABAAAAAAAAACUAAAA4aWlu"
    "ZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAABAAAB"
    "qmlwcnAAAAGCaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkA"
    "AAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAA"
    "AAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAHBodmNDAQQIAAAAn/gAAAAAHvAA/Pz4+AAADwNgAAEAF0AB"
    "DAH//wQIAAADAJ/4AAADAAAeugJAYQABACVCAQEECAAAAwCf+AAAAwAAHsCCBBZbq5Ka5sCAAAAMgAAAAwCEYgAB"
    "AAZEAcFzwIkAAAAOcGl4aQAAAAABCAAAACdhdXhDAAAAAHVybjptcGVnOmhldmM6MjAxNTphdXhpZDoxAAAAACBp"
    "cG1hAAAAAAAAAAIAAQWBAgMFhAACBYYDB4iEAAAAGmlyZWYAAAAAAAAADmF1eGwAAgABAAEAAACHbWRhdAAAAFYo"
    "Aa8TgPUngT//4KVH/7rWeH4PDTE//vPGI/oGsf/i9TQNrv2d7EKNXrr7ZvZbyfjVZR0BU1D485ciyoP1TYySC5tP"
    "xWjj9ZKTPDJoZHWANCeehyKcIAAAACEoAa4nsYQ//wWT42L8fH+ZGL6E6U2928KBT8zazimFi4A="
)


def corners(data: bytes) -> list[list[int]]:
    pixels = np.asarray(images.decode(data)).astype(int)
    return [pixels[y, x].tolist() for y in (5, -5) for x in (5, -5)]


def test_is_upright_and_rgb() -> None:
    header = images.read_header(TURNED)
    assert (header.format, header.width, header.height) == ("HEIF", 48, 64)
    picture = images.decode(TURNED)
    assert (picture.mode, picture.size, picture.info) == ("RGB", (48, 64), {})
    grey, red, blue = [240] * 3, [200, 30, 30], [30, 30, 200]
    assert np.abs(np.subtract(corners(TURNED), [grey, red, grey, blue])).max() < 6


def test_what_is_transparent_is_white() -> None:
    assert corners(CLEAR)[:2] == [[255, 255, 255]] * 2
    assert np.abs(np.subtract(corners(CLEAR)[2:], 240)).max() < 6


def test_when_it_was_taken() -> None:
    assert images.taken_at(TURNED) == ("2024:05:06 07:08:09", 0.25)
    assert images.taken_at(CLEAR) == ("", 0.0)


def test_the_limit_is_applied() -> None:
    assert images.decode(TURNED, max_pixels=48 * 64).size == (48, 64)
    with pytest.raises(ImageError, match=r"too large: 48 × 64 pixels"):
        images.decode(TURNED, max_pixels=48 * 64 - 1)


@pytest.mark.parametrize("end", [50, 300, -40, -1])
def test_cut_short(end: int) -> None:
    with pytest.raises(ImageError) as caught:
        images.decode(TURNED[:end])
    assert caught.value.reason == "truncated"
    assert "\n" not in caught.value.detail


def test_damage_is_told_whatever_it_is() -> None:
    """Every beginning, and bytes changed anywhere: a picture or one of our reasons."""
    rng = np.random.default_rng(0)
    damaged = [CLEAR[:end] for end in range(1, len(CLEAR), 7)]
    for _ in range(200):
        changed = bytearray(CLEAR)
        for place in rng.integers(0, len(changed), int(rng.integers(1, 6))):
            changed[place] = rng.integers(0, 256)
        damaged.append(bytes(changed))
    found = set()
    for data in damaged:
        try:
            found.add(images.decode(data, max_pixels=1_000_000).mode)
        except ImageError as error:
            found.add(error.reason)
    assert found <= {"RGB", *images.REASONS}
    assert {"RGB", "truncated", "unreadable"} <= found


def test_pillow_itself_is_left_as_it_was() -> None:
    images.decode(TURNED)
    assert "HEIF" not in Image.OPEN


def test_its_reader_is_imported_with_the_first_one_only(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(TURNED)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    code = f"""
import sys
from pathlib import Path
from photograft.data.images import decode
seen = []
for name in ("a.png", "a.heic"):
    decode(Path({str(tmp_path)!r}, name).read_bytes())
    seen.append("pi_heif" in sys.modules)
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[False, True]", done.stderr


def test_without_its_reader_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heif, "is_there", lambda: False)
    with pytest.raises(ImageError, match=r"unsupported format: an HEIC, .*pip install pi-heif"):
        images.read_header(TURNED)


def test_in_a_dataset(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "photos", ("cat", "dog"), n=2)
    (root / "cat" / "IMG_1.HEIC").write_bytes(TURNED)
    (root / "cat" / "IMG_2.jpg").write_bytes(CLEAR)
    (root / "cat" / "IMG_3.heic").write_bytes(TURNED[:-40])
    dataset = Dataset.load(root)
    assert dataset.class_counts() == {"cat": 4, "dog": 2}
    notes = {photo.name: photo.note for photo in dataset.photos if photo.format == "HEIF"}
    assert notes == {"cat/IMG_1.HEIC": "", "cat/IMG_2.jpg": "an HEIC named .jpg"}
    assert [file.name for file in dataset.verified().skipped] == ["cat/IMG_3.heic"]
    assert dataset.verified().skipped_counts() == {"truncated": 1}
