"""What a project's latest run says of itself: verdict, confusions, mistakes, how sure it may be."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.core.errors import ClassifierError, PhotograftError, UnknownNameError
from photograft.core.files import printable
from photograft.core.statistics import wilson_interval
from photograft.core.text import count, percent
from photograft.report import tried
from photograft.report.confusion import show_confusion
from photograft.report.model_card import limits, verdict
from photograft.runs.comparison import COMPARISON, Comparison
from photograft.runs.folder import PAGE, Answer, Facts, load_facts
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.orders import labels_key
from photograft.workflows.studio.project import Project

#: Mistakes, and photos of a cell, that are told.
_MOST_MISTAKES, _MOST_PHOTOS = 200, 500
#: A class that is found less often than the others by this much would gain most by a look at it.
_WEAK = 0.1


class Understanding:
    """What is known of the latest run.

    Args:
        project: Whose photos it learned from.
        jobs: Knows which run is the latest.
    """

    def __init__(self, project: Project, jobs: Jobs) -> None:
        self._project, self._jobs = project, jobs

    def run(self) -> dict[str, Any] | None:
        """Return name and accuracy of the latest run, for every page; None where there is none."""
        path = self._jobs.run()
        if path is None:
            return None
        try:
            accuracy = _score(_facts(path, _changed(path)))[0]
        except (ClassifierError, OSError):
            return None
        return {"name": self._name(path), "accuracy": accuracy}

    def facts(self) -> dict[str, Any]:
        """Return all that is known of the latest run, as plain JSON types.

        ``state`` is ``"fresh"`` where it learned from the labels as they are, else ``"stale"``, and
        ``"none"`` where nothing is trained.

        Raises:
            ClassifierError: The run is damaged.
        """
        path = self._jobs.run()
        if path is None:
            return {"state": "none"}
        facts = _facts(path, _changed(path))
        scores, (accuracy, interval, part) = facts.scores, _score(facts)
        matrix = show_confusion(scores["confusion"]) if scores else None
        now = labels_key(self._project.snapshot())
        trained = self._jobs.latest("train", "compare")
        is_fresh = trained is not None and trained.labels == now
        return {
            "state": "fresh" if is_fresh and trained and self._is_of(path, trained) else "stale",
            "path": printable(path),
            "name": self._name(path),
            "verdict": verdict(facts, matrix.pairs if matrix else ()),
            "notes": [*facts.info["notes"], *limits(facts)],
            "accuracy": accuracy,
            "interval": interval,
            "part": part,
            "class_names": facts.class_names,
            "matrix": scores["confusion"] if scores else [],
            "per_class": _per_class(facts),
            "curve": _curve(path, _changed(path)),
            "mistakes": [
                {**self._told(answer), "predicted": facts.class_names[answer.predicted]}
                | {"label": facts.class_names[answer.label]}
                for answer in facts.mistakes[:_MOST_MISTAKES]
            ],
            "more_photos": self._more_photos(now),
            "tried": _tried(path, facts),
        }

    def cell(self, actual: str, predicted: str) -> dict[str, Any]:
        """Return the photos of a class that were taken for another, the most confident first.

        Raises:
            UnknownNameError: There is no such class.
            ClassifierError: There is no run.
        """
        facts = self._there()
        for name in (actual, predicted):
            if name not in facts.class_names:
                raise UnknownNameError("class", name, facts.class_names)
        i, j = (facts.class_names.index(name) for name in (actual, predicted))
        found = [a for a in facts.answers if (a.label, a.predicted) == (i, j)]
        found.sort(key=lambda answer: -answer.confidence)
        return {"photos": [self._told(answer) for answer in found[:_MOST_PHOTOS]]}

    def said(self, photo_id: str) -> tuple[str, float] | None:
        """Return for what the latest run took a photo that it was scored on, and how surely.

        Raises:
            ClassifierError: There is no run.
        """
        facts = self._there()
        name = self._project.row(photo_id).photo.path
        answer = next((answer for answer in facts.answers if answer.name == name), None)
        return (facts.class_names[answer.predicted], answer.confidence) if answer else None

    def page(self) -> Path:
        """Return the file of the latest run's own page.

        Raises:
            ClassifierError: There is none.
        """
        path = self._jobs.run()
        page = None if path is None else path / PAGE
        if page is None or not page.is_file():
            raise ClassifierError("nothing is trained yet", fix="Train first.")
        return page

    def _there(self) -> Facts:
        path = self._jobs.run()
        if path is None:
            raise ClassifierError("nothing is trained yet", fix="Train first.")
        return _facts(path, _changed(path))

    def _name(self, path: Path) -> str:
        return path.parent.name if _is_compared(path) else path.name

    def _is_of(self, path: Path, job: Any) -> bool:
        return bool(job.result) and self._project.folder / str(job.result["path"]) == path

    def _told(self, answer: Answer) -> dict[str, Any]:
        photo_id = self._project.id_of(answer.name)
        return {"id": photo_id, "name": answer.name, "probability": answer.confidence}

    def _more_photos(self, now: str) -> list[str]:
        """Return what more photos would bring, where the learning curve of these was measured."""
        job = self._jobs.latest("learning-curve")
        if job is None or job.result is None or job.labels != now:
            return []
        return list(job.result["sentences"])


def _score(facts: Facts) -> tuple[float | None, list[float] | None, str]:
    """Return the accuracy, its interval, and on what it was measured."""
    scores = facts.scores
    if scores is not None:
        return scores["accuracy"], list(scores["accuracy_interval"]), facts.part
    chosen = facts.selection.get("chosen")
    if not chosen:
        return None, None, ""
    number = int(facts.selection["num_photos"])
    accuracy = float(chosen["accuracy"])
    return accuracy, list(wilson_interval(accuracy * number, number)), "cross-validation"


def _per_class(facts: Facts) -> list[dict[str, Any]]:
    """Return how each class does, and a word on the one that does worst."""
    counts = facts.info["data"]["class_counts"]["train"]
    rows = facts.scores["classes"] if facts.scores else [{} for _ in counts]
    recalls = [row["recall"] for row in rows if row.get("recall") is not None]
    mean = sum(recalls) / len(recalls) if recalls else 0.0
    found = []
    for name, number, row in zip(facts.class_names, counts, rows, strict=True):
        recall, advice = row.get("recall"), ""
        if recall is not None and recall < mean - _WEAK:
            fewest = number < max(counts) / 2
            advice = (
                f"Found less often than the others ({percent(recall)}), and has fewer photos to "
                f"learn from ({count(number, 'photo')}): more of it come first."
                if fewest
                else f"Found less often than the others ({percent(recall)}): look at its mistakes."
            )
        told = {"recall": recall, "precision": row.get("precision"), "advice": advice}
        found.append({"name": name, "num_photos": number, **told})
    return found


def _tried(path: Path, facts: Facts) -> list[dict[str, Any]]:
    """Return what was tried on the way, with its score in words."""
    if _is_compared(path):
        rows: Sequence[dict[str, Any]] = Comparison.load(path.parent).leaderboard()
        return [
            {"what": row["id"], "score": percent(row["accuracy"])}
            for row in rows
            if row["accuracy"] is not None
        ]
    looks = [
        {"what": f"look: {look}, by {judges}", "score": f"{right}, {fate}"}
        for look, _, judges, right, fate in tried.looks(facts.selection)
    ]
    heads = [
        {"what": f"{row.head}, {row.layers}, {row.strength}", "score": row.accuracy}
        for table in tried.tried(facts.selection)
        for row in table.candidates
    ]
    return [*looks, *heads]


@functools.lru_cache(maxsize=2)
def _facts(run: Path, changed: int) -> Facts:
    del changed  # another run of the same name is another one
    return load_facts(run)


@functools.lru_cache(maxsize=2)
def _curve(run: Path, changed: int) -> list[dict[str, float]]:
    """Return accuracy against the share that is answered, for a slider."""
    del changed
    try:
        known = Classifier.load(run).uncertainty
    except PhotograftError:
        return []
    held_out = known.held_out if known else None
    return [
        {"share": share, "accuracy": accuracy, "threshold": threshold}
        for share, accuracy, threshold in (held_out.curve() if held_out else [])
    ]


def _is_compared(run: Path) -> bool:
    """Return whether a run is that of a comparison's winner."""
    return (run.parent / COMPARISON).is_file()


def _changed(run: Path) -> int:
    return (run / "run.json").stat().st_mtime_ns
