"""Summaries: the counts that the textbooks' networks have, and the printed table."""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import replace

import pytest

from photograft.backbones.get import get_backbone
from photograft.backbones.pytorch.zoo import describe_keras, with_layers
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError, UnknownNameError
from photograft.learning.loop.summarising import base_summary, summarise
from photograft.learning.loop.summary import Row, Summary
from photograft.learning.recipes import Recipe, list_recipes
from photograft.workflows.summary import summarise_name

VGG16_BASE = 14_714_688
#: One of VGG16's convolutions from 512 to 512 channels.
CONV_512 = 3 * 3 * 512 * 512 + 512


@functools.cache
def described(name: str) -> Backbone:
    return describe_keras(name)


@functools.cache
def keras(name: str, size: int) -> Backbone:
    """A network of Keras's structure, its feature map flattened."""
    return with_layers(replace(described(name), input_size=(size, size)), ["last"], "flatten")


@functools.cache
def convnet(text: str, size: int) -> Backbone:
    preprocessing = Preprocessing(input_size=size)
    backbone = get_backbone(f"convnet:{text}", "random", preprocessing=preprocessing)
    return with_layers(backbone, ["last"], "flatten")


def transfer(
    backbone: Backbone,
    hidden: tuple[int, ...],
    num_classes: int,
    *,
    dropout: float = 0.0,
    target_encoding: str = "auto",
    unfreeze: str = "all",
    freeze_batch_norm: bool = True,
) -> Summary:
    return summarise(
        backbone,
        hidden,
        dropout,
        num_classes,
        target_encoding=target_encoding,
        unfreeze=unfreeze,
        freeze_batch_norm=freeze_batch_norm,
    )


@functools.cache
def vgg16(size: int, hidden: tuple[int, ...], num_classes: int, unfreeze: str) -> Summary:
    return transfer(keras("vgg16", size), hidden, num_classes, unfreeze=unfreeze)


def row(summary: Summary, name: str) -> Row:
    return next(row for row in summary.rows if row.name == name)


def head_params(summary: Summary) -> list[int]:
    """Parameters of the head's layers that have any."""
    return [r.params for r in summary.rows if r.name.startswith("head.dense") and r.params]


def base_of(summary: Summary) -> list[Row]:
    return [r for r in summary.rows if r.name.startswith("features.")]


def test_vgg16_base_at_150() -> None:
    base = base_summary(keras("vgg16", 150))
    assert base.output == (4, 4, 512)
    assert (base.total, base.trainable, base.non_trainable) == (VGG16_BASE, VGG16_BASE, 0)


def test_head_on_vgg16_at_150() -> None:
    summary = transfer(keras("vgg16", 150), (256,), 2, dropout=0.5, unfreeze="0")
    behind = [(r.name, r.kind, r.shape, r.params) for r in summary.rows[-5:]]
    assert behind == [
        ("pooling", "Flatten", (8_192,), 0),
        ("head.dense1", "Linear", (256,), 2_097_408),
        ("head.dense1_relu", "ReLU", (256,), 0),
        ("head.dropout", "Dropout", (256,), 0),
        ("head.dense2", "Linear, sigmoid", (1,), 257),
    ]


@pytest.mark.parametrize(("unfreeze", "tensors"), [("all", 30), ("0", 4)])
def test_vgg16_and_dense_256_at_150(unfreeze: str, tensors: int) -> None:
    summary = vgg16(150, (256,), 2, unfreeze)
    assert summary.total == 16_812_353
    assert (summary.tensors, summary.trainable_tensors) == (30, tensors)
    assert summary.trainable == (16_812_353 if unfreeze == "all" else 2_097_408 + 257)


@pytest.mark.parametrize("size", [150, 180])
def test_block5_of_vgg16_is_trained(size: int) -> None:
    """Its last four layers, three convolutions and a pooling."""
    summary = vgg16(size, (256,), 2, "block5_conv1")
    trained = [r.name for r in base_of(summary) if r.trainable]
    assert trained == ["features.24", "features.26", "features.28"]
    assert sum(r.trainable for r in base_of(summary)) == 3 * CONV_512 == 7_079_424
    assert summary.trainable_tensors == 6 + 4


