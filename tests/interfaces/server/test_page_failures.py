"""What the page at `/` says where the server does not answer, or not as wished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import system_helpers as system
from browser_helpers import BROWSER_MARKS, chromium, classify
from opened_page import CAMERA, opening
from server_helpers import RunningServer, running, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = [*BROWSER_MARKS, pytest.mark.usefixtures("warm_cache")]

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*CAMERA) as started:
        yield started


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page of a server."""
    with opening(browser, []) as open_page:
        yield open_page


def give(page: Page, token: str) -> None:
    """Give the page a token."""
    page.locator("#token").fill(token)
    page.get_by_role("button", name="Use it").click()


def status(page: Page, words: str) -> None:
    """Wait until the page says something of itself."""
    page.locator("#status", has_text=words).wait_for()


def refused(detail: str, code: int, **headers: str) -> dict[str, Any]:
    """What a server answers that refuses."""
    body = json.dumps({"detail": detail})
    return {"status": code, "body": body, "content_type": PROBLEM, "headers": headers}


def test_a_server_that_is_gone_is_told_from_a_wrong_token(
    warm_cache: Path, run_path: Path, opened: Callable[..., Page]
) -> None:
    with serving(warm_cache, run_path, "--token", "let me in") as server:
        page = opened(server, "#token")
        give(page, "łet me in")  # no header can hold it
        status(page, "That is not the token.")
        server.process.kill()
        server.process.wait()
        give(page, "let me in")
        status(page, "The server can't be reached.")


def test_photos_say_that_the_server_is_gone(
    warm_cache: Path, run_path: Path, photos: Path, opened: Callable[..., Page]
) -> None:
    with serving(warm_cache, run_path) as server:
        page = opened(server)
        server.process.kill()
        server.process.wait()
        classify(page, [photos / "square" / "00.jpg"])
    assert page.locator("#cards .error").inner_text() == "the server can't be reached"


def test_another_token_is_asked_for_and_the_photos_wait_for_it(
    warm_cache: Path, run_path: Path, photos: Path, opened: Callable[..., Page]
) -> None:
    with serving(warm_cache, f"m={run_path}", "--token", "first") as server:
        page = opened(server, "#token")
        give(page, "first")
        page.wait_for_selector("body[data-ready]")
        assert page.locator("#access").is_hidden()
    again = system.command("serve", f"m={run_path}", "--token", "second", "--port", server.port)
    with running(again, warm_cache):
        given = [photos / "square" / f"0{i}.jpg" for i in range(3)]
        page.set_input_files("#files", given)
        page.locator("#access").wait_for()
        assert page.inner_text("#status") == "That is not the token."
        give(page, "second")
        status(page, "Done: 3 photos.")
        assert page.locator("#cards .error").count() == 0
        assert page.locator("#access").is_hidden()


def test_a_server_without_room_is_asked_again(
    server: RunningServer, photos: Path, opened: Callable[..., Page]
) -> None:
    page = opened(server)
    asked = []

    def answer(route: Route) -> None:
        asked.append(page.inner_text("#status"))
        if len(asked) < 3:
            route.fulfill(**refused("no room", 503, **{"Retry-After": "0.01"}))
        else:
            route.continue_()

    page.route("**/predict/*", answer)
    classify(page, [photos / "square" / "00.jpg"])
    assert len(asked) == 3
    assert "no room just now" in asked[1]
    assert page.locator("#cards .error").count() == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused("the server failed; its log says where", 500), "the server failed; its log says"),
        (refused("the server is stopping", 503, **{"Retry-After": "0.01"}), "the server is stop"),
        ({"status": 502, "body": "<h1>Bad gateway</h1>", "content_type": "text/html"}, "502"),
    ],
    ids=["500", "503", "502"],
)
def test_failures_are_told_in_the_words_of_the_server(
    server: RunningServer,
    photos: Path,
    opened: Callable[..., Page],
    answer: dict[str, Any],
    said: str,
) -> None:
    page = opened(server)
    page.route("**/predict/*", lambda route: route.fulfill(**answer))
    page.route("**/classifiers", lambda route: route.fulfill(**answer))
    page.route("**/classifiers/*/page", lambda route: route.fulfill(**answer))
    classify(page, [photos / "square" / "00.jpg"])
    assert said in page.locator("#cards .error").inner_text()
    page.evaluate("() => { byId('along').hidden = byId('take-along').disabled = false; }")
    page.get_by_role("button", name="Save it as a page").click()
    page.locator("#along-status", has_text=said).wait_for()
    page.reload()
    page.locator("#status.warning", has_text=said).wait_for()
    assert page.get_by_role("button", name="Choose photos").is_disabled()


def test_the_camera_rests_where_the_server_is_gone(
    server: RunningServer, opened: Callable[..., Page]
) -> None:
    page = opened(server)
    asked = []

    def answer(route: Route) -> None:
        asked.append(route)
        route.abort()

    page.route("**/predict/*", answer)
    page.get_by_role("button", name="Use the camera").click()
    page.locator("#live .error", has_text="can't be reached").wait_for()
    page.wait_for_timeout(500)
    assert len(asked) == 1
    page.unroute("**/predict/*")
    page.locator("#live .bars li").first.wait_for()


def test_two_ways_to_be_unsure_with_the_same_confidence(
    server: RunningServer, photos: Path, opened: Callable[..., Page]
) -> None:
    """One may be chosen as well as the other."""
    told = server.ask("/classifiers").json
    rule = {"confidence": 0.75, "is_shown": True, "sentence": ""}
    told["classifiers"][0]["rules"]["unsure"] = [
        {**rule, "min_accuracy": share} for share in (0.95, 0.99)
    ]
    page = opened(server)
    page.route("**/classifiers", lambda route: route.fulfill(body=json.dumps(told)))
    page.reload()
    page.wait_for_selector("body[data-ready]")
    classify(page, [photos / "square" / "00.jpg"])
    choice = page.locator("#say-unsure")
    options = choice.locator("option")
    values = [option.get_attribute("value") for option in options.all()]
    assert len(set(values)) == len(values) == 3
    for i, words in ((2, "99%"), (1, "95%")):
        choice.select_option(values[i])
        assert words in choice.evaluate("(box) => box.selectedOptions[0].textContent")
        assert page.evaluate("() => rules.confidence") == 0.75
