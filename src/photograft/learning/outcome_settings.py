"""The part of a training's settings on which nothing that is fitted depends."""

from __future__ import annotations

from dataclasses import dataclass

from photograft.core import choices
from photograft.core.schema import Schema, check_choice


@dataclass(frozen=True, kw_only=True, repr=False)
class OutcomeSettings(Schema):
    """What becomes of what was fitted; nothing that is fitted depends on it.

    Attributes:
        keep: Whether a fine-tuned classifier is kept only where it is ``"better"`` than the frozen
            one beyond noise on validation, or ``"always"``.
        include_weights: Whether the saved classifier carries the backbone's weights:
            ``"always"``, ``"never"``, or ``"auto"`` (unless they come with the installation).
        track: The experiment tracker that is told of the training: ``"tensorboard"``, ``"mlflow"``,
            ``"wandb"``, or empty for none.

    Raises:
        InputError: A value is not one of those.
    """

    keep: str = "better"
    include_weights: str = "auto"
    track: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("keep", self.keep, choices.KEEPS)
        check_choice("include_weights", self.include_weights, choices.WEIGHT_INCLUSIONS)
        check_choice("track", self.track, ("", *choices.TRACKERS))
