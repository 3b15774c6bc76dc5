"""What the code's own shape promises: who imports whom, what is heavy, what is never used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import photograft

SOURCE = Path(photograft.__file__).parent

#: Every module, the lowest first: each may import those before it and no other.
ORDER = [
    "errors",
    "_version",
    "progress",
    "parallel",
    "config",
    "files",
    "segments",
    "store",
    "formats",
    "images",
    "sources.base",
    "sources.tree",
    "sources.layout",
    "sources.spool",
    "sources.folder",
    "sources.archives",
    "sources.tables",
    "sources.manifest",
    "sources.npz",
    "sources.labels",
    "sources.pixels",
    "sources.arrays",
    "sources.open",
    "dataset",
    "duplicates",
    "splits",
    "backbones.registry",
    "backbones.precision",
    "backbones.weights",
    "backbones.zoo",
    "backbones.openvino_network",
    "backbones.engines",
    "backbones.get",
    "transforms",
    "features",
    "heads",
    "selection",
    "evaluation",
    "classifier",
    "strategies.feature_extraction",
    "predictions",
    "figures",
    "runs",
    "recording",
    "workflow",
    "demo",
    "terminal",
    "commands",
    "cli",
]

#: Packages that only some modules may import, though they do so inside a function.
ONLY_IN = {
    "torch": {"backbones.zoo", "backbones.openvino_network"},
    "torchvision": {"backbones.zoo"},
    "timm": {"backbones.zoo"},
    "safetensors.torch": {"backbones.zoo", "classifier"},
    "openvino": {"backbones.openvino_network"},
    "rich": {"terminal", "commands"},
    "urllib": {"backbones.weights"},
    "http": {"backbones.weights"},
    "requests": set(),
    "pickle": set(),
    "shelve": set(),
    "joblib": set(),
    "marshal": set(),
}

#: Packages that bring torch, and `backbones.zoo`, which does.
TORCH = ("torch", "torchvision", "timm", "safetensors.torch", "photograft.backbones.zoo")

MAX_LINES = 400


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


MODULES = {
    module_name(path): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path.name not in ("__init__.py", "__main__.py")
}
TREES = {
    module_name(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(SOURCE.rglob("*.py"))
}


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from nodes(other)
            continue
        yield node
        yield from nodes(node)


def imported(tree: ast.AST) -> set[str]:
    """What a module imports, as full dotted names: of ``from a import b`` both a and a.b."""
    found: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            assert node.module is not None
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def own_modules(tree: ast.AST) -> set[str]:
    """Photograft's own modules that a module imports."""
    names = {name.removeprefix("photograft.") for name in imported(tree)}
    return names & set(MODULES)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_every_module_has_its_place() -> None:
    assert sorted(ORDER) == sorted(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_downwards(name: str) -> None:
    allowed = set(ORDER[: ORDER.index(name)])
    assert own_modules(TREES[name]) <= allowed


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_imported_from_the_package_root(name: str) -> None:
    """Not ``import photograft`` nor ``from photograft import train``; submodules are fine."""
    for node in nodes(TREES[name]):
        if isinstance(node, ast.Import):
            assert "photograft" not in [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "photograft":
            assert {alias.name for alias in node.names} <= set(MODULES), f"line {node.lineno}"


@pytest.mark.parametrize("package", ONLY_IN)
def test_package_is_imported_where_it_may_be(package: str) -> None:
    users = {
        name
        for name, tree in TREES.items()
        if any(is_within(imported_name, package) for imported_name in imported(tree))
    }
    assert users <= ONLY_IN[package]


@pytest.mark.parametrize("name", MODULES)
def test_torch_is_imported_late(name: str) -> None:
    """Whoever imports a module but `backbones.zoo` does not get torch with it."""
    top = ast.Module(
        [node for node in TREES[name].body if isinstance(node, ast.Import | ast.ImportFrom)], []
    )
    with_torch = {n for n in imported(top) for package in TORCH if is_within(n, package)}
    assert not with_torch or name == "backbones.zoo"


def unsafe_calls(tree: ast.AST) -> list[str]:
    """Calls that could run what a file says."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        values = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if (
            called in ("eval", "exec", "builtins.eval", "builtins.exec")
            or values.get("allow_pickle", "False") != "False"
            or (called == "torch.load" and values.get("weights_only") != "True")
        ):
            found.append(ast.unparse(node))
    return found


def test_unsafe_calls_are_seen() -> None:
    code = """
eval(text)
model.eval()
np.load(path, allow_pickle=True)
np.load(path, allow_pickle=False)
torch.load(path)
torch.load(path, weights_only=True)
"""
    assert unsafe_calls(ast.parse(code)) == [
        "eval(text)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
    ]


@pytest.mark.parametrize("name", TREES)
def test_nothing_runs_what_a_file_says(name: str) -> None:
    assert unsafe_calls(TREES[name]) == []


@pytest.mark.parametrize("name", MODULES)
def test_file_is_not_long(name: str) -> None:
    num_lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert num_lines <= MAX_LINES


HEAVY = (
    "torch", "timm", "torchvision", "openvino", "numpy", "PIL", "matplotlib", "pyarrow", "rich",
)  # fmt: skip


def heavy_modules(code: str) -> list[str]:
    """Run code in a fresh interpreter; return the heavy packages that it imported."""
    report = f"""
import sys
print("HEAVY", *sorted({{m.split(".")[0] for m in sys.modules}} & set({HEAVY!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


def test_heavy_imports_are_seen() -> None:
    assert "numpy" in heavy_modules("import photograft; photograft.Dataset")


def test_importing_the_package_is_light() -> None:
    assert heavy_modules("import photograft") == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_is_light(arguments: list[str]) -> None:
    code = f"from photograft.cli import run; assert run({arguments!r}) == 0"
    assert heavy_modules(code) == []


def test_public_names() -> None:
    names = photograft.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names)) <= 20
    assert dir(photograft) == names


@pytest.mark.parametrize("name", sorted(photograft._HOMES))
def test_public_name_is_the_one_of_its_home(name: str) -> None:
    thing = getattr(photograft, name)
    assert thing.__module__ == f"photograft.{photograft._HOMES[name]}"
    assert thing.__doc__


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = photograft.trian


def test_type_checkers_see_the_same_public_names() -> None:
    """The block for type checkers in ``__init__`` and the table of homes agree."""
    tree = TREES["__init__"]
    declared = {
        alias.asname: f"{node.module}.{alias.name}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == {n: f"photograft.{home}.{n}" for n, home in photograft._HOMES.items()}
