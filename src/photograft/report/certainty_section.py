"""How sure one may be of a classifier, in the words and rows that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from photograft.core.text import count, number, percent


def certainty_context(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page says of how sure the classifier may be.

    Args:
        info: What ``run.json`` holds; runs of older versions say nothing of it.

    Returns:
        ``calibration``: a sentence, or empty; ``rows``: for each target of abstaining, the
        accuracy asked, the confidence, the accuracy with its interval, the share answered with its
        interval, and whether that is shown, reached or neither; ``sets``: a sentence, or empty;
        ``unknown``: likewise; ``held_out``: on what photos all this was found out.
    """
    said = info.get("certainty") or {}
    calibration = said.get("calibration")
    return {
        "calibration": _calibration(calibration) if calibration else "",
        "rows": [_row(row) for row in said.get("abstaining", [])],
        "sets": (said.get("sets") or {}).get("sentence", ""),
        "unknown": _unknown(said["unknown"]) if said.get("unknown") else "",
        "held_out": said.get("held_out", ""),
    }


def _calibration(found: Mapping[str, Any]) -> str:
    before, after = found["before"], found["after"]
    return (
        f"{found['reason'].rstrip('.')} (on {found['fitted_on']}; the calibration error there is "
        f"{_error(before)} without it and {_error(after)} with it)."
    )


def _error(score: Mapping[str, Any]) -> str:
    low, high = score["interval"]
    return f"{number(score['calibration_error'])} ({number(low)} to {number(high)})"


def _row(found: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = found["accuracy_interval"]
    least, most = found["share_interval"]
    how = "shown" if found["is_shown"] else "reached, not shown"
    return (
        percent(found["min_accuracy"], 0),
        percent(found["threshold"], 2),
        f"{percent(found['accuracy'])} ({percent(low)} to {percent(high)})",
        f"{percent(found['share'])} ({percent(least)} to {percent(most)})",
        how if found["is_reached"] else "not reached",
    )


def _unknown(found: Mapping[str, Any]) -> str:
    low, high = found["share_kept_interval"]
    said = (
        f"A photo whose OOD score is above {number(found['threshold'])} may be called unknown: "
        f"that keeps {percent(found['share_kept'])} ({percent(low)} to {percent(high)}) of "
        f"{count(found['num_photos'], 'photo')} of these classes that it did not learn from."
    )
    through = found.get("let_through")
    if not through:
        return said
    low, high = through["interval"]
    return (
        f"{said} What it lets through: were one of these classes new to it, "
        f"{percent(through['share'])} ({percent(low)} to {percent(high)}) of that class's photos "
        "would still pass as known; photos of quite other things seldom do."
    )
