"""The state of a training on disk: whole, in place of the one before, or not there at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from photograft.core.choices import OPTIMIZERS
from photograft.core.errors import StorageError
from photograft.learning.loop.checkpoints import Checkpoint, pack_optimizer, unpack_optimizer
from photograft.learning.loop.optimizer import make_optimizer
from photograft.learning.settings import Training

TENSORS = {
    "model.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "model.count": torch.tensor(7),
    "model.half": torch.tensor([1.5, -2.25], dtype=torch.bfloat16),
    "best.empty": torch.zeros(0, 4),
}
DATA: dict[str, Any] = {"epochs": [{"loss": 0.1, "val_loss": None}], "kept": 1, "name": "Größe"}


@pytest.fixture
def place(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path, {"seed": 1})


def state_file(place: Checkpoint) -> Path:
    return place.folder / "state.safetensors"


def test_there_and_back(place: Checkpoint) -> None:
    assert place.load() is None
    place.save(TENSORS, DATA)
    found = place.load()
    assert found is not None
    tensors, data = found
    assert data == DATA
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)


def test_odd_layouts_in_memory(place: Checkpoint) -> None:
    turned = torch.arange(6.0).reshape(2, 3).T
    last = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    trained = nn.Parameter(torch.ones(3))
    place.save({"turned": turned, "last": last, "trained": trained}, {})
    found = place.load()
    assert found is not None
    assert torch.equal(found[0]["turned"], turned)
    assert torch.equal(found[0]["last"], last)
    assert torch.equal(found[0]["trained"], trained)


def test_later_state_replaces_the_one_before(place: Checkpoint) -> None:
    place.save(TENSORS, DATA)
    place.save({"other": torch.ones(1)}, {"kept": 2})
    found = place.load()
    assert found is not None
    assert (list(found[0]), found[1]) == (["other"], {"kept": 2})
    assert [path.name for path in place.folder.iterdir()] == ["state.safetensors"]


def test_place_follows_from_the_key(tmp_path: Path) -> None:
    first = Checkpoint(tmp_path, {"a": 1, "b": [2.5, "x"]})
    assert first.folder == Checkpoint(tmp_path, {"b": [2.5, "x"], "a": 1}).folder
    assert first.folder.parent == tmp_path / "training"
    others: list[dict[str, Any]] = [{"a": 1, "b": [2.5, "y"]}, {"a": 2, "b": [2.5, "x"]}, {"a": 1}]
    folders = {Checkpoint(tmp_path, key).folder for key in others} | {first.folder}
    assert len(folders) == 4
    assert list(tmp_path.iterdir()) == []  # nothing is made before there is something to keep


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


def turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))


def replace_by_another(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(2)}, path)


def without_json(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(2)}, path, {"state": "{'no': json"})


def not_a_table(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(2)}, path, {"state": "[1, 2]"})


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        empty,
        garble,
        turn_a_bit,
        replace_by_another,
        without_json,
        not_a_table,
        Path.unlink,
        make_folder,
    ],
)
def test_damaged_state_is_no_state(place: Checkpoint, damage: Callable[[Path], None]) -> None:
    place.save(TENSORS, DATA)
    assert place.load() is not None
    damage(state_file(place))
    assert place.load() is None


def test_nothing_is_unpickled(place: Checkpoint) -> None:
    place.folder.mkdir(parents=True)
    torch.save({"a": torch.ones(2)}, state_file(place))
    assert place.load() is None


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_leaves_the_state_before(
    place: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.save(TENSORS, DATA)
    before = state_file(place).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left") as caught:
            place.save({}, {})
    assert "goes on from the last finished epoch" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in place.folder.iterdir()] == ["state.safetensors"]
    assert state_file(place).read_bytes() == before


def test_cache_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(StorageError, match="PHOTOGRAFT_CACHE"):
        Checkpoint(tmp_path / "file" / "cache", {}).save(TENSORS, DATA)


def test_other_files_and_removal(place: Checkpoint) -> None:
    path = place.write("backbone.safetensors", b"abc")
    assert path == place.folder / "backbone.safetensors"
    assert path.read_bytes() == b"abc"
    assert place.load() is None
    place.remove()
    assert not place.folder.exists()
    place.remove()  # again, and nothing happens


def trained(name: str, steps: int, optimizer: Any = None, module: Any = None) -> tuple[Any, Any]:
    if module is None:
        module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        with torch.no_grad():
            for i, parameter in enumerate(module.parameters()):
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter) + i)
    if optimizer is None:
        optimizer = make_optimizer([module], Training(optimizer=name, weight_decay=0.1))
    for _ in range(steps):
        optimizer.zero_grad()
        module(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()
    return optimizer, module


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_optimizer_goes_on_where_it_was(name: str, steps: int, place: Checkpoint) -> None:
    optimizer, module = trained(name, steps)
    tensors, data = pack_optimizer(optimizer)
    state: dict[str, Tensor] = {f"model.{k}": v for k, v in module.state_dict().items()}
    place.save({**tensors, **state}, {"optimizer": data})
    found = place.load()
    assert found is not None
    fresh, other = trained(name, 0)
    other.load_state_dict({k: found[0][f"model.{k}"] for k in module.state_dict()})
    unpack_optimizer(fresh, found[0], found[1]["optimizer"])
    for one, model in ((optimizer, module), (fresh, other)):
        trained(name, 2, one, model)
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
