"""The pages in a browser: nothing fails, everything opens by mouse and by keyboard, it fits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from page_helpers import HOSTILE, add_classifier, page_of
from photograft.core.palette import DARK, LIGHT
from report_helpers import make_comparison, make_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium here"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run's page, one with hostile names, and a comparison's."""
    folder = tmp_path_factory.mktemp("pages")
    reads = make_run(folder / "run", history=True, warnings=["look out"])
    page_of(folder / "run", reads, folder / "run.html")
    name = "{label}{part}{i}"
    reads = make_run(folder / "hostile", HOSTILE, per_class=(2, 2, 3), file_name=name)
    page_of(folder / "hostile", reads, folder / "hostile.html")
    reads = make_comparison(folder / "c")
    page_of(folder / "c", reads, folder / "comparison.html")
    names = [f"species {i}" for i in range(40)]
    reads = make_run(folder / "many", names, per_class=(1, 0, 3), photos=9)
    page_of(folder / "many", reads, folder / "many.html")
    reads = make_run(folder / "explained", per_class=(6, 4, 20), margin=0.5)
    add_classifier(folder / "explained", reads)
    page_of(folder / "explained", reads, folder / "explained.html")
    return {path.stem: path for path in folder.glob("*.html")}


@pytest.fixture
def said() -> list[str]:
    """What pages said on the console, errors above all."""
    return []


