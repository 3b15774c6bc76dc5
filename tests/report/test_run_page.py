"""The page of a run: what it says, what it never does, how large it is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from page_helpers import HOSTILE, Page, add_classifier, assert_closed, page_of
from photograft.core import palette
from photograft.core.progress import Silent
from photograft.diagnosis.findings import Finding, Flagged
from photograft.diagnosis.tables import write_findings
from photograft.report import charts
from photograft.report.confusion import show_confusion
from photograft.report.explanations import MAX_EXPLAINED
from photograft.report.photo_choice import MAX_PHOTOS, PER_CELL, choose
from photograft.report.thumbnails import thumbnail, thumbnails
from photograft.runs.folder import load_facts
from report_helpers import make_run, photo_bytes
from system_helpers import read_json


@pytest.fixture
def page(tmp_path: Path) -> Page:
    reads = make_run(tmp_path / "run", history=True)
    return page_of(tmp_path / "run", reads, tmp_path / "page.html")


def test_structure(page: Page) -> None:
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    assert page.all("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"] or "" for a in page.all("a")]
    assert links[1:] == [f"#{s['id']}" for s in page.all("section")]
    assert {link[1:] for link in links} <= set(ids)
    assert all(image["alt"] for image in page.all("img"))
    assert len(page.inside["desc"]) == len([s for s in page.all("svg") if s["class"] == "chart"])
    assert all(svg["role"] == "img" for svg in page.all("svg"))


def test_it_says_what_the_run_says(page: Page, tmp_path: Path) -> None:
    scores = read_json(tmp_path / "run" / "metrics.json")["test"]
    low, high = scores["accuracy_interval"]
    assert f"It classifies {scores['accuracy']:.1%} of 24 photos" in page.text
    assert f"(95% interval {low:.1%} to {high:.1%})" in page.text
    assert f"would reach {scores['baseline_accuracy']:.1%}" in page.text
    for row in scores["classes"]:
        assert f"{row['recall']:.3f}" in page.text
    assert "epoch 2 were kept" in page.text
    assert "photograft train /data/insects --config run.json" in page.text
    assert "5-fold cross-validation, 2 times, on 18 training photos" in page.text
    assert "notes.txt" in page.text
    assert "f" * 64 in page.text


def test_confusion_cells_hold_their_photos(page: Page, tmp_path: Path) -> None:
    scores = read_json(tmp_path / "run" / "metrics.json")["test"]
    cells = page.data["cells"]
    for i, row in enumerate(scores["confusion"]):
        for j, number in enumerate(row):
            if not number:
                assert f"{i},{j}" not in cells
                continue
            cell = cells[f"{i},{j}"]
            assert cell["total"] == number
            assert len(cell["photos"]) == min(number, PER_CELL)
            sure = [float(text.strip("%<>")) for _, text, _ in cell["photos"]]
            assert sure == sorted(sure, reverse=i != j)
    marked = {a["data-cell"] for a in page.all("td") if "data-cell" in a}
    assert marked == set(cells)


def test_every_picture_is_embedded_once(page: Page) -> None:
    in_place = [image["src"] for image in page.all("img")]
    embedded = [*in_place, *page.data["pictures"].values()]
    assert len(embedded) == len(set(embedded)) > 20
    assert all((uri or "").startswith("data:image/jpeg;base64,") for uri in embedded)
    numbers = {n for cell in page.data["cells"].values() for _, _, n in cell["photos"]}
    drawn = {int(i["data-photo"] or "") for i in page.all("img")} | set(
        map(int, page.data["pictures"])
    )
    assert numbers <= drawn
    assert "/9j/" in page.html  # how a JPEG begins


def test_nothing_from_elsewhere(page: Page) -> None:
    assert_closed(page)


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    reads = make_run(
        tmp_path / "run",
        HOSTILE,
        per_class=(2, 2, 3),
        file_name="{label}" + f"{HOSTILE[0]}'\"&" + "{part}{i}",
        name=HOSTILE[0],
        warnings=[HOSTILE[1]],
        notes=[HOSTILE[4]],
        recipe={"id": HOSTILE[0], "title": HOSTILE[1], "reference": {HOSTILE[0]: HOSTILE[4]}},
        data={"source": HOSTILE[0], "notes": [HOSTILE[2]]},
    )
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert_closed(page)
    assert page.all("html")
    assert HOSTILE[0] in page.text
    assert "שלום\\u202egpj" in page.text
    assert "\u202e" not in page.html
    assert "\x1b" not in page.html
    assert "\u2028" not in page.html
    assert page.data["classes"]["4"] == HOSTILE[4]
    assert "x" * 100 not in page.text  # shortened; in full in the title
    assert any(a.get("title") == HOSTILE[3] for a in page.all("bdi"))


def test_same_run_same_bytes(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", history=True)
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    page_of(tmp_path / "run", reads, first)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    backwards = dict(reversed(reads.items()))
    page_of(tmp_path / "moved", backwards, second)
    assert first.read_bytes() == second.read_bytes()


def test_five_thousand_photos_make_a_small_page(tmp_path: Path) -> None:
    reads = make_run(
        tmp_path / "run", [f"c{i}" for i in range(10)], per_class=(200, 100, 200), photos=700
    )
    add_classifier(tmp_path / "run", reads, num_near=60)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    pictures = len(page.all("img")) + len(page.data["pictures"])
    # And those that explain: a heat map of each, and training photos.
    assert MAX_PHOTOS * 0.9 < pictures <= MAX_PHOTOS + 5 * MAX_EXPLAINED
    assert (tmp_path / "page.html").stat().st_size < 3_000_000
    # All cells have their turn: none is empty while another is full.
    assert all(cell["photos"] for cell in page.data["cells"].values())


def test_large_photos_are_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "run")
    facts = load_facts(tmp_path / "run")
    everything = show_confusion(facts.metrics["test"]["confusion"]).openable()
    monkeypatch.setattr("photograft.report.photo_choice.MAX_PIXELS", 10 * 48 * 48)
    choice = choose(facts, everything)
    assert len(choice.drawn) == 10
    assert len(choice.mistakes) == len(facts.mistakes)  # they are named all the same
    assert all(choice.cells.values())


def test_without_photos_it_says_so(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    page = page_of(tmp_path / "run", {}, tmp_path / "page.html")
    assert "This page has no pictures" in page.text
    assert page.all("img") == []
    assert page.data["pictures"] == {}
    assert_closed(page)


def test_photos_that_are_gone_get_a_grey_tile(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run")

    def gone() -> bytes:
        raise OSError("gone")

    broken = [name for name in sorted(reads) if name.startswith("train/ants")][:2]
    reads[broken[0]] = gone
    reads[broken[1]] = lambda: b"not a picture"
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "2 photos of those to be shown can't be read any more" in page.text
    tiles = [span for span in page.all("span") if span.get("class") == "tile gone"]
    assert [tile["title"] for tile in tiles] == broken


def test_a_thumbnail_never_fails() -> None:
    def fails() -> bytes:
        raise RuntimeError("anything")

    assert thumbnail(fails) == ""
    assert thumbnail(lambda: b"") == ""
    assert thumbnail(lambda: photo_bytes(1, 1), max_pixels=5) == ""
    found = thumbnails(
        ["a", "b", "c"], {"a": fails, "c": lambda: photo_bytes(1, 1)}, progress=Silent()
    )
    assert list(found) == ["c"]


@pytest.mark.parametrize("parts", [("train", "validation"), ("train", "test"), ("train",)])
def test_parts_that_are_missing(tmp_path: Path, parts: tuple[str, ...]) -> None:
    reads = make_run(tmp_path / "run", parts=parts)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert ("There is no test part" in page.text) == ("validation" in parts)
    assert ("How good this classifier is has not been measured" in page.text) == (len(parts) == 1)
    assert ("heads like it classified" in page.text) == (len(parts) == 1)
    assert bool(page.data["cells"]) == (len(parts) > 1)
    assert {a["href"] for a in page.all("a")} - {"#main"} == {
        f"#{section['id']}" for section in page.all("section")
    }


def test_classes_of_one_photo(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", ["a", "b"], per_class=(1, 1, 1))
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "Few photos to learn from (fewer than 30): a (1) and b (1)" in page.text


def test_three_hundred_classes(tmp_path: Path) -> None:
    names = [f"species {i:03}" for i in range(300)]
    reads = make_run(tmp_path / "run", names, per_class=(3, 0, 3), photos=30, margin=5)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert "The 20 of 300 classes that are confused most" in page.text
    assert "the first 60 of 300 classes" in page.text
    assert (tmp_path / "page.html").stat().st_size < 2_000_000
    assert "among top 5" in page.text


def test_most_confused_classes_are_shown() -> None:
    confusion = [[5 if i == j else 0 for j in range(40)] for i in range(40)]
    confusion[30][7] = 4
    matrix = show_confusion(confusion)
    assert len(matrix.classes) == 20
    assert {7, 30} <= set(matrix.classes)
    assert [(c.label, c.predicted, c.num_photos) for c in matrix.pairs] == [(30, 7, 4)]
    assert matrix.pairs[0].share == pytest.approx(4 / 9)


def test_no_mistakes(tmp_path: Path) -> None:
    reads = make_run(tmp_path / "run", ["a", "b"], per_class=(2, 0, 1), margin=9)
    page = page_of(tmp_path / "run", reads, tmp_path / "page.html")
    assert read_json(tmp_path / "run" / "metrics.json")["test"]["accuracy"] == 1
    assert "it made no mistake" in page.text.lower()


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_colours_can_be_read(theme: dict[str, str]) -> None:
    for text in ("ink", "faint", "accent", "wrong"):
        for ground in ("ground", "surface"):
            assert palette.contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    assert palette.contrast(theme["on-accent"], theme["accent"]) >= 4.5
    assert palette.contrast(theme["ink"], theme["tile"]) >= 4.5
    assert palette.contrast(theme["faint"], theme["tile"]) >= 4.5
    for kind in ("accent", "wrong", "faint"):  # the numbers in the points of a chart
        assert palette.contrast(theme["surface"], theme[kind]) >= 4.5
    values = dict(re.findall(r"--([\w-]+):(#\w{6})", palette.variables(theme)))
    shades = [name for name in values if re.fullmatch(r"(right|wrong)-\d", name)]
    assert len(shades) == 2 * len(palette.SHADES)
    for name in shades:
        assert palette.contrast(values[name], values[f"on-{name}"]) >= 4.5, name


def test_every_colour_of_the_style_sheet_is_defined(page: Page) -> None:
    style = page.inside["style"][0]
    assert set(re.findall(r"var\(--([\w-]+)\)", style)) <= set(re.findall(r"--([\w-]+):", style))


def test_charts_take_odd_values() -> None:
    flat = charts.epoch_chart(
        "t", [charts.Series("a", "train", [0.0, float("inf")])], 1, lambda v: f"{v:g}"
    )
    assert "inf" not in flat.split("</desc>")[1]
    assert "nan" not in flat
    points = [charts.ScatterPoint(1, "<b>", "best", 5.0, 1.0, 1.0, 1.0)] * 2
    assert "<b>" not in charts.cost_scatter(points, "ms", lambda v: f"{v:g}")


def test_findings_are_a_section_of_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    reads = make_run(folder)
    without = page_of(folder, reads, tmp_path / "page.html")
    assert "findings" not in {s["id"] for s in without.all("section")}
    names = list(reads)[:2]
    finding = Finding(
        kind="suspect label",
        severity="worth a look",
        cost=0.1,
        title="2 labels <i>may</i> be wrong",
        fix="Look at them.",
        photos=tuple(Flagged(name, label="ants", suggestion="bees") for name in names),
    )
    write_findings(folder, [finding])
    page = page_of(folder, reads, tmp_path / "page.html")
    assert "findings" in {s["id"] for s in page.all("section")}
    assert "#findings" in {a["href"] for a in page.all("a")}
    assert "2 labels <i>may</i> be wrong" in page.text
    assert "<i>may" not in page.html
    for name in names:
        assert any(name in (image["alt"] or "") for image in page.all("img"))
    write_findings(folder, [])
    clean = page_of(folder, reads, tmp_path / "page.html")
    assert "2 labels" not in clean.text
