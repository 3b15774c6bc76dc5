"""Chromium for tests, started once for a file of them, without a network; how pages are used."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")

#: Texts that are hardly to be seen before their ground.
CONTRASTS = """
() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return channels(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.disabled) continue;
    const pair = [getComputedStyle(element).color, ground(element)].map((c) => light(channels(c)));
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) found.push(`${element.textContent.trim().slice(0, 40)}: ${ratio}`);
  }
  return found;
}
"""

#: What a file of browser tests takes as its `pytestmark`.
BROWSER_MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium here"),
]


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Chromium, with further arguments."""
    from playwright.sync_api import sync_playwright

    usual = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=[*usual, *arguments]
        )
        yield started
        started.close()


def classify(page: Page, paths: list[Path]) -> None:
    """Give a page photos, and wait until all are answered."""
    page.set_input_files("#files", paths)
    done = "Done: 1 photo." if len(paths) == 1 else f"Done: {len(paths)} photos."
    page.locator("#status", has_text=done).wait_for(timeout=120_000)


def saved(page: Page) -> list[dict[str, str]]:
    """The table that the page saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "answers.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))
