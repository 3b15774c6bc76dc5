"""Pictures: what is written on them stays on them and covers nothing, whatever the names."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from photograft.backbones.get import get_backbone
from photograft.classifier.reference import Neighbour
from photograft.core.text import short_text
from photograft.report.plots import explanation as explained
from photograft.report.plots import figures
from photograft.report.plots import sheet as sheet_module
from photograft.report.plots.explanation import Explanation
from photograft.report.plots.overlays import colours
from photograft.report.plots.sheet import Sheet

NAMES = ("a", "Common kingfisher, female", "W" * 90, "$x$ & \\frac", "名前" * 30, "line\nbreak", "")


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> list[Sheet]:
    """The sheets, as they would be written."""
    found: list[Sheet] = []
    monkeypatch.setattr(Sheet, "save", lambda sheet, path: found.append(sheet))
    return found


def check_boxes(
    boxes: list[tuple[str, tuple[float, float, float, float], bool]], width: float, height: float
) -> None:
    for said, (left, low, right, high), _ in boxes:
        assert -1 <= left <= right <= width + 1, said
        assert -1 <= low <= high <= height + 1, said
    straight = [(said, box) for said, box, is_slanted in boxes if not is_slanted]
    for i, (said, box) in enumerate(straight):
        for other, its in straight[:i]:
            across = min(box[2], its[2]) - max(box[0], its[0])
            along = min(box[3], its[3]) - max(box[1], its[1])
            assert min(across, along) < 2, f"{said!r} and {other!r}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_classes", [1, 3, 30, 300])
def test_confusion_matrix(sheets: list[Sheet], tmp_path: Path, name: str, num_classes: int) -> None:
    names = [f"{name}{i}" for i in range(num_classes)]
    counts = np.diag(np.full(num_classes, 1234)) + 1
    title = f"{short_text(name, 40)}: 94.6% of 12,345 validation photos right\n(95%)"
    figures.confusion_matrix(counts, names, title, tmp_path / "matrix.png")
    check_boxes(sheets[0].boxes, *sheets[0].image.size)
    assert max(sheets[0].image.size) < 22 * 130


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_rows", [1, 5])
def test_mistakes(sheets: list[Sheet], tmp_path: Path, name: str, num_rows: int) -> None:
    row = figures.Mistake(name, name, name, 0.987, lambda: b"gone")
    title = f"{short_text(name, 40)}: the most confident mistakes on validation"
    figures.mistakes([row] * num_rows, title, tmp_path / "mistakes.png")
    check_boxes(sheets[0].boxes, *sheets[0].image.size)


def test_letters_without_matplotlibs_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sheet_module._font.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    try:
        row = figures.Mistake("a.jpg", "cat", "dog", 0.987, lambda: b"gone")
        figures.mistakes([row], "mistakes", tmp_path / "mistakes.png")
    finally:
        sheet_module._font.cache_clear()
    with Image.open(tmp_path / "mistakes.png") as picture:
        assert np.asarray(picture.convert("L")).min() < 50


def test_heat_has_matplotlibs_colours() -> None:
    expected = 255 * mpl.colormaps["plasma"](np.arange(256))[:, :3]
    assert np.abs(colours() - expected).max() <= 0.51


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
    check_boxes(sheets[0].boxes, *sheets[0].image.size)


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
