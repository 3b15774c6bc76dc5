"""The page at `/` in a browser: the web export's, answered by the server; and that export."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from PIL import Image

import photograft
from browser_helpers import BROWSER_MARKS, CONTRASTS, chromium, classify, saved
from opened_page import CAMERA, opening
from photograft.classifier.export.web.page import facts_in
from server_helpers import RunningServer, serving
from web_runtime import NEEDS_RUNTIME

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [*BROWSER_MARKS, pytest.mark.usefixtures("warm_cache")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*CAMERA) as started:
        yield started


@pytest.fixture
def said() -> list[str]:
    """What the page complains of, and what it asks for elsewhere."""
    return []


@pytest.fixture
def opened(browser: Browser, said: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens the page of a server."""
    with opening(browser, said) as open_page:
        yield open_page


def check_answers(
    page: Page,
    server: RunningServer,
    paths: list[Path],
    place: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """The page's answers are those that programs get."""
    for row, path in zip(saved(page), paths, strict=True):
        (answer,) = server.send_photo(path.read_bytes(), place, **headers or {}).json["predictions"]
        assert row["file"] == path.name
        assert row["label"] == answer["label"]
        assert float(row["probability"]) == answer["probability"]
        assert row.get("answer", row["label"]) == answer["answer"]
        for name, probability in answer["probabilities"].items():
            assert float(row[f"probability of {name}"]) == probability
        assert float(row["ood_score"]) == answer["ood_score"]
        assert row.get("classes", "") == " | ".join(answer.get("classes", []))


def noise(path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_its_answers_are_those_of_predict(
    server: RunningServer,
    opened: Callable[..., Page],
    said: list[str],
    photos: Path,
    tmp_path: Path,
) -> None:
    page = opened(server)
    assert page.inner_text("h1") == page.title() == "circle, square or triangle?"
    paths = [photos / "square" / "00.jpg", photos / "circle" / "00.jpg", noise(tmp_path / "n.tif")]
    classify(page, paths)
    assert page.locator("#cards .badge").all_inner_texts() == ["unknown"]
    assert page.locator("#cards img").count() == 2  # a browser shows no TIFF
    check_answers(page, server, paths, "/predict")
    assert said == []


def test_what_can_not_be_read_is_said_as_the_server_says_it(
    server: RunningServer, opened: Callable[..., Page], photos: Path, tmp_path: Path
) -> None:
    page = opened(server)
    (tmp_path / "no photo.jpg").write_bytes(b"text")
    classify(page, [tmp_path / "no photo.jpg", photos / "square" / "00.jpg"])
    assert "not an image" in page.locator("#cards .error").inner_text()
    assert [bool(row["error"]) for row in saved(page)] == [True, False]


def test_users_choose_when_no_class_is_named(
    server: RunningServer, opened: Callable[..., Page], tmp_path: Path
) -> None:
    """It begins with what the server was asked for."""
    page = opened(server)
    classify(page, [noise(tmp_path / "noise.png")])
    assert page.locator("#say-unsure").input_value() == ""
    page.get_by_label("Say “unknown”").uncheck()
    assert page.locator("#cards .badge").count() == 0
    page.get_by_label("Say “unknown”").check()
    assert page.locator("#cards .badge").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(
    server: RunningServer,
    opened: Callable[..., Page],
    scheme: Literal["light", "dark"],
    tmp_path: Path,
) -> None:
    page = opened(server)
    page.emulate_media(color_scheme=scheme)
    (tmp_path / "x.png").write_bytes(b"no picture")
    classify(page, [noise(tmp_path / "noise.png"), tmp_path / "x.png"])
    page.evaluate("() => { for (const id of ['access', 'choice']) byId(id).hidden = false; }")
    assert page.evaluate(CONTRASTS) == []
    for width in (320, 390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_camera(server: RunningServer, opened: Callable[..., Page], said: list[str]) -> None:
    page = opened(server)
    page.get_by_role("button", name="Use the camera").click()
    page.locator("#live .bars li").first.wait_for()
    page.get_by_role("button", name="Keep this picture").click()
    page.locator("#status", has_text="Done: 1 photo.").wait_for()
    page.get_by_role("button", name="Stop the camera").click()
    assert page.locator("#camera").is_hidden()
    assert said == []


def test_a_token_is_asked_for_and_a_classifier_chosen(
    warm_cache: Path, run_path: Path, photos: Path, opened: Callable[..., Page]
) -> None:
    options = ("--token", "let me in", "--no-hand-out", "--coverage", "0.9")
    with serving(warm_cache, f"a={run_path}", f"b={run_path}", *options) as server:
        page = opened(server, "#token")
        assert "circle" not in page.content()
        for token, state in (
            ("let", "#status:has-text('not the token')"),
            ("let me in", "#choice"),
        ):
            page.locator("#token").fill(token)
            page.get_by_role("button", name="Use it").click()
            page.locator(state).wait_for()
        classify(page, [photos / "square" / "00.jpg"])
        page.locator("#model").select_option("b")
        assert page.locator("#answers").is_hidden()
        with page.expect_request("**/predict/b"):
            classify(page, [photos / "square" / "00.jpg"])
        key = {"Authorization": "Bearer let me in"}
        check_answers(page, server, [photos / "square" / "00.jpg"], "/predict/b", key)
        assert "What may be right: square" in page.locator("#cards").inner_text()
        assert page.locator("#along").is_hidden()
        for place in ("/classifiers", "/classifiers/a/page"):
            assert server.ask(place).status == 401
        assert "does not hand" in server.ask("/classifiers/a/page", headers=key).detail


def test_it_follows_a_changed_classifier(
    warm_cache: Path, run_path: Path, photos: Path, opened: Callable[..., Page], tmp_path: Path
) -> None:
    """An open page says so; loaded again, it is the new one's."""
    folder = tmp_path / "model"
    shutil.copytree(run_path / "classifier", folder)
    two = tmp_path / "two"
    for name in ("circle", "square"):
        shutil.copytree(photos / name, two / name)
    other = photograft.train(two, out=tmp_path / "other", progress=False)
    with serving(warm_cache, f"m={folder}") as server:
        page = opened(server)
        version = server.ask("/v2/models/m").json["versions"]
        shutil.copytree(other.path / "classifier", folder, dirs_exist_ok=True)
        while server.ask("/v2/models/m").json["versions"] == version:
            page.wait_for_timeout(100)
        path = photos / "square" / "00.jpg"
        classify(page, [path])
        assert "load the page again" in page.locator("#cards .error").inner_text()
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert page.inner_text("h1") == "circle or square?"
        classify(page, [path])
        check_answers(page, server, [path], "/predict")


@pytest.mark.slow
@NEEDS_RUNTIME
def test_it_is_had_as_a_page_that_needs_no_server(
    server: RunningServer, opened: Callable[..., Page], photos: Path, tmp_path: Path
) -> None:
    """That answers alike."""
    page = opened(server)
    with page.expect_download(timeout=200_000) as download:
        page.get_by_role("button", name="Save it as a page").click()
    assert download.value.suggested_filename == "shapes.html"
    assert "Saved: shapes.html" in page.inner_text("#along-status")
    alone = tmp_path / "alone.html"
    download.value.save_as(alone)
    assert facts_in(alone.read_text(encoding="utf-8"))["class_names"][0] == "circle"
    path = photos / "circle" / "00.jpg"
    page.goto(alone.as_uri())
    page.wait_for_selector("body[data-ready]")
    classify(page, [path])
    (row,) = saved(page)
    (answer,) = server.send_photo(path.read_bytes()).json["predictions"]
    assert row["label"] == answer["label"]
    assert float(row["probability"]) == pytest.approx(answer["probability"], abs=0.05)


def test_without_the_runtime_it_says_so_and_answers(
    warm_cache: Path, run_path: Path, photos: Path, opened: Callable[..., Page], tmp_path: Path
) -> None:
    """As where the package was installed on a machine without Node."""
    source = Path(photograft.__file__).parent
    ignored = shutil.ignore_patterns("runtime", "__pycache__")
    shutil.copytree(source, tmp_path / "src" / "photograft", ignore=ignored)
    env: dict[str, Any] = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    with serving(warm_cache, f"m={run_path}", env=env) as server:
        page = opened(server)
        assert "carries no runtime for browsers" in page.inner_text("#along-status")
        assert page.get_by_role("button", name="Save it as a page").is_disabled()
        path = photos / "circle" / "00.jpg"
        classify(page, [path])
        check_answers(page, server, [path], "/predict")
        assert "carries no runtime" in server.ask("/classifiers/m/page").detail
