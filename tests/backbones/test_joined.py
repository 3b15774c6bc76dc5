"""Several looks in one record: what they are called, what is joined of them, and what is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from photograft.backbones.costs import costs_of
from photograft.backbones.get import get_backbone
from photograft.backbones.joined import MOST_LOOKS, join, look_names, read_look
from photograft.backbones.registry import JOINED, Backbone, included_name
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import locate_weights
from photograft.core.errors import InputError, UnknownNameError
from training_helpers import TINY

LITE0, LITE2 = "efficientnet_lite0", "efficientnet_lite2"
BOTH = f"{LITE0}+{LITE2}@320,mirror"


@pytest.mark.parametrize(
    ("name", "names"),
    [
        (LITE0, [LITE0]),
        (f"{LITE0}@320", [f"{LITE0}@320"]),
        (BOTH, [LITE0, f"{LITE2}@320,mirror"]),
        (f"{LITE0} + {LITE2}", [LITE0, LITE2]),
        # Files and architectures in writing are one look, whatever is in their names.
        ("./cats+dogs@320.onnx", ["./cats+dogs@320.onnx"]),
        ("cats+dogs.onnx", ["cats+dogs.onnx"]),
        ("a+b/net@mirror.toml", ["a+b/net@mirror.toml"]),
        ("convnet:c8 p c16", ["convnet:c8 p c16"]),
    ],
)
def test_a_name_of_looks(name: str, names: list[str]) -> None:
    assert look_names(name) == names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{LITE0}+", "a name is missing"),
        (f"+{LITE0}", "a name is missing"),
        (f"{LITE0}++{LITE2}", "a name is missing"),
        (f"{LITE0}+{LITE0}", "the same look twice"),
        (f"{LITE0}+{LITE0}@224", "the same look twice"),
        (f"{LITE0}@320,mirror+{LITE0}@mirror,320", "the same look twice"),
        ("+".join(f"{LITE0}@{100 + i}" for i in range(MOST_LOOKS + 1)), "at most 8 looks"),
        (f"{LITE0}@", "can't be understood"),
        (f"{LITE0}@320,", "can't be understood"),
        (f"{LITE0}@huge", "can't be understood"),
        (f"{LITE0}@8", "can't be understood"),
        (f"{LITE0}@9999", "can't be understood"),
        (f"{LITE0}@320@mirror", "can't be understood"),
    ],
)
def test_a_name_that_is_none(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        get_backbone(name)


def test_a_misspelt_look_is_told_apart_from_the_others() -> None:
    with pytest.raises(UnknownNameError, match=r"efficientnet_lite9.*Did you mean"):
        get_backbone(f"{LITE0}+efficientnet_lite9@320")


def test_what_stands_behind_the_name_goes_before_the_settings() -> None:
    settings = Preprocessing(input_size=160, crop_mode="center")
    assert read_look(LITE0, settings) == (LITE0, settings, False)
    name, own, mirror = read_look(f"{LITE0}@320,mirror", settings)
    assert (name, own.input_size, own.crop_mode, mirror) == (LITE0, 320, "center", True)
    looks = get_backbone(BOTH, preprocessing=settings).looks
    assert [look.input_size for look in looks] == [(160, 160), (320, 320)]


@pytest.mark.parametrize(
    ("weights", "layer", "words"),
    [("mine.pth", "auto", "one weight file"), ("pretrained", "last,blocks.6", "one by one")],
)
def test_what_can_be_said_of_one_look_only(weights: str, layer: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        get_backbone(BOTH, weights, layer=layer)


def test_looks_lie_side_by_side_in_one_record() -> None:
    first, second = get_backbone(LITE0), get_backbone(f"{LITE2}@320,mirror")
    joined = get_backbone(BOTH)
    assert joined == join([first, second])
    assert joined.name == BOTH
    assert joined.looks == joined.parts == (first, second)
    assert (joined.architecture, joined.weights) == (JOINED, JOINED)
    assert joined.num_features == first.num_features + second.num_features
    assert joined.num_params == first.num_params + second.num_params
    assert [(layer.name, layer.num_features) for layer in joined.layers] == [
        (f"{look.name}/{layer.name}", layer.num_features)
        for look in (first, second)
        for layer in look.layers
    ]
    # What photos are told apart by is as the first look sees them.
    assert joined.preprocessing() == first.preprocessing()
    assert second.mirror
    assert second.input_size == (320, 320)
    assert not first.parts
    assert first.looks == (first,)
    assert join([first]) is first


def test_the_hash_is_that_of_all_weights(tmp_path: Path) -> None:
    first, second = (locate_weights(get_backbone(name), tmp_path)[0] for name in (LITE0, LITE2))
    located, path = locate_weights(get_backbone(f"{LITE0}+{LITE2}"), tmp_path)
    assert path is None
    assert located.parts == (first, second)
    hashes = first.weights_sha256 + second.weights_sha256
    assert located.weights_sha256 == hashlib.sha256(hashes.encode()).hexdigest()
    assert join([second, first]).weights_sha256 != located.weights_sha256
    # Not known before all of them are.
    assert join([first, dataclasses.replace(second, weights_sha256="")]).weights_sha256 == ""


def test_joined_records_are_not_joined_again() -> None:
    with pytest.raises(InputError, match="can't be joined"):
        join([get_backbone(BOTH), get_backbone("efficientnet_lite1")])


def test_records_come_back_from_json() -> None:
    for name in (BOTH, f"{LITE0}@mirror", LITE0):
        backbone = get_backbone(name)
        read = Backbone.from_json(json.loads(json.dumps(backbone.to_json())))
        assert read == backbone
        assert read.looks == backbone.looks


def test_records_of_one_look_are_written_as_ever() -> None:
    """So that what was written before there were several reads as it did, and the other way."""
    written = get_backbone(LITE0).to_json()
    assert "parts" not in written
    assert "mirror" not in written
    assert Backbone.from_json(written).parts == ()
    assert not Backbone.from_json(written).mirror
    assert all("parts" not in part for part in get_backbone(BOTH).to_json()["parts"])


def test_work_is_that_of_all_looks() -> None:
    first, second = costs_of(get_backbone(LITE0))[0], costs_of(get_backbone(f"{LITE2}@320"))[0]
    assert costs_of(get_backbone(f"{LITE0}@mirror"))[0] == 2 * first
    assert costs_of(get_backbone(BOTH))[0] == first + 2 * second
    assert costs_of(get_backbone(f"{LITE0}@320"))[0] > 1.8 * first


def test_names_of_weight_files() -> None:
    backbone = get_backbone(TINY, "random")
    onnx = dataclasses.replace(backbone, architecture="onnx:net")
    assert included_name(backbone) == "backbone.safetensors"
    assert included_name(backbone, 2) == "backbone-2.safetensors"
    assert included_name(onnx) == "backbone.onnx"
    assert included_name(onnx, 1) == "backbone-1.onnx"


@pytest.mark.parametrize(
    ("name", "side"),
    [
        (LITE0, 224),
        (f"{LITE0}@64", 224),
        (f"{LITE0}@448", 224),
        (f"{LITE0}@512", 512),
        (f"{LITE0}+{LITE2}@320,mirror+{LITE0}@448", 224),
        (f"{LITE0}+{LITE2}@512+{LITE0}@640", 640),
    ],
)
def test_all_looks_are_of_one_decoding(name: str, side: int) -> None:
    """What is decoded suffices for each: no side is below twice this."""
    assert get_backbone(LITE0).decoded_for == 0  # as in records of before there was this
    joined = get_backbone(name)
    assert {look.least_side for look in (joined, *joined.looks)} == {side}
