"""Requests that nobody means well with, drawn by a seed: what a server must refuse in order."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from benchmarks.hostile_parts import HOST, Attack, any_photo, photo, png, png_bomb, request

Maker = Callable[[random.Random], Attack]
MAKERS: list[Maker] = []


def attack(make: Callable[[random.Random], Any]) -> Callable[[random.Random], Any]:
    """Add a kind; its name is the function's."""

    def named(chance: random.Random) -> Attack:
        found = make(chance)
        kind = make.__name__
        if isinstance(found, Attack):
            return Attack(kind, found.parts, found.pause, found.reads, found.ends)
        return Attack(kind, (found,))

    MAKERS.append(named)
    return make


def draw(chance: random.Random) -> Attack:
    """Return any request."""
    return chance.choice(MAKERS)(chance)


@attack
def truncated(chance: random.Random) -> bytes:
    """A photo that breaks off."""
    data = any_photo(chance)
    return request(data[: chance.randrange(len(data))])


@attack
def flipped_bits(chance: random.Random) -> bytes:
    """A photo with some bytes changed."""
    data = bytearray(any_photo(chance))
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return request(bytes(data))


@attack
def flipped_head(chance: random.Random) -> bytes:
    """A photo whose first bytes, which tell sizes and lengths, are changed."""
    data = bytearray(any_photo(chance))
    for _ in range(chance.randint(1, 6)):
        data[chance.randrange(min(len(data), 64))] = chance.choice((0, 1, 127, 128, 255))
    return request(bytes(data))


@attack
def joined(chance: random.Random) -> bytes:
    """The beginning of a photo, the end of another."""
    first, second = any_photo(chance), any_photo(chance)
    return request(first[: chance.randrange(len(first))] + second[chance.randrange(len(second)) :])


@attack
def noise(chance: random.Random) -> bytes:
    """Noise behind a format's first bytes."""
    magic = chance.choice(
        (b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"RIFF")
    )
    return request(magic + chance.randbytes(chance.randrange(3000)))


@attack
def declared_size(chance: random.Random) -> bytes:
    """A PNG that says it is huge, or has no pixels."""
    sides = [chance.choice((0, 1, 7, 65_535, 100_000, 2**31 - 1, 2**32 - 1)) for _ in range(2)]
    head = struct.pack(
        ">IIBBBBB", *sides, chance.choice((1, 8, 16)), chance.choice((0, 2, 3, 6)), 0, 0, 0
    )
    return request(png(head, zlib.compress(bytes(1000))))


@attack
def bomb(chance: random.Random) -> bytes:
    """A picture of few bytes and many pixels."""
    is_refused = chance.random() < 0.98  # to decode the others would be most of the time
    return request(png_bomb(chance.choice((7_100, 9_000) if is_refused else (2_000, 3_000))))


@attack
def scans(chance: random.Random) -> bytes:
    """A JPEG of more scans than any camera makes."""
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    return request(photo()[:-2] + scan * chance.choice((150, 500, 20_000)) + b"\xff\xd9")


@attack
def wrong_type(chance: random.Random) -> bytes:
    """A photo that is said to be something else."""
    kinds = (b"", b"text/html", b"application/json", b"image", b"multipart/form-data", b"\xff\xfe")
    headers = [b"Content-Encoding: " + chance.choice((b"gzip", b"br", b"identity", b"x"))]
    return request(any_photo(chance), b"/predict", chance.choice(kinds), *headers)


@attack
def too_long(chance: random.Random) -> bytes:
    """A body that is said to be larger than may be, or has no sensible length."""
    lengths = (b"99999999999", b"-1", b"1e9", b"0x10", b"18446744073709551616", b"1, 2", b"")
    head = (
        b"POST /predict HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Type: image/png\r\n"
    )
    return head + b"Content-Length: " + chance.choice(lengths) + b"\r\n\r\n" + bytes(100)


