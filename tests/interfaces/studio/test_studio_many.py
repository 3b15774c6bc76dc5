"""Twenty thousand photos: the shelf scrolls smoothly, and the page stays small."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from browser_helpers import BROWSER_MARKS, chromium
from drawing import draw_folder
from opened_studio import WIDE, enter
from studio_process import RunningStudio, open_studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [*BROWSER_MARKS, pytest.mark.slow]

NUM_PHOTOS = 20_000
#: What may be: a frame's milliseconds, the page's megabytes.
FRAME_MS, HEAP_MB = 100, 300

#: What the tracing calls a page's own thread, and the pieces of its work.
_THREAD, _TASK = "CrRendererMain", "ThreadControllerImpl::RunTask"

#: Scroll the shelf for some seconds, slowly and in leaps; return each frame's milliseconds.
_SCROLL = """async () => {
  const grid = document.querySelector(".grid");
  const frames = [];
  let last = performance.now();
  const next = () => new Promise(requestAnimationFrame);
  const frame = async () => {
    await next();
    const now = performance.now();
    frames.push(now - last);
    last = now;
  };
  for (let i = 0; i < 90; i++) { grid.scrollTop += 60; await frame(); }
  for (let i = 0; i < 90; i++) { grid.scrollTop += 900; await frame(); }
  for (let i = 0; i < 30; i++) {
    grid.scrollTop = ((i * 7919) % 100) / 100 * grid.scrollHeight;
    for (let j = 0; j < 5; j++) await frame();
  }
  grid.scrollTop = 0;
  return frames;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("--enable-precise-memory-info") as started:
        yield started


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """Many photos, of which a hundred differ."""
    folder = tmp_path_factory.mktemp("many")
    drawn = draw_folder(folder / "drawn", ("circle", "square"), n=50, size=64)
    for name in ("circle", "square"):
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(NUM_PHOTOS // 2):
            shutil.copy(drawn / name / f"{i % 50:02}.jpg", folder / "photos" / name / f"{i}.jpg")
    with open_studio(folder / "photos", tmp_path_factory.mktemp("cache")) as started:
        yield started


@pytest.mark.timeout(600)
def test_twenty_thousand_photos_scroll(browser: Browser, studio: RunningStudio) -> None:
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    page = context.new_page()
    enter(page, studio)
    page.locator(".shelf-sub", has_text="20,000 photos").wait_for(timeout=120_000)
    page.locator(".tile.here").first.wait_for()
    browser.start_tracing(page=page, categories=["toplevel"])
    frames = page.evaluate(_SCROLL)
    worst = _longest_task_ms(browser.stop_tracing())
    heap = _heap_mb(page)
    print(f"longest task {worst:.0f} ms, longest frame {max(frames):.0f} ms, heap {heap:.0f} MB")
    assert worst <= FRAME_MS
    assert heap <= HEAP_MB
    assert page.locator(".tile").count() < 200
    _all_at_once(page)
    context.close()


def _longest_task_ms(trace: bytes) -> float:
    """What the page's own thread computed longest at a stretch: what a frame takes by itself.

    In processor time, since on a machine that does other things as well any frame may be late.
    """
    events = json.loads(trace)["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"] == _THREAD
    }
    tasks = [
        event["tdur"] / 1000
        for event in events
        if event.get("name") == _TASK
        and "tdur" in event
        and (event["pid"], event["tid"]) in threads
    ]
    assert len(tasks) > 100
    return float(max(tasks))


def _heap_mb(page: Page) -> float:
    client: Any = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    return float(page.evaluate("performance.memory.usedJSHeapSize")) / 1e6


def _all_at_once(page: Page) -> None:
    """Thousands are chosen and moved, and moved back."""
    page.get_by_role("link", name="circle").click()
    page.locator(".shelf-sub", has_text="10,000 photos").wait_for()
    page.locator(".tile.here").first.click()
    page.keyboard.press("Control+a")
    page.locator(".chosen-count", has_text="10,000").wait_for()
    page.keyboard.press("2")
    page.locator(".shelf", has_text="square").locator(".shelf-count", has_text="20,000").wait_for()
    page.keyboard.press("Control+z")
    page.locator(".shelf", has_text="square").locator(".shelf-count", has_text="10,000").wait_for()
