"""The program's own code, parsed: each file once, and not before a test looks at it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import photograft

Key = TypeVar("Key")

SOURCE = Path(photograft.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))


@functools.cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file; not to be changed."""
    return ast.parse(path.read_text(encoding="utf-8"))


class Trees(Mapping[Key, ast.Module], Generic[Key]):
    """Files by some key, each parsed when it is asked for."""

    def __init__(self, files: Mapping[Key, Path]) -> None:
        self._files = files

    def __getitem__(self, key: Key) -> ast.Module:
        return parse(self._files[key])

    def __iter__(self) -> Iterator[Key]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)
