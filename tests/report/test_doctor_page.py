"""How findings are shown: on the terminal and on the doctor's page."""

from __future__ import annotations

import html
import io
from pathlib import Path

import pytest
from rich.console import Console

from drawing import MakePhotos
from photograft.core.progress import Silent
from photograft.data.dataset import Dataset
from photograft.diagnosis.findings import Finding, Flagged
from photograft.interfaces.cli.views.findings import show_brief, show_findings
from photograft.report.doctor_page import write_doctor_report

CHROMIUM = Path("/usr/bin/chromium")


def findings(names: list[str]) -> list[Finding]:
    return [
        Finding("note", "note", 0.9, "something to know", "nothing"),
        Finding(
            "suspect labels",
            "serious",
            0.2,
            "many labels look wrong",
            "look at each",
            tuple(Flagged(name, "circle", i, "square", 0.97) for i, name in enumerate(names)),
        ),
        Finding(
            "near duplicates",
            "worth a look",
            0.1,
            "some <b>photos</b> are nearly the same",
            "exclude copies",
            tuple(Flagged(name, "circle", i // 2) for i, name in enumerate(names[:4])),
        ),
    ]


def printed(width: int, *args: object, brief: bool = False, **options: object) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=width > 0, color_system=None)
    if brief:
        show_brief(console, *args)  # type: ignore[arg-type]
    else:
        show_findings(console, *args, **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_terminal_shows_the_gravest_first_within_its_width(width: int, tmp_path: Path) -> None:
    names = [f"circle/{i:02}.jpg" for i in range(12)]
    text = printed(width, findings(names), num_photos=40, out=tmp_path / "o")
    assert text.startswith("1 serious problem in 40 photos")
    assert text.index("SERIOUS") < text.index("WORTH A LOOK") < text.index("NOTE")
    assert "circle/00.jpg" in text
    assert "-> square 97%" in text
    assert "and 7 more" in text
    assert "--corrections" in text
    body = [line for line in text.splitlines() if not line.startswith(("Tables:", "Page:"))]
    assert max(map(len, body)) <= width


def test_terminal_says_that_nothing_was_found_and_what_was_looked_for() -> None:
    (line,) = printed(200, [], num_photos=7).splitlines()
    assert line.startswith("Nothing wrong found in 7 photos; looked for near duplicates")


def test_brief_is_whole_and_broken_by_terminals_only() -> None:
    title = "many labels look wrong, " * 9 + "and a_photo_with_a_long_name_0123456789.jpg is one"
    found = [Finding("labels", "serious", 0.5, title, "Look at them.")]
    for width in (40, 60, 80):
        lines = printed(width, found, "photograft doctor photos", brief=True).splitlines()
        assert max(map(len, lines)) <= width
        assert "".join("".join(lines[:-1]).split()) == "".join(f"SERIOUS: {title}".split())
    file = io.StringIO()
    show_brief(Console(file=file, width=80), found, "photograft doctor photos")
    assert file.getvalue().splitlines()[0] == f"SERIOUS: {title}"


def test_brief_is_three_lines_and_silent_about_notes() -> None:
    found = findings(["circle/0.jpg"])
    lines = printed(60, found, "photograft doctor 'my photos' --seed 1", brief=True).splitlines()
    assert lines == [
        "SERIOUS: many labels look wrong",
        "And 1 thing worth a look.",
        "photograft doctor 'my photos' --seed 1 shows all",
    ]
    assert printed(60, found[:1], "photograft doctor photos", brief=True) == ""


@pytest.fixture
def page(make_photos: MakePhotos, tmp_path: Path) -> Path:
    dataset = Dataset.load(make_photos(tmp_path / "photos", n=12))
    reads = {photo.name: photo.read for photo in dataset.photos}
    names = [photo.name for photo in dataset.photos]
    for name in ("report.html", "again.html"):
        write_doctor_report(
            findings([*names, "circle/gone.jpg"]),
            reads,
            tmp_path / name,
            name="photos",
            source="photos",
            num_photos=24,
            num_classes=2,
            progress=Silent(),
        )
    return tmp_path / "report.html"


def test_photos_in_memory_are_examined_again_from_python(tmp_path: Path) -> None:
    write_doctor_report(
        findings(["0", "1"]),
        {},
        tmp_path / "report.html",
        name="arrays",
        source="arrays",
        in_memory=True,
        num_photos=24,
        num_classes=2,
        progress=Silent(),
    )
    text = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    answers = str(tmp_path / "findings.csv")
    for verb in ("doctor", "train"):
        assert f"photograft.{verb}(dataset, corrections={answers!r})" in text
        assert f"photograft {verb}" not in text


def test_page_shows_photos_and_is_the_same_again(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == page.with_name("again.html").read_text(encoding="utf-8").replace(
        "again.html", "report.html"
    )
    assert "some &lt;b&gt;photos&lt;/b&gt; are nearly the same" in text
    assert text.count('<img class="tile"') >= 16
    assert "no picture" in text
    assert "looks like square 97%" in text
    assert text.index('id="serious"') < text.index('id="worth-a-look"') < text.index('id="note"')


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium here")
@pytest.mark.parametrize("width", [360, 1200])
def test_page_in_a_browser(page: Path, width: int) -> None:
    """No word on the console, nothing loaded, every link leads somewhere, no sideways scrolling."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    said: list[str] = []
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        opened = browser.new_page(viewport={"width": width, "height": 800})
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(page.as_uri())
        targets = opened.eval_on_selector_all("a[href^='#']", "all => all.map(a => a.hash)")
        missing = [t for t in targets if not opened.locator(f"[id='{t[1:]}']").count()]
        alts = opened.eval_on_selector_all("img", "all => all.map(i => i.alt)")
        scroll = opened.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len(targets) >= 6
    assert missing == []
    assert all(alts)
    assert scroll == width
