"""The documents say what the program does."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
import shlex
import shutil
import subprocess
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import photograft
from photograft.interfaces.cli import app
from source_trees import FILES, SOURCE, parse
from test_architecture import FLOORS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
PYTHON = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
#: The functions of the package.
VERBS = [name for name in photograft.__all__ if name[0].islower()]
#: As pages list them: the highest first.
HIGHEST_FIRST = [name for names in reversed(FLOORS) for name in names]


def _commands() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def walk(name: str, command: Any) -> None:
        children = getattr(command, "commands", None)
        if not children or (" " in name and command.invoke_without_command):
            found.append((name, command))
        for child in (children or {}).values():
            walk(f"{name} {child.name}", child)

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


def _used(text: str) -> Iterator[list[str]]:
    """The commands in a page's consoles, as words, comments left out."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in re.findall(r"^\$ photograft (.+)$", block, re.MULTILINE):
            yield shlex.split(line, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_the_documents_exist_and_take_these_options(page: Path) -> None:
    commands = {name.removeprefix("photograft "): command for name, command in _commands()}
    for words in _used(page.read_text(encoding="utf-8")):
        name = next(n for n in (" ".join(words[:2]), words[0]) if n in commands)
        known = {option for p in commands[name].params for option in p.opts}
        given = {word for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known, f"{page.name}: {' '.join(words)}"


def test_commands_are_seen() -> None:
    assert len(list(_used(README))) >= 9
    text = "```console\n$ photograft a 'b c' -n 3   # --not\n  printed\n$ ls\n```"
    assert list(_used(text)) == [["a", "b c", "-n", "3"]]


def test_scripts_in_the_readme_can_be_run() -> None:
    scripts = re.findall(r"^\$ (scripts/\w+)", README, re.MULTILINE)
    assert scripts == ["scripts/demo", "scripts/test"]
    for script in scripts:
        assert (ROOT / script).stat().st_mode & 0o111, script


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def _first_line(floor: str) -> str:
    tree = ast.parse((SOURCE / floor / "__init__.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").splitlines()[0]


def test_the_tree_in_the_readme_is_that_of_the_source() -> None:
    """The floors from the highest to the lowest, each with the first line of its docstring."""
    tree = README.split("\n## The tree\n")[1]
    rows = re.findall(r"^  (\w+)/ +(\S.*)$", tree, re.MULTILINE)
    assert rows == [(name, _first_line(name)) for name in HIGHEST_FIRST]
    assert {name for name, _ in rows} == {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    for folder in re.findall(r"^(\S+)/ ", tree, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_the_floors_in_the_page_for_contributors_are_those_of_the_source() -> None:
    section = CONTRIBUTING.split("\n## The floors\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == HIGHEST_FIRST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_of_ours_that_documents_name_exist(page: Path) -> None:
    """As paths from the root or within the package; those yet to be made are called new."""
    text = page.read_text(encoding="utf-8")
    for is_new, name in re.findall(r"(new )?`(\w[\w.]*/[\w./]+\.(?:py|toml|j2|md))`", text):
        exists = (ROOT / name).is_file() or (SOURCE / name).is_file()
        assert exists != bool(is_new), f"{page.name}: {name}"


def test_links_and_pictures_in_the_documents_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            if target.startswith("http"):
                continue
            name, _, place = target.partition("#")
            path = page.parent / name if name else page
            assert path.exists(), f"{page.name}: {target}"
            if place:
                assert place in _places(path), f"{page.name}: {target}"


def _places(page: Path) -> set[str]:
    """What links to a page's headings may name."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_extras_that_messages_name_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for path in (ROOT / "src").rglob("*.py"):
        for extra in re.findall(r"photograft\[(\w+)\]", path.read_text(encoding="utf-8")):
            assert extra in extras, f"{path.name}: {extra}"


#: Options of other programs, and the one that every command has of Click's.
_OTHER_OPTIONS = {
    "--backend-store-uri",
    "--help",
    "--local-dir",
    "--logdir",
    "--nproc-per-node",
    "--repo-type",
}
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
    for path in FILES:
        for node in ast.walk(parse(path)):
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


@pytest.fixture
def in_a_folder_of_photos(
    warm_cache: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders that the pages' snippets take for granted."""
    del warm_cache
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, "photos")
    shutil.copytree(photos, "later_photos")
    Path("new").mkdir()
    for name, photo in zip("abc", sorted(photos.glob("*/*")), strict=False):
        shutil.copy(photo, f"new/{name}.jpg")


@pytest.mark.usefixtures("in_a_folder_of_photos")
def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(snippet, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"[01]\.\d+ \([01]\.\d+, [01]\.\d+\)", lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["new/a.jpg", "new/b.jpg"]


@pytest.mark.usefixtures("in_a_folder_of_photos")
def test_the_python_of_its_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """From the first snippet to the last, each going on with the names of those before."""
    names: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", PYTHON, re.DOTALL):
        # With as many lines before it as on the page, so that errors name its line there.
        above = "\n" * PYTHON[: PYTHON.index(snippet)].count("\n")
        exec(compile(above + snippet, "python.md", "exec"), names)
    out = capsys.readouterr().out
    assert "Run('runs/first', " in out
    assert "('circle', 'square')\n" in out
    assert "there is no " in out
    assert (names["run"].path / "report.html").is_file()
    assert names["again"].scores == names["run"].scores
    assert names["why"].picture.is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("in_a_folder_of_photos")
def test_the_python_of_the_page_of_ray_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """But for what needs Ray, which `test_ray_cluster` runs, and Spark."""
    page = (ROOT / "docs" / "ray.md").read_text(encoding="utf-8")
    first, second, *_ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    for snippet in (first, second):
        exec(compile(snippet, "ray.md", "exec"), names)
    assert names["run"].class_names[:2] == ("circle", "square")
    assert "(2, 1280) ['', 'unreadable: No such file or directory']" in capsys.readouterr().out


#: Options that Python lacks, as its page says: what they write is returned, or it has other names.
_NOT_IN_PYTHON = {
    "predict": {"top", "format", "output", "shard_rows"},
    "evaluate": {"json"},
    "inspect": {"files"},
    "explain": {"class"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_functions_take_the_options_of_their_commands(verb: str) -> None:
    function = getattr(photograft, verb)
    taken = set()
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            (options,) = typing.get_args(
                typing.get_type_hints(function, include_extras=True)[parameter.name]
            )
            taken |= set(typing.get_type_hints(options))
        else:
            taken.add(parameter.name)
    command = dict(_commands())[f"photograft {verb.replace('_', '-')}"]
    names = {o[2:].replace("-", "_") for p in command.params for o in p.opts if o[:2] == "--"}
    assert names - {"help"} - taken == _NOT_IN_PYTHON.get(verb, set())


def test_the_page_of_python_has_every_public_function_and_class() -> None:
    for name in photograft.__all__:
        assert name == "__version__" or re.search(rf"\b{name}\b", PYTHON), name
