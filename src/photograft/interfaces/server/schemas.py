"""The shapes of what the server takes and gives, as OpenAPI has them."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]


def schemas() -> JSON:
    """Return them by their names."""
    text, number = {"type": "string"}, {"type": "number"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    prediction = {
        "type": "object",
        "required": ["decision"],
        "properties": {
            "label": {**text, "description": "The most probable class."},
            "probability": {**share, "description": "Of that class."},
            "decision": {
                "enum": ["class", "unknown", "unsure", "unreadable"],
                "description": "By the rules that the server was started with.",
            },
            "answer": {**text, "description": "The class, unknown or unsure."},
            "ood_score": {
                "type": ["number", "null"],
                "description": "How unlike every class; null where the classifier can't tell.",
            },
            "probabilities": {"type": "object", "additionalProperties": share},
            "classes": {
                "type": "array",
                "items": text,
                "description": "Those that may be right, by --coverage.",
            },
            "error": {**text, "description": "Why the photo can't be read."},
            "reason": text,
        },
    }
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": text,
            "datatype": text,
            "shape": {"type": "array", "items": {"type": "integer"}},
            "parameters": {"type": "object"},
            "data": {"type": "array"},
        },
    }
    tensors = {"type": "array", "items": tensor}
    return {
        "Any": {"type": "object"},
        "Answers": {
            "type": "object",
            "required": ["classifier", "digest", "predictions"],
            "properties": {
                "classifier": text,
                "digest": {**text, "description": "SHA-256 of what has answered."},
                "predictions": {"type": "array", "items": prediction},
            },
        },
        "ServerMetadata": {
            "type": "object",
            "required": ["name", "version", "extensions"],
            "properties": {
                "name": text,
                "version": text,
                "extensions": {"type": "array", "items": text},
            },
        },
        "ModelMetadata": {
            "type": "object",
            "required": ["name", "versions", "platform", "inputs", "outputs"],
            "properties": {
                "name": text,
                "versions": {"type": "array", "items": text},
                "platform": text,
                "inputs": tensors,
                "outputs": tensors,
                "parameters": {"type": "object"},
            },
        },
        "InferenceRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": text,
                "parameters": {"type": "object"},
                "inputs": {**tensors, "minItems": 1, "maxItems": 1},
                "outputs": {"type": "array", "items": {"type": "object"}},
            },
        },
        "Inference": {
            "type": "object",
            "required": ["model_name", "model_version", "outputs"],
            "properties": {
                "model_name": text,
                "model_version": text,
                "id": text,
                "outputs": tensors,
            },
        },
        "Problem": {
            "type": "object",
            "description": "RFC 9457, and the text once more as error.",
            "required": ["type", "title", "status", "detail", "error"],
            "properties": {
                "type": text,
                "title": text,
                "status": {**number, "type": "integer"},
                "detail": text,
                "error": text,
                "reason": text,
            },
        },
    }
