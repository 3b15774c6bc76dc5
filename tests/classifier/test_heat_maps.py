"""Heat maps: for every kind of network and head, adding up to the logit, and in the right place."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from classifier_helpers import make_classifier, record
from photograft.backbones.engines import PREPARING, Engine
from photograft.backbones.networks import open_maps
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from photograft.classifier.heat_maps import HeatMaps
from photograft.classifier.heat_placement import in_photo, seen_box
from photograft.core.errors import ImageError, InputError
from photograft.core.store import FeatureStore
from photograft.features.extraction import open_space
from photograft.features.preprocessing import prepare
from photograft.report.plots.overlays import overlay, where
from training_helpers import TINY

Floats = npt.NDArray[np.float32]

#: Other networks than the embedded ones: of several families, given random weights.
OTHERS = (
    "test_efficientnet",
    "test_resnet",
    "test_vit",
    "test_convnext",
    "mobilenetv3_small_050",
    "resnet18",
    "convnext_atto",
    "vit_tiny_patch16_224",
    "cait_xxs24_224",
    "mixer_s32_224",
    "swin_tiny_patch4_window7_224",
    TINY,
    "keras:mobilenet",
)
SLOW = ("efficientnet_lite1", "efficientnet_lite2", "cait_xxs24_224")


def every_network() -> list[Any]:
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in (*EMBEDDED, *OTHERS)
    ]


def noise(backbone: Backbone, seed: int = 0) -> npt.NDArray[np.uint8]:
    shape = (*backbone.input_size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("name", every_network())
def test_every_network_has_a_map(name: str) -> None:
    classifier = make_classifier(record(name))
    maps = HeatMaps(classifier)
    photo, other = noise(classifier.backbone), noise(classifier.backbone, seed=1)
    look = maps.evidence_in(photo)
    assert look.heat.dtype == np.float32
    assert look.heat.ndim == 2
    assert look.heat.size > 1
    assert np.isfinite(look.heat).all()
    assert look.heat.min() >= 0
    assert look.heat.max() in (0, 1)
    assert look.features.shape == (classifier.backbone.layers[-1].num_features,)
    assert np.allclose(look.features, maps.features(photo))
    expected = classifier.head.logits(look.features[None])[0]
    assert look.logits == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert look.class_index == expected.argmax()
    assert any(maps.evidence_in(photo, c).heat.any() for c in range(3))
    assert not np.array_equal(maps.evidence_in(other).evidence, look.evidence)
    # Whatever was seen in between, and by a network built anew.
    assert np.array_equal(maps.evidence_in(photo).evidence, look.evidence)
    assert np.array_equal(HeatMaps(classifier).evidence_in(photo).heat, look.heat)


@pytest.mark.parametrize(
    ("name", "layers", "pooling"),
    [
        ("efficientnet_lite0", ("last",), "avg"),
        ("efficientnet_lite0", ("blocks.4", "blocks.6", "last"), "avg"),
        ("efficientnet_lite0", ("blocks.6",), "avg"),
        ("test_resnet", ("last",), "avg"),
        (TINY, ("last",), "avg"),
        (TINY, ("last",), "flatten"),
        ("swin_tiny_patch4_window7_224", ("last",), "avg"),
    ],
)
def test_the_places_add_up_to_the_logit(name: str, layers: tuple[str, ...], pooling: str) -> None:
    """Of a linear head on a mean or on every place: nothing of the evidence is lost."""
    classifier = make_classifier(record(name, pooling), layers)
    maps = HeatMaps(classifier)
    bias = classifier.head.biases[0]
    for c in range(3):
        look = maps.evidence_in(noise(classifier.backbone), c)
        wanted = (look.logits - bias)[c] - (look.logits - bias).mean()
        assert look.evidence.sum() == pytest.approx(wanted, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("hidden", [0, 7])
@pytest.mark.parametrize("pooling", ["avg", "flatten"])
def test_two_classes_coded_as_one_output(hidden: int, pooling: str) -> None:
    """What speaks for the one speaks against the other, though the first has no output."""
    backbone = record(TINY, pooling)
    classifier = make_classifier(backbone, hidden=hidden, coding="sigmoid")
    maps = HeatMaps(classifier)
    first, second = (maps.evidence_in(noise(backbone), c) for c in (0, 1))
    assert np.abs(second.evidence).max() > 0
    assert first.evidence == pytest.approx(-second.evidence)
    assert not ((first.heat > 0) & (second.heat > 0)).any()


def test_hidden_layers_count_by_their_slope() -> None:
    """With a head of hidden layers: a small change of the map changes the logit so much."""
    classifier = make_classifier(record(TINY), hidden=9)
    maps = HeatMaps(classifier)
    look = maps.evidence_in(noise(classifier.backbone), 1)

    def logit(features: Floats) -> float:
        z = classifier.head.logits(features[None])[0]
        return float(z[1] - z.mean())

    # The evidence is the slope along the map itself: grown by a little, the logit grows so.
    step = np.float32(1e-3)
    slope = (logit(look.features * (1 + step)) - logit(look.features * (1 - step))) / (2 * step)
    assert look.evidence.sum() == pytest.approx(slope, rel=1e-2)


@pytest.mark.parametrize("name", ["pit_ti_224", "volo_d1_224"])
def test_networks_without_a_grid_say_so(name: str) -> None:
    classifier = make_classifier(record(name))
    maps = HeatMaps(classifier)
    photo = noise(classifier.backbone)
    with pytest.raises(InputError, match=f"there is no heat map for the backbone {name}"):
        maps.evidence_in(photo)
    assert np.isfinite(maps.features(photo)).all()


def test_bytes_and_what_is_no_photo() -> None:
    classifier = make_classifier(record(TINY))
    data = disc((64, 48), (20, 20), 8, 0)
    pixels = prepare(data, classifier.backbone)
    maps = HeatMaps(classifier)
    assert np.array_equal(maps.evidence_in(data).heat, maps.evidence_in(pixels).heat)
    with pytest.raises(ImageError):
        maps.evidence_in(b"nothing")


@pytest.mark.parametrize("engine", PREPARING)
@pytest.mark.parametrize(
    ("name", "layers", "pooling", "without_torch"),
    [
        ("efficientnet_lite0", ("last",), "flatten", True),
        ("efficientnet_lite0", ("blocks.4", "blocks.6", "last"), "avg", True),
        ("test_resnet", ("last",), "avg", True),
        (TINY, ("last",), "avg", True),
        (TINY, ("last",), "flatten", True),
        # A convolution follows the mean; a token comes with the places.
        ("mobilenetv3_small_050", ("last",), "avg", False),
        ("test_vit", ("last",), "avg", False),
    ],
)
def test_a_prepared_network_gives_the_same_maps(
    name: str, layers: tuple[str, ...], pooling: str, without_torch: bool, engine: str
) -> None:
    """Of a linear head; and of one with a hidden layer, for which nothing is exported again."""
    pytest.importorskip(engine)
    backbone = record(name, pooling)
    for hidden in (0, 5) if name == TINY else (0,):
        in_torch = make_classifier(backbone, layers, hidden=hidden).located()
        converted = replace(in_torch, engine=Engine(engine, "fp32"))
        if name not in EMBEDDED and not hidden:
            assert find_maps(converted) is None  # nothing is exported for a heat map alone
        converted.network()
        assert (find_maps(converted) is not None) == without_torch
        one, other = HeatMaps(in_torch), HeatMaps(converted)
        for c in range(3):
            photo = noise(backbone, seed=c)
            expected, found = one.evidence_in(photo, c), other.evidence_in(photo, c)
            scale = float(np.abs(expected.evidence).max())
            assert found.evidence == pytest.approx(expected.evidence, rel=1e-3, abs=1e-3 * scale)
            assert found.features == pytest.approx(expected.features, rel=1e-3, abs=1e-3)
            assert found.logits == pytest.approx(expected.logits, rel=1e-3, abs=1e-3)


def find_maps(classifier: Classifier) -> object:
    folder = open_space(FeatureStore(), classifier.backbone, classifier.engine).folder
    path = classifier.weights_path
    return open_maps(classifier.backbone, path, classifier.layers, classifier.engine, folder)


def test_a_damaged_converted_network_is_done_without() -> None:
    pytest.importorskip("openvino")
    classifier = replace(make_classifier(record(TINY)), engine=Engine("openvino", "bf16"))
    photo = noise(classifier.backbone)
    classifier.network()
    look = HeatMaps(classifier).evidence_in(photo).heat
    folder = open_space(FeatureStore(), classifier.backbone, classifier.engine).folder
    (folder / "network.onnx").write_bytes(b"gone")
    assert find_maps(classifier) is None
    assert HeatMaps(classifier).evidence_in(photo).heat == pytest.approx(look, abs=1e-3)


def test_heat_maps_of_a_prepared_network_need_no_torch(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    classifier = replace(make_classifier(record(TINY)), engine=Engine("openvino", "bf16"))
    classifier.network()
    classifier.save(tmp_path / "classifier", include_weights=False)
    program = (
        "import sys, numpy as np\n"
        "from photograft.classifier.classifier import Classifier\n"
        "from photograft.classifier.heat_maps import HeatMaps\n"
        "classifier = Classifier.load(sys.argv[1])\n"
        "photo = np.zeros((*classifier.backbone.input_size, 3), np.uint8)\n"
        "heat = HeatMaps(classifier).evidence_in(photo).heat\n"
        "print(heat.ndim, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "classifier")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def disc(size: tuple[int, int], centre: tuple[float, float], radius: float, hue: int) -> bytes:
    """A plain photo of one disc, as a PNG."""
    image = Image.new("RGB", size, (128, 128, 128))
    x, y = centre
    fill = tuple(220 if i == hue else 40 for i in range(3))
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def fitted(backbone: Backbone, size: tuple[int, int]) -> Classifier:
    """A classifier of the colour of one disc: ridge regression on the features of 18 photos."""
    blank = make_classifier(backbone)
    maps, rng = HeatMaps(blank), np.random.default_rng(0)
    labels = np.arange(18) % 3
    rows = np.stack([maps.features(disc(size, place(size, rng), 22, int(c))) for c in labels])
    mean = rows.mean(axis=0)
    centred = (rows - mean).astype(np.float64)
    ridge = np.linalg.solve(centred @ centred.T + 0.1 * np.eye(18), np.eye(3)[labels] - 1 / 3)
    weight = (centred.T @ ridge).astype(np.float32)
    return replace(blank, head=Head((weight,), (-mean @ weight,)))


def place(size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float]:
    """Somewhere in the middle square of a photo, well inside."""
    side = min(size)
    x, y = rng.uniform(0.25, 0.75, 2) * side
    return float(x + (size[0] - side) / 2), float(y + (size[1] - side) / 2)


@pytest.mark.parametrize(
    ("size", "crop_mode", "crop_pct"),
    [((160, 160), "squash", 1.0), ((280, 160), "squash", 1.0), ((300, 160), "center", 0.875)],
)
def test_planted_evidence_is_found(size: tuple[int, int], crop_mode: str, crop_pct: float) -> None:
    """The map of a disc's colour lies on the disc, wherever that is in the photo."""
    backbone = replace(record("efficientnet_lite0"), crop_mode=crop_mode, crop_pct=crop_pct)
    classifier = fitted(backbone, size)
    maps, rng = HeatMaps(classifier), np.random.default_rng(1)
    misses, chance = [], []
    for i in range(9):
        x, y = place(size, rng)
        look = maps.evidence_in(disc(size, (x, y), 22, i % 3))
        assert look.class_index == i % 3
        heat = in_photo(look.heat, backbone, size)
        across, down = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
        middle = [(heat * axis).sum() / heat.sum() for axis in (across, down)]
        misses.append(np.hypot(middle[0] - x, middle[1] - y))
        chance.append(np.hypot(size[0] / 2 - x, size[1] / 2 - y))
    assert np.mean(misses) < 20  # within the disc
    assert np.mean(misses) < 0.6 * np.mean(chance)


