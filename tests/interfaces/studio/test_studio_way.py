"""A person's whole way at the page: from nothing to an exported page that answers."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import system_helpers
from browser_helpers import BROWSER_MARKS, chromium
from drawing import draw_folder
from opened_studio import CAMERA, WIDE, ask, drop, enter, shelves, step
from studio_process import open_studio
from web_runtime import NEEDS_RUNTIME

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [*BROWSER_MARKS, NEEDS_RUNTIME, pytest.mark.slow]

#: What a first-timer may take from two folders of photos to live predictions.
SECONDS, CLICKS = 60, 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*CAMERA) as started:
        yield started


@pytest.mark.timeout(600)
def test_from_two_folders_to_a_page_that_answers(
    browser: Browser, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    photos = draw_folder(tmp_path / "shapes", ("circle", "square"), n=30, size=160)
    wrong = photos / "square" / "a circle.jpg"
    shutil.copy(draw_folder(tmp_path / "other", ("circle",), n=1, seed=9) / "circle/00.jpg", wrong)
    fresh = draw_folder(tmp_path / "fresh", ("circle", "square"), n=2, size=160, seed=7)
    cache = system_helpers.shared_cache(tmp_path_factory)
    context = browser.new_context(
        viewport=WIDE,  # type: ignore[arg-type]
        reduced_motion="reduce",
        permissions=["camera", "clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: said.extend(_elsewhere(request.url)))
    page.add_init_script(
        "sessionStorage.clicks ??= 0; addEventListener('click',"
        " (event) => event.isTrusted && event.detail && sessionStorage.clicks++, true)"
    )
    with open_studio(None, cache, "--project", tmp_path / "project") as studio:
        enter(page, studio)
        page.get_by_role("heading", name="Bring some photos").wait_for()

        began = time.perf_counter()
        drop(page, [photos / "circle", photos / "square"])
        page.locator(".live-card[data-state=ready] .live-value", has_text="%").wait_for(
            timeout=120_000
        )
        step(page, "Try")
        _try_files(page, [fresh / "circle" / "00.jpg"])
        page.get_by_role("button", name="Webcam").click()
        page.locator(".live-panel .try-said").wait_for()
        took = time.perf_counter() - began
        clicks = int(page.evaluate("sessionStorage.clicks"))
        print(f"first-timer: {took:.1f} s, {clicks} clicks")
        assert clicks <= CLICKS
        assert took <= SECONDS
        assert page.locator(".try-card .try-said").inner_text() == "circle"

        _relabel(page)
        _says_what_is_known(page)
        _examine(page)
        _says_what_is_known(page)
        _train(page)
        _understand(page)
        _says_what_is_known(page)
        _try(page, fresh)
        _says_what_is_known(page)
        exported = _hand_over(page)
        _says_what_is_known(page)
        assert exported.is_file()
        assert said == []
    _answers_alone(browser, exported, fresh / "square" / "01.jpg")
    context.close()


def _elsewhere(url: str) -> list[str]:
    return [] if url.startswith(("http://127.0.0.1:", "data:", "blob:")) else [url]


def _reload(page: Page) -> None:
    """A reload loses nothing, wherever one is."""
    page.reload()
    page.wait_for_selector("body[data-ready]")


def _says_what_is_known(page: Page) -> None:
    """Nothing is shown that isn't there, not even in what is folded."""
    assert not re.search(r"\b(NaN|undefined|null)\b", page.locator("body").text_content() or "")


def _try_files(page: Page, files: list[Path]) -> None:
    page.set_input_files(".try-zone input[type=file]", files)
    page.locator(".try-card").nth(len(files) - 1).wait_for(timeout=60_000)


