"""Paper of pixels: what is drawn is where it should be, and names can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from photograft.core.drawing.paper import SHAPES, Marker, Stroke
from photograft.core.drawing.sheet import Sheet, fitting_size, text_width
from photograft.core.look import DPI

RED = "#ff0000"


def ink(sheet: Sheet) -> npt.NDArray[np.int64]:
    """How much of red covers each pixel, 0 to 255."""
    return 255 - np.asarray(sheet.image).astype(np.int64)[:, :, 1]


def num_runs(marked: npt.NDArray[np.bool_]) -> int:
    return int((np.diff(marked.astype(int), prepend=0) == 1).sum())


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("letters", ["äöüßéñçøåłőąžřğ", "αβγδέώς", "ёжбщыюяїђ", "×–…°±≤•"])
def test_letters_of_european_languages_are_no_boxes(letters: str, bold: bool) -> None:
    def drawn(letter: str) -> bytes:
        sheet = Sheet(0.4, 0.4)
        sheet.write(0.2, 0.2, letter, 12, bold=bold)
        return sheet.image.tobytes()

    box = drawn("\uffff")
    assert [letter for letter in letters if drawn(letter) == box] == []


def test_a_line_along_the_pixels_is_sharp() -> None:
    sheet = Sheet(1, 1)
    sheet.line([(0.1, 0.503), (0.9, 0.503)], Stroke(RED, 2 * 72 / DPI))
    sheet.line([(0.303, 0.9), (0.303, 0.1)], Stroke(RED, 0.1))
    found = ink(sheet)
    assert set(np.unique(found)) == {0, 255}
    assert (found[:, 60] == 255).sum() == 2
    assert (found[20] == 255).sum() == 1


def test_a_slanted_line_is_smooth_and_as_wide_as_asked_for() -> None:
    sheet = Sheet(1, 1)
    sheet.line([(0.1, 0.2), (0.9, 0.7)], Stroke(RED, 3))
    found = ink(sheet)
    assert len(np.unique(found)) > 5
    length = DPI * np.hypot(0.8, 0.5)
    assert found.sum() / 255 == pytest.approx(length * 3 / 72 * DPI, rel=0.05)


def test_dashes_go_round_corners() -> None:
    sheet = Sheet(3, 1)
    points = [(0.1, 0.5), (1.0, 0.5), (1.5, 0.500001), (2.1, 0.5)]
    sheet.line(points, Stroke(RED, 7.2, (2, 2)))  # 0.2 inches drawn, as many left out
    assert num_runs(ink(sheet)[DPI // 2] > 128) == 5


def test_nothing_is_drawn_outside_of_the_clip_or_the_paper() -> None:
    sheet = Sheet(1, 1)
    clip = (0.2, 0.3, 0.8, 0.6)
    sheet.line([(-5, -2), (0.5, 0.4), (0.6, 900)], Stroke(RED, 4), clip)
    sheet.area([(-1, 0.4), (2, 0.4), (2, 2)], RED, opacity=0.5, clip=clip)
    rows, columns = np.nonzero(ink(sheet))
    assert (rows.min(), rows.max() + 1) == (round(0.3 * DPI), round(0.6 * DPI))
    assert (columns.min(), columns.max() + 1) == (round(0.2 * DPI), round(0.8 * DPI))
    sheet.area([(3, 3), (4, 3), (4, 4)], RED)


def test_half_an_opacity_is_half_the_ink() -> None:
    sheet = Sheet(1, 1)
    sheet.area([(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)], RED, opacity=0.5)
    assert ink(sheet).max() == pytest.approx(128, abs=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_markers_lie_around_their_place_in_an_edge(shape: str) -> None:
    sheet = Sheet(1, 1)
    Marker(shape, 20, "#0000ff", RED, 3).draw(sheet, 0.5, 0.5)
    pixels = np.asarray(sheet.image)
    assert tuple(pixels[DPI // 2, DPI // 2]) == (0, 0, 255)
    for axis in (0, 1):
        drawn = np.flatnonzero((pixels[:, :, 1] < 128).any(axis=axis))
        assert (drawn[0] + drawn[-1]) / 2 == pytest.approx(DPI / 2, abs=6)
        assert 0.6 * 23 < len(drawn) * 72 / DPI < 1.4 * 23
    assert ((pixels[:, :, 0] > 200) & (pixels[:, :, 2] < 50)).sum() > 50


def test_lines_are_made_to_fit() -> None:
    lines = ["short", "a line that is rather longer than its room"]
    size = fitting_size(lines, 2.0, 12)
    assert size < 12
    assert text_width(lines[1], size) == pytest.approx(2.0, rel=0.05)
    assert fitting_size(lines, 20.0, 12) == 12


def test_the_file_tells_its_size(tmp_path: Path) -> None:
    Sheet(2, 1).save(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (2 * DPI, DPI)
        assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
