"""Settings as plain data: frozen dataclasses to and from JSON types, their values checked."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar, cast

from photograft.core.errors import InputError, UnknownNameError, did_you_mean, either

Part = TypeVar("Part", bound="Schema")

#: Types of the settings of each class: to find them out takes longer than to check a value.
_KNOWN: dict[type, dict[str, Any]] = {}


class Schema:
    """What a frozen dataclass of settings inherits: to and from plain JSON types."""

    #: Names that settings had in files of older versions, and those that they have now.
    renamed: ClassVar[Mapping[str, str]] = {}

    def __repr__(self) -> str:
        """Return what makes it again: the settings that are not as usual."""
        own = [
            f"{field.name}={value!r}"
            for field in dataclasses.fields(cast("Any", self))
            if (value := getattr(self, field.name)) != field.default
            and (field.default_factory is dataclasses.MISSING or value != field.default_factory())
        ]
        return f"{type(self).__name__}({', '.join(own)})"

    def __post_init__(self) -> None:
        """Check the values: here their types; each class checks its own, and calls the others'.

        Raises:
            InputError: A value is of another type, or out of its range.
        """
        for name, hint in _hints(type(self)).items():
            value = getattr(self, name)
            read = _read(name, value, hint)
            if isinstance(value, Mapping):  # a part of its own, given as plain data
                object.__setattr__(self, name, read)

    def part(self, kind: type[Part]) -> Part:
        """Return the settings of one of the classes that these inherit, and nothing else.

        What depends on a part only takes it, or its `to_json` as a key.
        """
        return kind(**{name: getattr(self, name) for name in _hints(kind)})

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return {name: _write(value) for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the settings that plain data gives; what it leaves out is as by default.

        Raises:
            InputError: A name is unknown, or a value is of another type.
        """
        hints = _hints(cls)
        values = {}
        for given, value in data.items():
            name = cls.renamed.get(given, given)
            if name not in hints:
                raise UnknownNameError("setting", name, hints)
            values[name] = _read(name, value, hints[name])
        return cls(**values)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise InputError where a setting is not one of its choices."""
    if value not in choices:
        raise InputError(
            f"{name} can't be {value!r}",
            expected=either([repr(c) for c in choices if c]),
            fix=did_you_mean(value, [c for c in choices if c]) if isinstance(value, str) else "",
        )


def check_range(name: str, value: float, least: float, most: float, *, whole: bool = False) -> None:
    """Raise InputError where something is no number, or out of its range, both ends included."""
    kind = "a whole number" if whole else "a number"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or (whole and value != int(value)):
        shown = f"{value:g}" if is_number else repr(value)
        raise InputError(f"{name} can't be {shown}", expected=f"{kind} from {least:g} to {most:g}")


def _hints(kind: type[Schema]) -> dict[str, Any]:
    """Return the settings of a class and their types."""
    if kind not in _KNOWN:
        hints = typing.get_type_hints(kind)
        names = getattr(kind, "__dataclass_fields__", {})
        _KNOWN[kind] = {name: hints[name] for name in names if name != "renamed"}
    return _KNOWN[kind]


def _write(value: Any) -> Any:
    if isinstance(value, Schema):
        return value.to_json()
    return list(value) if isinstance(value, tuple) else value


def _read(name: str, value: Any, hint: Any) -> Any:
    """Return a value of plain data as the type that a setting has."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        if option is type(None) and value is None:
            return None
        if isinstance(value, Schema) and type(value) is option:
            return value
        if isinstance(option, type) and issubclass(option, Schema) and isinstance(value, Mapping):
            return option.from_json(value)
        if typing.get_origin(option) is tuple and isinstance(value, (list, tuple)):
            inner = typing.get_args(option)[0]
            return tuple(_read(name, entry, inner) for entry in value)
        if option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if isinstance(option, type) and type(value) is option:
            return value
    named = [option for option in options if option is not type(None)]
    kinds = " or ".join(getattr(option, "__name__", str(option)) for option in named)
    raise InputError(f"the setting {name} is of another type", expected=kinds, got=repr(value))
