"""The page of a run or a comparison, written anew from its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from photograft.classifier.classifier import Classifier
from photograft.core.bars import progress_of
from photograft.core.files import path_of
from photograft.core.progress import Watched
from photograft.core.store import FeatureStore
from photograft.report.comparison_page import write_comparison_page
from photograft.report.run_page import write_run_page
from photograft.runs.comparison import COMPARISON, read_comparison, winners_folder
from photograft.runs.folder import PAGE, Facts, load_facts
from photograft.runs.photos import find_photos


@dataclass(frozen=True)
class Reported:
    """A page that was written.

    Attributes:
        path: The HTML file.
        source: Where the photos were.
        has_photos: Whether any of them are still there.
    """

    path: Path
    source: str
    has_photos: bool


def report(
    folder: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
) -> Reported:
    """Write the page of a run or a comparison anew: one HTML file that needs nothing else.

    The photos on it are read from where they were; those that are gone or changed are left out.

    Args:
        folder: Of a run or a comparison.
        output: The HTML file; ``report.html`` in the folder where not given.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.

    Raises:
        ClassifierError: The folder is neither, or damaged.
        StorageError: The page can't be written.
    """
    folder = path_of(folder, "the run or comparison", "the path of its folder")
    found = _read(folder)
    source = ""
    reads: Mapping[str, Callable[[], bytes]] = {}
    if found.facts is not None:
        source = found.facts.info["data"]["source"]
        reads = find_photos(source, found.facts.files)
    out = folder / PAGE if output is None else path_of(output, "the page")
    classifier, told = found.classifier, progress_of(progress)
    if found.comparison is not None:
        write_comparison_page(
            found.comparison,
            found.facts,
            reads,
            out,
            classifier=classifier,
            store=store,
            progress=told,
        )
    elif found.facts is not None:
        write_run_page(found.facts, reads, out, classifier=classifier, store=store, progress=told)
    return Reported(out, source, bool(reads))


class _Folder(NamedTuple):
    """What a folder holds: a comparison or None, and a run's facts and classifier, or None."""

    comparison: dict[str, Any] | None
    facts: Facts | None
    classifier: Classifier | None


def _read(folder: Path) -> _Folder:
    is_comparison = (folder / COMPARISON).is_file()
    comparison = read_comparison(folder) if is_comparison else None
    run = folder if comparison is None else winners_folder(folder, comparison)
    if run is None:
        return _Folder(comparison, None, None)
    return _Folder(comparison, load_facts(run), _saved_classifier(run))


def _saved_classifier(run: Path) -> Classifier | None:
    """Return a run's classifier; None where it is missing, changed or too new: the page goes on."""
    try:
        return Classifier.load(run)
    except Exception:
        return None
