"""The documents say what the program does."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import subprocess
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
import typer

from photograft.interfaces.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def _commands() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def walk(name: str, command: Any) -> None:
        children = getattr(command, "commands", None)
        if children:
            for child in children.values():
                walk(f"{name} {child.name}", child)
        else:
            found.append((name, command))

    walk("photograft", typer.main.get_command(app.app))
    return found


def test_the_page_of_commands_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "scripts" / "commands_page.py"))["page"]
    assert page() == COMMANDS, "run scripts/commands_page.py"


def test_the_page_of_commands_has_every_command_and_option() -> None:
    for name, command in _commands():
        section = COMMANDS.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert f"$ {name}" in section or f"| {name}" in section
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option == "--help" or option in section


def test_commands_in_the_readme_exist() -> None:
    console = "\n".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL))
    names = {name.removeprefix("photograft ") for name, _ in _commands()}
    used = re.findall(r"^\$ photograft ([\w-]+)(?: (\w+))?", console, re.MULTILINE)
    assert used
    for first, second in used:
        assert first in names or f"{first} {second}" in names
    for script in re.findall(r"^\$ (scripts/\w+)", console, re.MULTILINE):
        assert (ROOT / script).stat().st_mode & 0o111, script


def test_links_and_pictures_in_the_documents_exist() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_extras_that_messages_name_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for path in (ROOT / "src").rglob("*.py"):
        for extra in re.findall(r"photograft\[(\w+)\]", path.read_text(encoding="utf-8")):
            assert extra in extras, f"{path.name}: {extra}"


#: Options of other programs, and the one that every command has of Click's.
_OTHER_OPTIONS = {"--help", "--local-dir", "--logdir", "--repo-type"}
#: What may follow an option in a sentence.
_NO_VALUES = {"", "or", "out"}


def _accepts(command: Any, parameter: Any, word: str) -> bool:
    """Whether a word that follows an option in a text may be its value."""
    if choices := re.fullmatch(r"\[(.+)\]", parameter.metavar or ""):
        return word in choices[1].split("|")
    kinds = {
        *typing.get_args(kind := typing.get_type_hints(command.callback)[parameter.name]),
        kind,
    }
    return not kinds & {int, float} or bool(re.fullmatch(r"[\d.]+", word))


def test_options_that_texts_name_exist() -> None:
    """In errors, help texts and docstrings; with a value that they take, where one follows."""
    options: dict[str, list[tuple[Any, Any]]] = {}
    for _, command in [("photograft", typer.main.get_command(app.app)), *_commands()]:
        for parameter in command.params:
            for name in (*parameter.opts, *parameter.secondary_opts):
                options.setdefault(name, []).append((command, parameter))
    unknown, wrong = set(), []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            for option, word in re.findall(
                r"(?<![\w-])(--[a-z]+(?:-[a-z]+)*)(?![\w-])(?: ([a-z0-9.]+\b))?", node.value
            ):
                if option not in options:
                    unknown.add(option)
                elif word not in _NO_VALUES and not any(
                    _accepts(*found, word) for found in options[option]
                ):
                    wrong.append(f"{path.name}:{node.lineno}: {option} {word}")
    assert unknown == _OTHER_OPTIONS
    assert not wrong


def test_scripts_are_sound_bash() -> None:
    for path in [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]:
        if path.suffix == ".py":
            continue
        subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.usefixtures("warm_cache")
def test_the_python_of_the_readme_runs(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, "photos")
    for name, photo in zip("ab", sorted(photos.glob("*/*")), strict=False):
        Path("new").mkdir(exist_ok=True)
        shutil.copy(photo, f"new/{name}.jpg")
    exec(compile(snippet, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"[01]\.\d+ \[", lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["new/a.jpg", "new/b.jpg"]
