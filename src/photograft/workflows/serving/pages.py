"""A server's classifiers for browsers: what its page is told of them, and each as a page alone."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from photograft.classifier.export.exporting import check_exportable
from photograft.classifier.export.metadata import describe
from photograft.classifier.export.web.about import about, title_of
from photograft.classifier.export.web.page import build_served_page
from photograft.classifier.export.web.runtime import read_runtime
from photograft.core.errors import InputError, PhotograftError
from photograft.workflows.serving.model import Model

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from photograft.workflows.serving.page_worker import main; main()"
)

__all__ = ["PageError", "Pages", "build_served_page", "facts_of"]


class PageError(PhotograftError):
    """A classifier can't be had as a page.

    Attributes:
        kind: ``"not-found"``; ``"busy"``, where it can later; ``"failed"``, by a fault of ours.
    """

    kind = "not-found"


class PageBusyError(PageError):
    """A classifier can't be had as a page just now."""

    kind = "busy"


class PageFailedError(PageError):
    """A classifier's page could not be made, and should have been."""

    kind = "failed"


def facts_of(model: Model) -> dict[str, Any]:
    """Return what a page is told of a classifier, as plain JSON types; see ``served.js``."""
    classifier, rules = model.classifier, model.rules
    known = describe(classifier)
    said = [*about(classifier, known)]
    if rules.sentences:
        said.append(("Asked of the server", list(rules.sentences)))
    return {
        "name": model.name,
        "version": model.version,
        "digest": model.digest,
        "title": title_of(classifier),
        "class_names": list(model.class_names),
        "engine": model.engine,
        "rules": known["rules"],
        "asked": {
            "ood_threshold": rules.ood_threshold,
            "confidence": rules.confidence,
            "has_sets": rules.sets is not None,
        },
        "about": [
            *said,
            ("Runs by", [f"{model.engine}, on the server"]),
            ("Digest", [model.digest]),
        ],
    }


class Pages:
    """Classifiers as pages that answer without the server: each made when it is first asked for.

    Args:
        are_had: Whether anybody gets one: it holds the whole classifier.

    Attributes:
        are_had: Likewise.
    """

    def __init__(self, *, are_had: bool) -> None:
        self.are_had = are_had
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        #: By the classifier's name: the checksum of what is, or was, made into a page, and that.
        self._making: dict[str, tuple[str, asyncio.Task[Path]]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False

    def hindrance(self, model: Model) -> str:
        """Return why a classifier can't be had as a page, as far as that is known; "" otherwise."""
        try:
            read_runtime()
            check_exportable(model.classifier)
        except InputError as error:
            return str(error)
        return ""

    async def get(self, model: Model) -> Path:
        """Return the file of a classifier's page. Who gives up waiting may ask again.

        Raises:
            PageError: It can't be had.
        """
        if not self.are_had:
            raise PageError("this server does not hand its classifiers out")
        checksum, task = self._making.get(model.name, ("", None))
        if task is None or checksum != model.checksum or _is_worth_another(task):
            task = asyncio.create_task(self._made(model, checksum))
            task.add_done_callback(_is_worth_another)  # nobody may be there to hear of it
            self._making[model.name] = model.checksum, task
        return await asyncio.shield(task)

    def close(self) -> None:
        """End what is being made, and delete what was."""
        self._is_closed = True
        if self._process is not None:
            self._process.kill()
        if self._folder is not None:
            with suppress(OSError):
                self._folder.cleanup()

    async def _made(self, model: Model, before: str) -> Path:
        async with self._one_at_a_time:
            try:
                return await asyncio.to_thread(self._make, model, before)
            except OSError as error:
                raise PageFailedError(f"it can't be written ({error.strerror or error})") from error

    def _make(self, model: Model, before: str) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="photograft-pages-")
        place = Path(self._folder.name, model.name)
        out = place / model.checksum
        out.parent.mkdir(exist_ok=True)
        shutil.rmtree(out, ignore_errors=True)
        code, said = self._run(model.folder, out)
        if code:
            message = " ".join(said.split())
            raise PageError(message) if code == 2 else PageFailedError(message or "it was ended")
        written = json.loads((out / "metadata.json").read_text(encoding="utf-8"))
        if written["digest"] != model.digest:
            raise PageBusyError("the classifier is being changed; try again")
        # Those who asked for the one before have opened it by now, or come again.
        if before and before != model.checksum:
            shutil.rmtree(place / before, ignore_errors=True)
        return out / "index.html"

    def _run(self, folder: Path, out: Path) -> tuple[int, str]:
        command = [sys.executable, "-c", _CODE, json.dumps(sys.path), str(folder), str(out)]
        with subprocess.Popen(  # noqa: S603 (our own module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            self._process = process
            if self._is_closed:
                process.kill()
            said = process.communicate()[1]
        self._process = None
        return process.returncode, said


def _is_worth_another(task: asyncio.Task[Path]) -> bool:
    """Return whether it failed, and not because the classifier can't be a page."""
    if not task.done() or task.cancelled():
        return task.done()
    error = task.exception()
    return error is not None and not (isinstance(error, PageError) and error.kind == "not-found")
