"""`photograft serve`: answer photos over HTTP."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.interfaces.cli.commands.options import Coverage, Keep, MinAccuracy, Unknown

if TYPE_CHECKING:
    from photograft.workflows.serve import Service

HELP = (
    "Answer photos over HTTP.\n\n"
    "CLASSIFIERS are run folders, or NAME=FOLDER; a folder that changes is swapped without "
    "dropping a request. POST a photo to /predict, or speak the Open Inference Protocol (KServe, "
    "Triton) under /v2; /metrics is for Prometheus, /docs says the rest. Nobody but this machine "
    "is answered unless --host says so. Needs the extra 'serve'.\n\n"
    "Examples:\n\n"
    "  photograft serve runs/fruit\n\n"
    "  photograft serve runs/fruit tools=runs/7 --port 9000 --unknown\n\n"
    "  PHOTOGRAFT_TOKEN=secret photograft serve runs/fruit --host 0.0.0.0"
)

#: What the extra brings.
_PACKAGES = ("starlette", "uvicorn", "python_multipart")


def serve(
    classifiers: Annotated[
        list[str], typer.Argument(metavar="CLASSIFIERS", help="What is to answer.")
    ],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PHOTOGRAFT_TOKEN",
            show_envvar=True,
            help="Answer only those who show it. Others on this machine see what is typed here.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name by which it may be called, beside this machine's own."),
    ] = None,
    unknown: Unknown = False,
    keep: Keep = None,
    min_accuracy: MinAccuracy = None,
    coverage: Coverage = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Pixels of a photo, at most.")
    ] = 50_000_000,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="Bytes of a request, at most.")
    ] = 32_000_000,
    max_files: Annotated[int, typer.Option(min=1, help="Photos of a request, at most.")] = 64,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Photos of all requests together, at most.")
    ] = 256,
    max_per_client: Annotated[
        int, typer.Option(min=1, help="Requests of one address at a time, at most.")
    ] = 64,
    timeout: Annotated[
        float, typer.Option(help="Seconds for a request to arrive, and again for its answer.")
    ] = 30.0,
    hand_out: Annotated[
        bool | None,
        typer.Option(
            help="Whether whoever may ask gets a classifier itself, too, as a page that needs no "
            "server. Where neither is said: if the server listens on this machine alone.",
        ),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Log each request: its status, time and digest.")
    ] = False,
) -> None:
    """Serve; the help text is above."""
    import logging

    from photograft.core.errors import InputError
    from photograft.core.optional import need_packages
    from photograft.workflows.serving.limits import Limits
    from photograft.workflows.serving.models import named_folders

    need_packages("the server", _PACKAGES, "serve")
    from photograft.interfaces.server.guard import Access
    from photograft.interfaces.server.listening import hosts_of, open_socket
    from photograft.interfaces.server.running import run_server

    if token is not None and not token.strip():
        raise InputError("the token is empty", fix="Leave --token out, or give one.")
    limits = Limits(
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_files=min(max_files, max_queue),
        max_queue=max_queue,
        max_per_client=max_per_client,
        max_held_bytes=max(8 * max_bytes, 64_000_000),
        timeout=timeout,
    )
    asked = {"unknown": unknown, "keep": keep, "min_accuracy": min_accuracy, "coverage": coverage}
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    access = Access(token, hosts_of(host, tuple(allow_host or ())))
    with open_socket(host, port) as listening:
        place = address_of(*listening.getsockname()[:2])

        def say(service: Service) -> None:
            for line in started(service, place, token=bool(token)):
                print(line, flush=True)
            if not token and not is_loopback(host):
                print(
                    "Anybody who reaches this address is answered: --token asks for a secret.",
                    file=sys.stderr,
                )

        hands_out = is_loopback(host) if hand_out is None else hand_out
        folders = named_folders(classifiers)
        run_server(folders, asked, limits, access, listening, say=say, log=log, hands_out=hands_out)
    print("Stopped: what was under way has been answered.")


def started(service: Service, place: str, *, token: bool) -> list[str]:
    """Return what is said once photos would be answered.

    Args:
        service: What answers.
        place: Its address, as in ``http://127.0.0.1:8000``.
        token: Whether one is asked for.
    """
    from photograft.core.text import count

    lines = []
    for served in service.models.all():
        model = served.model
        classes = count(len(model.class_names), "class", "classes")
        lines.append(f"{model.name}: {classes}, version {model.version}")
        lines += [f"  {sentence}" for sentence in model.rules.sentences]
    names = service.models.names
    shown = " -H 'Authorization: Bearer TOKEN'" if token else ""
    where = f"{place}/predict" if len(names) == 1 else f"{place}/predict/{names[0]}"
    return [
        *lines,
        f"Serving at {place}{' to those who show the token' if token else ''}; stop with Ctrl-C",
        f"Page:    {place}/",
        f"Docs:    {place}/docs",
        f"Try it:  curl -F file=@photo.jpg{shown} {where}",
    ]


def address_of(host: str, port: int) -> str:
    """Return the address that a browser on this machine takes."""
    import ipaddress

    found = ipaddress.ip_address(host)
    if found.is_unspecified:
        host = "127.0.0.1" if found.version == 4 else "::1"
    return f"http://[{host}]:{port}" if found.version == 6 else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
