"""Augmentation as users give it, in one line or by a function; and the names of views."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augmentation_helpers import changed, photo
from photograft.core.errors import InputError, UnknownNameError
from photograft.features import augmentation
from photograft.features.augmentation import load_function, parse, view_name
from photograft.features.settings import DEFAULT_AUGMENTATION, Augmentation

OWN = """
import numpy as np

def invert(pixels, rng):
    return 255 - pixels

def noise(pixels, rng):
    pixels[:] = rng.integers(0, 256, pixels.shape)
    return pixels

def smaller(pixels, rng):
    return pixels[1:]

def floats(pixels, rng):
    return pixels / 255

def nothing(pixels, rng):
    pass

def fails(pixels, rng):
    raise KeyError("rain")

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_changes.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_changes", raising=False)
    load_function.cache_clear()
    return tmp_path / "own_changes.py"


@pytest.mark.usefixtures("own")
def test_own_function_comes_last() -> None:
    settings = Augmentation(brightness=0.3, horizontal_flip=True)
    own = dataclasses.replace(settings, function="own_changes:invert")
    for seed in range(4):
        np.testing.assert_array_equal(changed(own, seed), 255 - changed(settings, seed))


@pytest.mark.usefixtures("own")
def test_own_function_draws_from_the_given_generator_and_has_its_own_array() -> None:
    settings, pixels = Augmentation(function="own_changes:noise"), photo()
    before = pixels.copy()
    np.testing.assert_array_equal(changed(settings, 1, pixels), changed(settings, 1, pixels))
    assert not np.array_equal(changed(settings, 1, pixels), changed(settings, 2, pixels))
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_changes:smaller", r"own_changes:smaller returned.*\(96, 96, 3\).*\(95, 96, 3\)"),
        ("own_changes:floats", "own_changes:floats returned no photo.*uint8.*float64"),
        ("own_changes:nothing", "own_changes:nothing returned no photo.*NoneType"),
        ("own_changes:fails", "own_changes:fails failed: KeyError: 'rain'"),
        ("own_changes:number", "own_changes:number is no function.*int"),
        ("own_changes:invrt", "own_changes has no augmentation function 'invrt'.*spelling"),
        ("own_chnges:invert", "own_chnges:invert can't be imported.*PYTHONPATH"),
    ],
)
def test_own_function_that_is_wrong(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        changed(Augmentation(function=name))


def test_view_name_stays_the_same() -> None:
    """Stored views are found again by it: a change here makes all of them worthless."""
    assert augmentation.CODE_VERSION == 1, "then the name below changes, too"
    assert view_name(DEFAULT_AUGMENTATION, 0, 3) == "view3-69eaad135a0c6347"


def test_view_name_does_not_tell_a_whole_number_from_a_float() -> None:
    assert view_name(Augmentation(rotation=10), 0, 0) == view_name(
        Augmentation(rotation=10.0), 0, 0
    )


def test_view_name_differs_if_anything_does(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    variants: list[dict[str, Any]] = [
        {"rotation": 1.0}, {"width_shift": 0.1}, {"height_shift": 0.1}, {"shear": 1.0},
        {"zoom": 0.1}, {"keep_aspect": True}, {"brightness": 0.1}, {"channel_shift": 1.0},
        {"horizontal_flip": True}, {"vertical_flip": True}, {"fill_mode": "wrap"},
        {"fill_value": 1.0}, {"min_crop": 0.5}, {"rand_augment": 1},
        {"rand_augment_magnitude": 3}, {"function": "own_changes:invert"},
    ]  # fmt: skip
    fields = {field.name for field in dataclasses.fields(Augmentation)}
    assert {name for variant in variants for name in variant} == fields

    def names() -> list[str]:
        settings = [Augmentation.from_json(variant) for variant in variants]
        return [view_name(s, 0, 0) for s in [Augmentation(), *settings]]

    found = [*names(), view_name(Augmentation(), 1, 0), view_name(Augmentation(), 0, 1)]
    assert len(set(found)) == len(variants) + 3
    own.write_text(OWN + "\n# changed\n")
    assert [a == b for a, b in zip(names(), found, strict=False)].count(False) == 1
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0")
    with_torchvision = 1 + next(i for i, v in enumerate(variants) if "rand_augment" in v)
    assert names()[with_torchvision] != found[with_torchvision]
    assert names()[0] == found[0]
    monkeypatch.setattr(augmentation, "CODE_VERSION", 0)
    assert not set(names()) & set(found)


def as_text(settings: Augmentation) -> str:
    return ",".join(f"{name}={value}" for name, value in settings.to_json().items() if value != "")


def test_parse_reads_what_is_written() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        data = Augmentation().to_json()
        for name, value in data.items():
            if isinstance(value, bool):
                data[name] = bool(rng.random() < 0.5)
            elif isinstance(value, float):
                data[name] = float(rng.uniform(0, 0.95))
            elif isinstance(value, int):
                data[name] = int(rng.integers(14))
        data["fill_mode"] = str(rng.choice(["nearest", "constant", "reflect", "wrap"]))
        data["function"] = str(rng.choice(["", "my_photos:add_rain"]))
        settings = Augmentation.from_json(data)
        assert parse(as_text(settings)) == settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Augmentation()),
        ("default", DEFAULT_AUGMENTATION),
        ("horizontal_flip", Augmentation(horizontal_flip=True)),
        (" rotation = 20 , horizontal-flip=False", Augmentation(rotation=20)),
        (
            "default,rotation=0,vertical_flip",
            dataclasses.replace(DEFAULT_AUGMENTATION, rotation=0, vertical_flip=True),
        ),
        ("function=a.b:c,fill_mode=wrap", Augmentation(function="a.b:c", fill_mode="wrap")),
    ],
)
def test_parse(text: str, expected: Augmentation) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rotation=twenty", "rotation needs a number; got 'twenty'"),
        ("rotation", "rotation needs a value; expected rotation=0.1"),
        ("rotation=", "rotation needs a value"),
        ("rotation=200", "rotation can't be 200; expected a number from 0 to 180"),
        ("rotation=nan", "rotation can't be nan"),
        ("rotation=-5", "rotation can't be -5"),
        ("rand_augment=1.5", "rand_augment needs a whole number; got '1.5'"),
        ("horizontal_flip=maybe", "horizontal_flip is on or off; expected true or false"),
        ("fill_mode=mirror", "fill_mode can't be 'mirror'"),
        ("function=rain", "expected module:name"),
        ("zoom=0.1,zoom=0.2", "zoom is given twice"),
        ("", "without a name"),
        ("zoom=0.1,,shear=2", "without a name"),
        ("zoom=0.1,=2", "without a name"),
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


def test_parse_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"named 'rotate'.*Did you mean rotation"):
        parse("rotate=20")
    with pytest.raises(UnknownNameError, match="There are: rotation, width_shift"):
        parse("zoom=0.1,default")


def test_torch_is_not_imported_until_it_is_needed() -> None:
    code = (
        "import sys, numpy as np; from photograft.features.augmentation import *; "
        "augment(np.zeros((8, 8, 3), np.uint8), parse('rotation=20,channel_shift=9,min_crop=.5'),"
        " generator(0, b'', 0), size=(8, 8)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
