"""Chromium for tests: started once for a file of tests, and without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")

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
