"""A page of the report, taken apart, and a run folder with a classifier to make one of."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from photograft.backbones.engines import Engine
from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from photograft.classifier.heat_maps import HeatMaps
from photograft.classifier.reference import Reference
from photograft.core.progress import Silent
from photograft.report.comparison_page import write_comparison_page
from photograft.report.run_page import write_run_page
from photograft.runs.comparison import read_comparison, winners_folder
from photograft.runs.folder import load_facts
from report_helpers import Reads
from system_helpers import read_json
from training_helpers import tiny_backbone

HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'quoted'",
    "שלום‮gpj",
    "x" * 300,
    "</script><!--",
    "a\x1b[31mb\u2028c",
)


class Page(HTMLParser):
    """A page, taken apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        kind = self._open[-1] if self._open else ""
        if kind in ("script", "style", "title", "desc"):
            self.inside.setdefault(kind, []).append(data)
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self) -> Any:
        return json.loads(self.inside["script"][0])


def page_of(folder: Path, reads: Reads, out: Path) -> Page:
    """The page of a run or a comparison, of photos that are given."""
    if (folder / "comparison.json").is_file():
        found = read_comparison(folder)
        run = winners_folder(folder, found)
        facts = load_facts(run) if run else None
        write_comparison_page(found, facts, reads, out, classifier=None, progress=Silent())
    else:
        has_classifier = (folder / "classifier").is_dir()
        classifier = Classifier.load(folder) if has_classifier else None
        write_run_page(load_facts(folder), reads, out, classifier=classifier, progress=Silent())
    return Page(out.read_text(encoding="utf-8"))


def assert_closed(page: Page) -> None:
    """Nothing from elsewhere, and no script or style but ours."""
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (name, value)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    style = page.inside["style"][0]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(
        m["content"] or ""
        for m in page.all("meta")
        if m.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    script = page.inside["script"][1]
    for rule, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert len(page.all("script")) == 2
    assert page.all("script")[0]["type"] == "application/json"
    assert "innerHTML" not in script


def add_classifier(folder: Path, reads: Reads, num_near: int = 12) -> None:
    """Put a small classifier into a run folder, with some training photos to compare with."""
    names = read_json(folder / "run.json")["data"]["class_names"]
    backbone = tiny_backbone()
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (backbone.num_features, len(names))).astype(np.float32)
    head = Head((weight,), (np.zeros(len(names), np.float32),))
    classifier = Classifier(tuple(names), backbone, Engine("torch", "fp32"), ("last",), head)
    maps = HeatMaps(classifier)
    files = [f for f in load_facts(folder).files if f.used and f.split == "train"][:num_near]
    rows = np.stack([maps.features(reads[f.name]()) for f in files])
    labels = np.array([names.index(f.label) for f in files], np.int64)
    reference = Reference.fit(rows, labels, [f.name for f in files], rng=rng)
    known = replace(classifier, reference=reference)
    known.save(folder / "classifier", include_weights=True)
