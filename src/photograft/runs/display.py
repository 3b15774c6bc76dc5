"""What a notebook shows of a run and of a comparison: what their pages begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from photograft.core.html import Html, faint, fragment, heading, paragraph, strong, table
from photograft.core.text import brief, classes, count, number, percent, short, size
from photograft.evaluation.wording import how_good
from photograft.runs.folder import PAGE

#: What is said of a candidate beside the best.
VERDICTS = {"best": "best", "tie": "as good", "worse": "worse"}


def run_html(
    path: Path, info: Mapping[str, Any], scores: Mapping[str, Any] | None, part: str
) -> str:
    """Return the verdict on a run, its warnings and the scores of its classes, as HTML.

    Args:
        path: Its folder.
        info: What ``run.json`` holds.
        scores: Those that count; None where there are none.
        part: What they are of.
    """
    made_by = [
        str((info.get("backbone") or {}).get("name", "")),
        f"strategy {info.get('strategy', 'not known')}",
        count(sum(info["data"].get("class_counts", {}).get("train", [])), "training photo"),
    ]
    return fragment(
        heading(f"Run {short(info.get('name', ''), 60)}", path),
        paragraph(how_good(scores, part)),
        *_warnings(info),
        _classes(scores) if scores else paragraph(classes(info["data"]["class_names"], 20)),
        paragraph(faint(", ".join(text for text in made_by if text) + f". Report: {path / PAGE}")),
    )


def comparison_html(path: Path, info: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the verdict of a comparison and its leaderboard, as HTML.

    Args:
        path: Its folder.
        info: What ``comparison.json`` holds.
        rows: As `Comparison.leaderboard` gives them.
    """
    return fragment(
        heading(f"Comparison {short(info.get('name', ''), 60)}", path),
        paragraph(info.get("verdict", "")),
        *_warnings(info),
        table(
            (
                *("", "candidate", "verdict", "accuracy", "95% interval", "behind the best"),
                *("ms per photo", "parameters", "size"),
            ),
            [
                _candidate(rank, row, is_chosen=row["id"] == info.get("winner"))
                for rank, row in enumerate(rows, start=1)
            ],
            numbers=(0, 3, 4, 5, 6, 7, 8),
        ),
    )


def _warnings(info: Mapping[str, Any]) -> list[Html]:
    return [paragraph(strong("Warning: "), text) for text in info.get("warnings") or ()]


def _classes(scores: Mapping[str, Any]) -> Html:
    return table(
        ("class", "photos", "precision", "recall", "F1"),
        [
            (
                short(row["name"], 40),
                f"{row['support']:,}",
                percent(row["precision"]),
                percent(row["recall"]),
                number(row["f1"]),
            )
            for row in scores["classes"]
        ],
        numbers=(1, 2, 3, 4),
    )


def _candidate(rank: int, row: Mapping[str, Any], *, is_chosen: bool) -> tuple[object, ...]:
    accuracy, interval, behind = row["accuracy"], row["accuracy_interval"], row["difference"]
    said = VERDICTS.get(row["verdict"], row["verdict"])
    name = short(row["id"], 44)
    words = [said, "chosen" if is_chosen else "", row["status"] * (row["status"] != "complete")]
    return (
        "" if accuracy is None else rank,
        strong(name) if is_chosen else name,
        ", ".join(word for word in words if word),
        percent(accuracy),
        f"{percent(interval[0])} to {percent(interval[1])}" if interval else "–",
        "–"
        if behind is None or row["verdict"] == "best"
        else f"{100 * behind:+.1f} points".replace("-", "−"),
        number(row["ms_per_photo"], 1),
        brief(row["num_params"]),
        size(row["num_bytes"]),
    )
