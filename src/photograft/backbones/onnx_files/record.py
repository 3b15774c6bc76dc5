"""Which ONNX file is meant, and the record in TOML that may lie beside it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from photograft.core.errors import InputError, UnknownNameError, as_typed
from photograft.core.schema import Schema, check_choice, check_range

SUFFIX, RECORD_SUFFIX = ".onnx", ".toml"

#: Sides of an input that are taken, in pixels.
LEAST_SIZE, MOST_SIZE = 8, 4096

#: More of a record than this (bytes) is none.
_MAX_BYTES = 1 << 20
_FIX = "A record is described in docs/guide.md; what it leaves out is found in the graph."


@dataclass(frozen=True, repr=False, kw_only=True)
class Record(Schema):
    """What a record says of an ONNX file; what is empty, or 0, it does not say.

    Attributes:
        file: The file, in the same folder.
        input_size: Side of the square input in pixels, or height and width.
        mean: Subtracted from R, G, B, in the units of `range`.
        std: Then divided by, likewise.
        range: What 0 and 255 become first: ``(0, 1)``, ``(0, 255)``, ``(-1, 1)`` …
        interpolation: As `Backbone` has it, as are the next two, `crop_mode` and `crop_pct`.
        crop: ``"squash"`` or ``"center"``.
        crop_pct: In (0, 1].
        layout: ``"NCHW"`` or ``"NHWC"``, of the input.
        map_layout: Likewise, of the outputs that are maps; as the input where it does not say.
        layers: Outputs that are layers, the last one at the end.
        tokens: What is taken of rows of tokens: ``"cls"`` (the first), ``"mean"`` (of all), or
            ``"both"`` (the first, and the mean of the others).
        licence: Of the weights.
        paper: Address of the paper.
    """

    file: str = ""
    input_size: int | tuple[int, ...] = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    range: tuple[float, ...] = ()
    interpolation: str = ""
    crop: str = ""
    crop_pct: float = 0.0
    layout: str = ""
    map_layout: str = ""
    layers: tuple[str, ...] = ()
    tokens: str = ""
    licence: str = ""
    paper: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        filters = ("", "nearest", "bilinear", "bicubic", "lanczos")
        check_choice("interpolation", self.interpolation, filters)
        check_choice("crop", self.crop, ("", "squash", "center"))
        check_choice("tokens", self.tokens, ("", "cls", "mean", "both"))
        for name in ("layout", "map_layout"):
            check_choice(name, getattr(self, name), ("", "NCHW", "NHWC"))
        check_range("crop_pct", self.crop_pct, 0, 1)
        for name, count in (("mean", 3), ("std", 3), ("range", 2)):
            values = getattr(self, name)
            if values and len(values) != count:
                raise InputError(f"{name} holds {count} numbers", got=str(len(values)))
            for value in values:
                check_range(name, value, *((1e-9, 1e6) if name == "std" else (-1e6, 1e6)))
        if self.range and not self.range[0] < self.range[1]:
            raise InputError("range goes from the lower to the higher", got=str(list(self.range)))
        if isinstance(self.input_size, tuple) and len(self.input_size) != 2:
            raise InputError("input_size is a side, or height and width")
        for side in self.size or ():
            check_range("input_size", side, LEAST_SIZE, MOST_SIZE)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the input; None where it does not say."""
        if isinstance(self.input_size, tuple):
            return self.input_size[0], self.input_size[1]
        return (self.input_size, self.input_size) if self.input_size else None


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file and its record.

    Attributes:
        path: The file.
        record: What its record says; nothing where it has none.
        record_path: The record, or where it would be looked for.
    """

    path: Path
    record: Record
    record_path: Path


def is_file_name(name: str) -> bool:
    """Return whether a backbone's name is that of a file, or of a folder of one.

    A folder is written with a slash, so that it can't be taken for a network's name.
    """
    slashes = [mark for mark in (os.sep, os.altsep, "/") if mark]
    return name.lower().endswith((SUFFIX, RECORD_SUFFIX)) or any(mark in name for mark in slashes)


def find_file(name: str) -> OnnxFile:
    """Return the file that a name means.

    Args:
        name: Of an ONNX file, of a record, or of a folder that holds one of either.

    Raises:
        InputError: There is none, or not one only, or the record is wrong.
    """
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            path = _in_folder(path)
        if path.suffix.lower() == RECORD_SUFFIX:
            return _recorded(path)
        if not path.exists() and path.suffix.lower() != SUFFIX:
            fix = "There is no folder or ONNX file of that name, either."
            raise UnknownNameError("backbone", name, (), fix=fix)
        if not path.is_file():
            raise InputError(
                f"there is no ONNX file {as_typed(str(path))}",
                expected="an .onnx file, a record (.toml) beside one, or their folder",
            )
        if path.suffix.lower() != SUFFIX:
            raise InputError(f"{path} is no ONNX file by its name", expected=f"NAME{SUFFIX}")
        beside = path.with_suffix(RECORD_SUFFIX)
        record = read_record(beside) if beside.is_file() else Record()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{as_typed(name)} can't be read ({error})") from error
    if record.file and record.file != path.name:
        raise InputError(f"{beside} is the record of another file", got=record.file)
    return OnnxFile(path, record, beside)


def read_record(path: Path) -> Record:
    """Return what a record says.

    Raises:
        InputError: It can't be read, is no TOML, or a setting in it is wrong.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES:,} bytes")
        data: Mapping[str, object] = tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no TOML file ({error})", fix=_FIX) from error
    try:
        return Record.from_json(data)
    except InputError as error:
        raise InputError(f"{path}: {error}", fix=_FIX) from error


def _recorded(path: Path) -> OnnxFile:
    record = read_record(path)
    name = record.file or path.with_suffix(SUFFIX).name
    if name != Path(name).name or "\\" in name or not name.lower().endswith(SUFFIX):
        raise InputError(
            f"{path}: file can't be {as_typed(name)}", expected="the name of a file beside it"
        )
    if not path.with_name(name).is_file():
        raise InputError(
            f"there is no {path.with_name(name)}, which {path} is the record of",
            fix="Give its name in the record: file = 'NAME.onnx'.",
        )
    return OnnxFile(path.with_name(name), replace(record, file=name), path)


def _in_folder(folder: Path) -> Path:
    for suffix in (RECORD_SUFFIX, SUFFIX):
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() == suffix and p.is_file())
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"the folder {folder} holds several",
                got=", ".join(p.name for p in found[:5]),
                fix="Name one of them.",
            )
    raise InputError(f"the folder {folder} holds no ONNX file")
