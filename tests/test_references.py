"""Names that docstrings and comments give in backquotes exist.

A name in single backquotes is something of the code's: of the same file, or known in all of the
program. One with dots names a module by the last part or parts of its path, or a class, and then
something in it.
"""

from __future__ import annotations

import ast
import builtins
import functools
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

import photograft
from photograft.interfaces.cli import app
from source_trees import FILES, SOURCE, parse

ROOT = Path(__file__).parents[1]


def defined(body: list[ast.stmt]) -> set[str]:
    """Names that a module's or class's statements define, those within ``if`` and ``with``, too."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, (ast.If, ast.With, ast.Try)):
            found |= defined(node.body)
    return found


def members(tree: ast.ClassDef) -> set[str]:
    """What a class has: methods, fields, and what its methods set on ``self``."""
    own = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute))
    return defined(tree.body) | {
        n.attr for n in own if isinstance(n.value, ast.Name) and n.value.id == "self"
    }


@functools.cache
def foreign(tree: ast.Module) -> set[str]:
    """Names that a file's imports bind to what is not of the program, and the packages."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            package = node.module.partition(".")[0]
            if package != "photograft":
                found |= {package, *(alias.asname or alias.name for alias in node.names)}
    return found - {"photograft"}


@functools.cache
def written(tree: ast.Module) -> set[str]:
    """Every name that a file's code holds, and every text of its that is a word."""
    found: set[str] = set()
    for node in ast.walk(tree):
        for name in ("id", "arg", "attr", "name", "value"):
            word = getattr(node, name, None)
            if isinstance(word, str) and word.isidentifier():
                found.add(word)
    return found


@dataclass(frozen=True)
class Known:
    """What all files together know by a name.

    Attributes:
        modules: Dotted path within the program -> what the module defines; packages, too, by their
            own names.
        classes: Class -> what it has; classes of one name are put together.
        foreign: As the function of that name has it, of all files.
    """

    modules: dict[str, set[str]]
    classes: dict[str, set[str]]
    foreign: set[str]

    @functools.cached_property
    def last_parts(self) -> set[str]:
        return {part for module in self.modules for part in module.split(".")}

    @functools.cached_property
    def top_level(self) -> set[str]:
        return set().union(*self.modules.values())

    @functools.cached_property
    def members(self) -> set[str]:
        return set().union(*self.classes.values())


@functools.cache
def everything() -> Known:
    """What the program's files know; not before a test asks."""
    trees = {path: parse(path) for path in FILES}
    modules = {}
    for path, tree in trees.items():
        name = ".".join(("photograft", *path.relative_to(SOURCE).with_suffix("").parts))
        modules[name.removesuffix(".__init__")] = defined(tree.body)
    modules["photograft"] |= set(photograft.__all__)
    modules |= {f"benchmarks.{path.stem}": set() for path in ROOT.glob("benchmarks/*.py")}
    classes: dict[str, set[str]] = defaultdict(set)
    bases: dict[str, list[str]] = {}
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.ClassDef):
            classes[node.name] |= members(node)
            bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
    for _ in range(4):  # as deep as classes inherit here
        for name, above in bases.items():
            classes[name] |= set().union(*(classes[base] for base in above if base in classes))
    return Known(modules, dict(classes), set().union(*map(foreign, trees.values())))


def exists(reference: str, tree: ast.Module) -> bool:
    """Whether a name in backquotes is one that a reader can find."""
    owner, dot, name = reference.rpartition(".")
    program = everything()
    if not dot:
        places = (
            written(tree),
            program.top_level,
            program.members,
            program.last_parts,
            program.foreign,
        )
        return (
            len(name) == 1  # a letter is mathematics
            or hasattr(builtins, name)
            or any(name in names for names in places)
        )
    first = reference.partition(".")[0]
    is_python = first in sys.stdlib_module_names and first not in program.last_parts
    if first in foreign(tree) or is_python:
        return True
    owners = [found for m, found in program.modules.items() if ends(m, owner)]
    owners.append(program.classes.get(owner, set()))
    return any(ends(m, reference) for m in program.modules) or any(
        name in found for found in owners
    )


def ends(module: str, name: str) -> bool:
    """Whether a name is the last part, or parts, of a module's."""
    return f".{module}".endswith(f".{name}")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings and comments of a file, each with its line."""
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=False)
            yield node.body[0].lineno if text else 0, text or ""
    lines = io.StringIO(path.read_text(encoding="utf-8")).readline
    for token in tokenize.generate_tokens(lines):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def references(path: Path) -> Iterator[tuple[int, str]]:
    """What stands in single backquotes, and in double ones where it is a constant of a module's."""
    for line, text in texts(path):
        for found in re.finditer(r"(?<!`)(`{1,2})([^`\n]+)\1(?!`)", text):
            single, reference = found[1] == "`", found[2]
            constant = re.fullmatch(r"([a-z_.]+)\.[A-Z]\w+", reference)
            if single or (constant and any(ends(m, constant[1]) for m in everything().modules)):
                yield line + text[: found.start()].count("\n"), reference


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_names_in_backquotes_exist(path: Path) -> None:
    missing = [
        f"{path.relative_to(SOURCE)}:{line}: {reference}"
        for line, reference in references(path)
        if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", reference)
        and not exists(reference, parse(path))
    ]
    assert not missing


def test_commands_in_backquotes_exist() -> None:
    commands = getattr(typer.main.get_command(app.app), "commands", {})
    for path in FILES:
        for line, reference in references(path):
            if found := re.match(r"photograft ([a-z-]+)", reference):
                assert found[1] in commands, f"{path.relative_to(SOURCE)}:{line}: {reference}"


@pytest.mark.parametrize(
    ("reference", "known"),
    [
        ("settings.TrainConfig", True),
        ("learning.settings.TrainConfig", True),
        ("TrainConfig.loop", True),
        ("photograft.train", True),
        ("warnings.catch_warnings", True),  # the file imports Python's module of that name
        ("config.NO_SUCH_NAME", False),
        ("no_such_module.TrainConfig", False),
        ("TrainConfig.no_such_field", False),
        ("no_such_name", False),
        ("io.StringIO", True),
    ],
)
def test_what_counts_as_known(reference: str, known: bool) -> None:
    assert exists(reference, parse(SOURCE / "data" / "pillow_state.py")) == known
