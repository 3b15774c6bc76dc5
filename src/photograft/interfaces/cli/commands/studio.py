"""`photograft studio`: a page on this machine for all of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import socket

HELP = (
    "Open a page to bring photos, label, check, train, understand, try and hand over.\n\n"
    "FOLDER holds photos, in class folders or not; none of them is ever changed. What is said of "
    "them is kept in FOLDER.studio beside it, in files that the other commands take. The page is "
    "for this machine alone: nothing leaves it. Needs the extra 'studio'.\n\n"
    "Examples:\n\n"
    "  photograft studio photos/\n\n"
    "  photograft studio\n\n"
    "  photograft studio /media/camera --project ~/birds --no-browser"
)

#: Where the page is, if nothing else is there.
PORT = 8765
#: What the extra brings.
_PACKAGES = ("starlette", "uvicorn")


def studio(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Photos, or a project of the studio."),
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option(help="Where the project is kept; FOLDER.studio if left out."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="0: any that is free. If left out, 8765, or any where that is taken.",
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Run a studio; the help text is above."""
    import logging
    import sys

    from photograft.core.optional import need_packages

    need_packages("the studio", _PACKAGES, "studio")
    from photograft.core.files import printable
    from photograft.interfaces.studio.running import run_studio
    from photograft.workflows.studio.project import Project

    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    with listening_at(port) as listening, Project.open(folder, project) as opened:
        print(f"Project: {printable(opened.folder)}", flush=True)

        def say(address: str) -> None:
            print(f"Studio:  {address}", flush=True)
            print("The address opens the page once. Stop with Ctrl-C.", flush=True)
            if not no_browser:
                _show(address)

        run_studio(opened, listening, say)
    print("Stopped. All that was said is kept.")


def listening_at(port: int | None) -> socket.socket:
    """Return a socket at a port, or where the page mostly is, or where there is room.

    Args:
        port: The one that is asked for; 0 for any that is free; None where none is.

    Raises:
        InputError: The port is taken.
    """
    from photograft.core.errors import InputError
    from photograft.interfaces.server.listening import open_socket

    if port is not None:
        return open_socket("127.0.0.1", port)
    try:
        return open_socket("127.0.0.1", PORT)
    except InputError:
        return open_socket("127.0.0.1", 0)


def _show(address: str) -> None:
    """Have the browser show an address, from a thread: some browsers keep the caller waiting."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
