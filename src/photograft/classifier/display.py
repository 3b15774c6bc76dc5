"""What a notebook shows of a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from photograft.core.html import faint, fragment, heading, paragraph, table
from photograft.core.text import brief, classes, count, layers_text, percent, short

_MOST_NAMES = 30


def classifier_line(class_names: Sequence[str], backbone: str, trained: Mapping[str, Any]) -> str:
    """Return what a classifier is, in one line; the arguments are those of `classifier_html`."""
    said = [repr(backbone), classes(class_names)]
    if isinstance(learned := _num_learned(trained), int):
        said.append(count(learned, "training photo"))
    scored = _scored(trained)
    if scored:
        part, scores = scored[0]
        said.append(f"{part} accuracy {percent(scores['accuracy'])}")
    return f"Classifier({', '.join(said)})"


def classifier_html(
    class_names: Sequence[str],
    backbone: str,
    layers: Sequence[str],
    num_params: int,
    trained: Mapping[str, Any],
) -> str:
    """Return the classes of a classifier, what it is made of and its scores, as HTML.

    Args:
        class_names: Its classes.
        backbone: The name of its backbone.
        layers: Those that its head sees.
        num_params: Of its head.
        trained: Where it comes from.
    """
    scored = _scored(trained)
    learned = _num_learned(trained)
    made_of = (
        f"Backbone {backbone}, {layers_text(layers)}; a head of "
        f"{brief(num_params)} parameters"
        + (f", fitted on {count(learned, 'photo')}" if isinstance(learned, int) else "")
    )
    return fragment(
        heading("Classifier", short(trained.get("name", ""), 60)),
        paragraph(classes(class_names, _MOST_NAMES)),
        table(
            ("scored on", "photos", "accuracy", "95% interval"),
            [_scores(part, scores) for part, scores in scored],
            numbers=(1, 2),
        )
        if scored
        else paragraph("How good it is has not been measured."),
        paragraph(faint(f"{made_of}.")),
    )


def _num_learned(trained: Mapping[str, Any]) -> Any:
    """Return how many photos it has learned from in the end, where that is known."""
    return trained.get("num_learned", trained.get("num_train"))


def _scored(trained: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the scores of each part that there are."""
    return [
        (part, scores)
        for part in ("test", "validation")
        if isinstance(scores := trained.get(part), Mapping) and scores.get("accuracy_interval")
    ]


def _scores(part: str, scores: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = scores["accuracy_interval"]
    return (
        part,
        f"{scores['num_photos']:,}",
        percent(scores["accuracy"]),
        f"{percent(low)} to {percent(high)}",
    )
