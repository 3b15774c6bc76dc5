"""What a run says of its photos: the split, what belongs together, what the user corrected."""

from __future__ import annotations

from dataclasses import dataclass

from photograft.core import choices
from photograft.core.errors import InputError
from photograft.core.schema import Schema, check_choice


@dataclass(frozen=True, kw_only=True, repr=False)
class DataSettings(Schema):
    """The settings of `data`.

    Attributes:
        validation: Share of the photos for validation where the source gives no split, in [0, 0.5];
            None for 0.15, but none where cross-validation chooses and there is a test.
        test: Likewise for the test.
        near_duplicates: Photos that are nearly the same are kept on one side of every split and
            fold that is made here (``"group"``), or not looked for (``"ignore"``).
        group_by: A regular expression; photos in whose names it finds the same are kept together,
            too.
        corrections: A CSV file with the user's word on photos; see `photograft.data.corrections`.
        new_class: Classes that corrections may relabel photos to though the source has none such.
        seed: Decides the split, the folds, and all that is random in training.
        max_pixels: Photos with more pixels than this are skipped.
        empty_classes: Where no photo of a class can be used, that is an ``"error"``, or the class
            is left out (``"drop"``).

    Raises:
        InputError: A value is not one of those.
    """

    validation: float | None = None
    test: float = 0.15
    near_duplicates: str = "group"
    group_by: str = ""
    corrections: str = ""
    new_class: tuple[str, ...] = ()
    seed: int = 0
    max_pixels: int = 250_000_000
    empty_classes: str = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("near_duplicates", self.near_duplicates, choices.NEAR_DUPLICATES)
        check_choice("empty_classes", self.empty_classes, choices.EMPTY_CLASSES)
        for name in ("validation", "test"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 0.5:
                raise InputError(
                    f"{name} is a share of the photos", expected="0 to 0.5", got=f"{share:g}"
                )
        if not 0 <= self.seed < 2**32:
            raise InputError(
                "that can't be a seed", expected=f"0 to {2**32 - 1:,}", got=str(self.seed)
            )
        check_max_pixels(self.max_pixels)

    @property
    def sets_aside(self) -> bool:
        """Whether photos are set aside for validation where the user does not say."""
        return True


def check_max_pixels(value: int) -> None:
    """Raise InputError where something is no limit to a photo's pixels."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or value < 1 or value != value // 1:
        raise InputError("max_pixels must be a whole number, at least 1", got=repr(value))
