"""What the code's own shape promises: who imports whom, what is heavy, what is never used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import photograft

SOURCE = Path(photograft.__file__).parent


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


#: Modules that may import torch, or OpenVINO, where they like; no other module gets them unasked.
NETWORKS = {
    "backbones.pytorch.convnet",
    "backbones.pytorch.costs",
    "backbones.pytorch.network",
    "backbones.pytorch.keras_files",
    "backbones.pytorch.keras_networks",
    "backbones.pytorch.loading",
    "backbones.openvino.conversion",
    "backbones.openvino.maps",
    "backbones.openvino.network",
    "backbones.pytorch.pooling",
    "backbones.pytorch.units",
    "backbones.pytorch.zoo",
}
TRAINING = {
    "learning.loop.checkpoints",
    "backbones.pytorch.gradient_maps",
    "learning.loop.network",
    "learning.history",
    "learning.loop.optimizer",
    "learning.strategies.auto",
    "learning.strategies.finetune",
    "learning.loop.setup",
    "learning.strategies.scratch",
    "learning.loop.summary",
    "learning.loop.targets",
    "learning.loop.training",
}
#: Packages that only some modules may import, even inside a function.
ONLY_IN = {
    "torch": NETWORKS
    | TRAINING
    | {"features.augmentation", "backbones.engines", "learning.tracking.trackers"},
    "torchvision": {"features.augmentation", "data.sources.mnist"},
    "timm": NETWORKS,
    "safetensors.torch": {
        "backbones.pytorch.loading",
        "backbones.pytorch.zoo",
        "learning.loop.checkpoints",
        "classifier.classifier",
        "learning.loop.setup",
    },
    "h5py": {"backbones.pytorch.keras_files"},
    "datasets": {"data.sources.hf"},
    "tensorflow_datasets": {"data.sources.tfds"},
    "openvino": {
        "backbones.openvino.conversion",
        "backbones.openvino.maps",
        "backbones.openvino.network",
    },
    "mlflow": {"learning.tracking.trackers"},
    "wandb": {"learning.tracking.trackers"},
    "tensorboard": set(),
    "sklearn": {"interfaces.sklearn.base", "interfaces.sklearn.estimators"},
    "rich": {name for name in MODULES if name.startswith("interfaces.cli.")},
    "jinja2": {"report.page"},
    "markupsafe": {"report.page", "report.run_page", "report.comparison_page"},
    "urllib": {"backbones.weights"},
    "http": {"backbones.weights"},
    "requests": set(),
    "pickle": set(),
    "shelve": set(),
    "joblib": set(),
    "marshal": set(),
}

#: Packages that are torch, or bring it.
TORCH = ("torch", "torchvision", "timm", "safetensors.torch")

MAX_LINES = 400


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


def own_modules_at_top(tree: ast.AST) -> set[str]:
    """Those that come with it as soon as it is imported."""
    return {name.removeprefix("photograft.") for name in imported_at_top(tree)} & set(MODULES)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Every set of modules that import each other, directly or by way of others."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            more = graph.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found

    reach = {name: reached(name) for name in graph}
    found: list[set[str]] = []
    for name in graph:
        circle = {other for other in reach[name] if name in reach[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def test_circles_are_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e"}}
    assert circles(graph) == [{"b", "c"}, {"e"}]


def test_imports_have_no_circle() -> None:
    assert circles({name: own_modules(TREES[name]) for name in MODULES}) == []


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


def at_top(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when a module is imported; those only for type checkers do not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from at_top(node)


def imported_at_top(tree: ast.AST) -> set[str]:
    """What importing a module imports with it, as `imported` names it."""
    return imported(
        ast.Module([n for n in at_top(tree) if isinstance(n, ast.Import | ast.ImportFrom)], [])
    )


def with_torch(trees: Mapping[str, ast.AST]) -> set[str]:
    """The modules that can't be imported without torch, be it through other modules."""
    found: set[str] = set()
    while True:
        bringing = (*TORCH, *(f"photograft.{name}" for name in found))
        more = {
            name
            for name, tree in trees.items()
            if any(is_within(n, package) for n in imported_at_top(tree) for package in bringing)
        }
        if more == found:
            return found
        found = more


def test_who_brings_torch_is_seen() -> None:
    code = {
        "core.schema": "import numpy",
        "typed": "if TYPE_CHECKING:\n    import torch",
        "late": "def f():\n    import torch\n    from photograft.eager import g",
        "tried": "try:\n    from timm.layers import Mlp\nexcept ImportError:\n    pass",
        "eager": "from torch import nn",
        "in_a_class": "class C:\n    import torchvision",
        "through": "from photograft.eager import g",
        "through_two": "from photograft import through",
        "like_it": "from photograft.eager_not import g",
    }
    trees = {name: ast.parse(text) for name, text in code.items()}
    assert with_torch(trees) == {"tried", "eager", "in_a_class", "through", "through_two"}


def test_torch_is_imported_late() -> None:
    """Others import torch, and the modules that can't do without it, only inside functions."""
    assert with_torch(TREES) <= NETWORKS | TRAINING


def test_unknown_modules_may_not_bring_torch() -> None:
    assert set(MODULES) >= NETWORKS | TRAINING


@pytest.mark.parametrize("name", ["features", "features_augment"])
def test_strategies_on_stored_features_run_without_torch(name: str) -> None:
    """The training loop is imported by them only where a setting asks for it."""
    loop = {name for name in MODULES if name.startswith("learning.loop.")}
    assert not own_modules_at_top(TREES[f"learning.strategies.{name}"]) & loop


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
    "h5py", "datasets", "tensorflow_datasets", "tensorboard", "sklearn", "pandas", "jinja2",
    "mlflow", "wandb",
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


def test_all_but_networks_and_training_leave_torch_alone() -> None:
    """What the code looks like, tried: nor does another package bring it."""
    names = [n for n in MODULES if n not in NETWORKS | TRAINING]
    code = "import importlib\n" + "".join(
        f"importlib.import_module('photograft.{name}')\n" for name in names
    )
    assert not {"torch", "torchvision", "timm", "openvino"} & set(heavy_modules(code))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["recipe", "--help"],
        ["recipe", "run", "--help"],
        ["summary", "--help"],
    ],
)
def test_help_is_light(arguments: list[str]) -> None:
    code = f"from photograft.interfaces.cli.main import run; assert run({arguments!r}) == 0"
    assert heavy_modules(code) == []


def test_openvino_does_not_report_its_use(tmp_path: Path) -> None:
    """Left alone, its import tells its makers, and keeps an identity at home for that."""
    code = """
import sys
import photograft.backbones.openvino.network
print(*[m for m in sys.modules if m.startswith("openvino_telemetry")], sep=",")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    assert list(tmp_path.iterdir()) == []


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
