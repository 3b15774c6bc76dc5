"""How sure one may be of a classifier, in the words and rows that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from photograft.core.text import count, number, percent, with_interval


class Answer(NamedTuple):
    """What is said of a question: a plain sentence and the figures behind it, if there are any."""

    sentence: str = ""
    figures: str = ""


def certainty_context(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page says of how sure the classifier may be.

    Args:
        info: What ``run.json`` holds; runs of older versions say nothing of it.

    Returns:
        ``calibration``, ``sets`` and ``unknown``: an `Answer` each; ``abstaining``: a sentence for
        each target; ``rows``: likewise the accuracy asked, the confidence, the accuracy with its
        interval, the share answered with its interval, and whether that is shown, reached or
        neither; ``held_out``: on what photos all this was found out.
    """
    said = info.get("certainty") or {}
    calibration, abstaining = said.get("calibration"), said.get("abstaining", [])
    return {
        "calibration": _calibration(calibration) if calibration else Answer(),
        "abstaining": [row["sentence"] for row in abstaining],
        "rows": [_row(row) for row in abstaining],
        "sets": Answer((said.get("sets") or {}).get("sentence", "")),
        "unknown": _unknown(said["unknown"]) if said.get("unknown") else Answer(),
        "held_out": said.get("held_out", ""),
    }


def _calibration(found: Mapping[str, Any]) -> Answer:
    before, after = found["before"], found["after"]
    sentence = (
        "Its percentages are as it learned them: nothing showed that adjusting them would make "
        "them more honest."
    )
    if found["kept"]:
        was = "too sure of itself" if found["slope"] < 1 else "less sure of itself than it may be"
        sentence = f"Its percentages were adjusted, since it was {was}."
    return Answer(
        sentence,
        f"{found['reason'].rstrip('.')} (on {found['fitted_on']}; the calibration error there is "
        f"{_error(before)} without it and {_error(after)} with it).",
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


def _unknown(found: Mapping[str, Any]) -> Answer:
    sentence = (
        f"Asked to (predict --unknown), it calls a photo unknown that is like none of its "
        f"classes, and keeps {percent(found['share_kept'])} of photos that are of one."
    )
    figures = (
        f"Unknown is an OOD score above {number(found['threshold'])}. Of "
        f"{count(found['num_photos'], 'photo')} of these classes that it did not learn from, "
        f"{with_interval(found['share_kept'], found['share_kept_interval'])} are below that."
    )
    through = found.get("let_through")
    if not through:
        return Answer(sentence, figures)
    passes = percent(through["share"], 0)
    return Answer(
        f"{sentence} What is quite another thing it mostly tells; of a class that is new to it "
        f"and much like the others, {passes} would pass for one of them.",
        f"{figures} Each class in turn was taken for one that is new to it: "
        f"{with_interval(through['share'], through['interval'])} of its photos were below it, too.",
    )
