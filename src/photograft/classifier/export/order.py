"""What of a classifier is to be written: the order that every exporter takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from photograft.features.preprocessing import Pixels


@dataclass(frozen=True)
class Order:
    """What is to be written.

    Attributes:
        name: Of the model: a folder's, small letters, digits and hyphens.
        precision: Of the network's weights, or of its arithmetic: one of `EXPORT_PRECISIONS`.
        calibration: Pixels of photos as the network takes them, which int8 is calibrated by where
            the classifier brings no ranges along.
    """

    name: str
    precision: str = "fp32"
    calibration: Sequence[Pixels] = ()
