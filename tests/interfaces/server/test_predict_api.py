"""`POST /predict`: what it takes, and that it answers what `photograft predict` does."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

import photograft
from photograft.classifier.export.metadata import describe
from server_helpers import RunningServer, form

pytestmark = pytest.mark.usefixtures("warm_cache")


def test_a_photo_as_it_is(server: RunningServer, photo: bytes, run_path: Path) -> None:
    reply = server.send_photo(photo)
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == "application/json"
    [row] = reply.json["predictions"]
    expected = photograft.predict(run_path, photo, unknown=True)
    assert isinstance(expected, photograft.Prediction)
    assert expected.probabilities is not None
    assert row["label"] == expected.label == "square"
    assert row["decision"] == ("class" if expected.answer == "square" else "unknown")
    assert row["answer"] == expected.answer
    assert row["ood_score"] == pytest.approx(expected.ood_score, abs=1e-5)
    assert list(row["probabilities"]) == ["circle", "square", "triangle"]
    assert list(row["probabilities"].values()) == pytest.approx(
        expected.probabilities.tolist(), abs=1e-6
    )


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "IMAGE/webp; q=1"])
def test_the_content_tells_the_format(server: RunningServer, photo: bytes, kind: str) -> None:
    assert server.ask("/predict", photo, {"Content-Type": kind}).status == 200


def test_a_form_of_several_in_order(server: RunningServer, photos: Path, photo: bytes) -> None:
    circle = (photos / "circle" / "00.jpg").read_bytes()
    rows = server.ask("/predict", *form(photo, b"no photo", circle)).json["predictions"]
    assert [row.get("label") for row in rows] == ["square", None, "circle"]
    assert rows[1] == {
        "decision": "unreadable",
        "error": "not an image: it is text",
        "reason": "not an image",
    }


def test_the_digest_is_of_what_has_answered(
    server: RunningServer, photo: bytes, run_path: Path
) -> None:
    digest = server.send_photo(photo).json["digest"]
    metadata = server.ask("/v2/models/shapes").json
    assert metadata["parameters"]["digest"] == digest
    assert metadata["versions"] == [digest[:12]]
    assert digest.encode() in server.ask("/metrics").body
    # As in the metadata and in the certificate of an export.
    assert describe(photograft.Classifier.load(run_path))["digest"] == digest


@pytest.mark.parametrize("place", ["/predict/shapes", "/predict?model=shapes"])
def test_a_classifier_by_its_name(server: RunningServer, photo: bytes, place: str) -> None:
    assert server.send_photo(photo, place).json["classifier"] == "shapes"


def test_no_such_classifier(server: RunningServer, photo: bytes) -> None:
    reply = server.send_photo(photo, "/predict/shape")
    assert reply.status == 404
    assert "Did you mean shapes?" in reply.detail


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 422, "empty file"),
        (b"text", 422, "not an image"),
        (b"\xff\xd8\xff\xe0" + bytes(500), 422, ""),
    ],
)
def test_what_is_no_photo(server: RunningServer, body: bytes, status: int, text: str) -> None:
    reply = server.send_photo(body)
    assert (reply.status, text in reply.detail) == (status, True)


def test_a_truncated_photo(server: RunningServer, photo: bytes) -> None:
    reply = server.send_photo(photo[: len(photo) // 2])
    assert reply.status == 422
    assert reply.json["reason"] == "truncated"


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json"])
def test_other_types_are_refused(server: RunningServer, photo: bytes, kind: str) -> None:
    assert server.ask("/predict", photo, {"Content-Type": kind}).status == 415


def test_compressed_bodies_are_refused(server: RunningServer, photo: bytes) -> None:
    reply = server.send_photo(photo, **{"Content-Encoding": "gzip"})
    assert (reply.status, "Content-Encoding" in reply.detail) == (415, True)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "multipart/form-data", 400),
        (b"", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x", 400),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422),
        (b"garbage", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            422,
        ),
        (b"--x\r\n" + b"A: b\r\n" * 5000, "multipart/form-data; boundary=x", 400),
    ],
)
def test_broken_forms(server: RunningServer, body: bytes, kind: str, status: int) -> None:
    reply = server.ask("/predict", body, {"Content-Type": kind})
    assert (reply.status, bool(reply.detail)) == (status, True)


def test_many_at_once_are_answered_as_one_is(
    server: RunningServer, photos: Path, photo: bytes
) -> None:
    files = [path.read_bytes() for path in sorted(photos.rglob("*.jpg"))][::4]
    alone = [server.send_photo(file).json["predictions"][0] for file in files]
    with ThreadPoolExecutor(8) as threads:
        together = [r.json["predictions"][0] for r in threads.map(server.send_photo, files * 3)]
    assert together == alone * 3


def test_a_photo_of_one_pixel_and_of_another_mode(server: RunningServer) -> None:
    for picture in (Image.new("1", (1, 1)), Image.new("CMYK", (70, 50)), Image.new("LA", (9, 9))):
        data = io.BytesIO()
        picture.save(data, "TIFF")
        assert server.send_photo(data.getvalue()).status == 200
