"""The classifiers of a server, by name; one whose folder has changed is swapped for the new."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.backbones.running import num_at_once
from photograft.classifier.files import find_folder
from photograft.core.errors import InputError, PhotograftError, UnknownNameError, as_typed
from photograft.core.stamps import Stamp, stamp_of
from photograft.workflows.serving.batching import Batcher
from photograft.workflows.serving.figures import ModelFigures
from photograft.workflows.serving.model import Model, load_model

#: Seconds between two looks at whether a folder has changed.
LOOK_SECONDS = 1.0

#: Photos of a batch for each that the engine runs at once: one more to even out quick and slow
#: ones, and no more, since all are answered at its end.
PHOTOS_PER_CORE = 2

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LOG = logging.getLogger("photograft")


@dataclass(frozen=True)
class Served:
    """One name, and the classifier that answers to it now: a request holds on to it to its end.

    Attributes:
        model: The classifier.
        batcher: Answers for it.
        figures: What has been done under this name, by others before it, too.
    """

    model: Model
    batcher: Batcher
    figures: ModelFigures


class Models:
    """Classifiers by name.

    Args:
        folders: Of each, its own or that of its run.
        asked: Of the rules, as `read_rules` takes them.
        engine: Runs the networks, one batch at a time.

    Raises:
        ClassifierError: There is none somewhere, or it is damaged.
        WeightsError: A backbone's weights are not here.
        InputError: A classifier can't tell what is asked.
    """

    def __init__(
        self, folders: Mapping[str, Path], asked: Mapping[str, Any], engine: ThreadPoolExecutor
    ) -> None:
        self._asked, self._engine, self._folders = asked, engine, dict(folders)
        self._served: dict[str, Served] = {}
        #: Of what was loaded; None where what is there now could not be.
        self._stamps = {name: _stamp(folder) for name, folder in folders.items()}
        for name, folder in folders.items():
            model, figures = load_model(name, folder, asked), ModelFigures(loads=1)
            self._served[name] = Served(model, self._batcher(model, figures), figures)

    @property
    def names(self) -> list[str]:
        """All names, in the order in which they were given."""
        return list(self._served)

    def find(self, name: str | None = None) -> Served:
        """Return what answers to a name; the only one where none is given.

        Raises:
            UnknownNameError: None does.
            InputError: None is given, and there are several.
        """
        if name is None and len(self._served) > 1:
            raise InputError(
                "there are several classifiers here, and none is named",
                expected=f"one of {', '.join(self.names)}",
            )
        found = self._served.get(self.names[0] if name is None else name)
        if found is None:
            raise UnknownNameError("classifier", str(name), self.names)
        return found

    def all(self) -> list[Served]:
        """Return all of them, in order."""
        return list(self._served.values())

    async def watch(self) -> None:
        """Swap what has changed, for as long as this runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, folder in self._folders.items():
                stamp = await asyncio.to_thread(_stamp, folder)
                if stamp is not None and stamp != self._stamps[name]:
                    await self._swap(name, stamp)

    async def _swap(self, name: str, stamp: Stamp) -> None:
        """Load what is in a folder now beside what answers; swap them if it can be loaded."""
        old = self._served[name]
        try:
            model = await asyncio.to_thread(load_model, name, self._folders[name], self._asked)
        except Exception as error:
            # It may just be written: it is tried again at every look, and told once.
            if self._stamps[name] is not None:
                old.figures.failed_loads += 1
                _LOG.warning("%s stays as it is: what is there now can't be used: %s", name, error)
            self._stamps[name] = None
            return
        self._stamps[name] = stamp
        if model.checksum == old.model.checksum:
            return
        self._served[name] = Served(model, self._batcher(model, old.figures), old.figures)
        old.figures.loads += 1
        _LOG.warning("%s has changed: version %s answers from now on", name, model.version)

    def _batcher(self, model: Model, figures: ModelFigures) -> Batcher:
        return Batcher(model.answer, self._engine, figures, PHOTOS_PER_CORE * num_at_once())


def named_folders(texts: Sequence[str]) -> dict[str, Path]:
    """Return the folders that were named on a command line, by the names that they get.

    Args:
        texts: Each a folder, which is called as it is or as the run that it lies in, or
            ``NAME=FOLDER``.

    Raises:
        InputError: Two have one name, or a name has other than ASCII letters, digits and ``._-``.
    """
    found: dict[str, Path] = {}
    for text in texts:
        given, mark, place = text.partition("=")
        is_named = bool(mark) and _NAME.fullmatch(given) is not None and not Path(text).exists()
        folder = Path(place if is_named else text)
        name = given if is_named else _called(folder)
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{as_typed(name)} can't be part of an address",
                expected="ASCII letters, digits, '.', '_' and '-'",
                fix=f"Name it: NAME={text}.",
            )
        if name in found:
            raise InputError(
                f"{found[name]} and {folder} would both be called {as_typed(name)}",
                fix=f"Name one of them: NAME={text}.",
            )
        found[name] = folder
    return found


def _called(folder: Path) -> str:
    whole = folder.resolve()
    return whole.parent.name if whole.name == "classifier" else whole.name


def _stamp(folder: Path) -> Stamp | None:
    try:
        return stamp_of(find_folder(folder) / "classifier.json")
    except PhotograftError:
        return None  # it is being written, or gone: what is loaded stays
