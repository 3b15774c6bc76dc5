"""The page's files: texts in one place, small modules, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")

from starlette.applications import Starlette
from starlette.testclient import TestClient

import photograft.interfaces.studio
from photograft.core.palette import DARK, LIGHT, contrast
from photograft.interfaces.studio import page

STATIC = Path(photograft.interfaces.studio.__file__).parent / "static"
MODULES = sorted(STATIC.rglob("*.js"))
#: Calls of `t` whose key is put together: the fixed part in front.
_PART = re.compile(r"`([a-z_]+\.[\w.]*)\$\{")
_WHOLE = re.compile(r"\"([a-z_]+(?:\.[\w-]+)+)\"")


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=page.routes()))


def texts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((STATIC / "texts.json").read_text(encoding="utf-8"))
    return found


def keys(given: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The keys that `t` is called with: those of texts, those above plural forms."""
    for name, value in given.items():
        if isinstance(value, dict) and set(value) != {"one", "other"}:
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_each_place_gives_the_shell_with_its_texts_filled_in(client: TestClient) -> None:
    for place in page.PLACES:
        answer = client.get(f"/{place}")
        assert answer.status_code == 200
        assert "{{" not in answer.text
        assert texts()["shell"]["skip"] in answer.text


def test_files_are_given_with_types_and_tags(client: TestClient) -> None:
    answer = client.get("/static/main.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    tag = answer.headers["etag"]
    assert client.get("/static/main.js", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path", ["../page.py", "%2e%2e/page.py", "core/../../page.py", "css", "no.js", "%00", "a\\b"]
)
def test_only_the_pages_own_files_are_given(client: TestClient, path: str) -> None:
    assert client.get(f"/static/{path}").status_code == 404


def test_the_page_for_strangers_says_what_to_do() -> None:
    answer = page.not_open("Open the address <that> the terminal shows.")
    assert answer.status_code == 401
    assert b"Open the address &lt;that&gt; the terminal shows." in bytes(answer.body)


def test_edges_can_be_seen_in_both_themes() -> None:
    edges = re.findall(r"--edge:(#\w{6})", page.palette())
    assert len(edges) == 2
    for edge, theme in zip(edges, (LIGHT, DARK), strict=True):
        assert min(contrast(edge, theme["surface"]), contrast(edge, theme["ground"])) >= 3


def test_every_text_that_modules_name_is_there_and_every_text_is_used() -> None:
    code = "\n".join(file.read_text(encoding="utf-8") for file in MODULES)
    shell = "".join(file.read_text(encoding="utf-8") for file in STATIC.glob("*.html"))
    there = set(keys(texts()))
    tops = set(texts())
    whole = {key for key in _WHOLE.findall(code) if key.partition(".")[0] in tops}
    parts = {part for part in _PART.findall(code) if part.partition(".")[0] in tops}
    missing = {key for key in whole if not any(t == key or t.startswith(key + ".") for t in there)}
    assert missing == set()
    used = whole | set(re.findall(r"\{\{ ([\w.]+) \}\}", shell))
    unused = {
        key
        for key in there
        if not any(key == name or key.startswith(name + ".") for name in used)
        and not any(key.startswith(part) for part in parts)
    }
    assert unused == set()


def test_texts_are_not_in_the_modules() -> None:
    """No words of a sentence in quotes: a translation would miss them."""
    for file in MODULES:
        code = re.sub(r"//.*|/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        found = re.findall(r"text: \"([^\"]*[a-z]{3}[^\"]*)\"|aria-label\": \"([^\"]+)\"", code)
        assert found == [], file


def test_modules_are_small_and_load_nothing_from_elsewhere() -> None:
    for file in [*MODULES, *STATIC.rglob("*.css"), *STATIC.glob("*.html")]:
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, file
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), file
        assert not re.search(r"\sstyle=|<style|<script>|\son\w+=\"|innerHTML|eval\(", text), file


def test_nothing_that_windows_takes_for_another_drive_is_looked_for(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "_STATIC", tmp_path)
    for name in ("good.js", "D:", "D:bad.js"):
        (tmp_path / name).write_text("1")
    assert client.get("/static/good.js").status_code == 200
    for name in ("D:", "D:bad.js"):
        assert client.get(f"/static/{name}").status_code == 404
