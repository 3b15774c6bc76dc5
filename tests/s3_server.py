"""A stand-in for S3: buckets in memory, listed, and read whole or in ranges, over HTTP."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_DATE = "Tue, 01 Dec 2020 00:00:00 GMT"


@dataclass
class Store:
    """What the stand-in holds, and how it behaves.

    Attributes:
        port: Where it listens.
        files: What keys hold, such as ``"bucket/a.jpg"``.
        denied: Keys that nobody may read.
        cut: Keys whose bytes end half way.
        silent: Keys that get no answer.
        delay: Seconds that each answer takes.
        asked: How often each key was read.
        most: The most requests that were under way at once.
    """

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    delay: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    most: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def address(self, path: str, *, options: str = "") -> str:
        """Return the address of a path, with a key, a secret and where this is."""
        return (
            f"s3://thekey:thesecret@{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http"
            f"&region=eu-central-1{options}"
        )


@contextmanager
def s3_server() -> Iterator[Store]:
    """Run a stand-in for S3."""
    store, lock, under_way = Store(), threading.Lock(), [0]

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            with lock:
                under_way[0] += 1
                store.most = max(store.most, under_way[0])
            try:
                parts = urlsplit(self.path)
                key = unquote(parts.path).strip("/")
                if key in store.silent:
                    store.done.wait(30)
                    self.close_connection = True
                    return
                store.done.wait(store.delay)
                if "list-type" in parts.query:
                    self._list(key, {k: v[0] for k, v in parse_qs(parts.query).items()})
                else:
                    self._file(key, with_body=with_body)
            finally:
                with lock:
                    under_way[0] -= 1

        def _file(self, key: str, *, with_body: bool) -> None:
            if key in store.denied:
                self._send(403, b"<Error><Code>AccessDenied</Code></Error>" if with_body else b"")
                return
            if "/" not in key and any(k.startswith(f"{key}/") for k in store.files):
                self._send(200, b"")
                return
            data = store.files.get(key)
            if data is None:
                code = b"NoSuchKey" if "/" in key else b"NoSuchBucket"
                self._send(404, b"<Error><Code>%s</Code></Error>" % code if with_body else b"")
                return
            with lock:
                store.asked[key] += with_body
            total, status, headers = len(data), 200, {}
            if span := self.headers.get("Range"):
                first, _, last = span.removeprefix("bytes=").partition("-")
                end = min(int(last) + 1 if last else total, total)
                headers["Content-Range"] = f"bytes {first}-{end - 1}/{total}"
                data, status = data[int(first) : end], 206
            headers |= {"Last-Modified": _DATE, "ETag": '"x"', "Content-Length": str(len(data))}
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(data[: len(data) // 2] if key in store.cut else data)
                self.close_connection = key in store.cut

        def _list(self, bucket: str, query: dict[str, str]) -> None:
            if bucket in store.denied:
                self._send(403, b"<Error><Code>AccessDenied</Code></Error>")
                return
            keys = [
                key.partition("/")[2] for key in sorted(store.files) if key.startswith(f"{bucket}/")
            ]
            if not keys:
                self._send(404, b"<Error><Code>NoSuchBucket</Code></Error>")
                return
            prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
            found, folders = [], dict[str, None]()
            for key in keys:
                rest = key.removeprefix(prefix)
                if not key.startswith(prefix):
                    continue
                if delimiter and delimiter in rest:
                    folders[prefix + rest.partition(delimiter)[0] + delimiter] = None
                else:
                    found.append(key)
            body = "".join(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2020-12-01T00:00:00.000Z"
                f"</LastModified><ETag>x</ETag><Size>{len(store.files[f'{bucket}/{key}'])}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
                for key in found
            ) + "".join(
                f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
                for name in folders
            )
            self._send(
                200,
                (
                    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult '
                    'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false'
                    f"</IsTruncated><Name>{bucket}</Name><KeyCount>{len(found) + len(folders)}"
                    f"</KeyCount>{body}</ListBucketResult>"
                ).encode(),
            )

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/xml")
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield store
    finally:
        store.done.set()
        server.shutdown()
        thread.join()
        server.server_close()