def test_small_network_with_three_hidden_layers() -> None:
    backbone = convnet("s128 p s256 p s128 p s64 p", 224)
    summary = transfer(backbone, (128, 64, 32), 3, target_encoding="categorical")
    assert summary.total == summary.trainable == 2_283_779
    assert summary.rows[-1].kind == "Linear, softmax"


def test_vgg16_at_224_all_trained() -> None:
    summary = vgg16(224, (128, 64, 32), 3, "all")
    assert summary.total == summary.trainable == 17_936_515


def test_vgg16_at_224_only_its_last_convolution_trained() -> None:
    summary = vgg16(224, (128, 64, 32), 3, "block5_conv3")
    assert (summary.trainable, summary.non_trainable) == (5_581_635, 12_354_880)
    base = base_of(summary)
    assert sum(r.trainable for r in base) == CONV_512 == 2_359_808
    assert sum(r.params for r in base) == VGG16_BASE


#: Name, then what Keras counts in all, trained and not trained.
COUNTED = [
    ("mobilenet", 4_031_730, 4_009_842, 21_888),
    ("xception", 22_467_162, 22_412_634, 54_528),
    ("resnet50", 25_193_394, 25_140_274, 53_120),
    ("inception_v3", 22_622_034, 22_587_602, 34_432),
]


def more_than_keras(name: str, rows: tuple[Row, ...]) -> int:
    """How many parameters a network has that Keras's has not, by the channels of its layers.

    ResNet50's convolutions have biases in Keras, which the normalisation behind them takes away
    again. InceptionV3's normalisations have no scales there.
    """
    if name == "resnet50":
        return -sum(r.shape[-1] for r in rows if r.kind == "Conv2d")
    if name == "inception_v3":
        return sum(r.shape[-1] for r in rows if "BatchNorm" in r.kind)
    return 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "total", "trainable", "fixed"), COUNTED)
def test_keras_networks_with_dense_16(name: str, total: int, trainable: int, fixed: int) -> None:
    summary = transfer(
        keras(name, 224),
        (16,),
        2,
        dropout=0.25,
        target_encoding="categorical",
        freeze_batch_norm=False,
    )
    more = more_than_keras(name, summary.rows)
    assert more == {"resnet50": -26_560, "inception_v3": 17_216}.get(name, 0)
    assert summary.total == total + more
    assert summary.trainable == trainable + more
    assert summary.non_trainable == fixed == sum(r.statistics for r in summary.rows)
    # Layer by layer and block by block it is the same network.
    for count in ("params", "trainable", "statistics", "tensors", "trainable_tensors"):
        by_layer, by_block = (
            sum(getattr(r, count) for r in rows) for rows in (summary.rows, summary.blocks)
        )
        assert by_layer == by_block
    assert len(summary.blocks) < len(summary.rows) / 3


def test_digits_with_and_without_pooling() -> None:
    pooled = transfer(convnet("g c32 p c64 p c128", 28), (), 10)
    assert pooled.total == 104_202
    assert [r.shape for r in base_of(pooled) if r.kind == "MaxPool2d"] == [
        (13, 13, 32),
        (5, 5, 64),
    ]
    assert transfer(convnet("g c32 c64 c128", 28), (), 10).total == 712_202


def test_cats_and_dogs_from_scratch() -> None:
    backbone = convnet("c32 p c64 p c128 p c256 p c256", 180)
    for dropout in (0.0, 0.5):  # dropout has no parameters
        summary = transfer(backbone, (), 2, dropout=dropout)
        assert summary.total == summary.trainable == 991_041
        assert ("Dropout" in [r.kind for r in summary.rows]) == bool(dropout)


@pytest.mark.parametrize(("unfreeze", "tensors"), [("all", 26), ("0", 0)])
def test_vgg16_base_at_180(unfreeze: str, tensors: int) -> None:
    base = base_summary(keras("vgg16", 180), unfreeze=unfreeze)
    assert base.output == (5, 5, 512)
    assert base.trainable_tensors == tensors
    assert base.total == VGG16_BASE


def test_head_on_vgg16_at_180() -> None:
    assert head_params(vgg16(180, (256,), 2, "block5_conv1")) == [5 * 5 * 512 * 256 + 256, 256 + 1]


