"""The Open Inference Protocol, version 2, as KServe, Triton and their clients speak it over HTTP.

With the extensions of binary tensors, classification, model configuration and statistics.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from photograft._version import __version__
from photograft.interfaces.server.bodies import BodyReader, whole
from photograft.interfaces.server.predict_api import (
    answered,
    note_digest,
    refuse_encoded,
    served_by,
    unreadable,
)
from photograft.interfaces.server.problems import ProblemError, busy
from photograft.interfaces.server.tensors import (
    Photo,
    Tensor,
    read_photos,
    single_photo,
    split_body,
    write_tensors,
)
from photograft.workflows.serve import Answers, Service
from photograft.workflows.serving.figures import Histogram
from photograft.workflows.serving.model import Model
from photograft.workflows.serving.models import Served

#: The one input: files of photos.
INPUT = "image"
_HEADER_LENGTH = "Inference-Header-Content-Length"
#: Bytes of a body that take milliseconds to read.
_LONG = 1_000_000
_EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "statistics")


JSON = Mapping[str, Any]


class OpenInference:
    """Answers under ``/v2``.

    Args:
        service: What classifies.
        bodies: What reads requests.
    """

    def __init__(self, service: Service, bodies: BodyReader) -> None:
        self._service, self._bodies = service, bodies

    async def server_metadata(self, request: Request) -> Response:
        """Say what the server is."""
        return _json({"name": "photograft", "version": __version__, "extensions": _EXTENSIONS})

    async def live(self, request: Request) -> Response:
        """Say that the process works, be there room for photos or not."""
        return _json({"live": True})

    async def ready(self, request: Request) -> Response:
        """Say whether a photo would be answered now."""
        self._check_ready()
        return _json({"ready": True})

    async def models(self, request: Request) -> Response:
        """List the classifiers."""
        return _json({"models": self._service.models.names})

    async def index(self, request: Request) -> Response:
        """List the classifiers as a repository."""
        return _json(
            [
                {"name": s.model.name, "version": s.model.version, "state": "READY", "reason": ""}
                for s in self._service.models.all()
            ]
        )

    async def model_metadata(self, request: Request) -> Response:
        """Say what a classifier takes and gives."""
        model = self._served(request).model
        return _json(
            {
                "name": model.name,
                "versions": [model.version],
                "platform": "photograft",
                "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1, 1]}],
                "outputs": [
                    {"name": name, "datatype": datatype, "shape": [-1, width]}
                    for name, datatype, width in _outputs(model)
                ],
                "parameters": {
                    "digest": model.digest,
                    "backbone": model.backbone,
                    "engine": model.engine,
                    "class_names": list(model.class_names),
                    "rules": list(model.rules.sentences),
                },
            }
        )

    async def model_config(self, request: Request) -> Response:
        """Say the same in the words of Triton's configuration."""
        model = self._served(request).model
        kinds = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32"}
        return _json(
            {
                "name": model.name,
                "platform": "photograft",
                "backend": "photograft",
                "max_batch_size": self._service.limits.max_files,
                "input": [{"name": INPUT, "data_type": "TYPE_STRING", "dims": [1]}],
                "output": [
                    {"name": name, "data_type": kinds[datatype], "dims": [width]}
                    for name, datatype, width in _outputs(model)
                ],
                "dynamic_batching": {},
            }
        )

    async def model_ready(self, request: Request) -> Response:
        """Say whether a classifier would answer now."""
        model = self._served(request).model
        self._check_ready()
        return _json({"name": model.name, "ready": True})

    async def statistics(self, request: Request) -> Response:
        """Say what classifiers have done: one, or all."""
        one = "model" in request.path_params
        served = [self._served(request)] if one else self._service.models.all()
        return _json({"model_stats": [_statistics(each) for each in served]})

    async def infer(self, request: Request) -> Response:
        """Classify the photos of a request."""
        served = self._served(request)
        refuse_encoded(request)
        with self._bodies.opened(request) as pieces:
            body = await whole(pieces)
            read = functools.partial(self._read, body, request.headers.get(_HEADER_LENGTH))
            # To read the largest takes longer than others should wait.
            asked, photos = await asyncio.to_thread(read) if len(body) > _LONG else read()
            wanted = _wanted(asked, served.model)
            note_digest(request, photos)
            answers = await answered(self._service, served, photos)
        for place, photo in enumerate(answers.photos):
            if photo.reason:
                raise unreadable(photo, place)
        head = {"model_name": answers.model.name, "model_version": answers.model.version}
        if isinstance(asked.get("id"), str):
            head["id"] = asked["id"]
        text, length = write_tensors(head, _tensors(answers, wanted, asked))
        if length is None:
            return Response(text, media_type="application/json")
        headers = {_HEADER_LENGTH: str(length)}
        return Response(text, headers=headers, media_type="application/octet-stream")

    def _read(self, body: bytes, header_length: str | None) -> tuple[JSON, Sequence[Photo]]:
        """Return what is asked, and the photos."""
        if header_length == "0":
            asked = {"parameters": {"binary_data_output": True}, "inputs": [{"shape": [1, 1]}]}
            return asked, [single_photo(body)]
        asked, binary = split_body(body, header_length)
        return asked, read_photos(asked, binary, self._service.limits.max_files, INPUT)

    def _served(self, request: Request) -> Served:
        names = request.path_params
        return served_by(self._service, names["model"], names.get("version"))

    def _check_ready(self) -> None:
        if not self._service.is_ready:
            raise busy("no photo would be taken on now", self._service.retry_after())


