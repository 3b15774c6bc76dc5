"""A learning curve: accuracy by number of photos, and what more of them may bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from photograft.core.arrays import Doubles
from photograft.core.text import VISIBLE_POINTS, count, signed
from photograft.evaluation.learning_curve.extrapolation import LEVEL

#: With fewer sizes than these, what is known of other curves says more than this one does.
_FEW_SIZES = 4


@dataclass(frozen=True)
class Forecast:
    """The accuracy that would be measured with more photos like these, in [0, 1].

    Attributes:
        multiple: How many times as many photos.
        num_photos: How many would then be learned from.
        accuracy: The median.
        low: Lower end of the 80% interval.
        high: Upper end.
    """

    multiple: float
    num_photos: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassGain:
    """What twice as many photos, of every class, may bring one class.

    Attributes:
        name: Of the class.
        num_photos: That it has.
        recall: Measured at the largest size, in [0, 1]; None where none was scored.
        gain: Median gain of its recall in expectation, without the noise of measuring.
        low: Lower end of the gain's 80% interval.
        high: Upper end.
        stands_out: Whether it is one of a few that would gain more than the others, beyond noise.
    """

    name: str
    num_photos: int
    recall: float | None
    gain: float
    low: float
    high: float
    stands_out: bool


@dataclass(frozen=True)
class LearningCurve:
    """Scores by number of photos, and what more photos may bring.

    Attributes:
        name: Of the source.
        backbone: Its name.
        layers: That the heads see.
        class_names: In the order of `recall`'s columns.
        num_photos: Looked at: each seed learns from at most about four fifths of them.
        sizes: Mean number of photos learned from, rising, shape ``(s,)``.
        accuracy: Of each seed on what it held out, shape ``(s, num_seeds)``.
        log_loss: In nats, likewise.
        recall: Of each class over all seeds, shape ``(s, k)``; NaN where none was scored.
        recall_by_seed: Shape ``(s, num_seeds, k)``; NaN likewise.
        penalties: Of the heads, shape ``(s, num_seeds)``.
        overall: Accuracy over all photos scored, each counting once, shape ``(s,)``.
        forecasts: One for each multiple.
        classes: One for each class, the largest gain first.
        band: Forecasts close to each other, for drawing, from one time as many on.
        notes: What the user should know of the photos.
    """

    name: str
    backbone: str
    layers: tuple[str, ...]
    class_names: tuple[str, ...]
    num_photos: int
    sizes: Doubles
    accuracy: Doubles
    log_loss: Doubles
    recall: Doubles
    recall_by_seed: Doubles
    penalties: Doubles
    overall: Doubles
    forecasts: tuple[Forecast, ...]
    classes: tuple[ClassGain, ...]
    band: tuple[Forecast, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"LearningCurve({self.name!r}, {self.backbone}, {count(self.num_photos, 'photo')}, "
            f"accuracy {self.overall[-1]:.3f} at the most)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types; None stands for NaN."""
        data = {name: value for name, value in vars(self).items() if name != "band"}
        for name, value in data.items():
            if isinstance(value, np.ndarray):
                data[name] = _listed(value)
        data["forecasts"] = [dict(vars(forecast)) for forecast in self.forecasts]
        data["classes"] = [dict(vars(gain)) for gain in self.classes]
        data |= {name: list(data[name]) for name in ("layers", "class_names", "notes")}
        return {**data, "sentences": self.sentences()}

    def rows(self) -> list[dict[str, Any]]:
        """Return a table's row per size and seed: scores, penalty, and the recall of each class.

        Numbers are text, with six digits; a recall is None where none of a class was held out.
        """
        found: list[dict[str, Any]] = []
        for s, size in enumerate(self.sizes):
            for j in range(self.accuracy.shape[1]):
                row = {
                    "photos": f"{size:g}",
                    "seed": j,
                    "accuracy": f"{self.accuracy[s, j]:.6f}",
                    "log_loss": f"{self.log_loss[s, j]:.6f}",
                    "l2": f"{self.penalties[s, j]:g}",
                }
                for name, share in zip(self.class_names, self.recall_by_seed[s, j], strict=True):
                    row[f"recall {name}"] = None if np.isnan(share) else f"{share:.6f}"
                found.append(row)
        return found

    def sentences(self) -> list[str]:
        """Return what to tell the user, the answer first and what it can't know last."""
        said = []
        double = next((f for f in self.forecasts if f.multiple == 2), None)
        if double is not None:
            gain = 100 * (double.accuracy - self.overall[-1])
            said.append(
                f"Twice as many photos: {double.accuracy:.1%} ({LEVEL:.0%} interval "
                f"{double.low:.1%} to {double.high:.1%}), now {self.overall[-1]:.1%}: "
                + (
                    f"{gain:+.1f} points."
                    if gain >= VISIBLE_POINTS
                    else "no more than now, some of which may be luck."
                    if gain <= -VISIBLE_POINTS
                    else "a gain too small to be seen."
                )
            )
        if self.overall[-1] == 1:
            said.append(
                "No photo was answered wrongly: photos like these can hardly show what more of "
                "them would bring."
            )
        else:
            names = [
                f"{own.name} ({signed(100 * own.gain)})" for own in self.classes if own.stands_out
            ]
            said.append(
                f"Most to gain, in points: {', '.join(names)}."
                if names
                else "Which class would gain most can't be told apart: noise is larger."
            )
        if len(self.sizes) < _FEW_SIZES:
            said.append(
                f"Only {len(self.sizes)} sizes could be measured: the intervals rest on how "
                "such curves usually run."
            )
        said.append(
            "This can't know whether new photos will be like these and labelled as well, how many "
            "of these labels are wrong (no number of photos mends that), nor whether the curve "
            "will bend."
        )
        return said


def _listed(values: Doubles) -> list[Any]:
    return [
        _listed(value)
        if isinstance(value, np.ndarray)
        else None
        if np.isnan(value)
        else float(value)
        for value in values
    ]
