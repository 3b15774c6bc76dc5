"""`photograft backbones`: list pretrained networks, and take one to machines without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import fail

backbones_app = typer.Typer(
    help="List the backbones, or convert one for machines without torch.\n\nExamples:\n\n"
    "  photograft backbones\n\n"
    "  photograft backbones --search mobilenet\n\n"
    "  photograft backbones convert resnet50 --out encoders/resnet50",
    rich_markup_mode=None,
)


@backbones_app.callback(invoke_without_command=True)
def backbones(
    context: typer.Context,
    search: Annotated[
        str | None, typer.Option(help="List timm's pretrained models with this in their name.")
    ] = None,
) -> None:
    """List; the help text is above."""
    if context.invoked_subcommand is not None:
        return
    from photograft.core.errors import as_typed
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.workflows.backbones import embedded_backbones, search_backbones

    if search is None:
        tables.show_backbones(make_console(), embedded_backbones())
        print(
            "Any timm model works, too: photograft backbones --search NAME\n"
            "So does any ONNX file: photograft train PHOTOS --backbone my/encoder.onnx"
        )
        return
    names = search_backbones(search)
    for name in names:
        print(name)
    if not names:
        fail(f"timm has no pretrained model with {as_typed(search)} in its name")


@backbones_app.command(
    help="Write a network as an ONNX file, with a record of how photos are brought to it.\n\n"
    "This takes torch, once; what is done with the file then does without. The folder is only "
    "written where an engine gives the same features as torch.\n\n"
    "NAME is an embedded backbone or any timm model; FILE is a Keras file (.h5).\n\nExamples:\n\n"
    "  photograft backbones convert resnet50 --out encoders/resnet50\n\n"
    "  photograft backbones convert vit_base_patch16_dinov3 --weights dinov3.safetensors "
    "--out encoders/dinov3\n\n"
    "  photograft backbones convert xception_weights_tf_dim_ordering_tf_kernels_notop.h5 "
    "--out encoders/xception\n\n"
    "  photograft train photos/ --backbone encoders/resnet50/    # where there is no torch, too"
)
def convert(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Such as resnet50.")],
    out: Annotated[Path, typer.Option(help="The folder, new or empty.")],
    weights: Annotated[str, typer.Option(help="pretrained, random, or a weight file.")] = (
        "pretrained"
    ),
    input_size: Annotated[
        int | None, typer.Option(help="Side of the input in pixels. [default: the network's own]")
    ] = None,
) -> None:
    """Convert; the help text is above."""
    from photograft.core.text import size
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.backbones import convert_backbone

    record = convert_backbone(
        name, out, weights=weights, input_size=input_size or 0, progress=make_progress()
    )
    written = sum(path.stat().st_size for path in out.iterdir())
    print(f"Written: {out}, {size(written)}")
    print(f"Next:    photograft train PHOTOS --backbone {record}")
