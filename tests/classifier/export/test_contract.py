"""What every exporter owes every kind of network: an export that is certified."""

from __future__ import annotations

import functools
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from drawing import draw_photo
from onnx_helpers import MAP, POOLED, TOKENS, write_network
from photograft.backbones.engines import Engine
from photograft.backbones.get import get_backbone
from photograft.backbones.joined import join
from photograft.backbones.opening import open_whole
from photograft.backbones.registry import EMBEDDED, Backbone, decoded_alike
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import locate_weights
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.certificate import certify
from photograft.classifier.export.exporters import EXPORTERS
from photograft.classifier.export.graph import graph
from photograft.classifier.export.metadata import describe
from photograft.classifier.export.names import FEATURES
from photograft.classifier.export.order import Order
from photograft.classifier.export.papers import write_papers
from photograft.classifier.export.parity import Sample
from photograft.classifier.export.precision import ranges_for
from photograft.classifier.head import Head
from photograft.core.choices import EXPORT_FORMATS
from photograft.core.errors import InputError
from photograft.core.progress import Silent
from photograft.core.store import default_cache_dir
from photograft.features.packing import pack
from photograft.features.preprocessing import prepare_looks
from web_runtime import has_runtime

CLASSES = ("circle", "square", "triangle")
#: Those that prove themselves here; others have tests of their own.
FORMATS = [
    name
    for name, exporter in EXPORTERS.items()
    if exporter.runtime or (exporter.tried and has_runtime())
]
#: Those that are made of the whole graph, and so of any network.
OF_THE_GRAPH = [name for name in FORMATS if name != "torch"]


def with_head(backbone: Backbone, path: Path | None, **fields: Any) -> Classifier:
    """A classifier on all layers, with a head of no meaning that is sure of nothing."""
    width = backbone.num_features
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.3 * width**-0.5, (width, len(CLASSES))).astype(np.float32)
    return Classifier(
        class_names=CLASSES,
        backbone=backbone,
        engine=Engine("openvino", "fp32"),
        layers=tuple(layer.name for layer in backbone.layers),
        head=Head((weight,), (rng.normal(size=len(CLASSES)).astype(np.float32),)),
        weights_path=path,
        **fields,
    )


def samples() -> list[Sample]:
    """Photos of another size each, one of them large."""
    found = []
    for seed, size in enumerate((40, 150, 300)):
        stream = io.BytesIO()
        draw_photo(np.random.default_rng(seed), seed, size).save(stream, "PNG")
        found.append(Sample(f"{seed}.png", stream.getvalue))
    stream = io.BytesIO()  # one that is decoded at a half
    draw_photo(np.random.default_rng(3), 1, 910).save(stream, "JPEG", quality=90)
    return [*found, Sample("large.jpg", stream.getvalue)]


def check(classifier: Classifier, to: str, folder: Path) -> None:
    exporter, order = EXPORTERS[to], Order("contract")
    folder.mkdir(exist_ok=True)
    exporter.write(classifier, folder, order)
    if exporter.runtime:
        write_papers(folder, exporter, order, describe(classifier))
    found = certify(classifier, folder, exporter, order, samples(), progress=Silent())
    assert found["own"]["same_label"] == found["own"]["num_photos"] == 4
    assert found["own"]["largest_difference"] <= 1e-4


def test_commands_offer_every_format() -> None:
    assert tuple(EXPORTERS) == EXPORT_FORMATS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "to"),
    [("efficientnet_lite0", to) for to in FORMATS]
    + [(name, "onnx") for name in EMBEDDED if name != "efficientnet_lite0"],
)
def test_embedded_networks(name: str, to: str, tmp_path: Path) -> None:
    """They differ in depth and width alone: one goes into each format, all into the graph."""
    backbone, path = locate_weights(get_backbone(name), default_cache_dir())
    check(with_head(backbone, path, views=("plain", "flip")), to, tmp_path)


@pytest.mark.parametrize("to", OF_THE_GRAPH)
@pytest.mark.parametrize(
    ("outputs", "settings"),
    [
        ((MAP,), {}),
        ((POOLED,), {}),
        ((MAP,), {"channels_last": True}),
        ((TOKENS,), {}),
        ((MAP,), {"batch": "n", "size": None}),
        ((MAP,), {"kind": TensorProto.UINT8}),
        ((MAP,), {"opset": 12}),
        ((MAP,), {"opset": 20}),
    ],
    ids=["map", "pooled", "NHWC", "tokens", "any batch", "uint8", "opset 12", "opset 20"],
)
def test_an_onnx_file_of_ones_own(
    outputs: tuple[str, ...], settings: dict[str, Any], to: str, tmp_path: Path
) -> None:
    file = write_network(tmp_path / "own.onnx", outputs, **settings)
    backbone, path = locate_weights(get_backbone(str(file)), default_cache_dir())
    check(with_head(backbone, path), to, tmp_path / "out")


def test_torch_can_not_run_an_onnx_file(tmp_path: Path) -> None:
    file = write_network(tmp_path / "own.onnx")
    backbone, path = locate_weights(get_backbone(str(file)), default_cache_dir())
    with pytest.raises(InputError, match=r"torch can't run .*own\.onnx, which is an ONNX file"):
        check(with_head(backbone, path), "torch", tmp_path / "out")


