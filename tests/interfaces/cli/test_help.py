"""The command line's help and version: quick, light, with examples that are real."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import Any

import pytest

import photograft
import system_helpers as system
from photograft.interfaces.cli import app as commands

COMMANDS = [
    [],
    ["train"],
    ["predict"],
    ["evaluate"],
    ["export"],
    ["serve"],
    ["studio"],
    ["compare"],
    ["learning-curve"],
    ["report"],
    ["doctor"],
    ["explain"],
    ["suggest"],
    ["inspect"],
    ["backbones"],
    ["backbones", "convert"],
    ["demo"],
    ["summary"],
    ["plot"],
    ["augment"],
    ["subset"],
    ["cache"],
    ["cache", "info"],
    ["cache", "prune"],
    ["cache", "clear"],
    ["recipe"],
    ["recipe", "list"],
    ["recipe", "show"],
    ["recipe", "run"],
]


pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_examples(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    result = system.invoke(capsys, *command, "--help")
    assert result.code == 0
    assert result.err == ""
    head, found, examples = result.out.partition("Example")
    assert found
    assert head.startswith("Usage: photograft")
    prefix = " ".join(["photograft", *command])
    assert re.search(rf"^ +{prefix}\b", examples, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_examples_are_real_commands(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """Each option in an example is one that the command has."""
    out = system.invoke(capsys, *command, "--help").out
    examples = out.partition("Example")[2].partition("Options:")[0].partition("Arguments:")[0]
    for line in re.findall(r"photograft ([^\n]+)", examples):
        name = line.split()[0]
        is_group = name in ("cache", "recipe") or line.startswith("backbones convert ")
        words = line.split()[:2] if is_group else [name]
        own = system.invoke(capsys, *words, "--help")
        assert own.code == 0, line
        for option in re.findall(r"(?<= )--?[a-z][a-z-]*", line):
            assert option in own.out, line


def test_every_command_is_tested() -> None:
    """A new command has to be put on the list above."""
    names: set[tuple[Any, ...]] = {(name,) for name in _commands(commands.app)}
    for group in commands.app.registered_groups:
        names |= {(group.name,), *((group.name, name) for name in _commands(group.typer_instance))}
    assert names == {tuple(command) for command in COMMANDS if command}


def _commands(app: Any) -> list[Any]:
    return [
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
    ]


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    result = system.invoke(capsys)
    assert result.code == 2
    assert result.err.startswith("Usage: photograft")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert system.invoke(capsys, "--version").out == f"{photograft.__version__}\n"


def test_help_is_quick_and_runs_as_a_module() -> None:
    """0.5 s is promised of `photograft --help`; the best of three, as others may be at work."""
    took = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(system.command("--help"), capture_output=True, text=True)
        took.append(time.perf_counter() - start)
        assert done.returncode == 0
        assert "Usage: photograft" in done.stdout
    assert min(took) <= 0.5, took


def test_help_imports_no_torch() -> None:
    code = (
        "import sys; from photograft.interfaces.cli.main import run; run(['train', '--help']); "
        "sys.exit(sum(m in sys.modules for m in ('torch', 'timm', 'numpy', 'rich', 'openvino')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