@pytest.mark.parametrize("crop_mode", ["squash", "center"])
@pytest.mark.parametrize("crop_pct", [1.0, 0.875, 0.5])
@pytest.mark.parametrize("size", [(300, 200), (120, 333), (90, 90)])
def test_what_is_seen_of_a_photo(crop_mode: str, crop_pct: float, size: tuple[int, int]) -> None:
    """A photo whose colours say where they are, prepared: its corners are those of the box."""
    backbone = replace(record(TINY), input_size=(64, 64), crop_mode=crop_mode, crop_pct=crop_pct)
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    image = Image.fromarray(np.stack([x, y, 0 * x], axis=2).round().astype(np.uint8))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    pixels = prepare(stream.getvalue(), backbone).astype(float)
    left, top, right, bottom = seen_box(backbone, size)
    # From the first and last pixel's middle to the edge it is half a pixel more.
    for low, high, values, length in (
        (left, right, pixels[32, :, 0], size[0]),
        (top, bottom, pixels[:, 32, 1], size[1]),
    ):
        half = (high - low) / 64 / 2
        assert values[0] / 255 * length == pytest.approx(low + half, abs=0.02 * length)
        assert values[-1] / 255 * length == pytest.approx(high - half, abs=0.02 * length)


def test_a_map_in_its_photo() -> None:
    backbone = replace(record(TINY), crop_mode="center", crop_pct=1.0)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 1
    found = in_photo(heat, backbone, (300, 100))
    assert found.shape == (100, 300)
    assert found.dtype == np.float32
    assert (found[:, :100] == 0).all()  # beside what is seen
    assert (found[:, 200:] == 0).all()
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    assert row < 25
    assert 175 <= column < 200
    assert found.max() == pytest.approx(1, abs=1e-6)
    assert found.min() == 0
    assert where(heat, backbone, (300, 100)) == "top middle"
    assert where(np.ones((1, 1), np.float32), backbone, (300, 100)) == "middle"
    assert where(np.zeros((2, 2), np.float32), backbone, (300, 100)) == ""
    assert where(heat, replace(backbone, crop_mode="squash"), (300, 100)) == "top right"


def test_an_overlay_is_coloured_where_it_is_warm() -> None:
    backbone = replace(record(TINY), crop_mode="center", crop_pct=1.0)
    photo = Image.new("RGB", (300, 100), (200, 30, 30))
    heat = np.zeros((4, 4), np.float32)
    heat[:, :2] = 1
    found = np.asarray(overlay(photo, heat, backbone)).astype(int)
    assert found.shape == (100, 300, 3)
    colour = found.max(axis=2) - found.min(axis=2)
    assert (colour[:, 105:140] > 60).all()
    assert (colour[:, 165:] == 0).all()
    assert (found[:, :99].min(axis=2) > found[:, 170:199].max()).all()  # what was not seen is pale