def test_five_convolutions_at_300() -> None:
    summary = transfer(convnet("c32 p c32 p c64 p c64 p c128 p", 300), (512, 32), 2)
    # 300 - 2 = 298 → 149 - 2 = 147 → 73 - 2 = 71 → 35 - 2 = 33 → 16 - 2 = 14 → 7
    assert [r.shape for r in base_of(summary) if r.kind == "MaxPool2d"] == [
        (149, 149, 32),
        (73, 73, 32),
        (35, 35, 64),
        (16, 16, 64),
        (7, 7, 128),
    ]
    convolutions = [r.params for r in base_of(summary) if r.params]
    assert convolutions == [896, 9_248, 18_496, 36_928, 73_856]
    flat = 7 * 7 * 128
    assert row(summary, "pooling").shape == (flat,) == (6_272,)
    dense = [flat * 512 + 512, 512 * 32 + 32, 32 + 1]
    assert head_params(summary) == dense == [3_211_776, 16_416, 33]
    assert summary.total == summary.trainable == sum(convolutions) + sum(dense) == 3_367_649


@pytest.mark.slow
def test_vgg16_frozen_at_300() -> None:
    summary = vgg16(300, (64,), 2, "0")
    assert base_of(summary)[-1].shape == (9, 9, 512)  # 300 → 150 → 75 → 37 → 18 → 9
    dense = 9 * 9 * 512 * 64 + 64 + 64 + 1
    assert summary.trainable == dense == 2_654_337
    assert summary.non_trainable == VGG16_BASE
    assert summary.total == 17_369_025


def test_frozen_batch_norm_is_not_trained() -> None:
    backbone = convnet("n8 p", 16)
    frozen, free = (transfer(backbone, (), 2, freeze_batch_norm=f) for f in (True, False))
    norm = row(frozen, "features.norm1")
    assert (norm.params, norm.trainable, norm.statistics) == (32, 0, 16)
    norm = row(free, "features.norm1")
    assert (norm.params, norm.trainable, norm.statistics) == (32, 16, 16)
    assert free.total == frozen.total
    assert free.trainable_tensors == frozen.trainable_tensors + 2


def test_table() -> None:
    summary = transfer(convnet("n8 p s1000", 32), (10,), 3, unfreeze="1")
    rule = "─" * 71
    assert summary.lines() == [
        "convnet:n8 p s1000, photos of 32 × 32, with a head for 3 classes",
        rule,
        "layer             kind             output shape     parameters  trained",
        rule,
        "features.conv1    Conv2d           32 × 32 × 8             216  no",
        "features.norm1    BatchNorm2d      32 × 32 × 8              32  no",
        "features.relu1    ReLU             32 × 32 × 8",
        "features.pool1    MaxPool2d        16 × 16 × 8",
        "features.conv2    Conv2d           16 × 16 × 1,000      73,000  yes",
        "features.relu2    ReLU             16 × 16 × 1,000",
        "pooling           Flatten          256,000",
        "head.dense1       Linear           10                2,560,010  yes",
        "head.dense1_relu  ReLU             10",
        "head.dense2       Linear, softmax  3                        33  yes",
        rule,
        "total          2,633,291 parameters in 9 tensors, 10.5 MB",
        "trainable      2,633,043 parameters in 6 tensors",
        "not trainable        248 parameters in 3 tensors; 16 of these are running statistics",
    ]


def test_blocks_are_those_that_unfreeze_counts() -> None:
    summary = transfer(convnet("n8 p s16 c4", 32), (), 2, unfreeze="2")
    blocks = [(r.name, r.kind, r.shape, r.trainable > 0) for r in summary.blocks]
    assert blocks == [
        ("features.conv1", "Conv2d, BatchNorm2d, ReLU, MaxPool2d", (16, 16, 8), False),
        ("features.conv2", "Conv2d, ReLU", (16, 16, 16), True),
        ("features.conv3", "Conv2d, ReLU", (14, 14, 4), True),
        ("pooling", "Flatten", (784,), False),
        ("head.dense1", "Linear, sigmoid", (1,), True),
    ]
    assert summary.lines("blocks")[4].startswith("features.conv1")


def test_embedded_backbone_needs_no_weights_and_all_its_lines_fit() -> None:
    backbone = get_backbone("efficientnet_lite0")
    summary = transfer(backbone, (), 5, unfreeze="auto")
    own = summary.total - sum(head_params(summary)) - sum(r.statistics for r in summary.rows)
    assert own == backbone.num_params
    assert row(summary, "global_pool.flatten").shape == (1_280,)
    for depth in ("layers", "blocks"):
        lines = summary.lines(depth)
        assert max(map(len, lines)) <= 100
        assert not any(line != line.rstrip() for line in lines)