#: A wanted output: its name, whether as binary, and how many classes instead of all values.
Wanted = tuple[str, bool, int]


def _outputs(model: Model) -> list[tuple[str, str, int]]:
    """Return name, datatype and width of what a classifier gives for each photo."""
    found = [("probabilities", "FP32", len(model.class_names)), ("label", "BYTES", 1)]
    found += [("probability", "FP32", 1), ("answer", "BYTES", 1), ("decision", "BYTES", 1)]
    return [*found, ("ood_score", "FP32", 1)] if model.tells_ood else found


def _wanted(request: Mapping[str, Any], model: Model) -> list[Wanted]:
    known = [name for name, _, _ in _outputs(model)]
    everywhere = _parameters(request).get("binary_data_output") is True
    outputs = request.get("outputs")
    if outputs is None or outputs == []:
        return [(name, everywhere, 0) for name in known]
    if not isinstance(outputs, list) or len(outputs) > len(known):
        raise ProblemError("bad-request", f"outputs must be some of {', '.join(known)}")
    found = []
    for output in outputs:
        name = output.get("name") if isinstance(output, dict) else None
        if name not in known:
            raise ProblemError("bad-request", f"outputs must be some of {', '.join(known)}")
        parameters = _parameters(output)
        is_binary = parameters.get("binary_data", everywhere) is True
        classes = parameters.get("classification", 0)
        if type(classes) is not int or classes < 0 or (classes and name != "probabilities"):
            raise ProblemError(
                "bad-request", "classification is a number of classes, of the output probabilities"
            )
        found.append((name, is_binary, min(classes, len(model.class_names))))
    return found


def _parameters(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    found = holder.get("parameters", {})
    if not isinstance(found, dict):
        raise ProblemError("bad-request", "parameters must be an object")
    return found


def _tensors(answers: Answers, wanted: Sequence[Wanted], asked: JSON) -> list[Tensor]:
    """Return outputs: ``(n, num_classes)``, or one value a photo, ``(n,)`` or ``(n, 1)``."""
    rows = [photo.prediction for photo in answers.photos]
    probabilities = np.stack([r.probabilities for r in rows if r.probabilities is not None])
    shape = asked["inputs"][0]["shape"]  # of one value a photo, as the photos came

    def texts(values: Sequence[str | None]) -> Any:
        return np.array(values, object).reshape(shape)

    def numbers(values: Sequence[float | None]) -> Any:
        return np.array(values, np.float32).reshape(shape)

    made: dict[str, Callable[[], Any]] = {
        "probabilities": lambda: probabilities,
        "label": lambda: texts([row.label for row in rows]),
        "probability": lambda: numbers([row.probability for row in rows]),
        "answer": lambda: texts([row.answer or row.label for row in rows]),
        "decision": lambda: texts([photo.decision for photo in answers.photos]),
        "ood_score": lambda: numbers([row.ood_score for row in rows]),
    }
    names = answers.model.class_names
    found = []
    for name, is_binary, classes in wanted:
        values = _best(probabilities, names, classes) if classes else made[name]()
        datatype = "FP32" if values.dtype == np.float32 else "BYTES"
        found.append(Tensor(name, datatype, values, is_binary))
    return found


def _best(probabilities: Any, class_names: Sequence[str], count: int) -> Any:
    """Return the most probable classes as ``"value:index:name"``, shape ``(n, count)``."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return np.array(
        [
            [f"{row[i]:.6f}:{i}:{class_names[i]}" for i in best]
            for row, best in zip(probabilities, order.tolist(), strict=True)
        ],
        object,
    )


def _statistics(served: Served) -> dict[str, Any]:
    figures = served.figures
    nothing = {"count": 0, "ns": 0}
    return {
        "name": served.model.name,
        "version": served.model.version,
        "last_inference": int(figures.latest * 1000),
        "inference_count": figures.wait_seconds.count,
        "execution_count": figures.batches.count,
        "inference_stats": {
            "success": _duration(figures.succeeded),
            "fail": _duration(figures.failed),
            "queue": _duration(figures.wait_seconds),
            "compute_input": _duration(figures.decode_seconds),
            "compute_infer": _duration(figures.batch_seconds),
            "compute_output": nothing,
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "batch_stats": [],
    }


def _duration(found: Histogram) -> dict[str, int]:
    return {"count": found.count, "ns": int(found.sum * 1e9)}


def _json(found: Any) -> Response:
    return Response(
        json.dumps(found, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        media_type="application/json",
    )
