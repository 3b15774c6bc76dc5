"""The page in a browser: it answers as the library does, alone, and lets itself be used."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from PIL import ExifTags, Image

import photograft
import system_helpers
from browser_helpers import BROWSER_MARKS, CONTRASTS, chromium, classify, saved
from drawing import draw_photo
from photograft.backbones.engines import Engine
from photograft.classifier.answering import answered
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.metadata import rules_of
from photograft.classifier.export.web.building import build_web
from photograft.classifier.export.web.neighbours import load_neighbours
from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.workflows.settings import TrainConfig
from web_runtime import NEEDS_RUNTIME

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


pytestmark = [*BROWSER_MARKS, NEEDS_RUNTIME]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chromium(*camera) as started:
        yield started


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """The session's, in single precision, as the page has it."""
    folder = system_helpers.shared_run(tmp_path_factory)
    return replace(Classifier.load(folder), engine=Engine("openvino", "fp32"))


@pytest.fixture(scope="module")
def site(trained: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder, with neighbours."""
    folder = tmp_path_factory.mktemp("site")
    reference = trained.reference
    assert reference
    photos = system_helpers.shared_photos(tmp_path_factory)
    reads = {name: (photos / name).read_bytes for name in reference.names}
    neighbours = load_neighbours(reference, reads, trained.max_pixels)
    for name, data in build_web(trained, neighbours=neighbours).items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def said() -> list[str]:
    """What pages said on the console, and what they asked a network for."""
    return []


@pytest.fixture
def opened(browser: Browser, said: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens a page and waits until it answers, or says why it does not."""
    contexts = []

    def asked(url: str) -> None:
        if not url.startswith(("blob:", "data:")):
            said.append(url)

    def open_page(address: str, **settings: Any) -> Page:
        context = browser.new_context(reduced_motion="reduce", **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked(request.url))
        page.goto(address)
        page.wait_for_selector("body[data-ready], #status.warning")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def once_opened(browser: Browser, site: Path) -> Iterator[Page]:
    """A page for all tests that leave nothing behind but answers."""
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    yield page
    context.close()


@pytest.fixture
def page(once_opened: Page) -> Page:
    """The page without answers."""
    if once_opened.locator("#answers").is_visible():
        once_opened.get_by_role("button", name="Clear").click()
    return once_opened


def draw(folder: Path, n: int, size: int = 200) -> list[Path]:
    """Photos of all kinds: JPEG and PNG, upright and not, with holes, large, grey."""
    folder.mkdir(exist_ok=True)
    paths = []
    for i in range(n):
        rng = np.random.default_rng([7, i])
        image = draw_photo(rng, i, 1300 if i % 25 == 9 else size + 13 * (i % 7))
        image = image.resize((image.width, image.height * (2 + i % 3) // 3))
        kind = i % 5
        path = folder / f"{i:03}.{'png' if kind in (1, 3) else 'jpg'}"
        if kind == 2:
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = 2 + i % 7
            image.save(path, quality=90, exif=exif)
        elif kind == 3:
            alpha = Image.new("L", image.size, 255)
            alpha.paste(0, (0, 0, image.width // 3, image.height // 2))
            image.putalpha(alpha)
            image.save(path)
        elif kind == 4:
            image.convert("L").save(path, quality=80)
        else:
            image.save(path)
        paths.append(path)
    return paths


def check_answers(
    rows: list[dict[str, str]], expected: list[Prediction], classifier: Classifier, rules: Rules
) -> None:
    names = classifier.class_names
    for row, prediction in zip(rows, expected, strict=True):
        prediction = answered(prediction, rules, names)
        assert row["file"] == Path(prediction.name).name
        assert row["label"] == prediction.label
        assert row["answer"] == prediction.answer
        found = [float(row[f"probability of {name}"]) for name in names]
        assert np.abs(np.array(found) - prediction.probabilities).max() <= 1e-3
        assert float(row["ood_score"]) == pytest.approx(prediction.ood_score, abs=1e-2)


def check_page(page: Page, paths: list[Path], classifier: Classifier) -> None:
    """The page's answers, by the rules that it begins with, are the library's."""
    classify(page, paths)
    known = rules_of(classifier.uncertainty)
    chosen = page.evaluate("() => rules.confidence")
    rules = Rules(known["unknown"]["ood_threshold"], chosen)
    check_answers(saved(page), classifier.predict(paths, progress=None), classifier, rules)


def test_answers_alone_from_a_file(
    opened: Callable[..., Page],
    site: Path,
    trained: Classifier,
    said: list[str],
    tmp_path: Path,
    warm_cache: Path,
) -> None:
    """Not a single request but for the file itself; its answers are the library's."""
    (tmp_path / "alone.html").write_bytes((site / "index.html").read_bytes())
    address = (tmp_path / "alone.html").as_uri()
    page = opened(address)
    check_page(page, draw(tmp_path / "photos", 15), trained)
    checked = page.evaluate("() => photograft.checked")
    assert [check["agrees"] for check in checked] == [True] * 3
    # What is equal to the byte is not run through the network again.
    assert [check["isSame"] for check in checked][::2] == [True, True]
    assert page.locator("#cards > li").count() == 15
    assert page.locator("#cards > li").first.locator(".near img").count() == 5
    assert said == [address]


@pytest.mark.slow
def test_two_hundred_photos_are_answered_as_by_the_library(
    opened: Callable[..., Page], site: Path, trained: Classifier, tmp_path: Path, warm_cache: Path
) -> None:
    page = opened((site / "index.html").as_uri())
    check_page(page, draw(tmp_path / "photos", 200), trained)


@pytest.mark.slow
def test_a_page_of_several_looks(
    opened: Callable[..., Page], photos: Path, tmp_path: Path, warm_cache: Path
) -> None:
    """Each look gets its own pixels, of one decoding; mirror images are seen, too."""
    name = "efficientnet_lite0@64+efficientnet_lite2@96,mirror"
    config = TrainConfig(backbone=name, precision="fp32")
    classifier = photograft.train(photos, config, out=tmp_path / "run").classifier
    for name, data in build_web(classifier).items():
        (tmp_path / name).write_bytes(data)
    page = opened((tmp_path / "index.html").as_uri())
    check_page(page, draw(tmp_path / "photos", 15), classifier)


@contextmanager
def served(folder: Path, headers: dict[str, str] | None = None) -> Iterator[str]:
    """The address at which a folder is served."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_installed_from_a_server_it_works_offline(
    opened: Callable[..., Page], site: Path, said: list[str], tmp_path: Path
) -> None:
    with served(site) as address:
        page = opened(address)
        page.evaluate("() => navigator.serviceWorker.ready.then(() => null)")
        manifest = json.loads((site / "manifest.webmanifest").read_text())
        assert manifest["icons"]
        for icon in manifest["icons"]:
            side = int(icon["sizes"].split("x")[0])
            with Image.open(site / icon["src"]) as image:
                assert image.size == (side, side)
    # The server is gone.
    page.reload()
    page.wait_for_selector("body[data-ready]")
    classify(page, draw(tmp_path / "photos", 2))
    assert all(url.startswith(address) for url in said), said


def test_more_threads_where_the_page_is_isolated(
    opened: Callable[..., Page], site: Path, tmp_path: Path
) -> None:
    headers = {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
    }
    with served(site, headers) as address:
        page = opened(address)
        assert page.evaluate("() => window.crossOriginIsolated")
        assert page.evaluate("() => photograft.threads") > 1
        classify(page, draw(tmp_path / "photos", 2))
    page = opened((site / "index.html").as_uri())
    assert page.evaluate("() => photograft.threads") == 1


@pytest.mark.parametrize(
    ("place", "name"), [(0, "a PNG with a hole"), (1, "a JPEG on its side"), (2, "a large JPEG")]
)
def test_refuses_where_the_browser_disagrees(
    opened: Callable[..., Page], site: Path, place: int, name: str, tmp_path: Path
) -> None:
    """As if it computed otherwise, or decoded: the expected numbers are others."""
    text = (site / "index.html").read_text(encoding="utf-8")
    facts = re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)
    assert facts
    changed = json.loads(facts[1])
    check = changed["checks"][place]
    check["pixels"] ^= place  # of the first, the answer counts in any case
    row = check["probabilities"]
    row[0] += 0.1 if row[0] < 0.5 else -0.1
    other = tmp_path / "other.html"
    written = json.dumps(changed).replace("<", "\\u003c")
    other.write_text(text.replace(facts[1], written), encoding="utf-8")
    page = opened(other.as_uri())
    assert "does not answer" in page.inner_text("#status")
    assert name in page.inner_text("#status")
    assert page.get_by_role("button", name="Choose photos").is_disabled()
    page.set_input_files("#files", draw(tmp_path / "photos", 1))
    page.wait_for_timeout(300)
    assert page.locator("#answers").is_hidden()


def test_a_browser_that_does_not_let_it_compute(browser: Browser, site: Path) -> None:
    """A worker that can't be loaded answers nothing: the page says so, and does not wait for it."""
    context = browser.new_context()
    context.add_init_script(
        "window.Worker = class { constructor() "
        "{ setTimeout(() => this.onerror({ message: 'workers are off' })); } "
        "postMessage() {} terminate() {} };"
    )
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector("#status.warning")
    assert "workers are off" in page.inner_text("#status")
    context.close()


def test_camera(opened: Callable[..., Page], site: Path, said: list[str]) -> None:
    page = opened((site / "index.html").as_uri())
    page.get_by_role("button", name="Use the camera").click()
    page.locator("#live .bars li").first.wait_for()
    page.get_by_role("button", name="Keep this picture").click()
    page.locator("#status", has_text="Done: 1 photo.").wait_for()
    assert "camera picture 1" in page.locator("#cards").inner_text()
    page.get_by_role("button", name="Stop the camera").click()
    assert page.locator("#camera").is_hidden()
    assert page.evaluate("() => document.activeElement.id") == "use-camera"
    assert len(said) == 1


def test_the_camera_rests_after_a_picture_that_fails(
    opened: Callable[..., Page], site: Path
) -> None:
    """It says so, and does not try as often as there are pictures."""
    page = opened((site / "index.html").as_uri())
    page.evaluate(
        """() => {
          window.failed = 0;
          const real = window.createImageBitmap;
          window.createImageBitmap = () => {
            if (++window.failed === 1) return Promise.reject(new Error("none"));
            window.createImageBitmap = real;
            return real(byId("video"));
          };
        }"""
    )
    page.get_by_role("button", name="Use the camera").click()
    page.locator("#live .error", has_text="it can't be classified").wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("() => failed") == 1
    page.locator("#live .bars li").first.wait_for()


GIVE = """
([kind, name, bytes]) => {
  const given = new DataTransfer();
  const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  given.items.add(new File([data], name, { type: "image/png" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: given })
    : new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true });
  document.getElementById("drop").dispatchEvent(event);
  if (kind === "paste") window.dispatchEvent(event);
}
"""


@pytest.mark.parametrize(
    ("kind", "shown"), [("drop", "dropped.png"), ("paste", "pasted picture 1")]
)
def test_dropped_and_pasted(page: Page, kind: str, shown: str, tmp_path: Path) -> None:
    (path,) = draw(tmp_path / "photos", 2)[1:]
    page.evaluate(GIVE, [kind, "dropped.png", base64.b64encode(path.read_bytes()).decode()])
    page.locator("#status", has_text="Done: 1 photo.").wait_for()
    assert shown in page.locator("#cards").inner_text()


def test_folders_are_searched(page: Page, tmp_path: Path) -> None:
    draw(tmp_path / "album", 2)
    draw(tmp_path / "album" / "inner", 1)
    (tmp_path / "album" / "notes.txt").write_text("no photo")
    page.set_input_files("#folder", tmp_path / "album")
    page.locator("#status", has_text="Done: 3 photos.").wait_for()
    assert "album/inner/000.jpg" in page.locator("#cards").inner_text()


def test_what_is_no_photo_is_said_beside_the_others(page: Page, tmp_path: Path) -> None:
    (tmp_path / "<b>x.png").write_bytes(b"no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    classify(page, [*draw(tmp_path, 1), tmp_path / "<b>x.png", tmp_path / "empty.png"])
    rows = saved(page)
    assert [bool(row["error"]) for row in rows] == [False, True, True]
    assert "empty" in rows[2]["error"]
    assert "<b>x.png" in page.locator("#cards").inner_text()
    assert page.locator("#cards b").count() == 0


def test_users_choose_when_no_class_is_named(page: Page, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    classify(page, [tmp_path / "noise.png"])
    assert page.locator("#cards .badge").inner_text() == "unknown"
    page.get_by_label("Say “unknown”").uncheck()
    page.get_by_label("Say “unsure”").select_option("")
    assert page.locator("#cards .badge").count() == 0
    assert "answer" not in saved(page)[0]
    page.get_by_label("Say “unknown”").check()
    assert page.locator("#cards .badge").count() == 1


def test_by_keyboard(opened: Callable[..., Page], site: Path, tmp_path: Path) -> None:
    page = opened((site / "index.html").as_uri())
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id || 'skip'"))
    assert reached == ["skip", "choose", "choose-folder", "use-camera"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.evaluate(
        """() => document.getElementById("files").addEventListener("click", (event) => {
          event.preventDefault(); // else a dialog of the system's opens
          document.body.dataset.asked = "";
        })"""
    )
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-asked]")
    classify(page, draw(tmp_path / "photos", 1))
    page.locator("#clear").focus()
    page.keyboard.press("Enter")
    assert page.locator("#answers").is_hidden()
    assert page.evaluate("() => document.activeElement.id") == "choose"


def test_fits(page: Page, tmp_path: Path) -> None:
    long = tmp_path / f"{'a_very_long_name_without_any_break' * 4}.jpg"
    draw(tmp_path, 1)[0].rename(long)
    classify(page, [long])
    page.locator("#rows").evaluate("(rows) => { rows.open = true; }")
    for width in (320, 390, 800, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(page: Page, scheme: Literal["light", "dark"], tmp_path: Path) -> None:
    page.emulate_media(color_scheme=scheme)
    (tmp_path / "x.png").write_bytes(b"no picture")
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    classify(page, [*draw(tmp_path, 1), tmp_path / "x.png", tmp_path / "noise.png"])
    page.locator("#rows").evaluate("(rows) => { rows.open = true; }")
    assert page.evaluate(CONTRASTS) == []
