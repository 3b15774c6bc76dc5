"""From a name and the user's choice of weights and preprocessing to a backbone's record."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path

from photograft.backbones.joined import join, look_names, read_look
from photograft.backbones.names import check_name
from photograft.backbones.onnx_files.record import find_file, is_file_name
from photograft.backbones.prebuilt import lite
from photograft.backbones.registry import EMBEDDED, Backbone, Layer, decoded_alike
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError, UnknownNameError, WeightsError, did_you_mean
from photograft.core.optional import need_torch

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
    """Return the record of a backbone, or of several looks that are joined.

    Args:
        name: One look or several with ``+`` between (see `joined`): an embedded backbone, any timm
            model, ``"convnet:"`` and a small network in writing,
            or an ONNX file, its record or their folder. torch is imported only for timm's models
            and the small ones.
        weights: ``"pretrained"``, ``"random"``, or the path of a weight file.
        preprocessing: How photos are brought to it, where not in its own way. Statistics over the
            training photos are not known here; see `pixel_statistics`.
        pooling: ``"avg"`` or ``"flatten"``.
        layer: ``"auto"``, ``"last"``, ``"joined"``, or names of layers with commas between.

    Raises:
        UnknownNameError: There is no such backbone, or no such layer in it.
        InputError: It is none of the embedded ones, and torch is not installed.
        WeightsError: timm has no pretrained weights for it.
        InputError: It can't take photos of that size, or an ONNX file can't be read.
    """
    preprocessing = preprocessing or Preprocessing()
    names = look_names(name)
    if len(names) > 1:
        _check_joined(name, weights, layer)
    looks = []
    for own in names:
        bare, prepared, mirror = read_look(own, preprocessing)
        found = _one(bare, weights, prepared, pooling, layer)
        if own != bare:
            found = replace(found, name=own, mirror=mirror)
        looks.append(found)
    return join(decoded_alike(looks))


def _one(
    name: str, weights: str, preprocessing: Preprocessing, pooling: str, layer: str
) -> Backbone:
    if is_file_name(name) and not name.startswith(CONVNET):
        return _onnx_backbone(name, weights, preprocessing, pooling, layer)
    hint = f"Write ./{name} for the folder." if name.strip(".") and Path(name).is_dir() else ""
    if name not in EMBEDDED or weights.endswith(".h5"):
        need_torch(f"the backbone {name}", hint or did_you_mean(name, EMBEDDED))
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
        try:
            check_name(name)  # torch takes seconds to import
        except UnknownNameError:
            if hint:
                raise UnknownNameError("backbone", name, (), fix=hint) from None
            raise
        from photograft.backbones.pytorch.zoo import describe

        backbone = _with_weights(describe(name), weights)
    own = backbone.input_size
    backbone = _prepared(backbone, preprocessing)
    names = [] if layer in ("auto", "last", "joined") else layer.split(",")
    known = [own_layer.name for own_layer in backbone.layers]
    for wanted in names:  # said here, before any photo is looked at
        if wanted not in known:
            raise UnknownNameError("layer", wanted, known, fix=f"There are {', '.join(known)}.")
    if pooling != "avg" or backbone.input_size != own:
        backbone = _with_layers(backbone, names if pooling != "avg" else [], pooling)
    return backbone


def _check_joined(name: str, weights: str, layer: str) -> None:
    if weights not in ("pretrained", "random"):
        raise InputError(
            f"one weight file can't be that of all of {name}",
            got=weights,
            fix="Leave --weights out.",
        )
    if layer not in ("auto", "last", "joined"):
        raise InputError(
            f"layers of {name} can't be named one by one",
            expected="auto, last or joined",
            got=layer,
        )


def note_on(name: str) -> str:
    """Return what is taken for granted of an ONNX file; empty for every other backbone.

    Raises:
        InputError: The file can't be read, takes no photos or gives no features.
    """
    if not is_file_name(name) or name.startswith(CONVNET):
        return ""
    from photograft.backbones.onnx_files.describing import describe  # ONNX, only where needed

    return describe(name).note


def hash_of_file(name: str) -> str:
    """Return what tells an ONNX file, and what its record says, from all others.

    Raises:
        InputError: It can't be read.
    """
    file = find_file(name)
    status = file.path.stat()
    changed = status.st_size, status.st_mtime_ns
    return f"{_content_hash(file.path.resolve(), changed)} {file.record.to_json()}"


@functools.lru_cache(maxsize=16)
def _content_hash(path: Path, changed: object) -> str:
    from photograft.backbones.onnx_files.reading import content_hash  # ONNX, only where needed

    del changed  # another file at the same path has another hash
    return content_hash(path)


def default_convnet(input_size: int, num_photos: int) -> str:
    """Return a sensible small network for a size of input and a number of training photos."""
    need_torch("a network trained from scratch")
    from photograft.backbones.pytorch.convnet import (  # torch, only where needed
        PREFIX,
        default_text,
    )

    return PREFIX + default_text(input_size, num_photos)


def _onnx_backbone(
    name: str, weights: str, preprocessing: Preprocessing, pooling: str, layer: str
) -> Backbone:
    from photograft.backbones.onnx_files.describing import describe  # ONNX, only where needed

    if weights != "pretrained":
        raise InputError(
            f"{name} holds its weights itself", got=weights, fix="Leave --weights out."
        )
    names = () if layer in ("auto", "last", "joined") else tuple(layer.split(","))
    found = describe(name, side=preprocessing.input_size, pooling=pooling, layers=names)
    by_statistics = {preprocessing.center, preprocessing.standardize} != {"none"}
    if found.is_raw and (preprocessing.rescale or by_statistics):
        raise InputError(
            f"{name} takes whole numbers from 0 to 255, and does the rest itself",
            fix="Leave rescale, center and standardize out.",
        )
    return _prepared(found.backbone, preprocessing)


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


def _with_layers(backbone: Backbone, names: list[str], pooling: str) -> Backbone:
    """Return a record of some layers under a pooling, or whose input size was changed."""
    if not lite.is_lite(backbone.architecture):
        from photograft.backbones.pytorch.zoo import with_layers  # torch, only where needed

        return with_layers(backbone, names, pooling)
    if pooling == "avg":
        return backbone  # a mean is as long as the map is deep, whatever its size
    shapes = lite.map_shapes(backbone.architecture, backbone.input_size)
    layers = tuple(Layer(name, math.prod(shapes[name]), pooling) for name in names or ["last"])
    return replace(backbone, layers=layers)


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
