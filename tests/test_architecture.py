"""What the code's own shape promises: who imports whom, what is heavy, what is never used."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import photograft
from source_trees import FILES, SOURCE, Trees

#: The packages, the lowest first: each may import those of the lines above it; those of one line do
#: not know each other.
FLOORS = (
    ("core",),
    ("data", "backbones"),
    ("features",),
    ("classifier",),
    ("learning",),
    ("diagnosis", "evaluation"),
    ("runs",),
    ("report",),
    ("workflows",),
    ("interfaces",),
)
#: A floor that takes fewer than all of those below it.
TAKES = {"interfaces": {"workflows", "report", "runs", "core"}}
#: What stands beside the packages.
ROOT = {"__init__", "__main__", "_version"}

#: Packages that only some modules, or packages of ours, may import, even inside a function.
ONLY_IN = {
    "torch": {
        "backbones.pytorch",
        "classifier.export.torch_program",
        "features.augmentation",  # RandAugment
        "learning.loop",
        "learning.strategies.finetune",
        "learning.strategies.scratch",
        "learning.tracking.trackers",  # TensorBoard's writer
    },
    "torchvision": {"data.sources.mnist", "features.augmentation"},
    "timm": {
        "backbones.pytorch.keras_networks",
        "backbones.pytorch.timm_weights",
        "backbones.pytorch.zoo",
    },
    "safetensors.torch": {
        "backbones.pytorch.zoo",
        "learning.loop.checkpoints",
        "learning.loop.setup",
    },
    "pi_heif": {"data.heif"},
    "h5py": {"backbones.pytorch.keras_files"},
    "datasets": {"data.sources.hf"},
    "tensorflow_datasets": {"data.sources.tfds"},
    "openvino": {"backbones.openvino"},
    "onnxruntime": {"backbones.onnxruntime"},
    "onnx": {
        "backbones.graphs",
        "backbones.int8",
        "backbones.maps",
        "backbones.onnx_files",
        "backbones.prebuilt.graph",
        "classifier.export",
    },
    "mlflow": {"learning.tracking.trackers"},
    "ray": {
        "core.executors.ray_actors",
        "core.executors.ray_cluster",
        "core.executors.ray_nodes",
        "core.executors.ray_training",
    },
    # Who computes is chosen by verbs, and asked for by what looks at photos.
    "photograft.core.executors": {
        "core.executors",
        "evaluation.comparison.trials",
        "features.looking",
        "interfaces.cli.commands.train",  # who prints, of several that do the same
        "interfaces.cli.main",
        "learning.loop.distributed",
        "learning.loop.launched",
        "learning.loop.together",
        "workflows.compare",
        "workflows.doctor",
        "workflows.evaluate",
        "workflows.learning_curve",
        "workflows.predict",
        "workflows.prediction_shards",
        "workflows.train",
    },
    "wandb": {"learning.tracking.trackers"},
    "sklearn": {"interfaces.sklearn"},
    "starlette": {"interfaces.server", "interfaces.studio"},
    "uvicorn": {
        "interfaces.server.listening",
        "interfaces.server.protocol",
        "interfaces.server.running",
        "interfaces.studio.running",
    },
    "h11": {"interfaces.server.protocol"},
    "python_multipart": {"interfaces.server.multipart"},
    "rich": {"interfaces.cli"},
    "typer": {"interfaces.cli"},
    "jinja2": {"report.page"},
    "markupsafe": {"report.comparison_page", "report.page", "report.run_page"},
    "threadpoolctl": {"core.blas"},
    "fsspec": {"data.sources.stores"},
    "urllib": {"backbones.weights", "data.sources.addresses", "data.sources.stores"},
    "http": {"backbones.weights"},
    **{
        name: set()
        for name in (
            "joblib",
            "marshal",
            "matplotlib",
            "pickle",
            "requests",
            "shelve",
            "tensorboard",
        )
    },
}
#: Modules that come with torch; no other module gets it unasked.
WITH_TORCH = {
    "backbones.pytorch.convnet",
    "backbones.pytorch.converting",
    "backbones.pytorch.costs",
    "backbones.pytorch.export",
    "backbones.pytorch.keras_files",
    "backbones.pytorch.keras_networks",
    "backbones.pytorch.loading",
    "backbones.pytorch.network",
    "backbones.pytorch.records",
    "backbones.pytorch.pooling",
    "backbones.pytorch.timm_weights",
    "backbones.pytorch.units",
    "backbones.pytorch.zoo",
    "classifier.export.torch_program",
    "learning.loop.checkpoints",
    "learning.loop.compiling",
    "learning.loop.distributed",
    "learning.loop.feeds",
    "learning.loop.launched",
    "learning.loop.network",
    "learning.loop.optimizer",
    "learning.loop.passes",
    "learning.loop.setup",
    "learning.loop.summarising",
    "learning.loop.synchronised",
    "learning.loop.targets",
    "learning.loop.together",
    "learning.loop.training",
    "learning.strategies.auto",
    "learning.strategies.finetune",
    "learning.strategies.scratch",
}
#: Modules that come with an engine, or with ONNX.
WITH_ENGINES = {
    "backbones.graphs",
    "backbones.int8.calibrating",
    "backbones.int8.graph",
    "backbones.int8.places",
    "backbones.maps",
    "backbones.onnx_files.describing",
    "backbones.onnx_files.outline",
    "backbones.onnx_files.reading",
    "backbones.onnx_files.running",
    "backbones.onnx_files.wrapping",
    "backbones.onnxruntime.network",
    "backbones.onnxruntime.whole",
    "backbones.openvino.network",
    "backbones.openvino.whole",
    "backbones.prebuilt.graph",
    "classifier.export.decision",
    "classifier.export.graph",
    "classifier.export.networks",
    "classifier.export.onnx_file",
    "classifier.export.openvino_ir",
    "classifier.export.precision",
    "classifier.export.resizing",
    "classifier.export.sides",
    "classifier.export.web.artefact",
    "classifier.export.web.building",
    "classifier.export.web.exporter",
    "classifier.export.web.neighbours",
    "classifier.export.weights",
    "classifier.export.whole_numbers",
}

#: Packages that are torch, or bring it.
TORCH = ("torch", "torchvision", "timm", "safetensors.torch")

MAX_LINES = 400


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


MODULES = {
    module_name(path): path for path in FILES if path.name not in ("__init__.py", "__main__.py")
}
TREES = Trees({module_name(path): path for path in FILES})


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from nodes(other)
            continue
        yield node
        yield from nodes(node)


@functools.cache
def imported(tree: ast.AST) -> set[str]:
    """What a module imports, as full dotted names: of ``from a import b`` both a and a.b.

    A string that is the name of one of our modules counts, too: a registry imports it later.
    """
    found: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            assert node.module is not None
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and DOTTED.fullmatch(str(node.value)):
            found.add(str(node.value))
    return found


#: A module or one of its names, as registries give them.
DOTTED = re.compile(r"photograft\.[\w.]+")


@functools.cache
def own_modules(tree: ast.AST) -> set[str]:
    """Photograft's own modules that a module imports, those for type checkers included."""
    everything = ast.Module([n for n in ast.walk(tree) if isinstance(n, ast.stmt)], [])
    names = {name.removeprefix("photograft.") for name in imported(everything)}
    return names & set(MODULES)


