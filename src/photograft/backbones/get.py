"""From a name and the user's choice of weights and preprocessing to a backbone's record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from photograft.backbones.names import check_name
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError, UnknownNameError, WeightsError

#: Before an architecture spec; see `convnet`.
CONVNET = "convnet:"
_CONVNET_SIZE = 180


def get_backbone(
    name: str,
    weights: str = "pretrained",
    *,
    preprocessing: Preprocessing | None = None,
    pooling: str = "avg",
    layer: str = "auto",
) -> Backbone:
    """Return the record of a backbone.

    Args:
        name: An embedded backbone, any timm model, or ``"convnet:"`` and a small network in
            writing. torch is imported only for the latter two.
        weights: ``"pretrained"``, ``"random"``, or the path of a weight file.
        preprocessing: How photos are brought to it, where not in its own way. Statistics over the
            training photos are not known here; see `pixel_statistics`.
        pooling: ``"avg"`` or ``"flatten"``.
        layer: ``"auto"``, ``"last"``, ``"joined"``, or names of layers with commas between.

    Raises:
        UnknownNameError: There is no such backbone, or no such layer in it.
        WeightsError: timm has no pretrained weights for it.
        InputError: It can't take photos of that size.
    """
    preprocessing = preprocessing or Preprocessing()
    if name.startswith(CONVNET):
        from photograft.backbones.pytorch.convnet import with_whitening  # torch, only where needed
        from photograft.backbones.pytorch.zoo import describe_convnet

        if weights not in ("pretrained", "random"):
            raise InputError(
                "an architecture spec begins with random weights",
                got=weights,
                fix="Leave --weights out.",
            )
        size = preprocessing.input_size or _CONVNET_SIZE
        text = with_whitening(name, size) if preprocessing.zca_whitening else name
        backbone = describe_convnet(text, size)
    elif weights.endswith(".h5"):
        from photograft.backbones.pytorch.zoo import describe_keras

        backbone = _with_weights(describe_keras(name), weights)
    elif name in EMBEDDED:
        backbone = _with_weights(EMBEDDED[name], weights)
    else:
        check_name(name)  # torch takes seconds to import
        from photograft.backbones.pytorch.zoo import describe

        backbone = _with_weights(describe(name), weights)
    own = backbone.input_size
    backbone = _prepared(backbone, preprocessing)
    names = [] if layer in ("auto", "last", "joined") else layer.split(",")
    if pooling != "avg" or backbone.input_size != own:
        from photograft.backbones.pytorch.zoo import with_layers

        backbone = with_layers(backbone, names if pooling != "avg" else [], pooling)
    known = [own_layer.name for own_layer in backbone.layers]
    for wanted in names:  # said here, before any photo is looked at
        if wanted not in known:
            raise UnknownNameError("layer", wanted, known, fix=f"There are {', '.join(known)}.")
    return backbone


def default_convnet(input_size: int, num_photos: int) -> str:
    """Return a sensible small network for a size of input and a number of training photos."""
    from photograft.backbones.pytorch.convnet import (  # torch, only where needed
        PREFIX,
        default_text,
    )

    return PREFIX + default_text(input_size, num_photos)


def _with_weights(backbone: Backbone, weights: str) -> Backbone:
    if weights == "random":
        return replace(backbone, weights="random", weights_sha256="random-seed-0")
    if weights != "pretrained":
        path = Path(weights).expanduser().resolve()
        return replace(backbone, weights=f"file:{path}", weights_sha256="")
    if backbone.weights == "random":
        raise WeightsError(
            f"timm has no pretrained weights for {backbone.name}",
            fix="Give a file with --weights FILE, or use --weights random.",
        )
    return backbone


def _prepared(backbone: Backbone, preprocessing: Preprocessing) -> Backbone:
    """Return a record with the user's preprocessing in place of its own."""
    if preprocessing.zca_whitening and not backbone.architecture.startswith(CONVNET):
        raise InputError(
            "ZCA whitening is for small networks trained from scratch",
            expected="--strategy scratch",
            got=backbone.name,
        )
    if preprocessing.rescale:
        std = 1 / (255 * preprocessing.rescale)
        backbone = replace(backbone, mean=(0.0, 0.0, 0.0), std=(std, std, std))
    if preprocessing.input_size:
        size = (preprocessing.input_size, preprocessing.input_size)
        backbone = replace(backbone, input_size=size, crop_pct=1.0)
    per_photo = {
        (True, True): "both",
        (True, False): "center",
        (False, True): "standardize",
        (False, False): "",
    }[preprocessing.center == "sample", preprocessing.standardize == "sample"]
    return replace(
        backbone,
        per_photo=per_photo,
        crop_mode=preprocessing.crop_mode or backbone.crop_mode,
        interpolation=preprocessing.interpolation or backbone.interpolation,
    )