@attack
def never_comes(chance: random.Random) -> Attack:
    """A body of which less comes than was announced."""
    data = any_photo(chance)
    return Attack("", (request(data, length=len(data) + chance.randint(1, 10_000)),), ends=True)


@attack
def chunks(chance: random.Random) -> bytes:
    """Chunks that are none."""
    head = (
        b"POST /predict HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Type: image/png\r\n"
    )
    chunk = chance.choice(
        (b"5\r\nabc", b"zz\r\n", b"-5\r\nabcde\r\n0\r\n\r\n", b"f" * 40, b"0\r\n\r\n")
    )
    both = chance.choice((b"", b"Content-Length: 5\r\n"))
    return head + both + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"\r\n\r\n"


@attack
def huge_headers(chance: random.Random) -> bytes:
    """A head without end."""
    line = b"X-%d: " % chance.randrange(99) + b"a" * chance.choice((10, 1000, 60_000))
    return request(photo(), b"/predict", b"image/jpeg", *[line] * chance.choice((5, 50, 400)))


@attack
def odd_headers(chance: random.Random) -> bytes:
    """Headers that mean nothing, or someone else."""
    lines = (
        b"Host: example.org", b"Origin: http://example.org", b"Authorization: Bearer \xff\xfe",
        b"Expect: 100-continue", b"Expect: nonsense", b"Upgrade: websocket",
        b"Cookie: " + b"a" * 4000,
        b"Inference-Header-Content-Length: -5", b"Range: bytes=0-", b"X-Forwarded-For: 1.2.3.4",
        b"Connection: upgrade", b"Transfer-Encoding: gzip", b"Content-Length: 3",
        b"A\tb: c", b": c",
    )  # fmt: skip
    chosen = chance.sample(lines, chance.randint(1, 4))
    place = chance.choice((b"/predict", b"/v2/models/m/infer", b"/v2", b"/metrics"))
    return request(any_photo(chance), place, b"image/jpeg", *chosen)


@attack
def no_http(chance: random.Random) -> Attack:
    """What is no HTTP at all."""
    sent = chance.choice(
        (b"\x16\x03\x01\x02\0\x01", b"GET", b"\r\n" * 50, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    )
    return Attack("", (sent + chance.randbytes(chance.randrange(200)),), ends=True)


@attack
def addresses(chance: random.Random) -> bytes:
    """Addresses that are none, and methods that nobody takes."""
    places = (
        b"/../../etc/passwd", b"/%00", b"/predict/%2e%2e", b"/predict/" + b"a" * 3000, b"*",
        b"/v2/models/%ff%fe", b"/v2/models//infer", b"/v2/models/m/versions/1/infer", b"//",
        b"/predict?" + b"a=b&" * 900, b"/predict?model=%00", b"http://example.org/predict",
        b"/docs/../classifiers",
        b"/v2/models/m/infer",
    )  # fmt: skip
    methods = (
        b"GET",
        b"POST",
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"TRACE",
        b"HEAD",
        b"CONNECT",
        b"G\0T",
    )
    return request(b"{}", chance.choice(places), b"application/json", method=chance.choice(methods))


def _infer(text: bytes, binary: bytes = b"", length: bytes | None = None) -> bytes:
    said = b"%d" % len(text) if length is None else length
    headers = [b"Inference-Header-Content-Length: " + said] if binary or length is not None else []
    return request(text + binary, b"/v2/models/m/infer", b"application/json", *headers)


@attack
def deep_json(chance: random.Random) -> bytes:
    """JSON within JSON within JSON."""
    depth = chance.choice((100, 900, 2_000, 100_000))
    opening = chance.choice((b"[", b'{"a":', b'[{"inputs":'))
    return _infer(
        chance.choice((b"", b'{"inputs":')) + opening * depth + chance.choice((b"", b"]" * depth))
    )


@attack
def wide_json(chance: random.Random) -> bytes:
    """JSON of very many, very small values."""
    part = chance.choice((b"[],", b"0,", b'"",', b"{},", b"1e999,", b"-0.0,"))
    return _infer(b'{"inputs":[' + part * chance.choice((1_000, 19_000, 300_000)) + b"0]}")


@attack
def changed_request(chance: random.Random) -> bytes:
    """A request of the protocol of which something is not as it should be."""
    tensor: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [1]}
    tensor["data"] = [base64.b64encode(any_photo(chance)).decode()]
    asked: dict[str, Any] = {"id": "1", "inputs": [tensor], "outputs": [{"name": "label"}]}
    values: tuple[Any, ...] = (
        None, -1, 0, 1, 2**63, 1.5, True, "", "x", [], {}, [None], [[1]], [-1], [2**70], {"a": 1},
        [{"name": "probabilities", "parameters": {"classification": 2**40}}], ["AA=="] * 70,
        "\ud800",
    )  # fmt: skip
    for _ in range(chance.randint(1, 3)):
        holder = chance.choice((asked, tensor))
        holder[chance.choice([*holder, "parameters"])] = chance.choice(values)
    return _infer(json.dumps(asked).encode())


