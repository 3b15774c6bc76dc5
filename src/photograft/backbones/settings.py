"""What a run says of its network: which one, how photos are brought to it, and what runs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from photograft.core import choices
from photograft.core.schema import Schema, check_choice, check_range

#: The backbone that needs no download: its weights come with the installation.
DEFAULT_BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True, repr=False, kw_only=True)
class Preprocessing(Schema):
    """How photos are brought to the network, where not as the backbone's record says.

    Training, validation, test and prediction all do the same.

    Attributes:
        input_size: Side of the square input in pixels; 0 for the backbone's own.
        crop_mode: ``"squash"`` or ``"center"``; empty for the backbone's own.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``,
            ``"lanczos"``; empty likewise.
        rescale: Pixels in [0, 255] are multiplied by this and nothing else, such as 1 / 255; 0 for
            the backbone's own mean and standard deviation.
        center: Subtract a mean: ``"feature"`` that of each channel over the training photos,
            ``"sample"`` that of each photo.
        standardize: Divide by a standard deviation, likewise.
        zca_whitening: Whiten pixels over the training photos (Krizhevsky, 2009); small inputs only.
    """

    input_size: int = 0
    crop_mode: str = ""
    interpolation: str = ""
    rescale: float = 0.0
    center: str = "none"
    standardize: str = "none"
    zca_whitening: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("crop_mode", self.crop_mode, ("", "squash", "center"))
        check_choice(
            "interpolation", self.interpolation, ("", "nearest", "bilinear", "bicubic", "lanczos")
        )
        check_choice("center", self.center, choices.STATISTICS)
        check_choice("standardize", self.standardize, choices.STATISTICS)
        if self.input_size:
            check_range("input_size", self.input_size, 8, 4096)
        check_range("rescale", self.rescale, 0, 1e6)


@dataclass(frozen=True, kw_only=True, repr=False)
class BackboneSettings(Schema):
    """Which network, and how photos are brought to it.

    Attributes:
        backbone: Name of an embedded backbone or of any timm model, an ONNX file, or an
            architecture spec, such as ``"convnet:c32 p c64 p"``. ``"auto"`` is `DEFAULT_BACKBONE`;
            for ``"scratch"``, a small network for the photos' size and number.
        weights: ``"pretrained"``, ``"random"``, or the path of a local weight file.
        layer: Which depths of the backbone the head sees: ``"last"``, ``"joined"`` (last and
            earlier ones), names with commas between, or ``"auto"``, chosen by cross-validation.
        pooling: ``"avg"`` averages a feature map over its places, ``"flatten"`` keeps them all.
        preprocessing: How photos are brought to the network, where not as its record says.

    Raises:
        InputError: A value is not one of those.
    """

    backbone: str = "auto"
    weights: str = "pretrained"
    layer: str = "auto"
    pooling: str = "avg"
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, choices.POOLINGS)


@dataclass(frozen=True, kw_only=True, repr=False)
class ExecutionSettings(Schema):
    """What runs a frozen network.

    Attributes:
        engine: What runs a frozen backbone: ``"openvino"``, ``"onnxruntime"``, ``"torch"``, or
            ``"auto"``, the fastest that is installed.
        precision: ``"auto"`` (the faster of the next two here), ``"bf16"``, ``"fp32"``, or
            ``"int8"``, calibrated on training photos.
        device: ``"auto"`` (an accelerator of torch where there is one), ``"cpu"``; ``"cuda"`` or
            ``"mps"`` by torch; ``"cuda"``, ``"tensorrt"``, ``"coreml"`` or ``"directml"`` by ONNX
            Runtime; ``"gpu"`` or ``"npu"`` by OpenVINO. Networks are trained by torch's alone.

    Raises:
        InputError: A value is not one of those.
    """

    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("engine", self.engine, choices.ENGINES)
        check_choice("precision", self.precision, choices.PRECISIONS)
        check_choice("device", self.device, choices.DEVICES)
