"""Test photos have no part in anything that is fitted: other ones, the very same classifier."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import draw_photo
from photograft.backbones.settings import Preprocessing
from photograft.core.store import FeatureStore
from training_helpers import tiny_config

FEATUREWISE = Preprocessing(input_size=32, center="feature", standardize="feature")

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "features": ("features", {}),
    "balanced, featurewise": (
        "features",
        {"class_weight": "balanced", "preprocessing": FEATUREWISE, "layer": "auto"},
    ),
    "int8": (
        "features",
        {"backbone": "efficientnet_lite0", "engine": "openvino", "precision": "int8"},
    ),
    "mlp": ("features", {"head": "mlp", "hidden": (8,)}),
    "features+augment": ("features+augment", {"views": 2}),
    "finetune": ("finetune", {"views": 1, "keep": "always", "loop": {"epochs": 2}}),
    "auto": ("auto", {"views": 1, "loop": {"epochs": 1}}),
    "scratch": (
        "scratch",
        {"backbone": "auto", "preprocessing": Preprocessing(), "loop": {"epochs": 1}},
    ),
}

#: Those that take a while.
SLOW = ("finetune", "auto", "scratch", "int8")
PARAMS = [pytest.param(c, marks=[pytest.mark.slow] if c in SLOW else []) for c in CASES]

#: Photos of each class in each part.
COUNTS = {"train": 9, "validation": 4, "test": 4}


def drawn(*seed: int, number: int, size: int) -> bytes:
    target = io.BytesIO()
    draw_photo(np.random.default_rng(seed), number, size).save(target, "JPEG", quality=90)
    return target.getvalue()


def write_given(root: Path, *, changed: bool) -> Path:
    """Write photos in parts; those of the test are others, and none of one class, if `changed`."""
    for part, (name, count) in enumerate(COUNTS.items()):
        other = changed and name == "test"
        for number, label in enumerate(system.CLASSES):
            folder = root / name / label
            folder.mkdir(parents=True)
            for i in range(count if not other else 25 * number):
                size = 20 + i if other else 60
                # What is on a changed photo has nothing to do with its class.
                data = drawn(part, other, number, i, number=number + other, size=size)
                (folder / f"{i}.jpg").write_bytes(data)
    return root


def place(data: bytes, seed: int) -> bytes:
    """Return by what photos are sorted before they are dealt out; see `photograft.data.splits`."""
    digest = hashlib.sha256(data).digest()
    return hashlib.sha256(seed.to_bytes(8, "little") + digest).digest()


def write_flat(root: Path, test: set[str], *, seed: int) -> Path:
    """Write class folders; those of the names in `test` are others, which are dealt out alike."""
    originals = {
        f"{label}/{i:02}.jpg": drawn(7, number, i, number=number, size=40 + 3 * i)
        for number, label in enumerate(system.CLASSES)
        for i in range(sum(COUNTS.values()))
    }
    order = sorted(place(data, seed) for data in originals.values())
    for position, (name, data) in enumerate(originals.items()):
        if name in test:
            here = order.index(place(data, seed))
            low = order[here - 1] if here else b""
            high = order[here + 1] if here + 1 < len(order) else b"\xff" * 33
            data = other_between(position, low, high, seed)
            order[here] = place(data, seed)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def other_between(position: int, low: bytes, high: bytes, seed: int) -> bytes:
    """Return a photo of something else that takes a place between two others."""
    photo = drawn(99, position, number=position, size=20 + position % 9)
    for i in range(100_000):
        data = photo + i.to_bytes(4, "little")
        if low < place(data, seed) < high:
            return data
    raise AssertionError("there is no room between two photos")


def split_of(run_path: Path, *parts: str) -> set[tuple[str, str]]:
    rows = system.read_rows(run_path / "files.parquet")
    return {(row["name"], row["sha256"]) for row in rows if row["split"] in parts}


def content(run_path: Path) -> dict[str, bytes]:
    """Return all that is fitted, but for what is said of the test and of the photos as a whole."""
    folder = run_path / "classifier"
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    manifest = json.loads(found.pop("classifier.json"))
    del manifest["checksum"], manifest["trained"]["test"], manifest["trained"]["data_fingerprint"]
    info = system.read_json(run_path / "run.json")
    said = [manifest, *(info[name] for name in ("certainty", "layers", "backbone", "notes"))]
    history = run_path / "history.csv"
    if history.is_file():
        lines = history.read_text(encoding="utf-8").splitlines()
        said.append([line.rsplit(",", 1)[0] for line in lines])
    return {
        **found,
        "said": json.dumps(said, sort_keys=True).encode(),
        "selection": (run_path / "selection.json").read_bytes(),
        "validation": json.dumps(
            system.read_json(run_path / "metrics.json")["validation"]
        ).encode(),
    }


@pytest.fixture
def train() -> Callable[[str, Path], Path]:
    def run(case: str, source: Path) -> Path:
        strategy, changes = CASES[case]
        shares = {"validation": 0.23, "test": 0.23}
        if changes.get("engine") == "openvino":
            pytest.importorskip("openvino")
        config = tiny_config(strategy, **{**shares, **changes})
        store, out = FeatureStore(source.parent / "cache"), source.parent / "run"
        return photograft.train(source, config, out=out, store=store).path

    return run


def check_same(first: Path, second: Path) -> None:
    assert split_of(first, "train", "validation") == split_of(second, "train", "validation")
    assert not split_of(first, "test") & split_of(second, "test")
    before, after = content(first), content(second)
    assert before.keys() == after.keys()
    assert [name for name, data in before.items() if data != after[name]] == []
    assert (
        system.read_json(first / "metrics.json")["test"]
        != (system.read_json(second / "metrics.json")["test"])
    )


@pytest.mark.parametrize("case", PARAMS)
def test_of_a_given_split(case: str, train: Callable[[str, Path], Path], tmp_path: Path) -> None:
    first = train(case, write_given(tmp_path / "first" / "photos", changed=False))
    second = train(case, write_given(tmp_path / "second" / "photos", changed=True))
    check_same(first, second)


@pytest.mark.parametrize("case", PARAMS)
def test_of_a_random_split(case: str, train: Callable[[str, Path], Path], tmp_path: Path) -> None:
    first = train(case, write_flat(tmp_path / "first" / "photos", set(), seed=0))
    test = {name for name, _ in split_of(first, "test")}
    assert len(test) >= 9
    second = train(case, write_flat(tmp_path / "second" / "photos", test, seed=0))
    assert {name for name, _ in split_of(second, "test")} == test
    check_same(first, second)