@attack
def binary_lengths(chance: random.Random) -> bytes:
    """Binary tensors whose lengths don't fit."""
    data = any_photo(chance)
    lengths = (0, 1, len(data), len(data) + 1, 2**31, 2**32 - 1)
    packed = b"".join(
        struct.pack("<I", chance.choice(lengths)) + data for _ in range(chance.randint(1, 3))
    )[: chance.choice((None, 3, 5, -1))]
    size = chance.choice((len(packed), 0, -1, 2**40, len(packed) + 1))
    tensor = {"name": "image", "datatype": "BYTES", "shape": [chance.choice((1, 2, 3))]}
    asked = {"inputs": [{**tensor, "parameters": {"binary_data_size": size}}]}
    text = json.dumps(asked).encode()
    said = chance.choice((None, None, b"0", b"5", b"-1", b"99999999999", b"x"))
    return _infer(text, packed, said)


@attack
def forms(chance: random.Random) -> bytes:
    """Forms that are none, or hold too much."""
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%s\r\n'
    bodies = (
        b"", b"--x", b"--x--", b"--y--\r\n", b"--x\r\n\r\n\r\n--x--\r\n", part % b"",
        part % any_photo(chance),
        part * 2 % (any_photo(chance), b"no photo") + b"--x--\r\n",
        part % b"a" * 500 + b"--x--\r\n",
        b"--x\r\n" + b"A: b\r\n" * 3000,
        b"--x\r\nContent-Disposition: " + b"a;" * 2000 + b"\r\n\r\n\r\n--x--\r\n",
        b"\r\n--x" * 20_000,
        b"--x\r\nContent-Disposition: form-data; filename=\"\r\n\r\n--x--\r\n",
    )  # fmt: skip
    kinds = (b"multipart/form-data; boundary=x",) * 4 + (
        b"multipart/form-data; boundary=" + b"y" * 300,
        b'multipart/form-data; boundary="',
    )
    return request(chance.choice(bodies), b"/predict", chance.choice(kinds))


@attack
def slow(chance: random.Random) -> Attack:
    """A head or a body that hardly comes."""
    whole = request(any_photo(chance))
    start = chance.choice((5, len(whole) - 20))
    return Attack(
        "", (whole[:start], *(whole[i : i + 1] for i in range(start, start + 3))), 0.3, ends=True
    )


@attack
def leaves(chance: random.Random) -> Attack:
    """Somebody who does not wait for the answer."""
    return Attack("", (request(any_photo(chance)),), reads=False)


@attack
def pipelined(chance: random.Random) -> bytes:
    """Requests without waiting for answers."""
    head = b"GET /v2 HTTP/1.1\r\n" + HOST + b"\r\n"
    return head * chance.randint(2, 30) + request(any_photo(chance))


@attack
def well_meant(chance: random.Random) -> bytes:
    """A photo, as it should be."""
    return request(any_photo(chance))
