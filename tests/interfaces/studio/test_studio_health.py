"""Findings are answered at the page: photos that belong together become groups."""

from __future__ import annotations

import csv
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import system_helpers
from browser_helpers import BROWSER_MARKS, chromium
from drawing import draw_folder
from opened_studio import WIDE, enter, step
from studio_process import open_studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [*BROWSER_MARKS, pytest.mark.slow]

#: Photos that are there twice, the second a little smaller; unlike one another.
TWICE = ("fields a", "fields b", "fields c", "fields d")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.timeout(300)
def test_near_duplicates_are_said_to_belong_together(
    browser: Browser, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By the button, by its key, and all that are left at once."""
    photos = draw_folder(tmp_path / "photos", n=12)
    for seed, name in enumerate(TWICE):
        fields = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        image = Image.fromarray(fields).resize((96, 96))
        image.save(photos / "circle" / f"{name}.jpg", quality=90)
        image.resize((90, 90)).save(photos / "circle" / f"{name} again.jpg", quality=80)
    cache = system_helpers.shared_cache(tmp_path_factory)
    page = browser.new_page(viewport=WIDE, reduced_motion="reduce")  # type: ignore[arg-type]
    with open_studio(photos, cache, "--project", tmp_path / "project") as studio:
        enter(page, studio)
        step(page, "Health")
        page.get_by_role("button", name="Check the photos").click()
        card = page.locator(".finding[data-id*=near-duplicates]")
        card.wait_for(timeout=120_000)
        assert card.locator(".flagged").count() == len(TWICE)
        answered = card.locator(".flagged.answered")
        card.get_by_role("button", name="They belong together").first.click()
        answered.nth(0).wait_for()
        card.locator(".flagged:not(.answered)").first.focus()
        page.keyboard.press("g")
        answered.nth(1).wait_for()
        card.get_by_role("button", name="All belong together").click()
        answered.nth(len(TWICE) - 1).wait_for()
        assert page.locator(".toast.wrong").count() == 0
        groups = _groups(tmp_path / "project" / "corrections.csv")
    page.close()
    pairs = [[f"{name} again.jpg", f"{name}.jpg"] for name in TWICE]
    assert sorted(groups.values()) == pairs
    assert all(re.fullmatch(r"together-[0-9a-z]+-[0-9a-f]+", name) for name in groups)


def _groups(path: Path) -> dict[str, list[str]]:
    """The photos of each group, as soon as the file names all of them."""
    deadline = time.monotonic() + 20
    while True:
        found: defaultdict[str, list[str]] = defaultdict(list)
        if path.exists():
            with path.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    if row["action"] == "group":
                        found[row["value"]].append(Path(row["name"]).name)
        if len(found) == len(TWICE) or time.monotonic() > deadline:
            return {name: sorted(names) for name, names in found.items()}
        time.sleep(0.2)
