"""Weight files put into networks of timm's: all of the network, and all of the file.

timm itself takes what it finds and passes over the rest, so that a file of a deeper network would
be cut off without a word. Here nothing may be left over but a classification layer.
"""

from __future__ import annotations

import contextlib
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

#: Of the random values that weights from a file must replace: none that anyone would choose.
LOADING_SEED = 5_713_208_964

#: How many networks of a family are compared with a file that fits none of them so far.
_MOST_RELATIVES = 30

#: How torch says that a tensor is of another shape.
_OTHER_SHAPE = re.compile(r"size mismatch for (\S+): .*Size\(\[(.*)\]\).*Size\(\[(.*)\]\)")

#: What a pickle begins with.
_PICKLE = b"\x80"


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file, taken out of what training scripts wrap them in.

    Args:
        path: A safetensors file, or a PyTorch checkpoint: a state dict, or one under the name
            ``state_dict`` or ``model``; averaged weights (``state_dict_ema``, ``model_ema``) come
            first. ``module.`` and ``_orig_mod.`` before the names are taken off.

    Raises:
        ValueError: It holds something else.
    """
    from timm.models import load_state_dict

    try:
        found: Any = load_state_dict(str(path))
    except Exception as error:
        if "UnpicklingError" not in {type(e).__name__ for e in (error, error.__cause__)}:
            raise
        # Torch and timm recommend to run what is in the file.
        if zipfile.is_zipfile(path) or path.read_bytes()[:1] == _PICKLE:
            raise ValueError(
                "it holds Python objects besides tensors, whose code is never run: save the "
                "network's state_dict() alone"
            ) from error
        raise ValueError("it is no PyTorch checkpoint") from error
    if not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ValueError("it holds something else than tensors")
    return dict(found)


def load_with_timm(
    architecture: str, tensors: Mapping[str, torch.Tensor], blank: nn.Module
) -> nn.Module:
    """Return a network without a classification layer, weights put in under timm's names.

    timm translates the names of several other publishers.

    Args:
        architecture: timm's name.
        tensors: The weights; they may hold a classification layer.
        blank: The same network of the random values of `LOADING_SEED`.

    Raises:
        ValueError: A tensor is missing, is of another shape, or is left over; it says which.
    """
    import timm

    config: Any = getattr(blank, "pretrained_cfg", {})
    named = config.get("classifier") or ()
    heads = {name.split(".")[0] for name in ((named,) if isinstance(named, str) else named)}
    for strict in (True, False):
        # With as many classes as the network has, timm loads strictly, and drops nothing itself.
        kept = {n: t for n, t in tensors.items() if not strict or n.split(".")[0] not in heads}
        overlay = {"state_dict": kept, "custom_load": False, "label_offset": 0}
        overlay |= {"num_classes": 0} if strict else {}
        try:
            with torch.random.fork_rng(devices=[]), _hushed():
                torch.manual_seed(LOADING_SEED)
                network: nn.Module = timm.create_model(
                    architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0
                ).eval()
            break
        except RuntimeError as error:
            # Under a publisher's own names, a head is known as one only after timm translated it.
            left_over, others = _complaints(str(error))
            if not strict or others or {name.split(".")[0] for name in left_over} - heads:
                raise ValueError(_what_is_wrong(left_over, others) or str(error)) from error
    for attribute in ("pretrained_cfg", "default_cfg"):
        getattr(network, attribute, {}).pop("state_dict", None)
    _check_replaced(network, blank)
    return network


def relative_of(architecture: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the name of a network of the same family that tensors seem to be of, or ``""``."""
    import timm

    family = re.match(r"[a-z]*", architecture)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    names = timm.list_models(f"{family[0]}*") if family and family[0] else []
    names.sort(key=lambda name: (len(name), name))
    for name in names[:_MOST_RELATIVES]:
        with contextlib.suppress(Exception), torch.device("meta"):  # some can't be built so
            own = timm.create_model(name, num_classes=0).state_dict()
            fits = all(shapes.get(key) == tuple(value.shape) for key, value in own.items())
            if fits and len(shapes) - len(own) <= 2:
                return str(name)
    return ""


def _complaints(text: str) -> tuple[list[str], list[str]]:
    """Return the names that torch has found left over, and what else it has found wrong."""
    left_over: list[str] = []
    others: list[str] = []
    for line in text.splitlines()[1:]:
        names = re.findall(r'"([^"]+)"', line)
        if line.strip().startswith("Unexpected key"):
            left_over += names
        elif line.strip().startswith("Missing key"):
            others += [f"{name} is not in it" for name in names]
        elif match := _OTHER_SHAPE.search(line):
            others.append(f"{match[1]} is ({match[2]}), not ({match[3]})")
        else:
            others.append(line.strip())
    if not left_over and not others:
        others.append(text.strip())
    return left_over, others


def _what_is_wrong(left_over: list[str], others: list[str]) -> str:
    found = []
    if left_over:
        count = f"{len(left_over):,} tensors" if len(left_over) > 1 else "a tensor"
        found.append(f"it holds {count} that the network does not have, such as {left_over[0]}")
    if others:
        more = f", and {len(others) - 1:,} more" if len(others) > 1 else ""
        found.append(others[0] + more)
    return "; ".join(found)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep timm's list of the names that it does not know from the user."""
    logger = logging.getLogger("timm")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check_replaced(network: nn.Module, blank: nn.Module) -> None:
    """Raise where random values were left: for some networks, timm never loads strictly."""
    values = dict(blank.named_parameters())
    for name, value in network.named_parameters():
        varied = value.requires_grad and bool((value != value.flatten()[0]).any())
        if varied and torch.equal(value, values[name]):
            raise ValueError(f"{name} is not in it")
