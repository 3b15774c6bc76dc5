"""Several looks at a photo in one record: backbones joined, other input sizes, mirror images.

A look is written as a backbone's name and, behind ``@``, how it looks:
``efficientnet_lite0@320`` at 320 pixels, ``efficientnet_lite0@mirror`` with the mean of each
photo's features and its mirror image's, ``efficientnet_lite0@320,mirror`` both. Looks are joined
by ``+``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from photograft.backbones.onnx_files.record import is_file_name
from photograft.backbones.registry import JOINED, Backbone, Layer
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError

MIRROR = "mirror"
_JOIN, _HOW = "+", "@"
#: Looks that may be joined; each costs what a backbone alone does.
MOST_LOOKS = 8


def look_names(name: str) -> list[str]:
    """Return the names of the looks that a name joins; a file's name is one.

    >>> look_names("efficientnet_lite0+efficientnet_lite2@mirror")
    ['efficientnet_lite0', 'efficientnet_lite2@mirror']

    Raises:
        InputError: There are too many, one twice, or one without a name.
    """
    if is_file_name(name) or not (_JOIN in name or _HOW in name) or ":" in name:
        return [name]
    names = [part.strip() for part in name.split(_JOIN)]
    if not all(names):
        raise InputError(
            "a name is missing in the backbones that are joined", got=name, expected="NAME+NAME"
        )
    if len(set(names)) < len(names):
        raise InputError("the same look twice tells nothing new", got=name)
    if len(names) > MOST_LOOKS:
        raise InputError(f"at most {MOST_LOOKS} looks are joined", got=f"{len(names)}")
    return names


def read_look(name: str, preprocessing: Preprocessing) -> tuple[str, Preprocessing, bool]:
    """Return a look's backbone, its preprocessing, and whether it sees the mirror image, too.

    Args:
        name: Of one look.
        preprocessing: The user's, for what the look's name leaves open.

    Raises:
        InputError: What stands behind the ``@`` can't be understood.
    """
    if is_file_name(name) or ":" in name:
        return name, preprocessing, False
    backbone, at, how = name.partition(_HOW)
    mirror = False
    for word in how.split(",") if at else []:
        if word == MIRROR:
            mirror = True
        elif word.isdecimal() and 16 <= int(word) <= 4096:
            preprocessing = replace(preprocessing, input_size=int(word))
        else:
            raise InputError(
                f"the look {name} can't be understood",
                expected="behind the @ an input size from 16 to 4096, mirror, or both",
                got=word or "nothing",
            )
    return backbone, preprocessing, mirror


def is_more_than_one(name: str) -> bool:
    """Return whether a name is that of more than one look at a photo: joined, or mirrored as well.

    Raises:
        InputError: It can't be understood.
    """
    names = look_names(name)
    return len(names) > 1 or read_look(names[0], Preprocessing())[2]


def mirrored_names(name: str) -> tuple[str, str]:
    """Return what a look may be called that sees the mirror image, too."""
    return f"{name}{_HOW}{MIRROR}", f"{name},{MIRROR}"


def layer_name(backbone: Backbone, look: Backbone, layer: Layer) -> str:
    """Return what a look's layer is called in the record of all looks."""
    return f"{look.name}/{layer.name}" if backbone.parts else layer.name


def join(looks: Sequence[Backbone]) -> Backbone:
    """Return one record of several looks, whose features lie side by side.

    Args:
        looks: None of them joined itself; the first one is what photos are told apart by.

    Raises:
        InputError: One is joined, or two are the same, whatever they are called.
    """
    if len(looks) == 1:
        return looks[0]
    names = [look.name for look in looks]
    if any(look.parts for look in looks):
        raise InputError("these looks can't be joined", got=_JOIN.join(names))
    if len({replace(look, name="") for look in looks}) < len(looks):
        raise InputError("the same look twice tells nothing new", got=_JOIN.join(names))
    hashes = [look.weights_sha256 for look in looks]
    first = looks[0]
    return replace(
        first,
        name=_JOIN.join(names),
        architecture=JOINED,
        layers=tuple(
            replace(layer, name=f"{look.name}/{layer.name}")
            for look in looks
            for layer in look.layers
        ),
        weights=JOINED,
        weights_sha256=hashlib.sha256("".join(hashes).encode()).hexdigest() if all(hashes) else "",
        num_params=sum(look.num_params for look in looks),
        licence=", ".join(dict.fromkeys(look.licence for look in looks)),
        paper=", ".join(dict.fromkeys(look.paper for look in looks)),
        mirror=False,
        parts=tuple(looks),
    )
