"""Which photos a page shows, where it can't show all: chosen by rule, so that it is repeatable.

A page of 5,000 photos has to stay small and quick to write: no more than `MAX_PHOTOS` are drawn,
and fewer where they are large, since decoding takes the time. Each place where photos are shown
has its turn: the classes, the most confident mistakes, then the cells of the confusion matrix in
rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from photograft.runs.folder import Answer, Facts, most_confident

MAX_PHOTOS = 600
#: Pixels to decode for one page, as stored: 125 photos of 12 megapixels.
MAX_PIXELS = 1_500_000_000
#: Photos of all classes together that show what the data looks like, and the most of one class.
_GALLERY, _GALLERY_PER_CLASS, _GALLERY_CLASSES = 160, 8, 60
MAX_MISTAKES = 24
PER_CELL = 12
#: Photos of a cell that are named, though there may be no picture of them.
_NAMED_PER_CELL = 3


@dataclass(frozen=True)
class Choice:
    """The photos to show.

    Attributes:
        gallery: Names of training photos of each class that is shown, by class.
        mistakes: The most confident wrong answers.
        cells: Answers behind each cell of the confusion matrix that has any, by true and
            predicted class, in the order in which they are shown.
        totals: How many answers are behind each of those cells.
        drawn: Names of the photos to draw, each once.
    """

    gallery: Mapping[int, Sequence[str]]
    mistakes: Sequence[Answer]
    cells: Mapping[tuple[int, int], Sequence[Answer]]
    totals: Mapping[tuple[int, int], int]
    drawn: Sequence[str]


def choose(facts: Facts, cells: Iterable[tuple[int, int]]) -> Choice:
    """Choose the photos to show.

    Behind a cell of mistakes stand the most confident first, behind one of right answers the least
    sure: those are the photos worth looking at.

    Args:
        facts: Of the run.
        cells: The cells of the confusion matrix that a reader can open: true and predicted class.
    """
    budget = _Budget({file.name: file.num_pixels for file in facts.files})
    gallery = {
        c: [name for name in names if budget.draw(name)] for c, names in _gallery(facts).items()
    }
    mistakes = facts.mistakes[:MAX_MISTAKES]
    for answer in mistakes:
        budget.draw(answer.name)
    behind: dict[tuple[int, int], list[Answer]] = {cell: [] for cell in cells}
    for answer in facts.answers:
        cell = (answer.label, answer.predicted)
        if cell in behind:
            behind[cell].append(answer)
    ordered = {
        cell: most_confident(answers) if cell[0] != cell[1] else most_confident(answers)[::-1]
        for cell, answers in behind.items()
        if answers
    }
    shown: dict[tuple[int, int], list[Answer]] = {cell: [] for cell in ordered}
    # In rounds, mistakes before right answers, so that no cell is left empty for another's sake.
    for place in range(PER_CELL):
        for cell in sorted(ordered, key=lambda cell: (cell[0] == cell[1], cell)):
            if place < len(ordered[cell]):
                answer = ordered[cell][place]
                if budget.draw(answer.name) or place < _NAMED_PER_CELL:
                    shown[cell].append(answer)
    totals = {cell: len(answers) for cell, answers in ordered.items()}
    return Choice(gallery, mistakes, shown, totals, list(budget.drawn))


class _Budget:
    """The photos that are drawn, and how much more may be."""

    def __init__(self, num_pixels: Mapping[str, int]) -> None:
        self._num_pixels = num_pixels
        self._left = MAX_PIXELS
        self.drawn: dict[str, None] = {}

    def draw(self, name: str) -> bool:
        """Say whether a photo is drawn; one that is already costs nothing."""
        cost = self._num_pixels.get(name, 0)
        if name not in self.drawn:
            if len(self.drawn) >= MAX_PHOTOS or cost > self._left:
                return False
            self._left -= cost
            self.drawn[name] = None
        return True


def _gallery(facts: Facts) -> dict[int, list[str]]:
    """Return training photos of each class, spread evenly over the order of their names."""
    names = facts.class_names
    by_label: dict[str, list[str]] = {name: [] for name in names}
    for file in facts.files:
        if file.used and file.split == "train":
            by_label[file.label].append(file.name)
    most = max(1, min(_GALLERY_PER_CLASS, _GALLERY // len(names)))
    return {c: _spread(by_label[names[c]], most) for c in range(min(len(names), _GALLERY_CLASSES))}


def _spread(names: Sequence[str], most: int) -> list[str]:
    step = max(len(names) / most, 1)
    return [names[int(i * step)] for i in range(min(most, len(names)))]
