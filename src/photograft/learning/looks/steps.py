"""What a search for looks tried, and what each brought, for the record and for users."""

from __future__ import annotations

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
    """

    look: str
    cost: float
    promised: float | None
    log_loss: float | None
    accuracy: float | None
    kept: bool
    replaced: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return dict(vars(self))


def told(steps: Sequence[Step], effort: str, judges: str = "train") -> tuple[str, ...]:
    """Return what users should know of a search.

    Args:
        steps: What was tried, the first look's first.
        effort: That was made; empty where the user named the looks.
        judges: Whose photos decided: those of ``"train"`` or of ``"validation"``.
    """
    first, *more = steps
    if not effort or first.accuracy is None:
        return ()
    said, accuracy = [], first.accuracy
    photos = "held-out training photos" if judges == "train" else "validation photos"
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
        said.append("no other look at some of the photos promised anything: one is enough")
    left = [step.look for step in more if step.accuracy is None and step.promised]
    if left and effort != "thorough":
        said.append(f"--effort thorough would try more, {left[0]} among them")
    return tuple(said)
