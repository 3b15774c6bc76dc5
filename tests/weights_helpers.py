"""Weight files, and a stand-in of Hugging Face on this machine that hands them out."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import timm
import torch

from photograft.backbones.pytorch.zoo import build
from photograft.backbones.registry import Backbone

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


def weights_of(name: str, **options: Any) -> dict[str, torch.Tensor]:
    """Random weights of a network of timm's, its classification layer included."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = timm.create_model(name, **options)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor += 0.1 * torch.rand_like(tensor)
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_holds(backbone: Backbone, path: Path | None, tensors: dict[str, torch.Tensor]) -> None:
    """Every tensor of the network is the one that the file holds."""
    own = build(backbone, path).state_dict()
    assert own
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in own.items())


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
