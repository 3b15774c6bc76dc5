"""What a page's scripts compute by themselves: pixels as Pillow resizes them, tables, answers."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from browser_helpers import BROWSER_MARKS, chromium
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from photograft.classifier.answering import answered
from photograft.classifier.export.resizing import begins_vertically_here
from photograft.classifier.export.web.page import asset
from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.core.spreadsheets import guarded
from photograft.data.images import decode
from photograft.features.packing import pack
from photograft.features.preprocessing import resize

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = BROWSER_MARKS

LITE = get_backbone("efficientnet_lite0")
#: Width and height: single pixels, strips, what keeps one side or both, what is larger and smaller.
SIZES = [(1, 1), (1, 300), (300, 2), (40, 40), (40, 97), (97, 40), (250, 130), (90, 333), (31, 33)]

RESIZE = """
({record, width, height, pixels}) => {
  const given = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  const strips = (use) => {
    for (let first = 0; first < height; first += 16) {
      const rows = Math.min(16, height - first);
      use(given.subarray(first * width * 3, (first + rows) * width * 3), first, rows);
    }
  };
  const found = resized(width, height, 3, strips, record);
  return btoa(Array.from(found, (byte) => String.fromCharCode(byte)).join(""));
}
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        for name in (
            "resample.js",
            "jpeg_head.js",
            "jpeg.js",
            "jpeg_pixels.js",
            "decoding.js",
            "view.js",
            "rules.js",
        ):
            page.add_script_tag(content=asset(name))
        yield page


def record(backbone: Backbone, *, tall_first: bool | None = None) -> dict[str, Any]:
    names = ("input_size", "crop_pct", "crop_mode", "interpolation")
    first = begins_vertically_here() if tall_first is None else tall_first
    return {**{name: asdict(backbone)[name] for name in names}, "tall_first": first}


def resized(page: Page, image: Image.Image, told: dict[str, Any]) -> npt.NDArray[np.uint8]:
    pixels = base64.b64encode(image.tobytes()).decode()
    given = {"record": told, "width": image.width, "height": image.height, "pixels": pixels}
    found = np.frombuffer(base64.b64decode(page.evaluate(RESIZE, given)), np.uint8)
    return found.reshape(*told["input_size"], 3)


def noise(size: tuple[int, int], *, extreme: bool) -> Image.Image:
    rng = np.random.default_rng(size)
    levels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(np.where(levels > 127, 255, 0).astype(np.uint8) if extreme else levels)


