"""`photograft demo`: train on real photos, and classify some."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

HELP = (
    "Train on real photos of supermarket fruit and classify some that were set aside.\n\n"
    "Needs the photos: pip install 'photograft[demo]'\n\nExamples:\n\n"
    "  photograft demo\n\n"
    "  photograft demo --out /tmp/fruit"
)


def demo(
    out: Annotated[Path, typer.Option(help="Photos and run go here.")] = Path("photograft-demo"),
) -> None:
    """Show; the help text is above."""
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.runs.run import default_path, now
    from photograft.workflows.demo import write_photos
    from photograft.workflows.predict import expand_inputs, load_classifier, write_predictions
    from photograft.workflows.train import train

    photos, unseen = write_photos(out)
    run_path = out / default_path(photos.name, now).name
    console = make_console()
    console.print(f"$ photograft train {shlex.quote(str(photos))}", style="bold")
    run = train(photos, out=run_path, progress=make_progress())
    tables.show_run(console, run)
    console.print(f"\n$ photograft predict {run_path} {unseen} --top 2", style="bold")
    names = expand_inputs([str(unseen)], sys.stdin)
    write_predictions(load_classifier(run), names, "table", None, sys.stdout, top=2)