def own_modules_at_top(tree: ast.AST) -> set[str]:
    """Those that come with it as soon as it is imported."""
    return {name.removeprefix("photograft.") for name in imported_at_top(tree)} & set(MODULES)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def allowed(floor: str) -> set[str]:
    """The floors that a floor may import."""
    level = next(i for i, names in enumerate(FLOORS) if floor in names)
    below = {name for names in FLOORS[:level] for name in names}
    return {floor, "_version"} | (below & TAKES.get(floor, below))


def test_the_source_holds_the_floors_and_nothing_else() -> None:
    floors = {name for names in FLOORS for name in names}
    present = {
        path.stem
        for path in SOURCE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")
    }
    assert present == floors | ROOT


def own_floors(tree: ast.AST) -> set[str]:
    """The floors that a module imports anything of, be it a name that the package hands out."""
    everything = ast.Module([n for n in ast.walk(tree) if isinstance(n, ast.stmt)], [])
    names = {name for name in imported(everything) if name.startswith("photograft.")}
    return {name.split(".")[1] for name in names}


@pytest.mark.parametrize("name", [name for name in TREES if name not in ROOT])
def test_imports_run_downwards(name: str) -> None:
    assert own_floors(TREES[name]) <= allowed(name.split(".")[0])


def test_names_that_packages_hand_out_are_imports() -> None:
    code = "from photograft.report import write_run_page\nfrom photograft import runs"
    assert own_floors(ast.parse(code)) == {"report", "runs"}


