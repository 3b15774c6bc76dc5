"""Names of networks and where their weights are, told without importing timm or torch."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from photograft.backbones.get import get_backbone
from photograft.backbones.names import check_name, timm_names
from photograft.backbones.weights import cached_path, check_fetchable
from photograft.core.errors import UnknownNameError, WeightsError

HEAVY = "import sys; assert not {'torch', 'timm'} & set(sys.modules), 'too much was imported'"


def test_a_misspelt_name_is_known_before_anything_heavy_is_imported() -> None:
    code = (
        "from photograft.backbones.get import get_backbone\n"
        "from photograft.core.errors import UnknownNameError\n"
        "from photograft.workflows.summary import summarise_name\n"
        "for ask in (get_backbone, summarise_name):\n"
        "    for name in ('resnet5o', 'resnet50.a1_in1'):\n"
        "        try:\n"
        "            ask(name)\n"
        "        except UnknownNameError as error:\n"
        "            assert 'Did you mean resnet50' in str(error), error\n"
        "        else:\n"
        "            raise AssertionError(name)\n"
    )
    subprocess.run([sys.executable, "-c", code + HEAVY], check=True)


def test_every_name_of_timms_is_taken() -> None:
    import timm

    for name in (*timm.list_models(), *timm.list_pretrained(), "tf_efficientnet_b8_ap"):
        check_name(name)
    assert timm_names().models == set(timm.list_models())


def test_suggestions_read_as_a_sentence() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean \w+, \w+ or \w+\? `photograft"):
        get_backbone("resnet5o")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a server that is not there."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    return address


@pytest.mark.parametrize("name", ["resnet18", "resnet18.a1_in1k"])
def test_without_a_network_that_is_said_with_what_to_fetch(
    nobody: str, tmp_path: Path, name: str
) -> None:
    place = cached_path(get_backbone(name), tmp_path)
    with pytest.raises(WeightsError, match=r"weights of resnet18.* can't be fetched") as caught:
        check_fetchable(name, "pretrained", tmp_path)
    message = str(caught.value)
    address = f"{nobody}/timm/resnet18.a1_in1k/resolve/main/model.safetensors"
    assert f"fetch {address} and put it at {place}," in message
    assert "Errno" not in message


def test_nothing_is_said_where_no_network_is_needed(nobody: str, tmp_path: Path) -> None:
    del nobody
    for name, weights in (
        ("efficientnet_lite0", "pretrained"),
        ("resnet18", "random"),
        ("resnet18", "my_weights.pth"),
        ("convnet:c8 p", "pretrained"),
        ("auto", "pretrained"),
        ("resnet5o", "pretrained"),  # said elsewhere
    ):
        check_fetchable(name, weights, tmp_path)
    place = cached_path(get_backbone("resnet18"), tmp_path)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"put there by hand")
    check_fetchable("resnet18", "pretrained", tmp_path)


def test_a_proxy_may_reach_what_nobody_else_can(
    nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del nobody
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    check_fetchable("resnet18", "pretrained", tmp_path)
