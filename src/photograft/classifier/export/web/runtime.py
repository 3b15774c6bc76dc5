"""The program that runs networks in browsers: a part of the package that is built, not written."""

from __future__ import annotations

import json
from importlib import resources
from typing import NamedTuple

from photograft.core.errors import InputError

_FOLDER = "runtime"


class Runtime(NamedTuple):
    """`onnxruntime-web`, the build for WebAssembly alone.

    Attributes:
        script: Its JavaScript module, gzipped.
        binary: Its WebAssembly, gzipped.
        version: Such as ``"1.30.0"``.
        licence: The text of its licence.
    """

    script: bytes
    binary: bytes
    version: str
    licence: str


def read_runtime() -> Runtime:
    """Return the runtime.

    Raises:
        InputError: This installation was built without it.
    """
    folder = resources.files(__package__) / _FOLDER
    try:
        return Runtime(
            (folder / "ort.mjs.gz").read_bytes(),
            (folder / "ort.wasm.gz").read_bytes(),
            json.loads((folder / "runtime.json").read_text(encoding="utf-8"))["version"],
            (folder / "LICENSE").read_text(encoding="utf-8"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            "this installation carries no runtime for browsers, which a web page needs",
            fix="Install Photograft from a wheel; or, in a clone of its repository, run "
            "scripts/build_web.py, which takes Node, once.",
        ) from error
