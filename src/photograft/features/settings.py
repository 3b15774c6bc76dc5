"""Settings of augmentation, and all those that features depend on."""

from __future__ import annotations

from dataclasses import dataclass

from photograft.backbones.settings import BackboneSettings, ExecutionSettings
from photograft.core import choices
from photograft.core.errors import InputError
from photograft.core.schema import Schema, check_choice, check_range
from photograft.data.settings import DataSettings


@dataclass(frozen=True, repr=False, kw_only=True)
class Augmentation(Schema):
    """Random changes of training photos; validation and test photos are never changed.

    The names are those of Keras's ImageDataGenerator where it has them. Each number is the most
    that a photo is changed by; zero leaves that out.

    Attributes:
        rotation: Degrees, to either side.
        width_shift: Share of the width, to either side.
        height_shift: Share of the height, up or down.
        shear: Degrees, to either side.
        zoom: The size is multiplied by a factor from ``1 - zoom`` to ``1 + zoom``.
        keep_aspect: Zoom width and height by the same factor.
        brightness: Pixels are multiplied by a factor from ``1 - brightness`` to
            ``1 + brightness``.
        channel_shift: Added to each channel, of 255, to either side.
        horizontal_flip: Mirror half of the photos left to right.
        vertical_flip: Mirror half of the photos top to bottom.
        fill_mode: What stands where a photo was moved away: the ``"nearest"`` pixel, a
            ``"constant"``, or the photo itself by ``"reflect"`` or ``"wrap"``.
        fill_value: The constant, in [0, 255].
        min_crop: A random crop of at least this share of the area, resized (random resized
            crop); 0 for none.
        rand_augment: Operations of RandAugment per photo (Cubuk et al., 2020, arXiv:1909.13719).
        rand_augment_magnitude: Their strength, 0 to 30.
        function: ``"module:name"`` of a function of one's own, called last: it takes a photo, uint8
            of shape ``(height, width, 3)``, and a ``numpy.random.Generator``, and returns a photo.
    """

    rotation: float = 0.0
    width_shift: float = 0.0
    height_shift: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    keep_aspect: bool = False
    brightness: float = 0.0
    channel_shift: float = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = "nearest"
    fill_value: float = 0.0
    min_crop: float = 0.0
    rand_augment: int = 0
    rand_augment_magnitude: int = 9
    function: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("fill_mode", self.fill_mode, choices.FILL_MODES)
        for name, most in (
            ("rotation", 180),
            ("width_shift", 1),
            ("height_shift", 1),
            ("shear", 80),
            ("zoom", 0.95),
            ("brightness", 1),
            ("channel_shift", 255),
            ("fill_value", 255),
            ("min_crop", 1),
            ("rand_augment", 14),
            ("rand_augment_magnitude", 30),
        ):
            check_range(name, getattr(self, name), 0, most)
        if self.function and not all(self.function.partition(":")):
            raise InputError(
                "that can't be a function of one's own",
                expected="module:name, such as my_photos:add_rain",
                got=self.function,
            )

    @property
    def changes(self) -> bool:
        """Whether anything is changed at all."""
        same = {"fill_mode", "fill_value", "keep_aspect", "rand_augment_magnitude"}
        return any(value for name, value in vars(self).items() if name not in same)


#: Mild changes that leave nearly every kind of photo what it is.
DEFAULT_AUGMENTATION = Augmentation(
    rotation=10, horizontal_flip=True, min_crop=0.6, brightness=0.1, fill_mode="reflect"
)


@dataclass(frozen=True, kw_only=True, repr=False)
class ExtractionSettings(ExecutionSettings, BackboneSettings, DataSettings):
    """All that the features of a source's photos depend on."""