@pytest.mark.slow
def test_what_does_not_run_is_not_counted() -> None:
    """timm's VGG16 has two fully connected layers, which a flattened feature map passes by."""
    backbone = get_backbone(
        "vgg16", "random", preprocessing=Preprocessing(input_size=64), pooling="flatten"
    )
    assert base_summary(backbone).total == VGG16_BASE


def test_transformer_is_counted_whole() -> None:
    """Its positions and its class token belong to no layer; its maps are lists of places."""
    backbone = get_backbone("test_vit", "random")
    summary = base_summary(backbone)
    assert summary.total == backbone.num_params
    assert (summary.rows[0].name, summary.rows[0].shape) == ("network", ())
    assert summary.rows[0].params
    assert len(summary.rows[-1].shape) == 2


def test_channels_come_last_whatever_the_network_holds() -> None:
    backbone = get_backbone("test_convnext", "random", preprocessing=Preprocessing(input_size=64))
    shapes = [r.shape for r in base_summary(backbone).rows if len(r.shape) == 3]
    assert all(height == width for height, width, _ in shapes)
    assert base_summary(backbone).total == backbone.num_params


def test_long_names_are_cut_to_fit() -> None:
    rows = (Row("a" * 90, "b" * 90, (1_000, 1_000, 1_000), 10**9, 10**9, 0, 2, 2),)
    lines = Summary("two tensors", rows, rows).lines()
    assert max(map(len, lines)) == 100
    assert "…" in lines[4]
    assert lines[4].endswith("1,000 × 1,000 × 1,000  1,000,000,000  yes")


#: The base's parameters, where a recipe's document gives those of the head alone.
BASES = {"A2": VGG16_BASE}
COUNTS = (
    "parameters",
    "head_parameters",
    "trainable_parameters",
    "non_trainable_parameters",
    "trainable_tensors",
)


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(recipe, marks=[] if "convnet:" in recipe.text else [pytest.mark.slow])
        for recipe in list_recipes()
        if recipe.reference.keys() & set(COUNTS)
    ],
    ids=lambda recipe: str(recipe.id),
)
def test_recipes_have_the_counts_that_were_published(recipe: Recipe) -> None:
    """With the classes of what they were tried on, and no option."""
    summary = summarise_name(recipe.id)
    more = {"C2": -26_560, "C3": 17_216}.get(recipe.id, 0)  # see `more_than_keras`
    found = {
        "parameters": summary.total - more,
        "head_parameters": summary.total - BASES.get(recipe.id, 0),
        "trainable_parameters": summary.trainable - more,
        "non_trainable_parameters": summary.non_trainable,
        "trainable_tensors": summary.trainable_tensors,
    }
    published = {name: recipe.reference[name] for name in COUNTS if name in recipe.reference}
    assert {name: found[name] for name in published} == published


def test_classes_of_recipes() -> None:
    classes = {recipe.id: recipe.num_classes for recipe in list_recipes()}
    three = dict.fromkeys(("B1", "B2", "B3", "B4"), 3)
    assert classes == {**dict.fromkeys(classes, 2), **three, "D1": 10, "D2": 10}


def test_classes_that_are_asked_for() -> None:
    own, other = summarise_name("D1"), summarise_name("D1", num_classes=3)
    assert (own.output, other.output) == ((10,), (3,))


def test_small_network_in_writing_needs_torch_alone() -> None:
    """Each of these takes half a second or more to import."""
    code = (
        "import sys; from photograft.workflows.summary import summarise_name; "
        "summarise_name('D1').lines(); print(*{'timm', 'torchvision', 'sympy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_can_not_be() -> None:
    backbone = convnet("c4", 8)
    with pytest.raises(UnknownNameError, match="conv7"):
        transfer(backbone, (), 2, unfreeze="conv7")
    with pytest.raises(InputError, match="binary"):
        transfer(backbone, (), 3, target_encoding="binary")
    with pytest.raises(InputError, match="'all'; expected layers or blocks"):
        transfer(backbone, (), 2).lines("all")
