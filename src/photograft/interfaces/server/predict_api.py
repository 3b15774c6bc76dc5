"""``POST /predict``: photos as they are, an answer that people can read."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from photograft.core.errors import InputError, UnknownNameError
from photograft.interfaces.server.bodies import BodyReader, whole
from photograft.interfaces.server.multipart import read_files
from photograft.interfaces.server.problems import ProblemError, busy
from photograft.workflows.serve import Answers, OverloadedError, PhotoAnswer, Service
from photograft.workflows.serving.models import Served

#: Digits after the point, as in the rows of `photograft predict`.
_DIGITS = 6


class PredictAPI:
    """Answers photos.

    Args:
        service: What classifies them.
        bodies: What reads them.
    """

    def __init__(self, service: Service, bodies: BodyReader) -> None:
        self._service, self._bodies = service, bodies

    async def predict(self, request: Request) -> Response:
        """Classify a photo, or all files of a form."""
        served = served_by(
            self._service, request.path_params.get("model") or request.query_params.get("model")
        )
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        refuse_encoded(request)
        with self._bodies.opened(request) as pieces:
            if kind == "multipart/form-data":
                most = self._service.limits.max_files
                photos = await read_files(pieces, request.headers["content-type"], most)
            elif kind.startswith("image/") or kind == "application/octet-stream":
                photos = [await whole(pieces)]
            else:
                raise ProblemError(
                    "wrong-type",
                    "expected the Content-Type image/*, application/octet-stream or "
                    "multipart/form-data",
                )
            note_digest(request, photos)
            answers = await answered(self._service, served, photos)
        return Response(
            json.dumps(_answer(answers), ensure_ascii=False).encode("utf-8", "backslashreplace"),
            media_type="application/json",
        )


def served_by(service: Service, name: str | None, version: str | None = None) -> Served:
    """Return what a request names.

    Raises:
        ProblemError: There is no such classifier, no such version of it, or none is named and there
            are several.
    """
    try:
        served = service.models.find(name)
    except UnknownNameError as error:
        raise ProblemError("not-found", str(error)) from error
    except InputError as error:
        raise ProblemError("bad-request", str(error)) from error
    if version is not None and version != served.model.version:
        raise ProblemError(
            "not-found",
            f"the classifier {served.model.name} is at version {served.model.version} now",
        )
    return served


async def answered(
    service: Service, served: Served, photos: Sequence[bytes | memoryview]
) -> Answers:
    """Return what is answered for photos, one of which can be read at least.

    Raises:
        ProblemError: None can be, there is no room, or it takes too long.
    """
    try:
        async with asyncio.timeout(service.limits.timeout):
            answers = await service.answer(served, photos)
    except OverloadedError as error:
        raise busy(str(error), error.seconds) from error
    except TimeoutError as error:
        seconds = service.retry_after()
        raise busy(f"no answer within {service.limits.timeout:g} seconds", seconds) from error
    failed = [photo for photo in answers.photos if photo.reason]
    if len(failed) == len(answers.photos):
        raise unreadable(failed[0])
    return answers


def unreadable(photo: PhotoAnswer, place: int | None = None) -> ProblemError:
    """Return the problem of a photo that can't be read, or may not be."""
    where = "" if place is None else f"photo {place}: "
    kind = "too-large" if photo.reason == "too large" else "unreadable"
    return ProblemError(kind, where + photo.prediction.error, more={"reason": photo.reason})


def refuse_encoded(request: Request) -> None:
    """Make sure that a body is as it is.

    Raises:
        ProblemError: It is compressed.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError("wrong-type", "send the body without a Content-Encoding")


def note_digest(request: Request, photos: Sequence[bytes | memoryview]) -> None:
    """Leave the first photo's digest for the log, where requests are logged."""
    if request.app.state.log and photos:
        request.scope["photo_digest"] = hashlib.sha256(photos[0]).hexdigest()[:16]


def _answer(answers: Answers) -> dict[str, Any]:
    model = answers.model
    return {
        "classifier": model.name,
        "digest": model.digest,
        "predictions": [_row(photo, model.class_names) for photo in answers.photos],
    }


def _row(photo: PhotoAnswer, class_names: Sequence[str]) -> dict[str, Any]:
    prediction = photo.prediction
    if prediction.probabilities is None:
        return {"decision": photo.decision, "error": prediction.error, "reason": photo.reason}
    rounded = [round(float(value), _DIGITS) for value in prediction.probabilities]
    row: dict[str, Any] = {
        "label": prediction.label,
        "probability": round(prediction.probability or 0.0, _DIGITS),
        "decision": photo.decision,
        "answer": prediction.answer or prediction.label,
        "ood_score": None if prediction.ood_score is None else round(prediction.ood_score, _DIGITS),
        "probabilities": dict(zip(class_names, rounded, strict=True)),
    }
    if prediction.classes is not None:
        row["classes"] = list(prediction.classes)
    return row
