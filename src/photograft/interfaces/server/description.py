"""What the server takes and gives, as an OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence

from photograft._version import __version__
from photograft.interfaces.server.problems import KINDS, MEDIA_TYPE
from photograft.interfaces.server.schemas import JSON, schemas
from photograft.workflows.serving.limits import Limits

#: Kinds of problems that any request may meet.
_ANYWHERE = ("bad-request", "other-origin", "too-slow", "headers-too-large")
#: Those of requests that bring something along.
_OF_BODIES = ("too-large", "wrong-type", "unreadable", "too-many", "busy")


def describe(limits: Limits, names: Sequence[str], *, needs_token: bool) -> JSON:
    """Return the OpenAPI document of a server.

    Args:
        limits: What it refuses beyond.
        names: Of its classifiers.
        needs_token: Whether it was started with a token. Then names are not said: whoever has none
            reads this, too.
    """
    paths: JSON = {
        "/predict": {"post": _predict(limits)},
        "/predict/{model}": {"post": _predict(limits)},
        "/v2": {"get": _get("What the server is", "ServerMetadata")},
        "/v2/health/live": {"get": _get("The process works", "Any", is_open=True)},
        "/v2/health/ready": {
            "get": _get("A photo would be answered now", "Any", is_open=True, may=("busy",))
        },
        "/v2/models": {"get": _get("The classifiers", "Any")},
        "/v2/models/stats": {"get": _get("What all of them have done", "Any")},
        "/v2/repository/index": {
            "post": {
                **_get(
                    "The classifiers, as a repository",
                    "Any",
                    may=("too-many", "busy"),
                    kind="array",
                ),
            }
        },
        "/metrics": {"get": _metrics()},
        "/classifiers": {"get": _get("What the page at / shows of the classifiers", "Any")},
        "/classifiers/{model}/page": {"get": _page()},
    }
    for place in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        one: tuple[str, ...] = ("not-found",)
        paths |= {
            place: {"get": _get("What a classifier takes and gives", "ModelMetadata", may=one)},
            f"{place}/ready": {
                "get": _get("A classifier would answer now", "Any", may=(*one, "busy"))
            },
            f"{place}/config": {"get": _get("The same as Triton's configuration", "Any", may=one)},
            f"{place}/stats": {"get": _get("What a classifier has done", "Any", may=one)},
            f"{place}/infer": {"post": _infer()},
        }
    model: JSON = {"type": "string"} if needs_token else {"type": "string", "enum": list(names)}
    for place, methods in paths.items():
        named = [name for name in ("model", "version") if f"{{{name}}}" in place]
        for operation in methods.values():
            operation["parameters"] = [
                *(
                    _path_parameter(name, model if name == "model" else {"type": "string"})
                    for name in named
                ),
                *operation.get("parameters", []),
            ]
            if place == "/predict":
                operation["parameters"].append(
                    {
                        "name": "model",
                        "in": "query",
                        "description": "The classifier, where there are several.",
                        "schema": model,
                    }
                )
            operation["responses"] |= _problems(*_ANYWHERE)
            if needs_token and operation.get("security") != []:
                operation["responses"] |= _problems("unauthorized")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Photograft",
            "version": __version__,
            "description": "Classifies photos. It keeps none, and writes none to disk.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        **({"security": [{"token": []}]} if needs_token else {}),
    }


def _predict(limits: Limits) -> JSON:
    photo = {"schema": {"type": "string", "format": "binary"}}
    form = {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
            },
        }
    }
    return {
        "summary": "Classify photos",
        "description": (
            "One photo as it is, or the files of a form. At most "
            f"{limits.max_bytes:,} bytes, {limits.max_files} photos, {limits.max_pixels:,} pixels "
            "each. Of several photos, one that can't be read has its error in its place; where "
            "none can be, that is the answer."
        ),
        "requestBody": {
            "required": True,
            "content": {
                "image/*": photo,
                "application/octet-stream": photo,
                "multipart/form-data": form,
            },
        },
        "responses": {
            "200": _ok("Answers in the order of the photos", "Answers"),
            **_problems("not-found", *_OF_BODIES),
        },
    }


def _infer() -> JSON:
    return {
        "summary": "Classify photos by the Open Inference Protocol",
        "description": (
            "The input image holds files: as binary tensors, or in JSON as text in base64. With "
            "the header Inference-Header-Content-Length, so many bytes of JSON are followed by "
            "binary tensors; where it is 0, the body is one photo."
        ),
        "parameters": [
            {
                "name": "Inference-Header-Content-Length",
                "in": "header",
                "schema": {"type": "integer", "minimum": 0},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/InferenceRequest"}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        "responses": {
            "200": {
                "description": "The outputs",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Inference"}},
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                },
            },
            **_problems("not-found", *_OF_BODIES),
        },
    }


def _get(
    summary: str, schema: str, *, is_open: bool = False, may: tuple[str, ...] = (), kind: str = ""
) -> JSON:
    ok = _ok(summary, schema)
    if kind:
        ok["content"]["application/json"]["schema"] = {"type": kind}
    return {
        "summary": summary,
        "responses": {"200": ok, **_problems(*may)},
        **({"security": []} if is_open else {}),
    }


def _metrics() -> JSON:
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "summary": "Counts, for Prometheus",
        "responses": {"200": {"description": "In its text format", "content": text}},
    }


def _page() -> JSON:
    text = {"text/html": {"schema": {"type": "string"}}}
    return {
        "summary": "A classifier as a page that answers in a browser, without this server",
        "description": (
            "The same as photograft export --to web writes. It is made when it is first asked for. "
            "404 where the server hands no classifier out, or there can't be a page of it; 503 "
            "where the classifier is being changed; 500 where making it failed."
        ),
        "responses": {
            "200": {"description": "The page", "content": text},
            "202": _ok("It is being made; Retry-After says when to ask again", "Any"),
            **_problems("not-found", "busy", "failed"),
        },
    }


def _ok(description: str, schema: str) -> JSON:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _problems(*kinds: str) -> JSON:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(KINDS[kind].status): {
            "description": KINDS[kind].title,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for kind in kinds
    }


def _path_parameter(name: str, schema: JSON) -> JSON:
    return {"name": name, "in": "path", "required": True, "schema": schema}
