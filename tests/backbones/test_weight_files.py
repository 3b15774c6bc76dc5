"""Weight files of the user's own: taken where all fits, else refused, and nothing in them run."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

import system_helpers as system
from drawing import draw_folder
from photograft.backbones.get import get_backbone
from photograft.backbones.pytorch.zoo import build
from photograft.backbones.registry import Backbone
from photograft.backbones.weights import locate_weights
from photograft.core.errors import WeightsError
from weights_helpers import MODEL, REPOSITORY, Hub, Reply, check_holds, sha256, weights_of

pytestmark = pytest.mark.usefixtures("hub")


DATA = {
    "empty": b"",
    "text": b"dear diary\n" * 99,
    "zeros": bytes(99),
    "noise": random.Random(0).randbytes(5000),
}


class Exploit:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class TestFileOfTheUsers:
    def load(self, path: Path, model: str = MODEL) -> tuple[Backbone, Path | None]:
        return locate_weights(get_backbone(model, str(path)), path.parent / "cache")

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin"])
    @pytest.mark.parametrize("classes", [1000, 10, 0])
    def test_it_is_taken(self, tmp_path: Path, suffix: str, classes: int) -> None:
        """Also where it was trained for other classes, or none."""
        tensors = weights_of(MODEL, num_classes=classes)
        path = tmp_path / f"mine{suffix}"
        if suffix == ".safetensors":
            safetensors.torch.save_file(tensors, path)
        else:
            torch.save(tensors, path)
        backbone, found = self.load(path)
        assert found == path.resolve()
        assert backbone.weights == f"file:{path.resolve()}"
        assert backbone.weights_sha256 == sha256(path.read_bytes())
        check_holds(backbone, found, tensors)

    def test_a_checkpoint_with_more_in_it(
        self, tmp_path: Path, tensors: dict[str, torch.Tensor]
    ) -> None:
        path = tmp_path / "checkpoint.pth"
        wrapped = {f"module.{name}": tensor for name, tensor in tensors.items()}
        torch.save({"epoch": 3, "state_dict": wrapped}, path)
        check_holds(*self.load(path), tensors)

    def test_it_is_searched_from_the_home_folder_and_from_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert get_backbone(MODEL, "~/w.pth").weights == f"file:{tmp_path / 'w.pth'}"
        monkeypatch.chdir(tmp_path)
        assert get_backbone(MODEL, "w.pth").weights == f"file:{tmp_path / 'w.pth'}"

    @pytest.mark.parametrize("name", ["gone.pth", "gone.safetensors", "."])
    def test_it_is_not_there(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(WeightsError, match="no weight file") as caught:
            self.load(tmp_path / name)
        assert str(tmp_path) in str(caught.value)

    def test_it_is_no_weight_file_by_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "weights.txt").write_text("hello")
        with pytest.raises(WeightsError, match=r"expected \.safetensors, \.pth, \.pt"):
            self.load(tmp_path / "weights.txt")

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "backbone.safetensors"])
    @pytest.mark.parametrize("data", DATA.values(), ids=DATA)
    def test_it_is_something_else(self, tmp_path: Path, name: str, data: bytes) -> None:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match="does not hold the weights of test_resnet"):
            build(*self.load(tmp_path / name))

    def test_a_whole_network_was_pickled(self, tmp_path: Path) -> None:
        """What torch says of it is long, and recommends to run what is in the file."""
        torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pth")
        with pytest.raises(
            WeightsError, match=r"objects besides tensors.*state_dict\(\)"
        ) as caught:
            build(*self.load(tmp_path / "w.pth"))
        assert "weights_only" not in str(caught.value)

    def test_a_photo_was_given(self, tmp_path: Path) -> None:
        Image.new("RGB", (9, 9)).save(tmp_path / "w.pth", "JPEG")
        with pytest.raises(WeightsError, match=r"\(it is no PyTorch checkpoint\)"):
            build(*self.load(tmp_path / "w.pth"))

    @pytest.mark.parametrize("content", [[1, 2], 3, "text", {"a": 1}, {}, {"state_dict": [1]}])
    def test_it_holds_no_tensors(self, tmp_path: Path, content: object) -> None:
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match="does not hold the weights"):
            build(*self.load(tmp_path / "w.pth"))

    @pytest.mark.parametrize("half", [True, False])
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_it_is_cut_off(
        self, tmp_path: Path, tensors: dict[str, torch.Tensor], suffix: str, half: bool
    ) -> None:
        path = tmp_path / f"w{suffix}"
        if suffix == ".safetensors":
            safetensors.torch.save_file(tensors, path)
        else:
            torch.save(tensors, path)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2 if half else -1])
        with pytest.raises(WeightsError, match="does not hold the weights"):
            build(*self.load(path))

    @pytest.mark.filterwarnings("ignore:Detected pickle protocol")
    @pytest.mark.parametrize("model", [MODEL, "efficientnet_lite0"])
    @pytest.mark.parametrize("kind", ["torch", "pickle", "within"])
    def test_code_in_it_is_never_run(self, tmp_path: Path, model: str, kind: str) -> None:
        trap, path = tmp_path / "sprung", tmp_path / "w.pth"
        if kind == "torch":
            torch.save(Exploit(trap), path)
        elif kind == "within":
            torch.save({"state_dict": {"conv1.weight": torch.zeros(1), "x": Exploit(trap)}}, path)
        else:
            path.write_bytes(pickle.dumps(Exploit(trap)))
        with pytest.raises(WeightsError, match="does not hold the weights"):
            build(*self.load(path, model))
        assert not trap.exists()

    @pytest.mark.parametrize("other", ["resnet10t", "test_efficientnet", "test_vit"])
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_it_is_of_another_network(self, tmp_path: Path, other: str, suffix: str) -> None:
        path = tmp_path / f"w{suffix}"
        if suffix == ".safetensors":
            safetensors.torch.save_file(weights_of(other), path)
        else:
            torch.save(weights_of(other), path)
        with pytest.raises(WeightsError, match="does not hold the weights of test_resnet"):
            build(*self.load(path))

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    @pytest.mark.parametrize("classes", [1000, 0])
    @pytest.mark.parametrize("prefix", ["", "module.", "net."])
    def test_something_is_left_over(
        self, tmp_path: Path, suffix: str, classes: int, prefix: str
    ) -> None:
        """As of a deeper network, whose first blocks would pass for this one."""
        tensors = weights_of(MODEL, num_classes=classes)
        deeper = {
            name.replace("layer4.0", "layer4.1"): tensor.clone()
            for name, tensor in tensors.items()
            if name.startswith(("layer4.0.conv2", "layer4.0.bn2"))
        }
        path = tmp_path / f"w{suffix}"
        found = {prefix + name: tensor for name, tensor in (tensors | deeper).items()}
        if suffix == ".safetensors":
            safetensors.torch.save_file(found, path)
        else:
            torch.save({"state_dict": found}, path)
        said = r"does not have, such as layer4\.1" if prefix != "net." else "does not have"
        with pytest.raises(WeightsError, match=said):
            build(*self.load(path))

    def test_what_is_downloaded_is_as_strict(
        self, hub: Hub, cache: Path, tensors: dict[str, torch.Tensor]
    ) -> None:
        more = {"layer4.1.conv1.weight": torch.ones(64, 64, 3, 3)}
        hub.replies[REPOSITORY] = Reply(safetensors.torch.save(tensors | more))
        with pytest.raises(WeightsError, match=r"a tensor that the network does not have, such as"):
            build(*locate_weights(get_backbone(MODEL), cache))

    @pytest.mark.slow
    def test_it_says_what_network_it_seems_to_be_of(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "w.pth"
        torch.save(weights_of("resnet34"), path)
        photos = draw_folder(tmp_path / "photos", n=6)
        options = ["--backbone", "resnet18", "--weights", path, "--out", tmp_path / "run"]
        result = system.invoke(capsys, "train", photos, *options)
        assert result.code == 2
        line = result.err.splitlines()[-1]  # before it, that the network is prepared
        assert all(part in line for part in ("96 tensors", "layer1.2.conv1.weight", "of resnet34"))
        assert not (tmp_path / "run").exists()

    def test_every_family_is_taken(self, tmp_path: Path) -> None:
        """Networks of other heads, names and normalisations, with a head and without."""
        for name in ("test_convnext", "test_vit", "test_byobnet", "test_nfnet"):
            for classes in (1000, 0):
                tensors = weights_of(name, num_classes=classes)
                torch.save(tensors, tmp_path / "w.pth")
                check_holds(*self.load(tmp_path / "w.pth", name), tensors)

    @pytest.mark.parametrize("left_out", ["conv1.0.weight", "layer4.0.conv2.weight"])
    def test_a_part_is_missing(
        self, tmp_path: Path, tensors: dict[str, torch.Tensor], left_out: str
    ) -> None:
        # Else it would be left at random values, and be taken for pretrained.
        assert left_out in tensors
        path = tmp_path / "w.safetensors"
        safetensors.torch.save_file({k: v for k, v in tensors.items() if k != left_out}, path)
        with pytest.raises(WeightsError, match=left_out):
            build(*self.load(path))

    def test_for_an_embedded_backbone(self, tmp_path: Path) -> None:
        tensors = weights_of("tf_efficientnet_lite0")
        path = tmp_path / "w.safetensors"
        safetensors.torch.save_file(tensors, path)
        check_holds(*self.load(path, "efficientnet_lite0"), tensors)
