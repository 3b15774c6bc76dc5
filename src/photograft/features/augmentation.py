"""Random changes of training photos, each drawn from a generator of its own.

All that moves pixels (rotation, shifts, shear, zoom, the crop, flips) is one affine map, so that a
photo is resampled once. Then colours are changed, and last comes the user's own function. Nothing
here reads or disturbs a global random state, so that photos may be changed in any order, on any
thread.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from photograft.core.arrays import Pixels
from photograft.core.errors import InputError, UnknownNameError
from photograft.core.optional import need_torch
from photograft.features.geometry import draw_map, resample
from photograft.features.settings import DEFAULT_AUGMENTATION, Augmentation

#: Part of the name of every view: raise it whenever `augment` gives other pixels.
CODE_VERSION = 1

#: ``"module:name"`` in `Augmentation`.
OwnFunction = Callable[[Pixels, np.random.Generator], Pixels]

_MAGNITUDES = 31
_RAND_AUGMENT = "the augmentation rand_augment"


def augment(
    pixels: Pixels, settings: Augmentation, rng: np.random.Generator, *, size: tuple[int, int]
) -> Pixels:
    """Return a photo randomly changed, at the size the network takes.

    Args:
        pixels: RGB, shape ``(height, width, 3)``. It may be larger than `size`: what a crop or a
            zoom shows is then sharper.
        settings: What to change, and by how much at most.
        rng: All that is random is drawn from it. See `generator`.
        size: Height and width of the result.

    Returns:
        RGB, shape ``(*size, 3)``, an array of its own. Where nothing was drawn that moves pixels
        and `pixels` has this size already, they are not resampled.

    Raises:
        InputError: The user's own function can't be found, fails, or returns no such photo.
    """
    height, width = pixels.shape[:2]
    image = resample(pixels, draw_map(settings, rng, (height, width), size), size, settings)
    if settings.channel_shift:
        image = image.point(_shifted_levels(settings.channel_shift, rng))
    if settings.brightness:
        factor = rng.uniform(1 - settings.brightness, 1 + settings.brightness)
        image = ImageEnhance.Brightness(image).enhance(factor)
    if settings.rand_augment:
        image = _rand_augment(image, settings, rng)
    changed: Pixels = np.array(image)
    return _apply_own(settings.function, changed, rng) if settings.function else changed


def generator(seed: int, digest: bytes, view: int) -> np.random.Generator:
    """Return the source of randomness for one view of one photo, whatever was drawn before.

    Args:
        seed: Of the run, at least 0.
        digest: Of the photo's content.
        view: Number of the view or of the epoch, at least 0.
    """
    entropy = int.from_bytes(digest, "big")
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(seed, view)))


def view_name(settings: Augmentation, seed: int, view: int) -> str:
    """Return a short name for all views of this number: another name wherever pixels may differ.

    It goes into the feature store's key, so the file of a function of one's own counts as well.

    Raises:
        InputError: The user's own function can't be found, or what is asked for takes torch, which
            is not installed.
    """
    facts: dict[str, Any] = {
        # Read back, so that a whole number counts as the float that it stands for.
        "settings": Augmentation.from_json(settings.to_json()).to_json(),
        "seed": seed,
        "view": view,
        "code": CODE_VERSION,
    }
    if settings.rand_augment:
        need_torch(_RAND_AUGMENT)
        facts["torchvision"] = importlib.metadata.version("torchvision")
    if settings.function:
        load_function(settings.function)
        file = importlib.import_module(settings.function.partition(":")[0]).__file__
        facts["function"] = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    text = json.dumps(facts, sort_keys=True)
    return f"view{view}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def parse(text: str) -> Augmentation:
    """Return the settings that one word of the command line gives.

    Args:
        text: Settings with commas between, such as ``"rotation=20,zoom=0.1,horizontal_flip"``.
            ``"none"`` and ``"default"`` stand alone, or first, to be changed by what follows.

    Raises:
        InputError: A name is unknown, or a value is not one of its setting's.
    """
    first, *others = parts = [part.strip() for part in text.split(",")]
    base = {"none": Augmentation(), "default": DEFAULT_AUGMENTATION}.get(first.lower())
    if base is not None:
        parts = others
    fields = {field.name: type(field.default) for field in dataclasses.fields(Augmentation)}
    values: dict[str, Any] = {}
    for part in parts:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        name = name.replace("-", "_")
        if not name:
            raise InputError(
                "an augmentation has a part without a name",
                expected="settings with commas between, such as rotation=20,horizontal_flip",
                got=repr(text),
            )
        if name not in fields:
            raise UnknownNameError(
                "augmentation", name, fields, fix=f"There are: {', '.join(fields)}."
            )
        if name in values:
            raise InputError(f"the augmentation {name} is given twice", got=repr(text))
        values[name] = _value(name, value if equals else None, fields[name])
    return dataclasses.replace(base or Augmentation(), **values)


@functools.cache
def load_function(name: str) -> OwnFunction:
    """Return a function of the user's own.

    Args:
        name: ``"module:name"``.

    Raises:
        InputError: There is none, or it is no function.
    """
    module, _, attribute = name.partition(":")
    try:
        function: OwnFunction = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise InputError(
            f"the augmentation function {name} can't be imported: {error}",
            fix="Install its module, or name its folder in the environment variable PYTHONPATH.",
        ) from error
    except AttributeError as error:
        raise InputError(
            f"the module {module} has no augmentation function {attribute!r}",
            fix="Check its spelling, or that another module of this name isn't in the way.",
        ) from error
    if not callable(function):
        raise InputError(f"{name} is no function", got=repr(type(function).__name__))
    return function


def _shifted_levels(most: float, rng: np.random.Generator) -> list[int]:
    """Draw a shift per channel; return what becomes of its 256 levels, channel after channel."""
    shifts = [rng.uniform(-most, most) for _ in range(3)]
    return [min(255, max(0, round(level + shift))) for shift in shifts for level in range(256)]


def _rand_augment(
    image: Image.Image, settings: Augmentation, rng: np.random.Generator
) -> Image.Image:
    need_torch(_RAND_AUGMENT)
    import torch
    from torchvision.transforms import v2

    operation = v2.RandAugment(
        settings.rand_augment,
        settings.rand_augment_magnitude,
        _MAGNITUDES,
        interpolation=v2.InterpolationMode.BILINEAR,
        fill=[settings.fill_value] * 3,
    )
    with _draws_from()(torch.Generator().manual_seed(int(rng.integers(2**63)))):
        changed: Image.Image = operation(image)
    return changed


@functools.cache
def _draws_from() -> Callable[[Any], Any]:
    """Return a context in which this thread's draws by torch come from a generator of their own.

    torchvision's transforms draw from torch's global state. To seed and restore that would steal
    from whatever else draws from it at the time, such as dropout in the training thread.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    drawing = (torch.rand, torch.randint, torch.randn, torch.randperm)

    class DrawsFrom(TorchFunctionMode):
        def __init__(self, source: torch.Generator) -> None:
            super().__init__()
            self._source = source

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if func in drawing:
                kwargs["generator"] = self._source
            return func(*args, **kwargs)

    return DrawsFrom