@pytest.mark.parametrize("crop_mode", ["squash", "center"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_pixels_are_those_of_pillow(page: Page, interpolation: str, crop_mode: str) -> None:
    for number, size in enumerate(SIZES):
        backbone = replace(
            LITE,
            input_size=((40, 40), (33, 57))[number % 2],
            crop_pct=(1.0, 0.875)[number // 2 % 2],
            interpolation=interpolation,
            crop_mode=crop_mode,
        )
        image = noise(size, extreme=number % 3 == 0)
        found = resized(page, image, record(backbone))
        np.testing.assert_array_equal(found, resize(image, backbone), err_msg=str(size))


def test_the_order_of_passes_is_told(page: Page) -> None:
    """Pillow begins with the columns of a tall picture since version 13, and each pass rounds."""
    backbone = replace(LITE, input_size=(30, 30))
    image, bicubic = noise((40, 200), extreme=True), Image.Resampling.BICUBIC
    orders = {
        True: image.resize((40, 30), bicubic).resize((30, 30), bicubic),
        False: image.resize((30, 200), bicubic).resize((30, 30), bicubic),
    }
    for first, expected in orders.items():
        found = resized(page, image, record(backbone, tall_first=first))
        np.testing.assert_array_equal(found, np.asarray(expected))


SEEN = """
({looks, width, height, pixels}) => {
  const given = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  const found = seenBy(looks, width, height, 3, (use) => use(given, 0, height));
  return btoa(Array.from(found, (byte) => String.fromCharCode(byte)).join(""));
}
"""


def test_what_several_looks_see_lies_one_after_another(page: Page) -> None:
    """As the network has it that the page is given."""
    looks = [
        replace(LITE, input_size=(30, 40)),
        replace(LITE, input_size=(24, 24), crop_mode="center", interpolation="bilinear"),
    ]
    image = noise((70, 160), extreme=False)
    told_looks = {"tall_first": begins_vertically_here(), "records": [record(x) for x in looks]}
    pixels = base64.b64encode(image.tobytes()).decode()
    given = {"looks": told_looks, "width": 70, "height": 160, "pixels": pixels}
    found = np.frombuffer(base64.b64decode(page.evaluate(SEEN, given)), np.uint8)
    np.testing.assert_array_equal(found, pack([resize(image, look) for look in looks]))


REDUCE = """
({width, height, factor, pixels}) => {
  const given = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  const outWidth = Math.ceil(width / factor);
  const target = new Uint8Array(outWidth * Math.ceil(height / factor) * 3);
  reduceRows(given, width, height, 3, factor, target, outWidth, 0);
  return btoa(Array.from(target, (byte) => String.fromCharCode(byte)).join(""));
}
"""


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_squares_are_averaged_as_pillow_does(page: Page, factor: int) -> None:
    image = noise((83, 61), extreme=False)
    pixels = base64.b64encode(image.tobytes()).decode()
    given = {"width": 83, "height": 61, "factor": factor, "pixels": pixels}
    expected = np.asarray(image.reduce(factor))
    found = np.frombuffer(base64.b64decode(page.evaluate(REDUCE, given)), np.uint8)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("size", "jpeg", "expected"),
    [
        ((895, 2000), True, 1),
        ((896, 896), True, 2),
        ((4000, 3000), True, 4),
        ((8000, 6000), True, 8),
        ((8000, 6000), False, 1),
        ((12_000, 9_000), False, 20),  # of so large a picture, no second copy
    ],
)
def test_large_jpegs_are_averaged_first(
    page: Page, size: tuple[int, int], jpeg: bool, expected: int
) -> None:
    """By the factors at which `images.decode` has them decoded."""
    given = [*size, jpeg, LITE.least_side]
    assert page.evaluate("([w, h, jpeg, side]) => factorOf(w, h, jpeg, side)", given) == expected


CLASSES = ("ant", "bee, honey", "=wasp")
RULES = Rules(ood_threshold=2.5, confidence=0.7)


@pytest.mark.parametrize("rules", [Rules(), RULES])
@pytest.mark.parametrize("score", [None, 1.0, 2.5, 2.6])
@pytest.mark.parametrize("row", [[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.4, 0.4, 0.2], [0, 0, 1]])
def test_answers_are_those_of_the_library(
    page: Page, row: list[float], score: float | None, rules: Rules
) -> None:
    probabilities = np.array(row, np.float32)
    best = int(probabilities.argmax())
    prediction = Prediction(
        "x", CLASSES[best], float(probabilities[best]), probabilities, ood_score=score
    )
    expected = answered(prediction, rules, CLASSES)
    given = [{"probabilities": probabilities.tolist(), "oodScore": score}, CLASSES, told(rules)]
    found = page.evaluate("([found, names, rules]) => answerOf(found, names, rules)", given)
    assert found["label"] == expected.label
    said = found["label"] if found["kind"] == "class" else found["kind"]
    assert said == (expected.answer or expected.label)


def told(rules: Rules) -> dict[str, Any]:
    """Rules, as a page's scripts have them."""
    return {"ood_threshold": rules.ood_threshold, "confidence": rules.confidence}


TEXTS = ["a", "x,y", 'say "hi"', "two\nlines", "=1+1", " +49", "-", "-5", "@x", "＝1", "ä €", ""]


def test_tables_open_in_spreadsheets_and_run_nothing(page: Page) -> None:
    names = ["a.jpg", "=cmd()|'/C calc'!A0.jpg", 'quo"te.jpg', "ü,mlaut.jpg"]
    rows = [
        {
            "name": name,
            "probabilities": [0.8, 0.2, 0.0],
            "oodScore": 3.0,
            "answer": {"kind": "unknown", "label": "ant", "probability": 0.8},
        }
        for name in names
    ]
    rows.append({"name": "broken.jpg", "error": "it is none"})
    given = [rows, CLASSES, told(RULES), json.loads(asset("texts.json"))]
    text = page.evaluate("([r, c, rules, t]) => csvOf(tableOf(r, c, rules, t))", given)
    assert text.startswith("\ufeff")
    read = list(csv.DictReader(io.StringIO(text[1:], newline="")))
    assert [row["file"] for row in read] == [*map(guarded, names), "broken.jpg"]
    assert read[0]["answer"] == "unknown"
    assert read[0]["probability"] == "0.8"
    assert read[0]["probability of bee, honey"] == "0.2"
    assert read[-1]["error"]
    assert not read[-1]["label"]
    for value in TEXTS:
        cell = page.evaluate("(value) => cellOf(value)", value)
        assert next(csv.reader([cell + ",end"]), [""])[0] == guarded(value) or "\n" in value


JPEG = """
({data, factor}) => {
  const given = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const { pixels, width, height } = jpegPixels(given, factor);
  const text = Array.from(pixels, (byte) => String.fromCharCode(byte)).join("");
  return { width, height, pixels: btoa(text) };
}
"""


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize(
    "settings",
    [
        {"subsampling": 0, "quality": 95},
        {"subsampling": 1, "quality": 60},
        {"subsampling": 2, "quality": 88},
        {"subsampling": 2, "progressive": True},
        {"subsampling": 1, "progressive": True, "quality": 100},
        {"subsampling": 0, "restart_marker_blocks": 3},
        {"mode": "L", "quality": 20},
    ],
    ids=str,
)
def test_large_jpegs_are_decoded_as_by_the_library(
    page: Page, settings: dict[str, Any], factor: int
) -> None:
    """At a half, a quarter and an eighth, and every way up; sides that no block fits."""
    kind = dict(settings)
    image = noise((30, 20), extreme=False).resize((16 * factor * 2 + 5, 16 * factor * 3 + 3))
    image = image.convert(kind.pop("mode", "RGB"))
    for orientation in (1, 5, 2 + factor % 7):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        stream = io.BytesIO()
        image.save(stream, "JPEG", exif=exif, **kind)
        expected = decode(stream.getvalue(), at_least=16)
        assert max(expected.size) == -(-max(image.size) // factor)
        data = base64.b64encode(stream.getvalue()).decode()
        found = page.evaluate(JPEG, {"data": data, "factor": factor})
        assert (found["width"], found["height"]) == expected.size
        assert base64.b64decode(found["pixels"]) == expected.tobytes()


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_other_jpegs_are_left_to_the_browser(page: Page, mode: str) -> None:
    """Those of printers, and those that are cut off."""
    stream = io.BytesIO()
    noise((300, 200), extreme=False).convert(mode).save(stream, "JPEG")
    whole = stream.getvalue()
    data = base64.b64encode(whole if mode == "CMYK" else whole[: len(whole) // 2]).decode()
    attempt = (
        f"(given) => {{ try {{ ({JPEG})(given); }} catch (e) {{ return e.constructor.name }} }}"
    )
    assert page.evaluate(attempt, {"data": data, "factor": 2}) == "JpegError"
