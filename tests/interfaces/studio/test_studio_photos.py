"""Photos at the page: choosing, moving, naming and undoing, with pointer and keys, in two tabs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import system_helpers
from browser_helpers import BROWSER_MARKS, chromium
from opened_studio import CAMERA, NARROW, WIDE, ask, drop, enter, shelves, visit
from studio_process import RunningStudio, open_studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [*BROWSER_MARKS, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*CAMERA) as started:
        yield started


@pytest.fixture
def studio(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """Thirty photos: ten circles, ten squares, ten without a class."""
    photos = tmp_path / "shapes"
    shared = system_helpers.shared_photos(tmp_path_factory)
    for name in ("circle", "square"):
        (photos / name).mkdir(parents=True)
        for i in range(15):
            place = photos / name / f"{i:02}.jpg" if i < 10 else photos / f"{name} {i}.jpg"
            shutil.copy(shared / name / f"{i:02}.jpg", place)
    with open_studio(photos, system_helpers.shared_cache(tmp_path_factory)) as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(reduced_motion="reduce", viewport=WIDE)  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, studio: RunningStudio) -> Iterator[Page]:
    """The shelf of photos without a class; nothing is to go wrong on the way."""
    made = context.new_page()
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    enter(made, studio)
    made.wait_for_selector(".tile.here")
    yield made
    assert wrong == []


def count(page: Page) -> int:
    return int(page.locator(".shelf-sub").inner_text().split()[0])


def chosen(page: Page) -> int:
    bar = page.locator(".chosen-count")
    return int(bar.inner_text().split()[0]) if bar.is_visible() else 0


def waits(page: Page, classes: dict[str, int]) -> None:
    """Wait until the shelves hold so many photos."""
    for _ in range(300):
        if shelves(page) == classes:
            break
        page.wait_for_timeout(100)
    assert shelves(page) == classes


def test_choosing_by_click_shift_control_and_keys(page: Page) -> None:
    tiles = page.locator(".tile:visible")
    tiles.nth(1).click()
    assert chosen(page) == 1
    tiles.nth(4).click(modifiers=["Shift"])
    assert chosen(page) == 4
    tiles.nth(2).click(modifiers=["Control"])
    assert chosen(page) == 3
    page.keyboard.press("Control+a")
    assert chosen(page) == 10
    page.keyboard.press("Escape")
    assert chosen(page) == 0
    page.locator(".grid").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == 3
    grid = page.locator(".grid")
    active = grid.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-posinset") == "3"
    assert page.locator("[aria-selected=true]").count() == 3


def test_a_key_labels_and_the_next_photo_is_chosen(page: Page) -> None:
    page.locator(".tile:visible").first.click()
    for left in (9, 8, 7):
        page.keyboard.press("2")
        assert count(page) == left
        assert chosen(page) == 1
    waits(page, {"circle": 10, "square": 13})
    page.keyboard.press("x")
    page.get_by_role("link", name="Left out").wait_for()


def test_undo_says_what_it_takes_back_and_redo_does_it_again(page: Page) -> None:
    page.locator(".tile:visible").first.click()
    page.keyboard.press("1")
    waits(page, {"circle": 11, "square": 10})
    undo = page.get_by_role("button", name="Undo:")
    assert "circle" in (undo.get_attribute("aria-label") or "")
    page.keyboard.press("Control+z")
    waits(page, {"circle": 10, "square": 10})
    page.locator(".shelf-sub", has_text="10 photos").wait_for()
    page.get_by_role("button", name="Redo:").click()
    waits(page, {"circle": 11, "square": 10})


def test_a_lasso_is_dragged_onto_a_shelf(page: Page) -> None:
    box = page.locator(".grid").bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 420, box["y"] + 120, steps=5)
    page.mouse.up()
    assert chosen(page) == 3
    page.locator(".tile:visible").first.hover()
    page.mouse.down()
    shelf = page.locator(".shelf", has_text="square").bounding_box()
    assert shelf
    page.mouse.move(shelf["x"] + 90, shelf["y"] + 20, steps=5)
    assert page.locator(".ghost").inner_text() == "3"
    assert page.locator(".shelf.aimed").count() == 1
    page.mouse.up()
    waits(page, {"circle": 10, "square": 13})


def test_classes_are_made_renamed_merged_and_removed(page: Page) -> None:
    page.get_by_label("New class").fill("star")
    page.get_by_label("New class").press("Enter")
    waits(page, {"circle": 10, "square": 10, "star": 0})
    page.locator(".tile:visible").first.click()
    page.get_by_label("Another class").fill("star")
    page.get_by_label("Another class").press("Enter")
    waits(page, {"circle": 10, "square": 10, "star": 1})

    def menu(name: str, item: str) -> None:
        page.locator(".shelf", has_text=name).hover()
        page.get_by_role("button", name=f"the class {name}").click()
        page.get_by_role("menuitem", name=item).click()

    menu("star", "Rename")
    page.get_by_label("New name for star").fill("moon")
    page.get_by_label("New name for star").press("Enter")
    waits(page, {"circle": 10, "moon": 1, "square": 10})
    menu("moon", "Merge into another")
    page.get_by_role("menuitem", name="Merge into circle").click()
    waits(page, {"circle": 11, "square": 10})
    menu("square", "Remove")
    waits(page, {"circle": 11})


def test_the_large_photo_labels_and_goes_on(page: Page) -> None:
    page.locator(".tile:visible").first.dblclick()
    page.locator(".viewer-facts dd").first.wait_for()
    first = page.locator(".viewer-name").inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "name => document.querySelector('.viewer-name').textContent !== name", arg=first
    )
    page.keyboard.press("1")
    page.get_by_text("2 of 9").wait_for()
    page.keyboard.press("Space")
    waits(page, {"circle": 11, "square": 10})
    assert page.evaluate("document.activeElement.getAttribute('role')") == "listbox"


def test_two_tabs_show_the_same_and_a_reload_finds_it_again(
    page: Page, context: BrowserContext, studio: RunningStudio
) -> None:
    other = context.new_page()
    visit(other, studio, "photos?shelf=circle")
    other.wait_for_selector(".tile.here")
    page.bring_to_front()
    page.locator(".tile:visible").first.click()
    page.keyboard.press("1")
    other.bring_to_front()
    waits(other, {"circle": 11, "square": 10})
    other.locator(".shelf-sub", has_text="11 photos").wait_for()
    other.reload()
    other.wait_for_selector(".tile.here")
    assert other.locator(".shelf-title").inner_text() == "circle"
    assert count(other) == 11


def test_what_is_dropped_on_a_shelf_is_of_its_class(
    page: Page, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = system_helpers.shared_photos(tmp_path_factory)
    new = tmp_path / "new.jpg"
    shutil.copy(shared / "circle" / "19.jpg", new)
    shelf = page.locator(".shelf", has_text="circle").bounding_box()
    assert shelf
    drop(page, [new, new], shelf["x"] + 60, shelf["y"] + 20)
    waits(page, {"circle": 11, "square": 10})
    (tmp_path / "triangle").mkdir()
    for i in range(3):
        shutil.copy(shared / "triangle" / f"{i:02}.jpg", tmp_path / "triangle")
    (tmp_path / "triangle" / "notes.txt").write_text("no photo")
    drop(page, [tmp_path / "triangle"])
    waits(page, {"circle": 11, "square": 10, "triangle": 3})


def test_class_folders_are_saved_in_a_new_folder(page: Page, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    page.get_by_role("button", name="Save as class folders").click()
    page.locator(".folder-row").first.wait_for()
    page.get_by_label("Folder", exact=True).fill(str(tmp_path / "elsewhere"))
    page.get_by_role("button", name="Open", exact=True).click()
    page.wait_for_function(
        "path => document.querySelector('.folder-list').dataset.path === path",
        arg=str(tmp_path / "elsewhere"),
    )
    page.get_by_label("Name of the new folder").fill("sorted")
    page.get_by_role("button", name="Save in this folder").click()
    page.locator(".toast", has_text="20 photos copied").wait_for()
    assert len(list((tmp_path / "elsewhere/sorted/circle").iterdir())) == 10


def test_a_burst_from_the_webcam_is_one_group(page: Page) -> None:
    page.get_by_role("button", name="Add photos").click()
    page.get_by_role("menuitem", name="webcam").click()
    hold = page.get_by_role("button", name="Hold: square")
    hold.wait_for()
    page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    hold.hover()
    page.mouse.down()
    page.locator(".burst", has_text="3 photos").wait_for()
    page.mouse.up()
    page.locator(".toast", has_text="added").wait_for()
    found = ask(page, "/api/shelf?name=square")
    burst = [group for group in found["groups"] if group]
    assert len(burst) >= 3
    assert len(set(burst)) == 1


def test_the_server_goes_and_comes_back(
    context: BrowserContext, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    photos = tmp_path / "few"
    shutil.copytree(system_helpers.shared_photos(tmp_path_factory) / "circle", photos / "circle")
    cache = system_helpers.shared_cache(tmp_path_factory)
    page = context.new_page()
    with open_studio(photos, cache) as first:
        enter(page, first)
        page.wait_for_selector(".tile.here")
        page.locator(".tile:visible").first.click()
        page.get_by_label("Another class").fill("star")
        page.get_by_label("Another class").press("Enter")
        page.locator(".toast", has_text="star").wait_for()
        first.kill()
        page.get_by_role("alert").get_by_text("not running").wait_for()
        port = first.port
    with open_studio(photos, cache, "--port", port):
        page.get_by_role("alert").get_by_text("not running").wait_for(state="hidden")
        waits(page, {"circle": 19, "star": 1})


def test_a_phone_labels_by_taps(browser: Browser, studio: RunningStudio) -> None:
    context = browser.new_context(viewport=NARROW, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    enter(page, studio)
    page.wait_for_selector(".tile.here")
    page.locator(".tile:visible").nth(0).tap()
    page.locator(".tile:visible").nth(1).tap()
    assert chosen(page) == 2
    page.locator(".chosen-classes").get_by_role("button", name="square").tap()
    waits(page, {"circle": 10, "square": 12})
    context.close()
