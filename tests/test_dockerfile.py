"""The Dockerfile, as far as it goes without an engine: its steps are tried one by one."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from photograft.interfaces.cli.app import app
from server_helpers import RunningServer

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """Return each instruction and its arguments, lines joined and comments left out."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())
    ]


STEPS = instructions()


def every(name: str) -> list[str]:
    return [rest for step, rest in STEPS if step == name]


def one(name: str) -> str:
    [found] = every(name)
    return found


def copied() -> list[str]:
    return [source for rest in every("COPY") for source in rest.split()[:-1]]


def settings() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_its_python_is_one_that_will_do() -> None:
    found = re.fullmatch(r"python:(\d+)\.(\d+)-slim", one("FROM"))
    assert found is not None
    project = settings()["project"]
    assert isinstance(project, dict)
    least = re.fullmatch(r">=(\d+)\.(\d+)", project["requires-python"])
    assert least is not None
    assert tuple(map(int, found.groups())) >= tuple(map(int, least.groups()))


def test_what_it_copies_is_there_and_not_ignored() -> None:
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    assert sorted(copied()) == sorted(kept)
    assert all((ROOT / source).exists() for source in copied())


def test_it_installs_what_there_is_and_no_torch() -> None:
    [install] = [rest for rest in every("RUN") if "pip install" in rest]
    extras = re.findall(r"\.\[([\w,]+)\]", install)[0].split(",")
    project = settings()["project"]
    assert isinstance(project, dict)
    known = project["optional-dependencies"]
    assert set(extras) <= set(known)
    assert "serve" in extras
    needed = [*project["dependencies"], *(line for extra in extras for line in known[extra])]
    assert not [line for line in needed if re.match(r"torch|timm", line)]


def test_it_does_not_run_as_root() -> None:
    names = [name for name, _ in STEPS]
    assert one("USER").isdecimal()
    assert int(one("USER")) >= 1000
    assert f"--uid {one('USER')} " in " ".join(every("RUN"))
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))


def test_what_it_runs_is_a_command_with_its_options() -> None:
    words: list[str] = [*json.loads(one("ENTRYPOINT")), *json.loads(one("CMD"))]
    name, arguments = words[1], words[2:]
    assert words[0] == "photograft"
    command = typer.main.get_command(app)
    context = typer.Context(command)
    chosen = command.get_command(context, name)  # type: ignore[attr-defined]
    found = chosen.make_context(name, arguments)
    assert (found.params["host"], str(found.params["port"])) == ("0.0.0.0", one("EXPOSE"))
    assert found.params["classifiers"] == ["/classifiers/first"]


@pytest.mark.usefixtures("warm_cache")
def test_its_health_check_tells_who_is_well(server: RunningServer) -> None:
    options, _, listed = one("HEALTHCHECK").partition("CMD ")
    assert "--start-period" in options
    _, flag, code = json.loads(listed)
    assert f":{one('EXPOSE')}/v2/health/ready" in code
    for port, well in ((server.port, True), (1, False)):
        asked = code.replace(f":{one('EXPOSE')}/", f":{port}/")
        done = subprocess.run([sys.executable, flag, asked], capture_output=True, timeout=60)
        assert (done.returncode == 0) == well


@pytest.mark.slow
def test_what_it_copies_can_be_installed(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    for name in copied():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy(ROOT / name, target)
    command = "install --quiet --no-deps --no-build-isolation --no-index --target"
    done = subprocess.run(
        [sys.executable, "-m", "pip", *shlex.split(command), str(tmp_path / "t"), str(source)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assets = tmp_path / "t" / "photograft" / "classifier" / "export" / "web" / "assets"
    assert {"page.html", "page.css", "served.js"} <= {path.name for path in assets.iterdir()}
