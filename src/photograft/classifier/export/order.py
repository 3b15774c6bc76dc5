"""What is asked of exporters, and what they owe: known to them and to the registry alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Pixels

AnyFloats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Order:
    """What is to be written.

    Attributes:
        name: Of the model: a folder's, small letters, digits and hyphens.
        precision: Of the network's weights, or of its arithmetic: one of `EXPORT_PRECISIONS`.
        calibration: Pixels of photos as the looks see them, packed, which int8 is calibrated by
            where the classifier brings no ranges along; see `photograft.features.packing`.
        title: What the classifier is called for people, where the format shows it; empty for what
            it tells apart.
        shown: What reads the training photos that may be shown, by name; None where none may.
    """

    name: str
    precision: str = "fp32"
    calibration: Sequence[Pixels] = ()
    title: str = ""
    shown: Mapping[str, Callable[[], bytes]] | None = None


class Artefact(Protocol):
    """What an export says of files."""

    def read(self, data: bytes) -> Pixels:
        """Return a file's photo.

        Raises:
            ImageError: It can't be tried on this file; why.
        """

    def ask(
        self, photo: Pixels, *, whole: bool
    ) -> tuple[dict[str, AnyFloats], dict[str, AnyFloats]]:
        """Run a photo, once where one run tells all.

        Args:
            photo: From `read`.
            whole: Go the whole way of its users; else the way to the stages will do.

        Returns:
            What it computes at each of `parity.STAGES` that there is; and what users are told.
        """
