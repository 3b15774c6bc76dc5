"""Which columns of a Parquet file hold photos, and which what is known of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow import DataType, Schema

#: What columns may be called, those that come first taken before others.
_PHOTOS = ("image", "img", "bytes", "image_bytes", "photo", "picture", "jpg", "jpeg", "png", "webp")
_LABELS = ("label", "labels", "cls", "class", "class_name", "target")
_NAMES = ("path", "name", "file_name", "filename", "image_id", "id")


@dataclass(frozen=True)
class Columns:
    """Where what of a photo is.

    Attributes:
        photo: The bytes, as the path of a leaf, such as ``"image.bytes"``.
        label: The class; empty where there is none.
        names: What whole numbers stand for; empty where they stand for themselves.
        split: The split; may be empty.
        group: The group; may be empty.
        name: What photos are called, as the path of a leaf; may be empty.
        notes: What else there is that was not taken.
    """

    photo: str
    label: str = ""
    names: tuple[str, ...] = ()
    split: str = ""
    group: str = ""
    name: str = ""
    notes: tuple[str, ...] = ()


def find_columns(schema: Schema) -> Columns | None:
    """Return where photos and what is known of them are in a file; None where it holds none."""
    features = _features(schema)
    by_name = {field.name: field.type for field in schema}
    photos = [
        name
        for name, kind in by_name.items()
        if _leaf(name, kind)
        and (name.lower() in _PHOTOS or features.get(name, {}).get("_type") == "Image")
    ]
    photo = _first(photos, _PHOTOS)
    if photo is None:
        return None
    classes = [n for n in by_name if features.get(n, {}).get("_type") == "ClassLabel"]
    plain = [n for n, kind in by_name.items() if n.lower() in _LABELS and _is_plain(kind)]
    label = _first(classes or plain, _LABELS) or ""
    names = features.get(label, {}).get("names") or ()

    def other(*wanted: str) -> str:
        found = [n for n, kind in by_name.items() if n.lower() in wanted and _is_plain(kind)]
        return _first([n for n in found if n not in (photo, label)], wanted) or ""

    leaf = _leaf(photo, by_name[photo])
    inner = f"{photo}.path" if leaf != photo and _has_path(by_name[photo]) else ""
    notes = []
    for what, all_of_them, one in (("photo", photos, photo), ("label", classes or plain, label)):
        if len(all_of_them) > 1:
            rest = " or ".join(name for name in all_of_them if name != one)
            notes.append(f"{what}s were taken from {one}, not from {rest}")
    return Columns(
        leaf,
        label,
        tuple(map(str, names)) if isinstance(names, list) else (),
        other("split"),
        other("group"),
        other(*_NAMES) or inner,
        tuple(notes),
    )


def _features(schema: Schema) -> dict[str, dict[str, Any]]:
    """Return what Hugging Face's libraries wrote of each column."""
    try:
        said = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: what for name, what in said.items() if isinstance(what, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _leaf(name: str, kind: DataType) -> str:
    """Return where the bytes are in a column of photos; empty where it is of another type."""
    import pyarrow as pa  # slow to import

    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{name}.bytes" if _is_bytes(kind.field("bytes").type) else ""
    return name if _is_bytes(kind) else ""


def _is_bytes(kind: DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def _has_path(kind: DataType) -> bool:
    return bool(kind.get_field_index("path") >= 0)


def _is_plain(kind: DataType) -> bool:
    import pyarrow as pa

    return not (pa.types.is_nested(kind) or _is_bytes(kind))


def _first(names: Sequence[str], order: Sequence[str]) -> str | None:
    def place(name: str) -> int:
        return order.index(name.lower()) if name.lower() in order else len(order)

    return min(names, key=place, default=None)
