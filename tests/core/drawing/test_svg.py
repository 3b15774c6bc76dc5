"""Paper of SVG's elements: well-formed whatever is written, and the same each time."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from photograft.core.drawing.paper import Stroke
from photograft.core.drawing.svg import SvgSheet

SVG = "{http://www.w3.org/2000/svg}"


def drawn(path: Path) -> ElementTree.Element:
    sheet = SvgSheet(2, 1)
    sheet.write(1, 0.5, "<b> & 猫", 9, "#112233", bold=True, anchor="rm")
    sheet.line([(0, 0), (1, 0.5)], Stroke("#ff0000", 2, (3, 1), 0.5), (0, 0, 1, 1))
    sheet.area([(0, 0), (1, 0), (1, 1)], "#00ff00", clip=(0, 0, 1, 1))
    sheet.save(path)
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def test_what_is_drawn_is_there_in_points(tmp_path: Path) -> None:
    root = drawn(tmp_path / "a.svg")
    assert (root.get("viewBox"), root.get("width")) == ("0 0 144 72", "144pt")
    (text,) = root.iter(f"{SVG}text")
    assert (text.text, text.get("x"), text.get("text-anchor")) == ("<b> & 猫", "72", "end")
    assert text.get("font-weight") == "bold"
    line, area = root.iter(f"{SVG}path")
    assert line.get("d") == "M0 0L72 36"
    assert (line.get("stroke-dasharray"), line.get("stroke-opacity")) == ("6 2", "0.5")
    assert (area.get("d"), area.get("fill")) == ("M0 0L72 0L72 72Z", "#00ff00")
    (clip,) = root.iter(f"{SVG}clipPath")  # one for both
    assert line.get("clip-path") == area.get("clip-path") == f"url(#{clip.get('id')})"


def test_the_same_is_drawn_each_time(tmp_path: Path) -> None:
    drawn(tmp_path / "a.svg")
    drawn(tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
