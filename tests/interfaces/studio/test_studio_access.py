"""Every place can be used by everybody: axe-core finds nothing, light and dark, wide and narrow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import system_helpers
from browser_helpers import BROWSER_MARKS, chromium
from opened_studio import CAMERA, NARROW, NEEDS_AXE, PLACES, WIDE, enter, post, violations, visit
from studio_process import RunningStudio, open_studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [*BROWSER_MARKS, NEEDS_AXE, pytest.mark.slow]

#: What a place shows once it has all that it shows.
SHOWN = {
    "photos": ".tile.here",
    "health": ".finding, .teach",
    "train": ".result:not([hidden])",
    "understand": ".matrix",
    "try": ".try-zone",
    "hand-over": ".snippet",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*CAMERA) as started:
        yield started


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """With three classes, some photos that have none, and findings."""
    photos = tmp_path_factory.mktemp("studio") / "shapes"
    shutil.copytree(system_helpers.shared_photos(tmp_path_factory), photos)
    for i in range(5):
        (photos / "circle" / f"{i:02}.jpg").rename(photos / f"loose {i}.jpg")
    shutil.copy(photos / "circle" / "07.jpg", photos / "square" / "copy.jpg")
    with open_studio(photos, system_helpers.shared_cache(tmp_path_factory)) as started:
        yield started


@pytest.fixture(scope="module")
def entered(browser: Browser, studio: RunningStudio) -> Iterator[Page]:
    """A page that may see the studio, in which a classifier was trained."""
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    enter(page, studio)
    for order in ({"kind": "doctor"}, {"kind": "train", "options": {"effort": "quick"}}):
        post(page, "/api/jobs", {"options": {}, **order})
    visit(page, studio, "train")
    page.wait_for_selector(SHOWN["train"], timeout=120_000)
    yield page
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_places(entered: Page, studio: RunningStudio, place: str, scheme: str) -> None:
    entered.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    for size in (WIDE, NARROW):
        entered.set_viewport_size(size)  # type: ignore[arg-type]
        visit(entered, studio, place)
        entered.wait_for_selector(SHOWN[place])
        assert violations(entered) == []
        assert entered.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens(entered: Page, studio: RunningStudio, scheme: str) -> None:
    """Dialogs, menus, what is chosen, the large photo, the webcam, a cell's photos."""
    page = entered
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    visit(page, studio, "photos?kind=all")
    page.locator(".tile.here").first.click()
    assert violations(page) == []
    page.keyboard.press("Space")
    page.wait_for_selector(".viewer-facts > div")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add photos").click()
    assert violations(page) == []
    page.get_by_role("menuitem", name="Choose a folder").click()
    page.wait_for_selector(".folder-row")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add photos").click()
    page.get_by_role("menuitem", name="webcam").click()
    page.wait_for_selector(".hold")
    assert violations(page) == []
    visit(page, studio, "understand")
    page.locator(".matrix button").first.click()
    page.wait_for_selector(".cell-panel .explanation-words")
    assert violations(page) == []
    visit(page, studio, "try")
    page.get_by_role("button", name="Webcam").click()
    page.wait_for_selector(".live-panel .try-said")
    assert violations(page) == []


def test_nothing_there_yet(browser: Browser, tmp_path: Path, cache: Path) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    with open_studio(None, cache, "--project", tmp_path / "new") as empty:
        enter(page, empty)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for place in PLACES:
                visit(page, empty, place)
                page.wait_for_selector(".teach:visible, .empty:visible")
                assert violations(page) == []
    context.close()
