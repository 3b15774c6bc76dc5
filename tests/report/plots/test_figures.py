"""Pictures: what is written on them stays on them and covers nothing, whatever the names."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.backbones.get import get_backbone
from photograft.classifier.reference import Neighbour
from photograft.core.drawing.sheet import Sheet
from photograft.core.text import short_text
from photograft.report.plots import explanation as explained
from photograft.report.plots import figures
from photograft.report.plots.explanation import Explanation
from photograft.report.plots.overlays import colours
from sheet_helpers import check_texts, sheets_kept

NAMES = ("a", "Common kingfisher, female", "W" * 90, "$x$ & \\frac", "名前" * 30, "line\nbreak", "")


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> list[Sheet]:
    return sheets_kept(monkeypatch)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_classes", [1, 3, 30, 300])
def test_confusion_matrix(sheets: list[Sheet], tmp_path: Path, name: str, num_classes: int) -> None:
    names = [f"{name}{i}" for i in range(num_classes)]
    counts = np.diag(np.full(num_classes, 1234)) + 1
    title = f"{short_text(name, 40)}: 94.6% of 12,345 validation photos right\n(95%)"
    figures.confusion_matrix(counts, names, title, tmp_path / "matrix.png")
    check_texts(sheets[0])
    assert max(sheets[0].image.size) < 22 * 130


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_rows", [1, 5])
def test_mistakes(sheets: list[Sheet], tmp_path: Path, name: str, num_rows: int) -> None:
    row = figures.Mistake(name, name, name, 0.987, lambda: b"gone")
    title = f"{short_text(name, 40)}: the most confident mistakes on validation"
    figures.mistakes([row] * num_rows, title, tmp_path / "mistakes.png")
    check_texts(sheets[0])


def test_heat_goes_from_dark_blue_to_light_yellow() -> None:
    """As Matplotlib's "plasma" does, whose table it is."""
    found = colours().round().astype(int).tolist()
    assert [found[i] for i in (0, 128, 255)] == [[13, 8, 135], [204, 71, 120], [240, 249, 33]]
    luminance = colours() @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance) > -1).all()
    assert luminance[-1] > 10 * luminance[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("size", "heat"), [((300, 200), True), ((200, 300), False), ((900, 8), True)]
)
def test_explanation(
    sheets: list[Sheet], tmp_path: Path, name: str, size: tuple[int, int], heat: bool
) -> None:
    explanation = Explanation(
        name=name,
        label=name,
        probability=0.987,
        asked=f"{name} too",
        asked_probability=0.0013,
        heat=np.ones((7, 7), np.float32) if heat else None,
        neighbours=(Neighbour(name, name, 0.123),) * 5,
    )
    photo, backbone = Image.new("RGB", size), get_backbone("efficientnet_lite0")
    explained.draw(explanation, photo, backbone, {}, tmp_path / "explanation.png")
    check_texts(sheets[0])


@pytest.mark.parametrize("size", [(30, 90), (90, 30)])
def test_a_training_photo_lies_in_the_middle_of_its_place(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    explanation = Explanation(
        "a", "cat", 0.9, "cat", 0.9, heat=None, neighbours=(Neighbour("b", "cat", 0.1),)
    )
    red = io.BytesIO()
    Image.new("RGB", size, (255, 0, 0)).save(red, "PNG")
    photo, backbone = Image.new("RGB", (90, 90)), get_backbone("efficientnet_lite0")
    path = tmp_path / "explanation.png"
    explained.draw(explanation, photo, backbone, {"b": red.getvalue}, path)
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    is_photo = (pixels == (255, 0, 0)).all(axis=2)
    is_place = is_photo | (pixels == (0xF5, 0xF7, 0xFA)).all(axis=2)
    for axis in (0, 1):
        photo_at, place = (np.flatnonzero(found.any(axis=axis)) for found in (is_photo, is_place))
        assert abs((photo_at[0] - place[0]) - (place[-1] - photo_at[-1])) <= 1
