"""The commands, each from its file: thin, over the library, which is loaded when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from photograft._version import __version__
from photograft.interfaces.cli.commands import (
    augment,
    backbones,
    cache,
    compare,
    demo,
    doctor,
    evaluate,
    explain,
    export,
    inspect,
    learning_curve,
    plot,
    predict,
    recipe,
    report,
    serve,
    studio,
    subset,
    suggest,
    summary,
    train,
)

app = typer.Typer(
    name="photograft",
    help="From a folder of labelled photos to an image classifier you can trust.\n\n"
    "Examples:\n\n"
    "  photograft demo\n\n"
    "  photograft train photos/\n\n"
    "  photograft predict runs/fruit new/*.jpg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


# In the order of the help text: first what most people want.
app.command(help=train.HELP)(train.train)
app.command(help=compare.HELP)(compare.compare)
app.command(help=doctor.HELP)(doctor.doctor)
app.command(help=explain.HELP)(explain.explain)
app.command(help=suggest.HELP)(suggest.suggest)
app.command(help=predict.HELP)(predict.predict)
app.command(help=evaluate.HELP)(evaluate.evaluate)
app.command(help=export.HELP)(export.export)
app.command(help=serve.HELP)(serve.serve)
app.command(help=studio.HELP)(studio.studio)
app.command(help=inspect.HELP)(inspect.inspect)
app.add_typer(backbones.backbones_app, name="backbones")
app.command(help=demo.HELP)(demo.demo)
app.command(help=learning_curve.HELP)(learning_curve.learning_curve)
app.command(help=summary.HELP)(summary.summary)
app.command(help=plot.HELP)(plot.plot)
app.command(help=augment.HELP)(augment.augment)
app.command(help=subset.HELP)(subset.subset)
app.command(help=report.HELP)(report.report)
app.add_typer(recipe.recipe_app, name="recipe")
app.add_typer(cache.cache_app, name="cache")
