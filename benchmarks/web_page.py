"""The page that classifies, in Chromium: its size, its first answer, its rate, and its answers.

``python -m benchmarks.web_page SOURCE FOLDER``: trains on SOURCE, and has the page classify at most
``--most`` of the photos in FOLDER, as the library does. Takes Chromium and `scripts/build_web.py`.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import photograft, report
from photograft.backbones.engines import Engine
from photograft.classifier.answering import answered
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.metadata import rules_of
from photograft.classifier.export.precision import ranges_for
from photograft.classifier.export.web.building import build_web
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.workflows.predict import expand_inputs

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Photos in a run for their rate, once the page is warm.
_TIMED = 100


def main() -> None:
    """Train, build the page, open it several times, and compare what it answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "int8"])
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    files = sorted(map(Path, expand_inputs([str(options.folder)])))
    step = max(len(files) // options.most, 1)
    photos = files[::step][: options.most]
    with tempfile.TemporaryDirectory() as folder:
        run, cache = Path(folder, "run"), Path(folder, "cache")
        precision = ("--precision", options.precision)
        photograft("train", str(options.source), *precision, "--out", str(run), cache=cache)
        os.environ["PHOTOGRAFT_CACHE"] = str(cache)
        trained = Classifier.load(run)
        is_int8 = options.precision == "int8"
        classifier = trained if is_int8 else replace(trained, engine=Engine("openvino", "fp32"))
        ranges = ranges_for(trained, ()) if is_int8 else ()
        data = build_web(classifier, ranges=ranges)["index.html"]
        path = Path(folder, "page.html")
        path.write_bytes(data)
        openings = []
        for _ in range(options.repeats):
            with opened(path, options.chromium) as (page, since):
                ready = time.perf_counter() - since
                classify(page, photos[:1])
                openings.append((time.perf_counter() - since, ready))
        with opened(path, options.chromium) as (page, _):
            classify(page, photos[:_TIMED])
            page.get_by_role("button", name="Clear").click()
            start = time.perf_counter()
            classify(page, photos[:_TIMED])
            rate = min(_TIMED, len(photos)) / (time.perf_counter() - start)
            page.get_by_role("button", name="Clear").click()
            classify(page, photos)
            said = table(page)
            checked = page.evaluate("() => photograft.checked")
        expected = classifier.predict(photos, progress=None)
    first = sorted(seconds for seconds, _ in openings)
    all_ready = sorted(seconds for _, seconds in openings)
    known = rules_of(classifier.uncertainty)
    rules = Rules(
        known["unknown"]["ood_threshold"] if known["unknown"] else None,
        next((rule["confidence"] for rule in known["unsure"] if rule["is_shown"]), None),
    )
    rows = [answered(one, rules, classifier.class_names) for one in expected]
    names = classifier.class_names
    found = np.array([[float(row[f"probability of {name}"]) for name in names] for row in said])
    differences = np.abs(found - np.array([row.probabilities for row in rows]))
    pairs = zip(said, rows, strict=True)
    scores = np.array([[float(row["ood_score"]), one.ood_score] for row, one in pairs])
    report(
        "web_page",
        precision=options.precision,
        megabytes=len(data) / 1e6,
        first_answer_seconds=first[len(first) // 2],
        first_answer_seconds_least=first[0],
        ready_seconds=all_ready[len(all_ready) // 2],
        photos_per_second=rate,
        num_photos=len(photos),
        equal_labels=share(r["label"] == e.label for r, e in zip(said, rows, strict=True)),
        equal_decisions=share(
            r.get("answer", r["label"]) == (e.answer or e.label)
            for r, e in zip(said, rows, strict=True)
        ),
        largest_difference=f"{differences.max():.1e}",
        largest_difference_of_scores=f"{np.abs(np.diff(scores)).max():.1e}",
        largest_difference_of_checks=f"{max(check['difference'] for check in checked):.1e}",
        load_average=os.getloadavg()[0],
    )


@contextmanager
def opened(path: Path, chromium: str) -> Iterator[tuple[Page, float]]:
    """Open the page in a browser that was just started; yield it, and when it was asked for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        since = time.perf_counter()
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_selector("body[data-ready]")
        yield page, since
        browser.close()


def classify(page: Page, photos: list[Path]) -> None:
    """Give the page photos, and wait for all answers."""
    page.set_input_files("#files", photos)
    noun = "photo" if len(photos) == 1 else "photos"
    page.locator("#status", has_text=f"Done: {len(photos):,} {noun}.").wait_for(timeout=600_000)


def table(page: Page) -> list[dict[str, str]]:
    """Return the table that the page saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def share(found: Iterator[bool]) -> float:
    """Return how many of some are so."""
    return float(np.mean(list(found)))


if __name__ == "__main__":
    main()
