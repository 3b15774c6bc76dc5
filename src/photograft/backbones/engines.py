"""What runs a frozen backbone: OpenVINO, ONNX Runtime, or torch.

The first two read the same prepared network. OpenVINO is the fastest on the processors that were
measured. The choice is part of the feature store's key: the engines agree to rounding, not to the
last bit.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from photograft.backbones import prepared as keeping
from photograft.backbones.devices import ENGINES_ON, check_there, engine_on, is_there
from photograft.backbones.int8.ranges import CODE_VERSION as QUANTISING_VERSION
from photograft.backbones.int8.ranges import Ranges
from photograft.backbones.precision import choose_precision
from photograft.backbones.pytorch.device import accelerator_precision, find_device
from photograft.backbones.registry import Backbone
from photograft.core.errors import InputError
from photograft.core.optional import has_torch, is_installed, need_torch

#: Part of the store's key: raise it whenever a backbone gives other features.
CODE_VERSION = 1
#: Likewise, whenever torch does on an accelerator only.
ACCELERATED_VERSION = 1

#: Those that run prepared networks, the fastest first, and their packages.
PREPARING = ("openvino", "onnxruntime")
_FIX_INSTALL = {
    "openvino": "Run: pip install openvino, or choose --engine onnxruntime.",
    "onnxruntime": "Run: pip install onnxruntime, or choose --engine openvino.",
    "torch": "Run: pip install 'photograft[torch]', or choose --engine auto.",
}


@dataclass(frozen=True)
class Engine:
    """What runs a network, and in which arithmetic.

    Attributes:
        name: ``"openvino"``, ``"onnxruntime"`` or ``"torch"``.
        precision: ``"bf16"``, ``"fp32"`` or ``"int8"``.
        device: ``"cpu"``, or one of `devices.ENGINES_ON`.
        ranges: Of int8: what `calibrate` found; empty before.
    """

    name: str
    precision: str
    device: str = "cpu"
    ranges: Ranges = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        own = {"name": self.name, "precision": self.precision, "device": self.device}
        return {**own, "ranges": [list(row) for row in self.ranges]} if self.ranges else own

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Engine:
        """Return what `to_json` gave."""
        rows = data.get("ranges", ())
        ranges = tuple((str(name), float(low), float(high)) for name, low, high in rows)
        return cls(**{**data, "ranges": ranges})

    def in_float(self) -> Engine:
        """Return the engine that runs the network before it is quantised; itself where it isn't."""
        return replace(self, precision="fp32", ranges=()) if self.precision == "int8" else self

    def available(self) -> Engine:
        """Return this engine, or what stands in for it where it, or its device, is not here.

        Raises:
            InputError: Nothing is here that could.
        """
        if not is_there(self.name, self.device):
            return replace(self, device="cpu").available()
        if is_here(self.name):
            return self
        name = _first_here()
        if self.precision == "int8":
            if name == "torch":
                raise _no_int8(name)
            return replace(self, name=name)
        return Engine(name, "fp32" if name == "onnxruntime" else self.precision)

    def fallback(self, backbone: Backbone) -> Engine | None:
        """Return what may run a backbone that this engine can't; None where nothing may."""
        if self.precision == "int8":
            return None
        if backbone.is_onnx:
            later = PREPARING[PREPARING.index(self.name) + 1 :] if self.name in PREPARING else ()
            return next((Engine(name, "fp32") for name in later if is_here(name)), None)
        device = self.device if "torch" in ENGINES_ON.get(self.device, ()) else "cpu"
        other = Engine("torch", self.precision, device)
        return other if other != self and has_torch() else None


