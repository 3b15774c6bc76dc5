"""What a search for looks tried, and what each brought, for the record and for users."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from photograft.core.text import percent


@dataclass(frozen=True)
class Step:
    """A look that was tried.

    Attributes:
        look: Its name.
        cost: Of a photo, as a multiple of the first look's.
        promised: By how much it took the log loss of the audition's photos down, in nats, 0 where
            that is within noise; None where it was not auditioned.
        log_loss: Cross-validated on all training photos, with it; None where it was not tried on
            all.
        accuracy: Likewise.
        kept: Whether it was kept.
        replaced: Whether that was for a time only: others tell all that it does.
        judges: Whose photos decided: those of ``"train"``, held out in turn, or of
            ``"validation"``.
    """

    look: str
    cost: float
    promised: float | None
    log_loss: float | None
    accuracy: float | None
    kept: bool
    replaced: bool = False
    judges: str = "train"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return dict(vars(self))


#: How photos are called by which a look was judged.
_JUDGES = {"train": "held-out training photos", "validation": "validation photos"}


def told(steps: Sequence[Step], effort: str) -> tuple[str, ...]:
    """Return what users should know of a search.

    Args:
        steps: What was tried; of each of those who judged, what was there before comes first.
        effort: That was made; empty where the user named the looks.
    """
    if not effort or steps[0].accuracy is None:
        return ()
    said: list[str] = []
    for judges, own in itertools.groupby(steps, lambda step: step.judges):
        said += _brought([*own], _JUDGES[judges])
    left = [step.look for step in steps if step.accuracy is None and step.promised]
    if left and effort != "thorough":
        said.append(f"--effort thorough would try more, {left[0]} among them")
    return tuple(said)


def _brought(steps: Sequence[Step], photos: str) -> list[str]:
    """Return what each look brought that was tried on all photos."""
    first, *more = steps
    said, accuracy = [], first.accuracy
    for step in more:
        if step.accuracy is None:
            continue
        said.append(
            f"a look with {step.look} ({step.cost:.1f} times the work of the first) "
            + ("is kept" if step.kept else "does not help beyond noise")
            + f": {percent(step.accuracy)} of {photos} right with it, "
            f"{percent(accuracy)} before"
        )
        accuracy = step.accuracy if step.kept else accuracy
    if more and not said:
        said.append(f"no other look at some of the {photos} promised anything")
    return said
