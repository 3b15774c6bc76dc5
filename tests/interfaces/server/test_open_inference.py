"""The Open Inference Protocol: Triton's own client is answered, and what is wrong is refused."""

from __future__ import annotations

import base64
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from server_helpers import RunningServer, python

pytestmark = pytest.mark.usefixtures("warm_cache")

#: Run in a process of its own: the client patches sockets, and warns of what is none of ours.
CLIENT = """
import json, sys
import numpy as np
import tritonclient.http as triton

address, *paths = sys.argv[1:]
# An answer holds its connection until it is read: those that are under way at once have one each.
client = triton.InferenceServerClient(address, concurrency=4)
photos = np.array([[open(path, "rb").read()] for path in paths], dtype=object)

def infer(array, binary, outputs=None, **more):
    tensor = triton.InferInput("image", list(array.shape), "BYTES")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return client.infer("shapes", [tensor], outputs=outputs, **more)

def texts(result, name):
    return [t.decode() for t in result.as_numpy(name).ravel()]

found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready("shapes"),
    "server": client.get_server_metadata(),
    "metadata": client.get_model_metadata("shapes"),
    "config": client.get_model_config("shapes"),
    "index": client.get_model_repository_index(),
}
before = client.get_inference_statistics("shapes")
version = found["metadata"]["versions"][0]
binary = infer(photos, True, request_id="7", model_version=version)
found["binary"] = {
    "id": binary.get_response()["id"],
    "shapes": {o["name"]: o["shape"] for o in binary.get_response()["outputs"]},
    "probabilities": binary.as_numpy("probabilities").tolist(),
    "label": texts(binary, "label"),
    "answer": texts(binary, "answer"),
    "decision": texts(binary, "decision"),
    "ood_score": binary.as_numpy("ood_score").ravel().tolist(),
}
import base64
encoded = np.array([[base64.b64encode(p[0])] for p in photos], dtype=object)
plain = infer(
    encoded,
    False,
    [triton.InferRequestedOutput(name, binary_data=False) for name in ("probabilities", "label")],
)
found["plain"] = {
    "outputs": [o["name"] for o in plain.get_response()["outputs"]],
    "probabilities": plain.as_numpy("probabilities").tolist(),
    "label": plain.as_numpy("label").ravel().tolist(),
}
best = infer(photos[:, 0], True, [triton.InferRequestedOutput("probabilities", class_count=2)])
found["best"] = [[t.decode() for t in row] for row in best.as_numpy("probabilities")]
found["flat"] = infer(photos[:, 0], True).as_numpy("label").shape
tensor = triton.InferInput("image", list(photos.shape), "BYTES")
tensor.set_data_from_numpy(photos)
handles = [client.async_infer("shapes", [tensor]) for _ in range(4)]
found["async"] = [texts(handle.get_result(), "label") for handle in handles]
found["statistics"] = [before, client.get_inference_statistics("shapes")]
try:
    infer(np.array([b"no photo"], dtype=object), True)
except triton.InferenceServerException as error:
    found["error"] = [error.status(), error.message()]
try:
    client.get_model_metadata("shapes", "1")
except triton.InferenceServerException as error:
    found["other_version"] = [error.status(), error.message()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = system.shared_photos(tmp_path_factory)
    paths = [str(folder / name / "00.jpg") for name in ("square", "circle", "triangle")]
    return dict(json.loads(python(CLIENT, server.address, *paths)))


def test_triton_finds_the_server_and_its_classifier(found: dict[str, Any]) -> None:
    assert (found["live"], found["ready"], found["model_ready"]) == (True, True, True)
    assert found["server"]["name"] == "photograft"
    assert "binary_tensor_data" in found["server"]["extensions"]
    assert [index["name"] for index in found["index"]] == ["shapes"]
    metadata, config = found["metadata"], found["config"]
    assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1, 1]}]
    assert config["max_batch_size"] > 1
    # Of a model that takes batches, the configuration leaves their size out.
    for said, meant in zip(config["output"], metadata["outputs"], strict=True):
        assert (said["name"], [-1, *said["dims"]]) == (meant["name"], meant["shape"])


def test_triton_is_answered_as_predict_answers(
    found: dict[str, Any], run_path: Path, photos: Path
) -> None:
    files = [photos / name / "00.jpg" for name in ("square", "circle", "triangle")]
    expected = photograft.predict(run_path, files, unknown=True, progress=False)
    assert isinstance(expected, list)
    binary = found["binary"]
    assert binary["id"] == "7"
    assert binary["shapes"]["probabilities"] == [3, 3]
    assert binary["shapes"]["label"] == [3, 1]
    assert binary["label"] == [row.label for row in expected]
    assert binary["answer"] == [row.answer for row in expected]
    assert binary["ood_score"] == pytest.approx([row.ood_score for row in expected], abs=1e-4)
    probabilities = np.stack([row.probabilities for row in expected])  # type: ignore[misc]
    assert np.abs(np.array(binary["probabilities"]) - probabilities).max() <= 1e-6


def test_json_gives_the_same_numbers(found: dict[str, Any]) -> None:
    assert found["plain"]["outputs"] == ["probabilities", "label"]
    assert found["plain"]["label"] == found["binary"]["label"]
    assert found["plain"]["probabilities"] == found["binary"]["probabilities"]


def test_other_shapes_and_requests(found: dict[str, Any]) -> None:
    assert found["flat"] == [3]
    assert found["async"] == [found["binary"]["label"]] * 4
    for row, label in zip(found["best"], found["binary"]["label"], strict=True):
        assert len(row) == 2
        value, index, name = row[0].split(":")
        assert (name, ["circle", "square", "triangle"][int(index)]) == (label, label)
        assert float(value) > 0.5


def test_statistics_count_photos(found: dict[str, Any]) -> None:
    before, after = (each["model_stats"][0] for each in found["statistics"])
    assert after["inference_count"] - before["inference_count"] == 3 * 8
    assert 0 < after["execution_count"] - before["execution_count"] <= 3 * 8
    success = [each["inference_stats"]["success"]["count"] for each in (before, after)]
    assert success[1] - success[0] == 8


def test_triton_is_told_what_is_wrong(found: dict[str, Any]) -> None:
    assert found["error"] == ["422", "not an image: it is text"]
    assert found["other_version"][0] == "404"
    assert "is at version" in found["other_version"][1]


PLACE = "/v2/models/shapes/infer"


def infer(server: RunningServer, request: object, binary: bytes = b"", **headers: str) -> Any:
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    if binary:
        headers = {"Inference-Header-Content-Length": str(len(text)), **headers}
    return server.ask(PLACE, text + binary, headers)


def tensor(**changes: Any) -> dict[str, Any]:
    own = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["AA=="]}
    return {"inputs": [{**own, **changes}]}


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"inputs": NaN}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 40 + b"]" * 40,
        b'["' + b"]" * 5_000 + b'",' + b"[" * 5_000,
        b"[" * 10_000,
        b'{"inputs": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"inputs": [' + b"{}," * 30_000 + b"{}]}",
        b'{"inputs": [' + b"1" * 10_000 + b"]}",
        {},
        {"inputs": []},
        {"inputs": {}},
        {"inputs": [1]},
        {"inputs": [*tensor()["inputs"], *tensor()["inputs"]]},
        tensor(name="photo"),
        tensor(name=7),
        tensor(datatype="FP32"),
        tensor(shape=[2]),
        tensor(shape=[0]),
        tensor(shape=[-1]),
        tensor(shape=[True]),
        tensor(shape=[1.0]),
        tensor(shape=[1, 2]),
        tensor(shape=[1, 1, 1]),
        tensor(shape=[]),
        tensor(shape=None),
        tensor(shape="1"),
        tensor(data=None),
        tensor(data="AA=="),
        tensor(data=[1]),
        tensor(data=["not base64!"]),
        tensor(data=[["AA==", "AA=="]]),
        tensor(data=[None]),
        tensor(parameters={"binary_data_size": 0}),
        tensor(parameters={"binary_data_size": 4}, data=None),
        {**tensor(), "outputs": 1},
        {**tensor(), "outputs": [1]},
        {**tensor(), "outputs": [{"name": "labels"}]},
        {**tensor(), "outputs": [{"name": "label"}] * 50},
        {**tensor(), "outputs": [{"name": "label", "parameters": []}]},
        {**tensor(), "outputs": [{"name": "label", "parameters": {"classification": 1}}]},
        {**tensor(), "outputs": [{"name": "probabilities", "parameters": {"classification": -1}}]},
        {**tensor(), "parameters": 1},
    ],
)
def test_requests_that_are_none(server: RunningServer, request_: object) -> None:
    reply = infer(server, request_)
    assert reply.status == 400, reply
    assert reply.json["error"] == reply.detail != ""


def binary_tensor(size: int, shape: int = 1) -> dict[str, Any]:
    found = tensor(shape=[shape], parameters={"binary_data_size": size})
    del found["inputs"][0]["data"]
    return found


@pytest.mark.parametrize(
    ("size", "binary"),
    [
        (5, struct.pack("<I", 1)),  # breaks off
        (4, struct.pack("<I", 2**32 - 1)),
        (3, b"\0\0\0"),
        (9, struct.pack("<I", 1) + b"aa" + b"\0\0\0"),
        (-1, b"\0\0\0\0"),
        (10, struct.pack("<I", 1) * 2 + b"ab"),
    ],
)
def test_binary_lengths_that_do_not_fit(server: RunningServer, size: int, binary: bytes) -> None:
    reply = infer(server, binary_tensor(size), binary)
    assert reply.status == 400, reply


@pytest.mark.parametrize("length", ["-1", "x", "999999", "1e3", "", "0" * 30, "²"])
def test_header_lengths_that_are_none(server: RunningServer, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length.encode("latin-1").decode("latin-1")}
    assert server.ask(PLACE, json.dumps(tensor()).encode(), headers).status == 400


def test_more_photos_than_may_be(server: RunningServer) -> None:
    reply = infer(server, tensor(shape=[65], data=["AA=="] * 65))
    assert (reply.status, "64 photos" in reply.detail) == (413, True)


def test_a_photo_in_json(server: RunningServer, photo: bytes) -> None:
    text = base64.b64encode(photo).decode()
    for data, shape in (([text], [1]), ([[text]], [1, 1])):
        reply = infer(server, {"id": "x", **tensor(data=data, shape=shape)})
        assert reply.status == 200
        outputs = {output["name"]: output for output in reply.json["outputs"]}
        assert (reply.json["id"], reply.json["model_name"]) == ("x", "shapes")
        assert outputs["label"] == {
            "name": "label",
            "datatype": "BYTES",
            "shape": shape,
            "data": ["square"],
        }


@pytest.mark.parametrize("prefix", [False, True])
def test_a_photo_and_nothing_else(server: RunningServer, photo: bytes, prefix: bool) -> None:
    body = struct.pack("<I", len(photo)) + photo if prefix else photo
    reply = server.ask(PLACE, body, {"Inference-Header-Content-Length": "0"})
    assert reply.status == 200
    length = int(reply.headers["inference-header-content-length"])
    outputs = json.loads(reply.body[:length])["outputs"]
    assert sum(o["parameters"]["binary_data_size"] for o in outputs) == len(reply.body) - length


def test_one_bad_photo_fails_the_request_and_is_named(server: RunningServer, photo: bytes) -> None:
    data = [base64.b64encode(photo).decode(), "AA=="]
    reply = infer(server, tensor(shape=[2], data=data))
    assert (reply.status, reply.detail.startswith("photo 1: not an image")) == (422, True)


def test_the_example_of_the_page_runs(server: RunningServer, photos: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "serving.md"
    [example] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for said, meant in {
        "127.0.0.1:8000": server.address,
        '"a.jpg"': repr(str(photos / "circle" / "00.jpg")),
        '"fruit"': '"shapes"',
    }.items():
        assert said in example
        example = example.replace(said, meant)
    assert python(example) == "[[b'circle']]\n"
