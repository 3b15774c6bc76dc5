"""One page that classifies: everything that it takes, put together into one file."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from photograft._version import __version__
from photograft.classifier.export.web.icons import SIDES, icon_png, icon_svg
from photograft.classifier.export.web.runtime import Runtime
from photograft.core.errors import ConversionError
from photograft.core.palette import DARK, LIGHT, contrast, mix, variables

#: Scripts in the order in which they are put together: those of the page, what answers for it, and
#: those of its worker.
_PAGE = ("view.js", "rules.js", "intake.js", "camera.js")
_ALONE, _SERVED = ("alone.js", "app.js"), ("thumbnail.js", "served.js", "app.js")
_WORKER = (
    *("resample.js", "jpeg_head.js", "jpeg.js", "jpeg_pixels.js"),
    *("decoding.js", "thumbnail.js", "worker.js"),
)

#: The colour of lines round what can be used.
_EDGE = "edge"

_HOLE = re.compile(r"\{\{ ([\w.]+) \}\}")


@dataclass(frozen=True, kw_only=True)
class PageParts:
    """What a page is made of.

    Attributes:
        title: What the classifier is called, for people.
        network: An ONNX model, serialised.
        facts: What the scripts are told, as plain JSON types: see ``alone.js`` and ``worker.js``.
        about: What is said of the classifier: terms, and the paragraphs on each.
        runtime: What runs the network.
    """

    title: str
    network: bytes
    facts: Mapping[str, Any]
    about: Sequence[tuple[str, Sequence[str]]]
    runtime: Runtime


def build_page(parts: PageParts) -> str:
    """Return the page as HTML that needs no other file."""
    early = asset("early.js")
    carried = {
        "early": early,
        "worker": "\n".join(map(asset, _WORKER)),
        "packed_runtime": _base64(parts.runtime.script),
        "packed_binary": _base64(parts.runtime.binary),
        "packed_network": _base64(gzip.compress(_planes(parts.network), 6, mtime=0)),
    }
    values = {
        "title": html.escape(parts.title),
        "about": "\n".join(_facts(term, said) for term, said in parts.about),
        **dict.fromkeys(("top", "end"), ""),
        "carried": _filled("alone_end.html", carried),
    }
    return _page(values, parts.facts, _texts(), _ALONE, functools.partial(_policy, early))[0]


def build_served_page() -> tuple[str, str]:
    """Return the page that has a server answer, as HTML, and its policy.

    It is the same for all classifiers: what it shows of them, it asks the server for.
    """
    texts = _texts("served.json")
    said = _said(texts)
    values = {
        "title": said["page.title"],
        "about": "",
        "top": _filled("served_top.html", said),
        "end": _filled("served_end.html", said),
        "carried": "",
    }
    return _page(values, {}, texts, _SERVED, _served_policy)


def _page(
    values: Mapping[str, str],
    facts: Mapping[str, Any],
    texts: Mapping[str, Any],
    scripts: Sequence[str],
    policy_of: Callable[[str, str], str],
) -> tuple[str, str]:
    """Return a page of the template, and its policy."""
    style = f"{_colours()}\n{asset('page.css')}"
    script = "\n".join(['"use strict";', *map(asset, (*_PAGE, *scripts))])
    policy = policy_of(style, script)
    common = {
        "policy": policy,
        "light_ground": LIGHT["ground"],
        "dark_ground": DARK["ground"],
        "icon": _base64(icon_svg().encode()),
        "style": style,
        "written": html.escape(f"Written by Photograft {__version__}."),
        "facts": _json({**facts, "texts": texts}),
        "script": script,
    }
    return _filled("page.html", {**common, **_said(texts), **values}), policy


def _filled(name: str, values: Mapping[str, str]) -> str:
    """Return an asset with its holes filled."""
    return _HOLE.sub(lambda hole: values[hole[1]], asset(name))


def _texts(*more: str) -> dict[str, Any]:
    """Return the page's texts by section, those of further files before the usual ones."""
    found: dict[str, Any] = json.loads(asset("texts.json"))
    for name in more:
        for section, texts in json.loads(asset(name)).items():
            found[section] = {**found[section], **texts}
    return found


