"""Names that docstrings and comments give in backquotes exist.

A name in single backquotes is something of the code's: of the same file, or known in all of the
program. One with dots names a module by the last part or parts of its path, or a class, and then
something in it.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import photograft
from photograft.interfaces.cli import app

SOURCE = Path(photograft.__file__).parent
ROOT = Path(__file__).parents[1]
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


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


def written(tree: ast.Module) -> set[str]:
    """Every name that a file's code holds, and every text of its that is a word."""
    found: set[str] = set()
    for node in ast.walk(tree):
        for name in ("id", "arg", "attr", "name", "value"):
            word = getattr(node, name, None)
            if isinstance(word, str) and word.isidentifier():
                found.add(word)
    return found


#: Dotted path within the program -> what the module defines; packages, too, by their own names.
MODULES: dict[str, set[str]] = {}
for _path, _tree in TREES.items():
    _name = ".".join(("photograft", *_path.relative_to(SOURCE).with_suffix("").parts))
    MODULES[_name.removesuffix(".__init__")] = defined(_tree.body)
MODULES["photograft"] |= set(photograft.__all__)
MODULES |= {f"benchmarks.{path.stem}": set() for path in ROOT.glob("benchmarks/*.py")}
#: Class -> what it has; classes of one name are put together.
CLASSES: dict[str, set[str]] = defaultdict(set)
for _tree in TREES.values():
    for _node in ast.walk(_tree):
        if isinstance(_node, ast.ClassDef):
            CLASSES[_node.name] |= members(_node)
BASES = {
    node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
}
for _ in range(4):  # as deep as classes inherit here
    for _name, _bases in BASES.items():
        CLASSES[_name] |= set().union(*(CLASSES[base] for base in _bases if base in CLASSES))
LAST_PARTS = {part for module in MODULES for part in module.split(".")}
TOP_LEVEL = set().union(*MODULES.values())
MEMBERS = set().union(*CLASSES.values())
FOREIGN = set().union(*map(foreign, TREES.values()))


def exists(reference: str, tree: ast.Module) -> bool:
    """Whether a name in backquotes is one that a reader can find."""
    owner, dot, name = reference.rpartition(".")
    if not dot:
        known = (written(tree), TOP_LEVEL, MEMBERS, LAST_PARTS, FOREIGN, set(dir(builtins)))
        return len(name) == 1 or any(name in names for names in known)  # a letter is mathematics
    first = reference.partition(".")[0]
    if first in foreign(tree) or (first in sys.stdlib_module_names and first not in LAST_PARTS):
        return True
    owners = [CLASSES.get(owner, set()), *(found for m, found in MODULES.items() if ends(m, owner))]
    return any(ends(m, reference) for m in MODULES) or any(name in found for found in owners)


def ends(module: str, name: str) -> bool:
    """Whether a name is the last part, or parts, of a module's."""
    return f".{module}".endswith(f".{name}")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings and comments of a file, each with its line."""
    for node in ast.walk(TREES[path]):
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
            if single or (constant and any(ends(m, constant[1]) for m in MODULES)):
                yield line + text[: found.start()].count("\n"), reference


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_names_in_backquotes_exist(path: Path) -> None:
    missing = [
        f"{path.relative_to(SOURCE)}:{line}: {reference}"
        for line, reference in references(path)
        if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", reference)
        and not exists(reference, TREES[path])
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
    assert exists(reference, TREES[SOURCE / "data" / "images.py"]) == known