def opened(browser: Browser, path: Path, said: list[str], **settings: Any) -> Page:
    def asked(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            said.append(request.url)

    page = browser.new_page(reduced_motion="reduce", **settings)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", asked)
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("name", ["run", "hostile", "comparison", "many"])
def test_every_cell_opens_and_closes(
    browser: Browser, pages: dict[str, Path], said: list[str], name: str
) -> None:
    page = opened(browser, pages[name], said)
    buttons = page.locator("td[data-cell] button")
    assert buttons.count() == page.locator("td[data-cell]").count() > 3
    dialog = page.locator("dialog")
    for i in range(min(buttons.count(), 24)):
        button = buttons.nth(i)
        number = int((button.text_content() or "").replace(",", ""))
        if i % 2:
            button.focus()
            page.keyboard.press("Enter")
        else:
            button.click()
        assert dialog.is_visible()
        assert dialog.locator("li").count() == min(number, 12)
        images = dialog.locator("li img")
        assert images.count() == min(number, 12)
        assert images.evaluate_all(
            "all => all.every(i => i.complete && i.naturalWidth > 0 && i.alt)"
        )
        if i % 3 == 0:
            page.keyboard.press("Escape")
        elif i % 3 == 1:
            page.locator("#photos-close").click()
        else:
            page.mouse.click(2, 2)  # beside it
        assert not dialog.is_visible()
        assert button.evaluate("button => button === document.activeElement")
    assert said == []


def test_hostile_names_run_nothing(
    browser: Browser, pages: dict[str, Path], said: list[str]
) -> None:
    page = opened(browser, pages["hostile"], said)
    page.on("dialog", lambda _: said.append("an alert"))
    cell = page.locator('td[data-cell="0,0"] button, td[data-cell="0,1"] button').first
    cell.click()
    assert (page.locator("#photos-title").text_content() or "").startswith(HOSTILE[0])
    assert page.locator("script").count() == 2
    assert said == []


def test_the_policy_keeps_other_scripts_out(
    browser: Browser, pages: dict[str, Path], said: list[str], tmp_path: Path
) -> None:
    """The policy is in force: what is slipped into the page does not run, nor does it load."""
    html = pages["run"].read_text(encoding="utf-8")
    more = "<script>document.title = 'taken'</script><img src='file:///x.png'></footer>"
    changed = tmp_path / "changed.html"
    changed.write_text(html.replace("</footer>", more), encoding="utf-8")
    page = opened(browser, changed, said)
    assert page.title() == "insects: report"
    assert len([text for text in said if "Content Security Policy" in text]) == 2


def test_every_link_leads_somewhere(
    browser: Browser, pages: dict[str, Path], said: list[str]
) -> None:
    for name in ("run", "comparison", "many"):
        page = opened(browser, pages[name], said)
        for link in page.locator("nav a").all():
            link.click()
            target = page.locator(f"section{link.get_attribute('href')}")
            assert target.count() == 1
            assert target.locator("h2").first.is_visible()
    assert said == []


@pytest.mark.parametrize("name", ["run", "hostile", "comparison", "many", "explained"])
def test_it_fits_a_phone(
    browser: Browser, pages: dict[str, Path], said: list[str], name: str
) -> None:
    page = opened(browser, pages[name], said, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    # Nor is anything cut off: what is wider lies in a box that scrolls.
    outside = page.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => {
          const box = e.getBoundingClientRect();
          return box.right > 361 && !e.closest('.scroll, .hidden');
        }).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    page.locator("td[data-cell] button").first.click()
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= 360
    assert said == []


@pytest.mark.parametrize(("scheme", "theme"), [("light", LIGHT), ("dark", DARK)])
def test_light_and_dark(
    browser: Browser,
    pages: dict[str, Path],
    said: list[str],
    scheme: Any,
    theme: dict[str, str],
) -> None:
    page = opened(browser, pages["run"], said, color_scheme=scheme)
    found = page.evaluate("getComputedStyle(document.body).backgroundColor")
    wanted = ", ".join(str(int(theme["ground"][i : i + 2], 16)) for i in (1, 3, 5))
    assert found == f"rgb({wanted})"
    page.emulate_media(media="print", color_scheme=scheme)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert not page.locator("button.copy").first.is_visible()
    assert said == []


def column(page: Page, number: int, table: str = "leaderboard") -> list[str]:
    cells = page.locator(f".{table} tbody tr > :nth-child({number})")
    return [text.strip().split("\n")[0] for text in cells.all_text_contents()]


def test_the_leaderboard_sorts(browser: Browser, pages: dict[str, Path], said: list[str]) -> None:
    page = opened(browser, pages["comparison"], said)
    heads = page.locator(".leaderboard thead th")
    titles = [text.strip() for text in heads.all_text_contents()]
    accuracy, candidate = titles.index("accuracy"), titles.index("Candidate")
    # What was not tried to the end stands below what was.
    assert column(page, accuracy + 1) == ["95.0%", "94.0%", "60.0%", "80.0%", "–"]
    button = heads.nth(accuracy).locator("button")
    button.click()
    assert heads.nth(accuracy).get_attribute("aria-sort") == "descending"
    button.press("Enter")
    assert heads.nth(accuracy).get_attribute("aria-sort") == "ascending"
    assert column(page, accuracy + 1) == ["60.0%", "80.0%", "94.0%", "95.0%", "–"]
    heads.nth(candidate).locator("button").click()
    names = column(page, candidate + 1)
    assert names == sorted(names)
    assert heads.nth(accuracy).get_attribute("aria-sort") is None
    heads = page.locator(".costs thead th")
    times = [text.strip() for text in heads.all_text_contents()].index("time to train")
    heads.nth(times).locator("button").click()
    assert column(page, times + 1, "costs") == ["15 min 0 s", "50.0 s", "40.0 s", "15.0 s"]
    assert said == []


@pytest.mark.parametrize(("width", "fully"), [(1280, True), (380, False)])
def test_costs_are_seen_without_scrolling(
    width: int, fully: bool, browser: Browser, pages: dict[str, Path], said: list[str]
) -> None:
    page = opened(browser, pages["comparison"], said, viewport={"width": width, "height": 900})
    regions = page.locator("#leaderboard .scroll")
    assert regions.count() == 2
    for region in regions.all():
        inner, outer = region.evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert inner <= outer or not fully
    edge = page.evaluate(
        "document.querySelector('.costs').parentElement.getBoundingClientRect().right"
    )
    for title in ("ms per photo", "time to train"):
        box = page.locator(".costs thead th", has_text=title).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= edge


def test_copying_the_command(browser: Browser, pages: dict[str, Path], said: list[str]) -> None:
    page = opened(browser, pages["run"], said)
    page.locator("button.copy").click()
    page.wait_for_function("/Copied|Selected/.test(document.querySelector('.copy').textContent)")
    assert said == []


def test_without_scripts_there_are_pictures_and_no_dead_buttons(
    browser: Browser, pages: dict[str, Path], said: list[str]
) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(pages["run"].as_uri())
    assert page.locator("button:visible").count() == 0
    assert page.locator(".gallery img:visible").count() == 18
    assert page.locator(".cards img:visible").count() > 0
    assert "Choose a number" not in page.locator("main").inner_text()


def test_every_box_that_scrolls_is_reached_by_keyboard(
    browser: Browser, pages: dict[str, Path], said: list[str]
) -> None:
    page = opened(browser, pages["comparison"], said, viewport={"width": 360, "height": 740})
    boxes = page.locator(".scroll")
    assert boxes.count() > 5
    unnamed = "all => all.filter(e => e.tabIndex !== 0 || !e.getAttribute('aria-label')).length"
    assert boxes.evaluate_all(unnamed) == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


@pytest.mark.parametrize("width", [360, 800, 1200])
def test_explained_mistakes_stand_beside_their_heat_maps(
    browser: Browser, pages: dict[str, Path], said: list[str], width: int
) -> None:
    page = opened(browser, pages["explained"], said, viewport={"width": width, "height": 900})
    pairs = page.locator(".explained .pair")
    assert pairs.count() == 8
    for pair in pairs.all():
        photo, heat = (pair.locator("img").nth(i).bounding_box() for i in (0, 1))
        assert photo is not None
        assert heat is not None
        assert photo["y"] == heat["y"]
        assert photo["width"] == heat["width"] >= 100
        assert photo["x"] + photo["width"] <= heat["x"]
    images = page.locator(".explained img")
    assert images.count() == 8 * 6
    assert images.evaluate_all("all => all.every(i => i.complete && i.naturalWidth && i.alt)")
    assert said == []


def test_it_prints(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    page = browser.new_page()
    copy = shutil.copy(pages["comparison"], tmp_path / "page.html")
    page.goto(Path(copy).as_uri())
    assert page.pdf(format="A4").startswith(b"%PDF")