def test_a_floor_that_takes_fewer_takes_all_of_them() -> None:
    """Else the list is stale."""
    for floor, names in TAKES.items():
        taken = {
            module.split(".")[0]
            for name in MODULES
            if is_within(name, floor)
            for module in own_modules(TREES[name])
        }
        assert taken == names | {floor, "_version"}


def test_names_in_registries_are_imports() -> None:
    """What a string imports is seen, too: of the strategies, say."""
    found = own_modules(TREES["learning.strategies.registry"])
    assert {"learning.strategies.auto", "learning.strategies.features"} <= found
    assert own_modules(ast.parse('X = "photograft.core.errors"')) == {"core.errors"}
    assert own_floors(ast.parse('X = "photograft.train(dataset)"')) == set()  # for users to type


@pytest.mark.parametrize("floor", [name for names in FLOORS for name in names])
def test_each_floor_says_what_it_is_for(floor: str) -> None:
    text = ast.get_docstring(TREES[f"{floor}.__init__"])
    assert text
    assert len(text.splitlines()) >= 3, "its purpose, and what it may import"
    assert "mport" in text


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
    entries = ONLY_IN[package]
    assert {name for name in users if not any(is_within(name, e) for e in entries)} == set()
    assert {e for e in entries if not any(is_within(name, e) for name in users)} == set(), "stale"


def at_top(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when a module is imported; those only for type checkers do not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from at_top(node)


@functools.cache
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
        "plain": "import numpy",
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
    assert with_torch(TREES) == WITH_TORCH


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
    "torch", "timm", "torchvision", "openvino", "onnxruntime", "onnx", "numpy", "PIL",
    "pyarrow", "rich", "h5py", "datasets", "tensorflow_datasets",
    "tensorboard", "sklearn", "pandas", "jinja2", "mlflow", "wandb", "pi_heif", "starlette",
    "uvicorn", "h11", "python_multipart", "ray", "fsspec",
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
    """What the code looks like, tried: nor does another package bring it, or an engine."""
    names = [n for n in MODULES if n not in WITH_TORCH | WITH_ENGINES]
    code = "import importlib\n" + "".join(
        f"importlib.import_module('photograft.{name}')\n" for name in names
    )
    engines = {"openvino", "onnxruntime", "onnx"}
    assert not {"torch", "torchvision", "timm", *engines} & set(heavy_modules(code))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["recipe", "--help"],
        ["recipe", "run", "--help"],
        ["summary", "--help"],
        ["serve", "--help"],
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


@pytest.mark.parametrize("floor", [name for names in FLOORS for name in names])
def test_a_floor_hands_out_a_dozen_names_at_most(floor: str) -> None:
    package = importlib.import_module(f"photograft.{floor}")
    names = package.__all__
    assert 1 <= len(names) <= 12
    assert names == sorted(names) == dir(package)
    modules = {part.split(".")[1] for part in MODULES if is_within(part, floor)}
    assert not set(names) & modules, "which of the two one gets would hang on earlier imports"
    for name in names:
        assert getattr(package, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = package.nonsense


def test_no_public_name_is_that_of_a_package() -> None:
    floors = {name for names in FLOORS for name in names}
    assert not floors & set(photograft.__all__)
