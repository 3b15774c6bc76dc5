"""Print docs/commands.md from the commands themselves; a test holds that it is up to date.

Run: ``.venv/bin/python scripts/commands_page.py >docs/commands.md``
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from photograft.interfaces.cli import app

_HEADER = """# Commands

What `photograft COMMAND --help` says, in full. Exit codes: 0 done, 2 the user's input, 1 a fault of
Photograft's, 130 interrupted. Progress goes to standard error: a bar in a terminal, and elsewhere
a line for each phase of a command that takes long."""


def page() -> str:
    """Return the whole page."""
    lines = [_HEADER]
    for name, command in _commands("photograft", typer.main.get_command(app.app)):
        lines += [f"\n## {name}", *_help(command.help), *_options(command.params)]
    return "\n".join(lines) + "\n"


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children or (" " in name and command.invoke_without_command):
        yield name, command
    for child in (children or {}).values():
        yield from _commands(f"{name} {child.name}", child)


def _help(text: str) -> Iterator[str]:
    examples: list[str] = []
    for paragraph in [*text.split("\n\n"), ""]:
        if paragraph.startswith("  "):
            examples.append(f"$ {paragraph.strip()}")
            continue
        if examples:
            yield from ("\n```console", *examples, "```")
            examples = []
        if paragraph and not paragraph.startswith("Example"):
            yield "\n" + re.sub(r"\s+", " ", paragraph)


def _options(parameters: list[Any]) -> Iterator[str]:
    rows = [p for p in parameters if p.opts[0].startswith("-") and p.name != "help"]
    if rows:
        yield "\n| option | meaning | default |\n|---|---|---|"
    for row in rows:
        names = ", ".join(f"`{name}`" for name in row.opts)
        value = f" {row.metavar}" if row.metavar else ""
        default = "" if row.default in (None, False) else str(row.default)
        cells = (names + value, row.help or "", default)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
