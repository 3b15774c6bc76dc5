"""Take the pictures of docs/web.md: the page of a classifier of drawn things, wide and narrow.

Run: ``.venv/bin/python scripts/web_pictures.py``, which takes a minute, and look at them.
"""

from __future__ import annotations

import io
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Page, sync_playwright

import photograft
from photograft.classifier.export.web.building import build_web
from photograft.classifier.export.web.neighbours import load_neighbours

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
CLASSES = ("fish", "leaf", "mushroom")
#: Of no class.
HOUSE = "house"
SIDE = 320


def main() -> None:
    """Draw photos, learn from them, and take pictures of the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = folder / "photos"
        for label in CLASSES:
            (photos / label).mkdir(parents=True)
            for i in range(60):
                draw(label, i).save(photos / label / f"{i:02}.jpg", quality=92)
        classifier = photograft.train(photos, out=folder / "run", progress=None).classifier
        reference = classifier.reference
        if reference is None:
            raise SystemExit("the classifier has no training photos to compare with")
        reads = {name: (photos / name).read_bytes for name in reference.names}
        neighbours = load_neighbours(reference, reads, classifier.max_pixels)
        page = folder / "index.html"
        page.write_bytes(build_web(classifier, neighbours=neighbours)["index.html"])
        shown = []
        for i, label in enumerate(["fish", "leaf", HOUSE, "mushroom", "fish", "leaf"]):
            shown.append(folder / f"{('pond', 'walk', 'street', 'wood', 'lake', 'garden')[i]}.jpg")
            draw(label, 300 + i).save(shown[-1], quality=92)
        take(page, shown)


def take(page: Path, photos: list[Path]) -> None:
    """Take both pictures."""
    sizes = {
        "web_page_wide.png": ({"width": 1080, "height": 1240}, "light"),
        "web_page_narrow.png": ({"width": 390, "height": 1130}, "dark"),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (size, scheme) in sizes.items():
            settings: dict[str, Any] = {"viewport": size, "color_scheme": scheme}
            opened = browser.new_page(**settings)
            opened.goto(page.as_uri())
            opened.wait_for_selector("body[data-ready]")
            opened.set_input_files("#files", photos)
            opened.locator("#status", has_text="Done:").wait_for()
            if size["width"] < 600:
                opened.locator("#answers").scroll_into_view_if_needed()
                opened.evaluate("() => document.getElementById('answers').scrollIntoView()")
            save(opened, PICTURES / name)
        browser.close()


def save(page: Page, path: Path) -> None:
    """Save what is seen as a small PNG."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)


def draw(label: str, seed: int) -> Image.Image:
    """Draw a thing somewhere on a ground, as a photo of 320 pixels a side."""
    rng = np.random.default_rng([seed, *label.encode()])
    ground = rng.integers(70, 180, (3, 3, 3), np.uint8)
    image = Image.fromarray(ground).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    thing = Image.new("RGBA", (SIDE, SIDE))
    pen = ImageDraw.Draw(thing)
    colour = tuple(int(c) for c in np.clip(_HUES[label] + rng.integers(-35, 36, 3), 0, 255))
    dark = tuple(int(c * 0.6) for c in colour)
    _THINGS[label](pen, colour, dark)
    size = int(rng.integers(190, 300))
    turned = thing.resize((size, size)).rotate(float(rng.uniform(-35, 35)), expand=True)
    left, top = (int(rng.integers(-20, max(SIDE - size, -19) + 20)) for _ in range(2))
    image.paste(turned, (left, top), turned)
    image = image.filter(ImageFilter.GaussianBlur(1))
    noisy = np.asarray(image) + rng.normal(0, 7, (SIDE, SIDE, 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _fish(pen: ImageDraw.ImageDraw, colour: Any, dark: Any) -> None:
    pen.polygon([(250, 160), (310, 100), (310, 220)], fill=dark)
    pen.ellipse((20, 90, 270, 230), fill=colour)
    pen.polygon([(130, 95), (190, 50), (200, 100)], fill=dark)
    pen.ellipse((55, 130, 80, 155), fill="white")
    pen.ellipse((62, 137, 74, 149), fill="black")


def _leaf(pen: ImageDraw.ImageDraw, colour: Any, dark: Any) -> None:
    steps = [i / 30 for i in range(31)]
    wide = [(160 + 85 * math.sin(math.pi * t**0.8), 30 + 230 * t) for t in steps]
    pen.polygon([*wide, *((320 - x, y) for x, y in reversed(wide))], fill=colour)
    pen.line((160, 40, 160, 310), fill=dark, width=7)
    for k in range(5):
        y = 90 + 32 * k
        pen.line((160, y + 30, 105, y), fill=dark, width=4)
        pen.line((160, y + 30, 215, y), fill=dark, width=4)


def _mushroom(pen: ImageDraw.ImageDraw, colour: Any, dark: Any) -> None:
    pen.rounded_rectangle((130, 150, 190, 300), 20, fill=(232, 222, 200))
    pen.pieslice((40, 40, 280, 280), 180, 360, fill=colour)
    for x, y, r in ((100, 120, 16), (160, 80, 20), (220, 125, 14), (165, 135, 10)):
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(245, 240, 230))
    pen.line((40, 160, 280, 160), fill=dark, width=5)


def _house(pen: ImageDraw.ImageDraw, colour: Any, dark: Any) -> None:
    pen.rectangle((70, 150, 250, 290), fill=colour)
    pen.polygon([(50, 155), (160, 50), (270, 155)], fill=dark)
    pen.rectangle((140, 210, 180, 290), fill=dark)
    for x in (90, 200):
        pen.rectangle((x, 175, x + 32, 207), fill=(250, 240, 170))


_THINGS = {"fish": _fish, "leaf": _leaf, "mushroom": _mushroom, HOUSE: _house}
_HUES = {
    "fish": np.array([70, 130, 190]),
    "leaf": np.array([80, 150, 60]),
    "mushroom": np.array([190, 60, 45]),
    HOUSE: np.array([200, 180, 150]),
}


if __name__ == "__main__":
    main()
