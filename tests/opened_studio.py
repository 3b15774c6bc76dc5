"""What a person does at the page of a studio."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from studio_process import RunningStudio

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parents[3] / "web" / "built" / "axe.min.js"
NEEDS_AXE = pytest.mark.skipif(not AXE.exists(), reason="scripts/build_web.py was not run")
#: What Chromium needs for a webcam that nobody has to allow.
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PLACES = ("photos", "health", "train", "understand", "try", "hand-over")
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def enter(page: Page, studio: RunningStudio) -> None:
    """Open the page by the address that the terminal shows."""
    page.goto(studio.way_in)
    page.wait_for_selector("body[data-ready]")


def visit(page: Page, studio: RunningStudio, place: str) -> None:
    """Open a place by its address."""
    page.goto(f"{studio.address}/{place}")
    page.wait_for_selector("body[data-ready]")


def step(page: Page, name: str) -> None:
    """Go to a place by the bar on top."""
    page.get_by_role("navigation", name="Steps").get_by_role("link", name=name).click()


def drop(page: Page, paths: Sequence[Path], x: float = 700, y: float = 500) -> None:
    """Drop files and folders, as from a file manager."""
    client = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        client.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})


def shelves(page: Page) -> dict[str, int]:
    """How many photos each class has, as the page shows it."""
    rows = page.evaluate(
        """[...document.querySelectorAll(".shelf:not(.other)")].map(row =>
        [".shelf-name", ".shelf-count"].map(part => row.querySelector(part).textContent))"""
    )
    return {name: int(count.replace(",", "")) for name, count in rows}


def ask(page: Page, path: str) -> Any:
    """What the server says to the page."""
    return page.evaluate("path => fetch(path).then(answer => answer.json())", path)


def post(page: Page, path: str, body: dict[str, Any]) -> Any:
    """Tell the server something, as the page would."""
    code = """([path, body]) => fetch(path, {method: "POST", body,
        headers: {"X-Photograft": "studio", "Content-Type": "application/json"}})
        .then(answer => answer.json())"""
    return page.evaluate(code, [path, json.dumps(body)])


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong, a line each."""
    # The page's policy lets no script in but its own files: evaluated code is the debugger's.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
