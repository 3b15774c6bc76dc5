"""The pages of servers, opened on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server_helpers import RunningServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Of Chromium: a camera that nobody has to allow.
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@contextmanager
def opening(browser: Browser, said: list[str]) -> Iterator[Callable[..., Page]]:
    """Give what opens a server's page.

    Args:
        browser: In which.
        said: Told what pages complain of, and what they ask for elsewhere.
    """
    pages = []

    def note(url: str, own: tuple[str, ...]) -> None:
        if not url.startswith(own):
            said.append(url)

    def open_page(server: RunningServer, ready: str = "body[data-ready]") -> Page:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        pages.append(page)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        own = (f"http://{server.address}/", "blob:", "data:")
        page.on("request", lambda asked: note(asked.url, own))
        page.goto(own[0])
        page.wait_for_selector(ready)
        return page

    yield open_page
    for page in pages:
        page.close()
