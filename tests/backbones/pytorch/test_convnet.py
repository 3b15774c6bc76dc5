"""Small networks in writing: what the words mean, how many parameters they are, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from photograft.backbones.get import default_convnet, get_backbone
from photograft.backbones.pytorch.convnet import (
    PREFIX,
    ConvNet,
    default_text,
    initialise,
    with_whitening,
)
from photograft.backbones.pytorch.zoo import build, state_dict
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError
from photograft.learning.recipes import get_recipe
from training_helpers import same_tensors, tiny_backbone


def kinds(text: str) -> list[str]:
    return [type(module).__name__ for module in ConvNet(text).features]


def test_words() -> None:
    assert kinds("g c8 p s16 n4 p") == [
        "Grey",
        *("Conv2d", "ReLU"),
        "MaxPool2d",
        *("Conv2d", "ReLU"),
        *("Conv2d", "BatchNorm2d", "ReLU"),
        "MaxPool2d",
    ]
    network = ConvNet("c8 s16 n4")
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(3, 8), (8, 16), (16, 4)]
    assert [c.padding for c in convolutions] == [(0, 0), (1, 1), (1, 1)]
    # The norm has a shift of its own.
    assert [c.bias is not None for c in convolutions] == [True, True, False]


def test_grey_is_the_mean_of_the_channels() -> None:
    x = torch.rand(2, 3, 5, 5)
    assert torch.equal(ConvNet("g c1").features[0](x), x.mean(dim=1, keepdim=True))


def test_shapes() -> None:
    x = torch.zeros(2, 3, 20, 24)
    assert ConvNet("c8").forward_features(x).shape == (2, 8, 18, 22)
    assert ConvNet("s8").forward_features(x).shape == (2, 8, 20, 24)
    assert ConvNet("n8 p").forward_features(x).shape == (2, 8, 10, 12)
    network = ConvNet("s8 p")
    maps = network.forward_features(torch.rand(2, 3, 20, 24))
    assert torch.equal(network.forward_head(maps), maps.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    "text",
    ["", "p", "g", "g p p", "32", "c", "c0", "c-3", "c8, p", "x8 p", "c8 g", "c1234567", "c8 P"],
)
def test_texts_that_say_nothing(text: str) -> None:
    with pytest.raises(InputError) as caught:
        get_backbone(PREFIX + text, "random")
    assert "convnet:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weight_files_are_refused() -> None:
    with pytest.raises(InputError, match="begins with random weights"):
        get_backbone("convnet:c8", "weights.safetensors")
    assert get_backbone("convnet:c8", "pretrained") == get_backbone("convnet:c8", "random")


@pytest.mark.parametrize(("text", "size"), [("c8 p c8 p c8 p", 16), ("c4 p p p p p p", 32)])
def test_inputs_too_small_for_the_network(text: str, size: int) -> None:
    with pytest.raises(InputError, match=f"photos of {size} × {size} are too small"):
        tiny_backbone(PREFIX + text, size)


@pytest.mark.parametrize(
    ("recipe", "outputs", "params"),
    [("D1", 10, 104_202), ("D2", 10, 712_202), ("D4", 1, 991_041)],
)
def test_textbook_networks_have_their_parameters(recipe: str, outputs: int, params: int) -> None:
    config = get_recipe(recipe).config
    assert config is not None
    backbone = get_backbone(
        config.backbone,
        "random",
        preprocessing=config.preprocessing,
        pooling=config.pooling,
    )
    assert backbone.num_params + backbone.num_features * outputs + outputs == params
    network = build(backbone, None)
    assert sum(p.numel() for p in network.parameters()) == backbone.num_params


@pytest.mark.parametrize(
    "text",
    [
        "c8",
        "s8 p",
        "g c4 p s6",
        "n3 p c5 p",
        "g z20 c4 p",
        "z20 s2 p p",
        "c2 c2 c2 p c2 p c2",
        "s1",
    ],
)
@pytest.mark.parametrize("size", [(20, 20), (21, 34), (9, 20), (3, 3), (2, 2), (1, 1)])
def test_shapes_are_known_without_running(text: str, size: tuple[int, int]) -> None:
    network = ConvNet(text).eval()
    try:
        with torch.inference_mode():
            expected = tuple(network.forward_features(torch.zeros(1, 3, *size)).shape[1:])
    except RuntimeError:
        with pytest.raises(RuntimeError, match=r"small|whitened"):
            network.map_shape(*size)
    else:
        assert network.map_shape(*size) == expected


def test_pooling_decides_the_features() -> None:
    for pooling, width in (("avg", 24), ("flatten", 24 * 4 * 4)):
        (layer,) = tiny_backbone(pooling=pooling).layers
        assert (layer.name, layer.num_features, layer.pooling) == ("last", width, pooling)


@pytest.mark.parametrize("num_photos", [10, 499, 500, 100_000])
def test_default_fits_every_size(num_photos: int) -> None:
    widths, blocks = [], []
    for size in (*range(16, 70), 100, 128, 150, 180, 224, 300):
        text = default_text(size, num_photos)
        network = ConvNet(text).eval()
        with torch.no_grad():
            found = network.forward_features(torch.zeros(1, 3, size, size))
        assert min(found.shape[2:]) >= 4, (size, text)
        assert max(found.shape[2:]) < 20
        widths.append(found.shape[1])
        blocks.append(text.count("p"))
    assert blocks == sorted(blocks)
    assert widths == sorted(widths)
    assert max(blocks) > min(blocks)


def test_default_is_smaller_for_few_photos() -> None:
    def count(num_photos: int) -> int:
        name = default_convnet(64, num_photos)
        return get_backbone(name, "random", preprocessing=Preprocessing(input_size=64)).num_params

    assert count(499) < 0.3 * count(500)
    assert count(500) == count(50_000)


def test_weights_follow_from_the_seed() -> None:
    backbone = tiny_backbone("convnet:n8 c4")
    state = torch.random.get_rng_state()
    first, again, other = (state_dict(build(backbone, None, seed=s)) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same_tensors(first, again)
    assert not torch.equal(first["features.conv1.weight"], other["features.conv1.weight"])


def test_weights_are_drawn_as_glorot_and_bengio_do() -> None:
    network = nn.Sequential(nn.Conv2d(16, 64, 3), nn.Linear(200, 300))
    initialise(network, torch.Generator().manual_seed(0))
    for module, inputs, outputs in ((network[0], 9 * 16, 9 * 64), (network[1], 200, 300)):
        limit = (6 / (inputs + outputs)) ** 0.5
        weight = dict(module.named_parameters())["weight"].detach()
        assert float(weight.abs().max()) == pytest.approx(limit, rel=0.01)
        assert float(weight.std()) == pytest.approx(limit / 3**0.5, rel=0.03)
        assert not bool(module.bias.detach().any())  # type: ignore[operator]


# Whitening


def test_whitening_stands_before_the_convolutions() -> None:
    assert with_whitening("convnet:c8 p", 20) == "convnet:z20 c8 p"
    assert with_whitening("convnet:g c8 p", 20) == "convnet:g z20 c8 p"
    assert kinds("g z20 c8")[:2] == ["Grey", "Whitening"]
    with pytest.raises(InputError, match="can't be understood"):
        ConvNet("c8 z20")


def test_whitened_values_vary_alike_and_by_themselves() -> None:
    """More photos than values: what comes out has the identity for its covariance."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 48)) @ rng.normal(size=(48, 48)) * 0.2 + 0.5
    x = torch.from_numpy(values.astype(np.float32)).reshape(400, 3, 4, 4)
    network = ConvNet("z4 s2")
    whitening: Any = network.features[0]
    assert torch.equal(whitening(x), x)  # until it is fitted
    whitening.fit(x)
    white = whitening(x).flatten(1).double().numpy()
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(48), atol=0.05)
    # Zero-phase: a value stays most like itself.
    matrix = dict(network.named_buffers())["features.whitening.matrix"]
    torch.testing.assert_close(matrix, matrix.T, rtol=1e-3, atol=1e-3)


def test_fewer_photos_than_values_whiten_without_blowing_up() -> None:
    x = torch.rand(5, 3, 6, 6)
    network = ConvNet("z6 s2")
    whitening: Any = network.features[0]
    whitening.fit(x)
    assert float(whitening(torch.rand(4, 3, 6, 6)).abs().max()) < 200


def test_whitening_is_for_small_inputs() -> None:
    settings = Preprocessing(input_size=64, zca_whitening=True)
    with pytest.raises(InputError, match="too large to be whitened"):
        get_backbone("convnet:c8", "random", preprocessing=settings)
    with pytest.raises(InputError, match="small networks"):
        get_backbone("efficientnet_lite0", preprocessing=replace(settings, input_size=32))


def test_record_there_and_back() -> None:
    backbone = tiny_backbone(pooling="flatten")
    assert Backbone.from_json(backbone.to_json()) == backbone
