"""What notebooks show: the same first words and figures as the pages, safe in any notebook."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from photograft.classifier.classifier import Classifier
from photograft.core.text import percent
from photograft.diagnosis.examine import Diagnosis
from photograft.diagnosis.findings import Finding, Flagged
from photograft.report.model_card import verdict
from photograft.runs.comparison import Comparison
from photograft.runs.folder import load_facts
from photograft.runs.run import Run
from report_helpers import make_comparison, make_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "format_1"
HOSTILE = "<script>alert(1)</script>\u202e&\"'<img src=x onerror=alert(2)>"


class Fragment(HTMLParser):
    """The elements of a fragment, its text, and whether every element ends where it should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def shown(thing: Any) -> Fragment:
    found = thing._repr_html_()
    assert len(found) < 30_000
    return Fragment(found)


@pytest.fixture
def hostile(tmp_path: Path) -> list[Any]:
    """One of each, with names of which each would do harm if it were not escaped."""
    folder = tmp_path / HOSTILE.replace("/", "")
    names = [HOSTILE, *(f"{HOSTILE}{i}" for i in range(40))]
    make_run(folder / "run", names, name=HOSTILE, strategy=HOSTILE, warnings=[HOSTILE])
    make_comparison(folder / "c", name=HOSTILE, verdict=HOSTILE, warnings=[HOSTILE])
    comparison = Comparison.load(folder / "c")
    for row in comparison.info["candidates"]:
        row |= {"id": HOSTILE, "verdict": HOSTILE, "status": HOSTILE}
    loaded = Run.load(FIXTURES / "run").classifier
    photos = tuple(Flagged(HOSTILE, HOSTILE, 0, HOSTILE, 0.5, HOSTILE) for _ in range(40))
    finding = Finding(HOSTILE, "serious", 0.1, HOSTILE, HOSTILE, photos)
    classifier = replace(
        loaded,
        class_names=tuple(names),
        trained={**loaded.trained, "name": HOSTILE},
        layers=(HOSTILE,),
        backbone=replace(loaded.backbone, name=HOSTILE),
    )
    bare = Run(folder, Run.load(folder / "run").info, {"validation": None, "test": None})
    return [
        *(Run.load(folder / "run"), bare, comparison, classifier, finding),
        Diagnosis((finding,) * 30, {"num_photos": 40}),
    ]


def test_names_are_text_and_nothing_else(hostile: list[Any]) -> None:
    """No script, picture, link, style sheet or heading, and none of the notebook's own colours."""
    for thing in hostile:
        found = shown(thing)
        assert set(found.tags) <= {
            *("div", "p", "strong", "span", "br", "table", "thead", "tbody", "tr", "th", "td")
        }
        assert found.names <= {"style", "scope"}
        assert "\u202e" not in found.text
        assert "<script>" in found.text
        styles = re.findall(r'style="([^"]*)"', thing._repr_html_())
        assert not [s for s in styles if re.search(r"(^|;)color:|#[0-9a-f]{3}", s)]


def test_a_run_begins_as_its_page_does(tmp_path: Path) -> None:
    make_run(tmp_path / "run", warnings=["few photos"])
    run = Run.load(tmp_path / "run")
    text = shown(run).text
    assert verdict(load_facts(run.path), [])[0] in text
    assert "Warning: \nfew photos" in text
    assert "ants" in text
    assert percent(run.scores["test"]["classes"][0]["recall"]) in text
    assert "efficientnet_lite0, strategy features, 18 training photos" in text


def test_a_run_that_was_not_scored(tmp_path: Path) -> None:
    make_run(tmp_path / "run", parts=("train",))
    text = shown(Run.load(tmp_path / "run")).text
    assert "has not been measured" in text
    assert "3 classes: 'ants', 'bees', 'wasps'" in text


def test_many_classes(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [f"class {i:03}" for i in range(200)], per_class=(1, 0, 1))
    text = shown(Run.load(tmp_path / "run")).text
    assert "class 019" in text
    assert "class 020" not in text
    assert "and 180 more" in text


def test_a_comparison(tmp_path: Path) -> None:
    make_comparison(tmp_path / "c")
    text = shown(Comparison.load(tmp_path / "c")).text
    assert "efficientnet_lite0 features is best." in text
    lines = text.split("\n")
    first, second = lines.index("efficientnet_lite0 features"), lines.index("mobilenet features")
    assert lines[first - 1 : first + 4] == [
        *("1", "efficientnet_lite0 features", "best, chosen", "95.0%", "92.0% to 97.0%")
    ]
    assert lines[second - 1 : second + 5] == [
        *("2", "mobilenet features", "as good", "94.0%", "91.0% to 96.0%", "−1.0 points")
    ]
    assert "not run" in lines


def test_a_classifier() -> None:
    classifier = Classifier.load(FIXTURES / "run")
    text = shown(classifier).text
    assert "3 classes: 'circle', 'square', 'triangle'" in text
    assert "test\n6\n16.7%\n3.0% to 56.4%" in text
    assert "Backbone efficientnet_lite0, layers last; a head of 10.3 k parameters" in text
    assert "has not been measured" in shown(replace(classifier, trained={})).text


def test_a_diagnosis_and_its_findings() -> None:
    twins = Finding(
        *("twins", "serious", 0.1, "2 photos are the same", "Keep one."),
        (Flagged("a.jpg", "ants"), Flagged("b.jpg", "bees", suggestion="ants")),
    )
    note = Finding("few", "note", 0.2, "few photos of ants", "Add some.")
    text = shown(Diagnosis((note, twins), {"num_photos": 1200})).text
    assert "1 serious problem in 1,200 photos, and 1 note." in text
    assert text.index("2 photos are the same\nKeep one.\n2\n") < text.index("few photos of ants")
    assert "a.jpg\nants\nb.jpg\nbees\nants" in shown(twins).text
    assert "Nothing wrong found in 5 photos" in shown(Diagnosis((), {"num_photos": 5})).text
