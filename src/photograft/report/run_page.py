"""A run's page: the verdict, the data, the mistakes, what was tried, how to repeat it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.core.text import layers_text, number, percent, shown
from photograft.data.sources.base import IN_MEMORY
from photograft.report import charts, model_card, tried
from photograft.report.certainty_section import certainty_context
from photograft.report.confusion import Matrix, show_confusion
from photograft.report.explanations import explain_mistakes
from photograft.report.findings_section import findings_context
from photograft.report.page import script_json, write_page
from photograft.report.photo_choice import MAX_MISTAKES, Choice, choose
from photograft.report.reliability import reliability
from photograft.report.thumbnails import thumbnails
from photograft.runs.folder import Answer, Facts

_MAX_EXAMPLES = 3
#: Photos of findings that are shown, all findings together: the doctor's own page has more.
_MAX_FLAGGED = 60

Reads = Mapping[str, Callable[[], bytes]]


def write_run_page(
    facts: Facts,
    reads: Reads,
    out: Path,
    *,
    classifier: Classifier | None,
    store: FeatureStore | None = None,
    progress: Progress,
) -> None:
    """Write a run's page.

    The same run and photos give the same bytes.

    Args:
        facts: Of the run.
        reads: By name as in ``files.parquet``, what returns a photo's bytes. Only those of photos
            that are shown are called. Without any, the page has no pictures and says so.
        out: The HTML file.
        classifier: The run's, which explains its most confident mistakes; None for no explanations.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.

    Raises:
        StorageError: The page can't be written.
    """
    run = run_context(facts, reads, classifier, store=store, progress=progress)
    write_page(out, "run.html.j2", {"run": run, "photos": run["photos"]})


def run_context(
    facts: Facts,
    reads: Reads,
    classifier: Classifier | None,
    *,
    store: FeatureStore | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Return what the templates of a run's sections are filled with; see `write_run_page`."""
    from markupsafe import Markup

    info, scores = facts.info, facts.scores
    matrix = show_confusion(scores["confusion"]) if scores else None
    choice = choose(facts, matrix.openable() if matrix else ())
    explained = (
        explain_mistakes(classifier, choice.mistakes, reads, store=store, progress=progress)
        if classifier
        else {}
    )
    near = [neighbour.name for e in explained.values() for neighbour in e.neighbours]
    drawn = list(dict.fromkeys([*choice.drawn, *near]))
    pictures = thumbnails(drawn, reads, max_pixels=info["config"]["max_pixels"], progress=progress)
    numbers = {name: i for i, name in enumerate(drawn)}
    in_place = {name for names in choice.gallery.values() for name in names}
    in_place |= {answer.name for answer in choice.mistakes} | set(near)
    return {
        "facts": facts,
        "info": info,
        "names": facts.class_names,
        "scores": scores,
        "has_pictures": bool(reads),
        "num_lost": len(drawn) - len(pictures),
        "verdict": model_card.verdict(facts, matrix.pairs if matrix else ()),
        "bar": Markup(_accuracy_bar(scores)) if scores else "",  # noqa: S704
        "skipped": _skipped(facts),
        "odd": [file for file in facts.files if file.used and file.detail],
        "gallery": choice.gallery,
        "pictures": pictures,
        "numbers": numbers,
        "curves": [Markup(svg) for svg in _curves(facts)],  # noqa: S704
        "matrix": matrix,
        "openable": choice.totals,
        "mistakes": choice.mistakes,
        "explained": explained,
        "has_neighbours": bool(near),
        "num_mistakes": len(facts.mistakes),
        "max_mistakes": MAX_MISTAKES,
        "bins": [b for b in reliability(facts.answers) if b.num_photos],
        "reliability": Markup(charts.reliability_diagram(reliability(facts.answers))),  # noqa: S704
        "layers": layers_text(info["layers"]),
        "looks": tried.looks(facts.selection),
        "tried": list(tried.tried(facts.selection)),
        "published": tried.published(facts),
        "settings": tried.settings(facts),
        "command": tried.repeat_command(facts),
        "in_memory": facts.info["data"]["kind"] in IN_MEMORY,
        "card": model_card.model_card(facts),
        "sure": certainty_context(info),
        "found": _found(facts, reads, progress),
        "photos": Markup(_photos(facts, matrix, choice, pictures, numbers, in_place)),  # noqa: S704
    }


def _found(facts: Facts, reads: Reads, progress: Progress) -> dict[str, Any] | None:
    """Return what the doctor found, where anybody looked."""
    if facts.findings is None:
        return None
    return findings_context(
        facts.findings,
        reads,
        num_photos=facts.info["data"]["num_photos"],
        max_photos=_MAX_FLAGGED,
        max_pixels=facts.info["config"]["max_pixels"],
        progress=progress,
    )


def _photos(
    facts: Facts,
    matrix: Matrix | None,
    choice: Choice,
    pictures: Mapping[str, str],
    numbers: Mapping[str, int],
    in_place: set[str],
) -> str:
    """Return, as JSON, what stands behind the cells of the matrix, and the pictures for it.

    A picture that is on the page anyway is taken from there: each is embedded once.
    """

    def row(answer: Answer) -> list[Any]:
        has_picture = answer.name in pictures
        return [
            shown(answer.name),
            percent(answer.confidence),
            numbers[answer.name] if has_picture else -1,
        ]

    known = {label for cell in choice.cells for label in cell}
    used = {answer.name for answers in choice.cells.values() for answer in answers}
    return script_json(
        {
            "classes": {c: shown(facts.class_names[c]) for c in sorted(known)} if matrix else {},
            "cells": {
                f"{i},{j}": {"total": choice.totals[i, j], "photos": [row(a) for a in answers]}
                for (i, j), answers in sorted(choice.cells.items())
            },
            "pictures": {
                numbers[name]: uri
                for name, uri in pictures.items()
                if name in used and name not in in_place
            },
        }
    )


def _accuracy_bar(scores: Mapping[str, Any]) -> str:
    low = min(scores["baseline_accuracy"], scores["accuracy_interval"][0])
    start = max(int(low * 10 - 0.5) / 10, 0.0)
    return charts.interval_bar(
        scores["accuracy"], scores["accuracy_interval"], start, mark=scores["baseline_accuracy"]
    )


def _skipped(facts: Facts) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """Return each reason for which files were skipped: how many, and some of them."""
    by_reason: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for file in facts.files:
        if not file.used:
            by_reason[file.reason].append((file.name, file.detail))
    rows = [(reason, len(files), files[:_MAX_EXAMPLES]) for reason, files in by_reason.items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def _curves(facts: Facts) -> list[str]:
    history = facts.history
    if history is None or len(history.epochs) < 2:
        return []
    epochs = history.epochs
    return [
        charts.epoch_chart(
            title,
            [
                charts.Series("training", "train", [getattr(e, name) for e in epochs]),
                charts.Series("validation", "val", [getattr(e, f"val_{name}") for e in epochs]),
            ],
            history.kept,
            write,
        )
        for title, name, write in (
            ("Accuracy by epoch", "accuracy", lambda v: percent(v)),
            ("Loss by epoch", "loss", lambda v: number(v)),
        )
    ]
