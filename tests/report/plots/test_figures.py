"""Pictures: what is written on them stays on them and covers nothing, whatever the names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from photograft.backbones.get import get_backbone
from photograft.classifier.reference import Neighbour
from photograft.core import drawing
from photograft.report.plots import explanation as explained
from photograft.report.plots import figures
from photograft.report.plots.explanation import Explanation

NAMES = ("a", "Common kingfisher, female", "W" * 90, "$x$ & \\frac", "名前" * 30, "line\nbreak", "")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, as they would be written."""
    found: list[Figure] = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: found.append(figure))

    class Recorded(Figure):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            found.append(self)

    monkeypatch.setattr(explained, "Figure", Recorded)
    return found


def written(figure: Figure) -> Iterator[Text]:
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip():
            yield text


def check_layout(figure: Figure) -> None:
    """Every text is inside the figure, and no two that stand upright or lie overlap."""
    with drawing.boxes_for_letters():
        figure.draw_without_rendering()
        boxes = [
            (text.get_text(), text.get_rotation(), text.get_window_extent())
            for text in written(figure)
        ]
    for said, _, box in boxes:
        assert -1 <= box.x0 < box.x1 <= figure.bbox.width + 1, said
        assert -1 <= box.y0 < box.y1 <= figure.bbox.height + 1, said
    straight = [(said, box) for said, angle, box in boxes if angle % 90 == 0]
    for i, (said, box) in enumerate(straight):
        for other, its in straight[:i]:
            width = min(box.x1, its.x1) - max(box.x0, its.x0)
            height = min(box.y1, its.y1) - max(box.y0, its.y0)
            assert min(width, height) < 2, f"{said!r} and {other!r}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_classes", [1, 3, 30])
def test_confusion_matrix(drawn: list[Figure], tmp_path: Path, name: str, num_classes: int) -> None:
    names = [f"{name}{i}" for i in range(num_classes)]
    counts = np.diag(np.full(num_classes, 1234)) + 1
    title = f"{drawing.short_text(name, 40)}: 94.6% of 12,345 validation photos right\n(95%)"
    figures.confusion_matrix(counts, names, title, tmp_path / "matrix.png")
    check_layout(drawn[0])
    assert max(drawn[0].get_size_inches()) < 22


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_rows", [1, 5])
def test_mistakes(drawn: list[Figure], tmp_path: Path, name: str, num_rows: int) -> None:
    row = figures.Mistake(name, name, name, 0.987, lambda: b"gone")
    title = f"{drawing.short_text(name, 40)}: the most confident mistakes on validation"
    figures.mistakes([row] * num_rows, title, tmp_path / "mistakes.png")
    check_layout(drawn[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("size", "heat"), [((300, 200), True), ((200, 300), False), ((900, 8), True)]
)
def test_explanation(
    drawn: list[Figure], tmp_path: Path, name: str, size: tuple[int, int], heat: bool
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
    check_layout(drawn[0])


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