def _said(texts: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts that stand in the template, by the names of its holes."""
    said = {f"page.{key}": html.escape(text) for key, text in texts["page"].items()}
    return {**said, "status.starting": html.escape(texts["status"]["starting"])}


def build_folder(page: str, title: str) -> dict[str, bytes]:
    """Return the files that a server hands out, by name: a page that can be installed."""
    data = page.encode()
    manifest = {
        "name": title,
        "short_name": title[:30],
        "start_url": "./",
        "display": "standalone",
        "background_color": LIGHT["ground"],
        "theme_color": LIGHT["accent"],
        "icons": [
            {
                "src": f"icon-{side}.png",
                "sizes": f"{side}x{side}",
                "type": "image/png",
                "purpose": "any maskable",
            }
            for side in SIDES
        ],
    }
    keeper = asset("service-worker.js").replace(
        "{{ version }}", hashlib.sha256(data).hexdigest()[:16]
    )
    return {
        "index.html": data,
        "manifest.webmanifest": json.dumps(manifest, ensure_ascii=False, indent=1).encode(),
        "service-worker.js": keeper.encode(),
        **{f"icon-{side}.png": icon_png(side) for side in SIDES},
    }


def network_in(page: str) -> bytes:
    """Return the network of a page, as `PageParts` has it."""
    planes = gzip.decompress(base64.b64decode(_held(page, "packed-network")))
    size = len(planes) // 4
    bytes_ = np.frombuffer(planes, np.uint8)
    return bytes_[: 4 * size].reshape(4, size).T.tobytes() + planes[4 * size :]


def facts_in(page: str) -> dict[str, Any]:
    """Return what the scripts of a page are told, likewise."""
    facts: dict[str, Any] = json.loads(_held(page, "facts"))
    return facts


def _held(page: str, name: str) -> str:
    found = re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', page, re.DOTALL)
    if found is None:
        raise ConversionError(f"the page holds no {name}")
    return found[1]


def asset(name: str) -> str:
    """Return the text of a file that pages are made of."""
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _policy(early: str, style: str, script: str) -> str:
    """Return the policy that keeps the browser from asking any network for anything."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(early)}' '{_hash(script)}' 'wasm-unsafe-eval' blob:",
            f"style-src '{_hash(style)}'",
            # Beside a server's page: the worker that keeps it, and its icons.
            "worker-src blob: 'self'",
            "img-src blob: data: 'self'",
            "manifest-src 'self'",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _served_policy(style: str, script: str) -> str:
    """Return the policy that lets the page ask its own server alone."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src blob: data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _colours() -> str:
    """Return both themes; lines round what can be used are dark enough to be seen."""
    light, dark = (f"{variables(theme)};--{_EDGE}:{_edge(theme)}" for theme in (LIGHT, DARK))
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _edge(theme: Mapping[str, str]) -> str:
    steps = (mix(theme["line"], theme["faint"], k / 10) for k in range(11))
    return next(c for c in steps if contrast(c, theme["surface"]) >= 3)


def _facts(term: str, said: Sequence[str]) -> str:
    lines = "".join(f"<dd>{html.escape(text)}</dd>" for text in said)
    return f"<div><dt>{html.escape(term)}</dt>{lines}</div>"


def _json(value: Any) -> str:
    """Return JSON that can stand in a script element."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _planes(data: bytes) -> bytes:
    """Return all first bytes of four, then all second ones, and so on; what is left over last.

    Signs and exponents of single precision are much alike: together they shrink to half.
    """
    whole = len(data) // 4 * 4
    return b"".join(data[i:whole:4] for i in range(4)) + data[whole:]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
