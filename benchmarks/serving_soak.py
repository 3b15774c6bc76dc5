"""Very many small requests, all well meant: ``python -m benchmarks.serving_soak RUN``.

What is tried is the server (reading requests, decoding, batches, memory), so RUN had better be of a
small input size, such as ``photograft train PHOTOS --input-size 32``. Several processes send photos
of 48 pixels a side and of all formats, each on a connection that it keeps: as they are, in forms,
in JSON and as binary tensors of the Open Inference Protocol. The curve of memory goes to standard
output; all of it is the server's, with its workers.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import random
import re
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.queues import Queue
from pathlib import Path

from benchmarks.common import report
from benchmarks.hostile_parts import PHOTOS, photo
from benchmarks.server import Server, started

#: Seconds after which an answer is a hang.
HANG = 25.0
SIDE = 48
#: Seconds between two looks at the memory, and points of the curve that is told.
LOOK, POINTS = 2.0, 40
#: What a sender tells after so many answers.
_TOLD = 100
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_OFFERED = b"Inference-Header-Content-Length: %d\r\n"


def main() -> None:
    """Send all of them, and report what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--senders", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=600, help="After these it ends.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with started(Path(folder), f"m={options.run}") as server:
            found = soak(server, options.count, options.seed, options.senders, 60 * options.minutes)
        log, code = server.log.read_text(), server.process.returncode
    curve = found.curve
    step = max(len(curve) // POINTS, 1)
    num_answers = found.statuses.total()
    settled = [memory for count, memory in curve if count >= num_answers / 5]
    report(
        "serving_soak",
        seed=options.seed,
        num_requests=num_answers,
        num_senders=options.senders,
        requests_per_second=num_answers / found.seconds,
        statuses={str(status): count for status, count in sorted(found.statuses.items())},
        by_kind=dict(sorted(found.kinds.items())),
        slowest_seconds=found.slowest,
        memory_mb=[*curve[::step], curve[-1]],
        memory_growth=curve[-1][1] / settled[0],
        memory_span_mb=[min(settled), max(settled)],
        exit_code=code,
        logged=log[-2000:],
    )


class Found:
    """What came of the requests.

    Attributes:
        statuses: How many answers of each.
        kinds: How many requests of each kind.
        slowest: Seconds of the slowest answer.
        seconds: Of all of them together.
        curve: Answers so far, and megabytes of the server's processes then.
    """

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.kinds: Counter[str] = Counter()
        self.slowest = self.seconds = 0.0
        self.curve: list[tuple[int, float]] = []


Told = tuple[Counter[int], Counter[str], float]


def soak(server: Server, count: int, seed: int, num_senders: int, most: float) -> Found:
    """Send so many requests, for so many seconds at most, and watch the server's memory."""
    shares = [count // num_senders + (i < count % num_senders) for i in range(num_senders)]
    context = multiprocessing.get_context("spawn")
    told: Queue[Told] = context.Queue()
    senders = [
        context.Process(target=send, args=(server.host, server.port, share, f"{seed} {i}", told))
        for i, share in enumerate(shares)
    ]
    found = Found()
    for sender in senders:
        sender.start()
    began = looked = time.perf_counter()
    while (done := found.statuses.total()) < count and time.perf_counter() - began < most:
        statuses, kinds, slowest = told.get(timeout=4 * HANG)
        found.statuses += statuses
        found.kinds += kinds
        found.slowest = max(found.slowest, slowest)
        if time.perf_counter() - looked >= LOOK or not done:
            looked = time.perf_counter()
            found.curve.append((found.statuses.total(), round(server.resident_mb(), 1)))
            if len(found.curve) % 20 == 0:
                print(*found.curve[-1], file=sys.stderr, flush=True)
    found.seconds = time.perf_counter() - began
    found.curve.append((found.statuses.total(), round(server.resident_mb(), 1)))
    for sender in senders:
        sender.terminate()
        sender.join()
    return found


def send(host: str, port: int, count: int, seed: str, told: Queue[Told]) -> None:
    """Send so many requests on a connection, one after the other."""
    chance, requests = random.Random(seed), all_requests()
    names = list(requests)
    statuses: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    slowest = 0.0
    with socket.create_connection((host, port), timeout=HANG) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(1, count + 1):
            kind = chance.choice(names)
            began = time.perf_counter()
            connection.sendall(chance.choice(requests[kind]))
            statuses[answer_of(connection)] += 1
            kinds[kind] += 1
            slowest = max(slowest, time.perf_counter() - began)
            if i % _TOLD == 0 or i == count:
                told.put((statuses, kinds, slowest))
                statuses, kinds = Counter(), Counter()


def answer_of(connection: socket.socket) -> int:
    """Read an answer whole; return its status."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += _received(connection)
    head, _, body = found.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    left = int(length[1]) - len(body) if length else 0
    while left > 0:
        left -= len(_received(connection))
    return int(head[9:12])


def _received(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("the server closed a connection that was kept")
    return piece


def all_requests() -> dict[str, list[bytes]]:
    """Return requests by their kind, one for each format of photos."""
    photos = [photo(kind, mode, SIDE, SIDE) for kind, mode in PHOTOS]
    return {
        "raw": [_post("/predict", "image/jpeg", data) for data in photos],
        "form": [_post("/predict", "multipart/form-data; boundary=b", _form(d)) for d in photos],
        "json": [_post("/v2/models/m/infer", "application/json", _json(d)) for d in photos],
        "binary": [_binary(data) for data in photos],
    }


def _post(place: str, kind: str, body: bytes, more: bytes = b"") -> bytes:
    head = f"POST {place} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n".encode()
    return head + b"Content-Length: %d\r\n" % len(body) + more + b"\r\n" + body


def _form(data: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return head + data + b"\r\n--b--\r\n"


def _json(data: bytes) -> bytes:
    text = base64.b64encode(data).decode()
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1, 1], "data": [text]}
    return json.dumps({"inputs": [tensor]}).encode()


def _binary(data: bytes) -> bytes:
    packed = struct.pack("<I", len(data)) + data
    size = {"binary_data_size": len(packed)}
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1, 1], "parameters": size}
    asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(asked).encode()
    place, kind = "/v2/models/m/infer", "application/octet-stream"
    return _post(place, kind, head + packed, _OFFERED % len(head))


if __name__ == "__main__":
    main()
