"""A backbone and a head as one network: what is frozen, what moves, and the head without torch."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import training_helpers as small
from photograft.backbones.get import get_backbone
from photograft.backbones.pytorch.pooling import pool
from photograft.backbones.pytorch.zoo import build
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import locate_weights
from photograft.classifier.head import Head
from photograft.core.errors import InputError, UnknownNameError
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.network import HeadModule, TransferNetwork

NORMS = nn.modules.batchnorm._BatchNorm
LABELS = np.arange(8) % 2
LOOP = replace(small.PLAIN_LOOP, epochs=2, batch_size=4)


@functools.cache
def backbone(name: str) -> tuple[Backbone, Path | None]:
    """A backbone for photos of 64 × 64."""
    settings = Preprocessing(input_size=64)
    weights = "pretrained" if name in EMBEDDED else "random"
    found = get_backbone(name, weights, preprocessing=settings)
    return locate_weights(found, Path("no cache"))


def transfer(name: str, unfreeze: str = "auto", outputs: int = 2, **more: Any) -> TransferNetwork:
    record, path = backbone(name)
    head = HeadModule(record.layers[-1].num_features, more.pop("hidden", ()), outputs, 0.0, 0)
    return TransferNetwork(record, path, head, unfreeze=unfreeze, **more)


def pixels(n: int = 8, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), np.uint8)


def feed(model: TransferNetwork, inputs: Any = None) -> Feed:
    rows = small.Rows(pixels() if inputs is None else inputs)
    return Feed(rows, LABELS, model.lower)


def train(model: TransferNetwork, **changes: Any) -> list[Any]:
    where = small.setting(2, target_encoding="categorical")
    settings = replace(LOOP, **changes)
    return small.without_seconds(small.run(model, feed(model), None, settings, where=where))


def norms(model: TransferNetwork) -> dict[str, nn.Module]:
    return {n: m for n, m in model.network.named_modules() if isinstance(m, NORMS)}


# The head


HEADS = [((), 1, "binary"), ((), 3, "sparse"), ((7,), 1, "binary"), ((9, 5), 4, "categorical")]


@pytest.mark.parametrize(("hidden", "outputs", "target_encoding"), HEADS)
@pytest.mark.parametrize("standardised", [False, True])
def test_head_in_numpy_says_what_torch_says(
    hidden: tuple[int, ...], outputs: int, target_encoding: str, standardised: bool
) -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(3, 5, (20, 12)) * 10 ** rng.uniform(-2, 2, 12)).astype(np.float32)
    module = HeadModule(12, hidden, outputs, dropout=0.4, seed=1)
    if standardised:
        mean, scale = (torch.from_numpy(f(axis=0)) for f in (features.mean, features.std))
        module.standardise(mean, scale)
    module.eval()
    with torch.no_grad():
        logits = module(torch.from_numpy(features)).double()
    if target_encoding == "binary":
        second = torch.sigmoid(logits)
        expected = torch.cat([1 - second, second], dim=1)
    else:
        expected = torch.softmax(logits, dim=1)
    head = module.to_head(target_encoding)
    found = head.predict_proba(features)
    assert found.shape == (20, max(2, outputs))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), rtol=2e-4, atol=1e-6)
    # It is a copy: what training does next does not reach it.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert np.array_equal(head.predict_proba(features), found)


def test_head_after_standardising_does_to_raw_features_what_it_did_to_standardised_ones() -> None:
    features = torch.randn(30, 5) * torch.tensor([1.0, 10, 100, 0.1, 2]) + 7
    mean, scale = features.mean(dim=0), features.std(dim=0)
    module = HeadModule(5, (6,), 2, 0.0, 3).eval()
    expected = module((features - mean) / scale)
    module.standardise(mean, scale)
    torch.testing.assert_close(module(features), expected, rtol=1e-4, atol=1e-5)


def test_head_layers() -> None:
    module = HeadModule(10, (8, 4), 3, 0.5, 0)
    assert [name for name, _ in module.named_children()] == [
        "dense1",
        "dense1_relu",
        "dense2",
        "dense2_relu",
        "dropout",
        "dense3",
    ]
    assert module.to_head("sparse").num_params == 10 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3
    assert all(not bool(layer.bias.detach().any()) for layer in module.layers)


def test_head_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first = HeadModule(10, (8,), 3, 0.0, 1).state_dict()
    second = HeadModule(10, (8,), 3, 0.0, 1).state_dict()
    other = HeadModule(10, (8,), 3, 0.0, 2).state_dict()
    assert small.same_tensors(first, second)
    assert not torch.equal(first["dense1.weight"], other["dense1.weight"])
    # A layer draws its values as torch does before they are replaced; that does no harm within an
    # epoch's own seeds, and nobody else may see it.
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize(("head_coding", "target_encoding"), [
    ("softmax", "sparse"), ("softmax", "binary"), ("sigmoid", "binary"),
])  # fmt: skip
def test_start_from_a_fitted_head(
    hidden: tuple[int, ...], head_coding: str, target_encoding: str
) -> None:
    rng = np.random.default_rng(1)
    widths = [5, *hidden, 1 if head_coding == "sigmoid" else 2]
    head = Head(
        tuple(rng.normal(size=(a, b)).astype(np.float32) for a, b in zip(widths, widths[1:])),  # noqa: B905, RUF007
        tuple(rng.normal(size=b).astype(np.float32) for b in widths[1:]),
        head_coding,
    )
    module = HeadModule(5, hidden, 1 if target_encoding == "binary" else 2, 0.0, 0)
    module.start_from(head, target_encoding)
    features = rng.normal(size=(20, 5)).astype(np.float32)
    found = module.to_head(target_encoding).predict_proba(features)
    np.testing.assert_allclose(found, head.predict_proba(features), rtol=1e-5, atol=1e-6)


# The two parts


@pytest.mark.parametrize("unfreeze", ["0", "1", "auto", "all"])
@pytest.mark.parametrize(
    "name", ["resnet18", "efficientnet_lite0", "convnet:n8 p n16 p", "mobilenetv3_small_050"]
)
def test_lower_and_upper_are_the_whole_network(name: str, unfreeze: str) -> None:
    model = transfer(name, unfreeze).eval()
    record, path = backbone(name)
    network, given = build(record, path), torch.from_numpy(pixels(2))
    with torch.no_grad():
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (record.mean, record.std))
        x = (given.permute(0, 3, 1, 2) / 255 - mean) / std
        expected = model.head(pool(network, network.forward_features(x), "avg"))  # type: ignore[operator]
        torch.testing.assert_close(model(given), expected, rtol=1e-3, atol=1e-4)


def test_boundary_is_the_last_frozen_unit() -> None:
    assert transfer("resnet18", "1").boundary == "layer4.0"
    assert transfer("resnet18", "layer4").boundary == "layer3.1"
    assert transfer("resnet18", "all").boundary == ""
    assert transfer("resnet18", "0").boundary == "layer4.1"


@pytest.mark.parametrize("unfreeze", ["10", "layer9"])
def test_boundaries_that_are_not_there(unfreeze: str) -> None:
    with pytest.raises((InputError, UnknownNameError)):
        transfer("resnet18", unfreeze)


def test_network_that_is_no_row_is_trained_whole_or_not_at_all() -> None:
    record = get_backbone("test_vit", "random")
    inputs = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    given = torch.from_numpy(inputs)
    for unfreeze in ("0", "auto", "all"):
        head = HeadModule(record.layers[-1].num_features, (), 2, 0.0, 0)
        model = TransferNetwork(record, None, head, unfreeze=unfreeze).eval()
        network: Any = model.network
        with torch.no_grad():
            last = network.forward_features(model.normalisation(given))
            torch.testing.assert_close(model(given), model.head(pool(network, last, "avg")))
        trained = sum(p.requires_grad for p in network.parameters())
        everything = sum(1 for _ in network.parameters())
        assert trained == (0 if unfreeze == "0" else everything)
    with pytest.raises(InputError, match="can't be parted at 2"):
        TransferNetwork(record, None, head, unfreeze="2")


# What training moves


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "convnet:n8 p n16 p"])
def test_batch_norm_stays_frozen(name: str) -> None:
    model = transfer(name, "all")
    before = {n: small.all_tensors(m) for n, m in norms(model).items()}
    others = {n: p.detach().clone() for n, p in model.network.named_parameters() if p.ndim > 1}
    train(model)
    assert len(before) >= 2
    for n, module in norms(model).items():
        assert small.same_tensors(before[n], small.all_tensors(module)), n
    after = dict(model.network.named_parameters())
    moved = [n for n, value in others.items() if not torch.equal(value, after[n])]
    # In resnet18, new blocks add nothing at first: no gradient reaches the convolutions in them.
    assert len(moved) == len(others) or (name == "resnet18" and len(moved) >= 4)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_batch_norm_moves_where_it_may(name: str) -> None:
    model = transfer(name, "1", freeze_batch_norm=False)
    upper = {id(m) for block in model.blocks() for m in block.modules()}
    before = {n: small.all_tensors(m) for n, m in norms(model).items()}
    train(model)
    moved = 0
    for n, module in norms(model).items():
        after = small.all_tensors(module)
        if id(module) in upper:
            assert all(not torch.equal(value, after[k]) for k, value in before[n].items()), n
            moved += 1
        else:
            assert small.same_tensors(before[n], after), n
    assert moved > 0


@pytest.mark.parametrize("freeze_batch_norm", [True, False])
@pytest.mark.parametrize(
    ("unfreeze", "trained"),
    [("0", ()), ("1", ("layer4.1",)), ("layer3.1", ("layer3.1", "layer4"))],
)
def test_frozen_units_do_not_move(
    unfreeze: str, trained: tuple[str, ...], freeze_batch_norm: bool
) -> None:
    model = transfer("resnet18", unfreeze, freeze_batch_norm=freeze_batch_norm)
    before, head = small.all_tensors(model.network), small.all_tensors(model.head)
    train(model, weight_decay=0.5, optimizer="adamw", ema_decay=0.5)
    after = small.all_tensors(model.network)
    moved = {n for n, value in before.items() if not torch.equal(value, after[n])}
    assert all(n.startswith(trained) for n in moved) if trained else not moved
    assert {n.rsplit(".", 2)[0] for n in moved} >= set(trained[:1])
    assert not small.same_tensors(head, small.all_tensors(model.head))


def test_modes() -> None:
    model = transfer("resnet18", "2", freeze_batch_norm=False)
    for mode in (True, False):
        assert model.train(mode) is model
        on = {n for n, m in norms(model).items() if m.training}
        assert on == ({n for n in norms(model) if n.startswith("layer4")} if mode else set())
    frozen = transfer("resnet18", "2").train()
    assert not any(m.training for m in norms(frozen).values())
    assert frozen.head.training
    assert frozen.network.get_submodule("layer4.0").training


def test_blocks_come_from_the_top_down() -> None:
    model = transfer("resnet18", "3")
    head, *blocks = model.blocks()
    assert head is model.head
    firsts = [next(iter(block.children())) for block in blocks]
    names = {id(m): n for n, m in model.network.named_modules()}
    assert [names[id(m)] for m in firsts] == ["layer4.1", "layer4.0", "layer3.1"]


def test_trained_state_is_all_that_training_changes() -> None:
    model = transfer("convnet:n8 p n16 p n8", "2", freeze_batch_norm=False)
    everything = small.all_tensors(model)
    kept = small.weights_of(model)
    train(model)
    with torch.no_grad():
        for name, tensor in model.trained_state().items():
            tensor.copy_(kept[name])
    assert small.same_tensors(everything, small.all_tensors(model))


def test_what_stands_behind_the_feature_map_is_trained_with_the_top() -> None:
    """MobileNetV3 has a convolution behind the pooling."""
    for unfreeze in ("0", "1", "all"):
        model = transfer("mobilenetv3_small_050", unfreeze)
        before = small.all_tensors(model.network)
        train(model)
        after = small.all_tensors(model.network)
        moved = not torch.equal(before["conv_head.weight"], after["conv_head.weight"])
        assert moved == (unfreeze != "0")
        assert ("upper.1.weight" in model.trained_state()) == (unfreeze == "1")


def test_seed_decides_random_weights() -> None:
    first, again, other = (transfer("convnet:c8 p", "all", seed=s) for s in (1, 1, 2))
    assert small.same_tensors(first.network.state_dict(), again.network.state_dict())
    assert not small.same_tensors(first.network.state_dict(), other.network.state_dict())


@pytest.mark.parametrize("name", ["efficientnet_lite0", "convnet:n8 p n16 p"])
def test_stored_activations_train_the_same(name: str) -> None:
    """What the frozen part makes of the photos, computed once, in another batch size."""
    where = small.setting(2)
    settings = replace(LOOP, epochs=4, optimizer="adamw", learning_rate=1e-3, clip_norm=1.0)
    models = [transfer(name, "1"), transfer(name, "1")]
    with torch.no_grad():
        stored = torch.cat([models[0].lower(torch.from_numpy(p[None])) for p in pixels()])
    feeds = [feed(models[0]), Feed(small.Rows(stored.numpy()), LABELS, lambda x: x)]
    histories = [
        small.run(model, given, given, settings, where=where)
        for model, given in zip(models, feeds, strict=True)
    ]
    losses = [[(e.loss, e.val_loss or 0.0) for e in h.epochs] for h in histories]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert losses[0][0] != losses[0][-1]
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=2e-4)


def test_mixing_happens_at_the_boundary() -> None:
    """Mixed activations of the frozen part, not pixels: half-half is the mean of both."""
    model = transfer("convnet:c8 p c8 p", "0").eval()
    with torch.no_grad():
        x = model.lower(torch.from_numpy(pixels(2)))
        mixed = model.upper(0.5 * x + 0.5 * x[[1, 0]])
        apart = model.upper(x)
    # Only pooling and a linear head are left above.
    torch.testing.assert_close(mixed, apart.mean(dim=0, keepdim=True).expand(2, -1))