def choose_engine(
    name: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    *,
    prepared_only: bool = False,
) -> Engine:
    """Choose what runs fastest on this machine, where the user does not say.

    Args:
        name: ``"auto"``, ``"openvino"``, ``"onnxruntime"`` or ``"torch"``.
        precision: ``"auto"``, ``"bf16"``, ``"fp32"`` or ``"int8"``.
        device: ``"auto"``, ``"cpu"``, or one of `devices.ENGINES_ON`.
        prepared_only: Whether it has to run prepared networks, as an ONNX file is one.

    Raises:
        InputError: The engine or device that was asked for is not there, or can't do that.
    """
    if prepared_only:
        name, device = for_onnx(name, device)
    if precision == "int8" and device not in ("auto", "cpu"):
        raise _no_int8(f"torch on {device}")
    if device == "auto" and name not in PREPARING and precision != "int8":
        device = find_device()
    if device not in ("auto", "cpu"):
        return _accelerated(engine_on(device, name), precision, device)
    if name == "auto":
        name = _first_here()
    elif not is_here(name):
        raise InputError(f"the engine {name} is not installed", fix=_FIX_INSTALL[name])
    if precision == "int8" and name == "torch":
        raise _no_int8(name)
    if name != "onnxruntime" or precision == "int8":
        return Engine(name, choose_precision(precision))
    if precision == "bf16":
        raise InputError(
            "the engine onnxruntime computes in fp32 and int8 only",
            got="bf16",
            fix="Leave --precision out, or choose --engine openvino.",
        )
    return Engine(name, "fp32")


def _accelerated(name: str, precision: str, device: str) -> Engine:
    if name == "torch":
        need_torch(f"the device {device}")
        return Engine(name, accelerator_precision(device, precision), device)
    if precision == "bf16":
        raise InputError(
            f"the engine {name} computes in fp32 on {device}",
            got="bf16",
            fix="Leave --precision out.",
        )
    check_there(name, device)
    return Engine(name, "fp32", device)


def engine_versions(engine: Engine) -> dict[str, str]:
    """Return the versions of the packages that decide an engine's features.

    A prepared network is kept with its features: that torch once exported some does not count.
    """
    names = ("timm", "torch") if engine.name == "torch" else (engine.name,)
    return {name: importlib.metadata.version(name) for name in ("pillow", *names)}


def engine_code(engine: Engine) -> list[int]:
    """Return the versions of the code that decides an engine's features."""
    if engine.name == "torch":
        return [CODE_VERSION] if engine.device == "cpu" else [CODE_VERSION, ACCELERATED_VERSION]
    own = [QUANTISING_VERSION] if engine.precision == "int8" else []
    return [CODE_VERSION, keeping.CODE_VERSION, *own]


def is_here(name: str) -> bool:
    """Return whether an engine is installed."""
    return has_torch() if name == "torch" else is_installed(name)


def runs_prepared() -> str:
    """Return the fastest engine that is installed of those that run prepared networks.

    Raises:
        InputError: None is.
    """
    name = _first_here()
    if name == "torch":
        raise InputError("nothing that runs ONNX files is installed", fix=_FIX_INSTALL["openvino"])
    return name


def _first_here() -> str:
    for name in (*PREPARING, "torch"):
        if is_here(name):
            return name
    raise InputError(
        "nothing that runs networks is installed", fix=f"Run: pip install {PREPARING[0]}."
    )


def for_onnx(name: str, device: str) -> tuple[str, str]:
    """Return the engine and the device for an ONNX file, where these were asked for."""
    others = [engine for engine in ENGINES_ON.get(device, PREPARING) if engine != "torch"]
    if name == "torch" or not others:
        raise InputError(
            "an ONNX file is run by openvino or onnxruntime",
            got=f"--engine {name} --device {device}",
            fix="Leave both out.",
        )
    if device not in ("auto", "cpu"):
        return (others[0] if name == "auto" else name), device
    if name == "auto":
        runs_prepared()
    return name, "cpu"


def _no_int8(what: str) -> InputError:
    return InputError(
        f"{what} does not compute in int8",
        expected="the engine openvino or onnxruntime, on the processor",
        fix=f"Run: pip install {PREPARING[0]}, choose another --engine, or leave --precision out.",
    )