def _apply_own(name: str, pixels: Pixels, rng: np.random.Generator) -> Pixels:
    function, shape = load_function(name), pixels.shape
    try:
        changed = function(pixels, rng)
    except Exception as error:
        raise InputError(
            f"the augmentation function {name} failed: {type(error).__name__}: {error}"
        ) from error
    if isinstance(changed, np.ndarray) and changed.dtype == np.uint8 and changed.shape == shape:
        return np.ascontiguousarray(changed)
    got = f"a {type(changed).__name__}"
    if isinstance(changed, np.ndarray):
        got = f"an array of {changed.dtype} of shape {changed.shape}"
    raise InputError(
        f"the augmentation function {name} returned no photo",
        expected=f"an array of uint8 of shape {shape}",
        got=got,
    )


def _value(name: str, text: str | None, kind: type) -> bool | int | float | str:
    """Return the value that stands for a setting in the command line's form."""
    if kind is bool:
        values = {None: True, "true": True, "false": False}
        key = None if text is None else text.lower()
        if key not in values:
            raise InputError(
                f"the augmentation {name} is on or off", expected="true or false", got=repr(text)
            )
        return values[key]
    if not text:
        example = {str: "WORD", int: "2", float: "0.1"}[kind]
        raise InputError(f"the augmentation {name} needs a value", expected=f"{name}={example}")
    if kind is str:
        return text
    try:
        number: int | float = kind(text)
    except ValueError as error:
        expected = "a whole number" if kind is int else "a number"
        raise InputError(f"the augmentation {name} needs {expected}", got=repr(text)) from error
    return number
