"""What a page says of its classifier, for people."""

from __future__ import annotations

from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.core.text import count, percent

#: So many class names make a title.
_NAMED = 4


def title_of(classifier: Classifier) -> str:
    """Return what a classifier is called, for people."""
    names = classifier.class_names
    if len(names) <= _NAMED:
        return f"{' or '.join([', '.join(names[:-1]), names[-1]][not names[:-1] :])}?"
    name = classifier.trained.get("name")
    return name if isinstance(name, str) and name else count(len(names), "class", "classes")


def about(classifier: Classifier, known: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return terms, and the paragraphs on each.

    Args:
        classifier: The classifier.
        known: What `describe` says of it.
    """
    trained, backbone = classifier.trained, classifier.backbone
    found = [("Classes", [", ".join(known["classes"])])]
    if isinstance(first := trained.get("num_train"), int):
        learned = trained.get("num_learned", first)
        before = f", {first:,} of them before it was scored" if learned > first else ""
        found.append(("Learned from", [f"{count(learned, 'photo')}{before}"]))
    for part in ("test", "validation"):
        scores = trained.get(part)
        if scores and scores.get("accuracy_interval"):
            low, high = (percent(end) for end in scores["accuracy_interval"])
            found.append(
                (
                    "Accuracy",
                    [
                        f"{percent(scores['accuracy'])} of {count(scores['num_photos'], 'photo')} "
                        f"of the {part} part; 95% interval {low} to {high}. Photos of another kind "
                        "than these may be told apart less well."
                    ],
                )
            )
            break
    rules = known["rules"]
    if rules["unknown"]:
        threshold, kept = rules["unknown"]["ood_threshold"], rules["unknown"]["kept"]
        said = f"An OOD score of more than {threshold:.3f}, which about {percent(1 - kept)} of "
        found.append(("Unknown", [f"{said}photos of its classes have."]))
    if rules["unsure"]:
        found.append(("Unsure", [rule["sentence"] for rule in rules["unsure"]]))
    return [*found, ("Network", [f"{backbone.name}; weights: {backbone.licence}"])]