def _relabel(page: Page) -> None:
    """By keys; and back."""
    step(page, "Photos")
    page.get_by_role("link", name=re.compile("^square")).click()
    page.locator(".tile.here").first.wait_for()
    _reload(page)
    page.locator(".tile.here").first.click()
    before = shelves(page)
    assert before == {"circle": 30, "square": 31}
    page.keyboard.press("1")
    page.locator(".shelf-sub", has_text="30 photos").wait_for()
    page.keyboard.press("Control+z")
    page.locator(".toast", has_text=re.compile("undo", re.I)).wait_for()
    page.locator(".shelf-sub", has_text="31 photos").wait_for()


def _examine(page: Page) -> None:
    """The label that is wrong is found, and put right by one click."""
    step(page, "Health")
    page.get_by_role("button", name="Check the photos").click()
    _reload(page)
    page.locator(".finding").first.wait_for(timeout=120_000)
    it_is = page.get_by_role("button", name="It is circle").first
    it_is.wait_for()
    it_is.click()
    page.get_by_text("relabelled").first.wait_for()
    _reload(page)
    page.get_by_text("relabelled").first.wait_for()
    assert ask(page, "/api/project")["classes"][0]["num_photos"] == 31


def _train(page: Page) -> None:
    """Stopped, gone on with, stopped again; then the quick one to its end."""
    step(page, "Train")
    page.get_by_text("Thorough", exact=True).click()
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Go on").wait_for()
    page.get_by_text("Quick", exact=True).click()
    page.get_by_role("button", name="Start training").click()
    page.locator(".job-panel").wait_for()
    _reload(page)
    page.locator(".result:not([hidden])").wait_for(timeout=240_000)
    _says_what_is_known(page)
    page.get_by_role("link", name="Understand it").click()


def _understand(page: Page) -> None:
    page.locator(".hero .verdict").wait_for()
    slider = page.get_by_label("Accuracy wanted")
    before = page.locator(".sure-words").inner_text()
    assert "every photo" in before
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == page.locator(".sure-words").inner_text()
    page.locator(".matrix button").first.click()
    page.locator(".cell-panel .near-photo").first.wait_for(timeout=60_000)
    page.get_by_role("checkbox", name="evidence").first.uncheck()
    assert page.locator(".cell-panel .heat").is_hidden()
    _reload(page)
    page.locator(".cell-panel .explanation-words").wait_for(timeout=60_000)
    scores = page.locator(".tried-list .figure").all_text_contents()
    assert scores
    assert all("%" in score for score in scores)


def _try(page: Page, fresh: Path) -> None:
    step(page, "Try")
    _try_files(page, [fresh / "circle" / "01.jpg", fresh / "square" / "00.jpg"])
    said = page.locator(".try-card .try-said").all_inner_texts()
    assert sorted(said) == ["circle", "square"]
    before = ask(page, "/api/project")["num_photos"]
    card = page.locator(".try-card").first
    card.get_by_role("group", name="Wrong?").get_by_role("button", name="circle").click()
    page.locator(".toast", has_text="shelf “circle”").wait_for()
    assert ask(page, "/api/project")["num_photos"] == before + 1
    page.get_by_role("button", name="Webcam").click()
    page.locator(".live-rate", has_text="answers a second").wait_for()
    page.get_by_role("button", name="Close the webcam").click()


def _hand_over(page: Page) -> Path:
    """Export a page, and copy a command; return the page's file."""
    step(page, "Hand over")
    page.get_by_role("button", name="Export as Web page").click()
    _reload(page)
    page.locator(".certificate").wait_for(timeout=240_000)
    assert "for all" in page.locator(".certificate").inner_text()
    page.get_by_role("button", name="Copy: Train").click()
    page.get_by_role("button", name="Copy: Train").get_by_text("Copied").wait_for()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("photograft train ")
    exports = ask(page, "/api/hand-over")["exports"]
    assert exports[0]["equal_decisions"] == 1
    return Path(exports[0]["path"]) / "index.html"


def _answers_alone(browser: Browser, exported: Path, photo: Path) -> None:
    """The exported page needs no studio."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(exported.as_uri())
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    page.set_input_files("#files", photo)
    page.locator("#cards .said", has_text="square").wait_for(timeout=60_000)
    context.close()
