"""A comparison's page: who won and by how much, at what cost, and all of the winner's run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.core.text import brief
from photograft.report import charts
from photograft.report.page import write_page
from photograft.report.run_page import Reads, run_context
from photograft.runs.comparison import ranked
from photograft.runs.display import VERDICTS
from photograft.runs.folder import Facts


def write_comparison_page(
    comparison: Mapping[str, Any],
    facts: Facts | None,
    reads: Reads,
    out: Path,
    *,
    classifier: Classifier | None,
    store: FeatureStore | None = None,
    progress: Progress,
) -> None:
    """Write a comparison's page, with the winner's run where there is one.

    The same comparison, run and photos give the same bytes.

    Args:
        comparison: What ``comparison.json`` holds, as `runs.comparison.complete` fills it up.
        facts: Of the winner's run; None where there is none.
        reads: By name as in the run's ``files.parquet``, what returns a photo's bytes.
        out: The HTML file.
        classifier: The run's, as in `run_page.write_run_page`.
        store: Likewise.
        progress: Told how far it is.

    Raises:
        StorageError: The page can't be written.
    """
    from markupsafe import Markup

    run = run_context(facts, reads, classifier, store=store, progress=progress) if facts else None
    candidates = ranked(comparison["candidates"])
    compared = [row for row in candidates if row["accuracy"] is not None]
    context = {
        "comparison": comparison,
        "candidates": candidates,
        "verdicts": VERDICTS,
        "bars": {row["id"]: Markup(svg) for row, svg in _bars(compared)},  # noqa: S704
        "scatters": [Markup(svg) for svg in _scatters(candidates)],  # noqa: S704
        "run": run,
        "photos": run["photos"] if run else Markup("{}"),
    }
    write_page(out, "comparison.html.j2", context)


def _bars(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str]]:
    """Return each candidate's interval, all on one scale."""
    known = [row for row in rows if row["accuracy_interval"]]
    low = min((row["accuracy_interval"][0] for row in known), default=0.0)
    start = max(int(low * 20 - 0.2) / 20, 0.0)
    return [
        (row, charts.interval_bar(row["accuracy"], row["accuracy_interval"], start))
        for row in known
    ]


def _scatters(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return charts of accuracy against each cost that two candidates or more are known by."""
    found = []
    writers: list[tuple[str, str, Callable[[float], str]]] = [
        ("ms_per_photo", "milliseconds per photo", lambda v: f"{v:g}"),
        ("multiply_adds", "multiply-adds per photo", brief),
    ]
    for key, title, write in writers:
        points = [
            charts.ScatterPoint(
                rank=rank,
                name=str(row["id"]),
                kind=row["verdict"] or "worse",
                cost=float(row[key]),
                accuracy=row["accuracy"],
                low=(row["accuracy_interval"] or [row["accuracy"]])[0],
                high=(row["accuracy_interval"] or [row["accuracy"]])[-1],
            )
            for rank, row in enumerate(rows, start=1)
            if row[key] and row["accuracy"] is not None and row["status"] == "complete"
        ]
        if len(points) > 1:
            found.append(charts.cost_scatter(points, title, write))
    return found
