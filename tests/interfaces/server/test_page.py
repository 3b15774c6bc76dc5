"""The page at `/` in a browser: photos chosen there are classified, and failures told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server_helpers import RunningServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium here"),
    pytest.mark.usefixtures("warm_cache"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield started
        started.close()


@pytest.fixture
def said() -> list[str]:
    """What the page complains of, and what it asks for elsewhere."""
    return []


@pytest.fixture
def page(browser: Browser, said: list[str]) -> Iterator[Page]:
    found = browser.new_page(viewport={"width": 390, "height": 800})
    found.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    found.on("pageerror", lambda error: said.append(str(error)))
    yield found
    found.close()


def test_photos_are_classified(
    server: RunningServer, page: Page, said: list[str], photos: Path, tmp_path: Path
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://{server.address}/")
    bad = tmp_path / "no photo.jpg"
    bad.write_bytes(b"text")
    files = [photos / "square" / "00.jpg", photos / "circle" / "00.jpg"]
    page.locator("#files").set_input_files(files)
    page.locator("#answers > li dl").nth(1).wait_for()
    headings = page.locator("#answers h2").all_inner_texts()
    assert headings == ["circle", "square"]  # the latest first
    assert page.locator("#answers > li").first.locator("progress").count() == 3
    assert said == []
    page.locator("#files").set_input_files(bad)
    page.locator("#answers .error").wait_for()
    assert "not an image" in page.locator("#answers .error").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert {url.split("/")[2] for url in asked if not url.startswith("blob:")} == {server.address}


def test_a_token_is_asked_for(warm_cache: Path, run_path: Path, photos: Path, page: Page) -> None:
    options = ("--token", "let me in")
    with serving(warm_cache, f"a={run_path}", f"b={run_path}", *options) as server:
        page.goto(f"http://{server.address}/")
        page.locator("#access").wait_for()
        page.locator("#token").fill("let me in")
        page.locator("#try").click()
        page.locator("#choice").wait_for()
        page.locator("#model").select_option("b")
        page.locator("#files").set_input_files(photos / "square" / "00.jpg")
        page.locator("#answers dl").wait_for()
        assert page.locator("#answers h2").inner_text() == "square"