#: Looks as number of the network, input size and whether it sees the mirror image, and the views.
LOOKS: dict[str, tuple[tuple[tuple[int, int, bool], ...], tuple[str, ...]]] = {
    "one network at two sizes": (((0, 32, False), (0, 48, True)), ("plain",)),
    "a mirror image": (((0, 32, True),), ("plain", "flip")),
    "two networks": (((0, 48, False), (1, 32, True)), ("plain", "flip")),
}


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("name", LOOKS)
def test_several_looks_and_mirror_images(name: str, to: str, tmp_path: Path) -> None:
    """Of small networks: in torch, whose programs can't hold an ONNX file, and as such files."""
    wanted, views = LOOKS[name]
    looks = []
    for number, size, mirror in wanted:
        network = f"convnet:c{4 + number} p"
        if to != "torch":
            network = str(write_network(tmp_path / f"{number}.onnx", size=None, seed=number))
        backbone = get_backbone(
            network,
            "random" if to == "torch" else "pretrained",
            preprocessing=Preprocessing(input_size=size),
        )
        backbone, _ = locate_weights(backbone, default_cache_dir())
        looks.append(replace(backbone, name=f"{number}@{size}", mirror=mirror))
    check(with_head(join(decoded_alike(looks)), None, views=views), to, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("to", OF_THE_GRAPH)
def test_looks_of_embedded_networks(to: str, tmp_path: Path) -> None:
    name = "efficientnet_lite0@96+efficientnet_lite2@64,mirror"
    backbone, path = locate_weights(get_backbone(name), default_cache_dir())
    check(with_head(backbone, path, views=("plain", "flip")), to, tmp_path)


@pytest.mark.slow
def test_each_look_is_calibrated_for_int8() -> None:
    name = "efficientnet_lite0@64+efficientnet_lite2@96,mirror"
    backbone, path = locate_weights(get_backbone(name), default_cache_dir())
    classifier = with_head(backbone, path)
    pixels = np.stack([pack(prepare_looks(s.read(), backbone.looks)) for s in samples()])
    found = []
    for ranges in ((), ranges_for(classifier, [*pixels])):
        model = graph(classifier, prepared=True, ranges=ranges)
        found.append(open_whole(model.SerializeToString(), "onnxruntime", (FEATURES,))(pixels))
    width = backbone.parts[0].num_features
    for part in (slice(0, width), slice(width, None)):
        exact, rounded = (one[FEATURES][:, part].ravel() for one in found)
        assert 0.9 < np.corrcoef(exact, rounded)[0, 1] < 0.99999


@pytest.mark.slow
@pytest.mark.parametrize("to", OF_THE_GRAPH)
def test_looks_of_other_kinds_of_networks(to: str, tmp_path: Path) -> None:
    """Of other versions of ONNX's operators, too, and one that takes photos one by one."""
    files = [
        write_network(tmp_path / "early.onnx", (MAP,)),
        write_network(tmp_path / "late.onnx", (TOKENS,), opset=20),
    ]
    looks = [locate_weights(get_backbone(str(file)), default_cache_dir()) for file in files]
    classifier = with_head(join([backbone for backbone, _ in looks]), None, views=("plain", "flip"))
    check(classifier, to, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crop_mode", "interpolation"), [("squash", "nearest"), ("center", "lanczos")]
)
def test_preprocessing_by_torch(crop_mode: str, interpolation: str, tmp_path: Path) -> None:
    wanted = Preprocessing(crop_mode=crop_mode, interpolation=interpolation, input_size=48)
    backbone = get_backbone("convnet:c4 p", "random", preprocessing=wanted)
    check(with_head(backbone, None), "torch", tmp_path)


@pytest.mark.parametrize("to", OF_THE_GRAPH)
@pytest.mark.parametrize("crop_mode", ["squash", "center"])
@pytest.mark.parametrize("interpolation", ["bilinear", "lanczos"])
def test_preprocessing(to: str, crop_mode: str, interpolation: str, tmp_path: Path) -> None:
    file = write_network(tmp_path / "own.onnx")
    wanted = Preprocessing(crop_mode=crop_mode, interpolation=interpolation, center="sample")
    named = get_backbone(str(file), preprocessing=wanted)
    backbone, path = locate_weights(named, default_cache_dir())
    check(with_head(backbone, path), to, tmp_path / "out")


#: Families, by a small one of each: the input that is still large enough for it, and the formats.
#: All but torch's are made of one graph, and the answers they are held to are OpenVINO's: each
#: family's graph is run by ONNX Runtime, and by OpenVINO once more where little else is like it.
FAMILIES = {
    "vgg11": (64, ("onnx", "torch")),
    "resnet18": (64, ("onnx", "torch")),
    "inception_v3": (96, ("onnx", "torch")),
    "legacy_xception": (96, ("onnx", "torch")),
    "mobilenetv3_small_050": (64, FORMATS),
    "vit_tiny_patch16_224": (224, ("onnx", "openvino", "torch")),
}


@pytest.fixture
def narrow_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG11 with few channels: a million weights for 128 millions, in the same operations."""
    vgg = pytest.importorskip("timm.models.vgg")
    widths = [8, "M", 16, "M", 32, 32, "M", 64, 64, "M", 64, 64, "M"]
    monkeypatch.setitem(vgg.cfgs, "vgg11", widths)
    monkeypatch.setattr(vgg, "VGG", functools.partial(vgg.VGG, mlp_ratio=1 / 32))


@pytest.mark.slow
@pytest.mark.usefixtures("narrow_vgg")
@pytest.mark.parametrize("name", FAMILIES)
def test_families_of_networks(name: str, tmp_path: Path) -> None:
    """With random weights; exported from torch once, the same network goes into each format."""
    size, formats = FAMILIES[name]
    wanted = Preprocessing(input_size=size) if size != 224 else None
    backbone = get_backbone(name, "random", preprocessing=wanted)
    for to in formats:
        if to in FORMATS:
            check(with_head(backbone, None), to, tmp_path / to)
