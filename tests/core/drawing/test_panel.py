"""Panels: where values are, which numbers stand at the axes, what is left out."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from photograft.core.drawing.panel import (
    Entry,
    Panel,
    Scale,
    accuracy_scale,
    legend_width,
    loss_scale,
    write_legend,
)
from photograft.core.drawing.paper import Stroke
from photograft.core.drawing.sheet import Sheet
from photograft.core.drawing.svg import SvgSheet

SVG = "{http://www.w3.org/2000/svg}"


def test_places() -> None:
    x = Scale(1, 100, (1, 10, 100), str, is_log=True)
    panel = Panel(Sheet(6, 4), 1, 0.5, 4, 3, x=x, y=Scale(0, 2, (), str))
    assert panel.place(1, 0) == (1, 3.5)
    assert panel.place(100, 2) == (5, 0.5)
    assert panel.place(10, 1) == (3, 2)


def test_a_curve_has_gaps_where_there_are_no_values(tmp_path: Path) -> None:
    paper = SvgSheet(6, 4)
    panel = Panel(paper, 1, 1, 4, 2, x=Scale(0, 6, (), str), y=Scale(0, 1, (), str))
    values = [0.1, 0.2, math.nan, 0.3, math.inf, 0.4, 0.5]  # one without a neighbour
    panel.curve(np.arange(7.0), np.array(values), Stroke("#ff0000", 1))
    paper.save(tmp_path / "a.svg")
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text(encoding="utf-8"))
    assert [path.get("d", "").count("L") for path in root.iter(f"{SVG}path")] == [1, 1]


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [((0.9, 0.9), 0.85, 0.95), ((1.0, 1.0), 0.95, 1.01), ((0.0, 0.0), 0.0, 0.06)],
)
def test_a_hair_is_no_mile(values: tuple[float, float], low: float, high: float) -> None:
    scale = accuracy_scale(np.array(values))
    assert low <= scale.low < scale.high <= high
    assert scale.high - scale.low >= 0.03
    assert len(scale.ticks) >= 3
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
    assert scale.write(0.975) == "97.5%"


def test_losses_begin_at_zero_at_the_lowest() -> None:
    assert loss_scale(np.array([0.001, 3.0])).low == 0
    assert loss_scale(np.array([-1.0, 3.0])).low < -1
    assert loss_scale(np.array([2.0])).low < 2 < loss_scale(np.array([2.0])).high


def test_a_legend_goes_down_and_then_to_the_right() -> None:
    sheet = Sheet(6, 2)
    entries = [Entry(name, Stroke("#ff0000", 1)) for name in ("a", "bbbbbbbbbb", "c", "d", "e")]
    write_legend(sheet, 0.1, 0.1, entries, columns=2)
    places = {said: (round(left), round(top)) for said, (left, top, *_), _ in sheet.boxes}
    assert places["a"][0] == places["bbbbbbbbbb"][0] == places["c"][0] < places["d"][0]
    assert places["d"][0] - places["a"][0] > 130 * legend_width(entries)
    assert places["a"][1] < places["c"][1]
