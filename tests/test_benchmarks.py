"""The bare loop that Photograft is measured against is the fastest that the machine has."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from drawing import MakePhotos

ROOT = Path(__file__).parents[1]


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.common")


class Clock:
    """Time that passes only in steps; each step's first calls may be slower."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def step(self, name: str, *seconds: float) -> Callable[[], None]:
        """Takes each of these times in turn, and the last one from then on."""
        left = list(seconds)

        def run() -> None:
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "b", "a")])
def test_fastest_is_taken(common: ModuleType, order: tuple[str, ...]) -> None:
    clock, seconds = Clock(), {"a": 3.0, "b": 1.0, "c": 2.0}
    steps = {name: clock.step(name, seconds[name]) for name in order}
    assert common.fastest(steps, timer=clock) == "b"


def test_warming_up_does_not_count_and_one_slow_moment_does_not_decide(common: ModuleType) -> None:
    clock = Clock()
    steps = {
        "slow to begin": clock.step("slow to begin", 60, 60, 60, 1, 9, 1),
        "even": clock.step("even", 2),
    }
    assert common.fastest(steps, timer=clock, warm_up=3, repeats=3) == "slow to begin"
    turns = ["slow to begin", "even"]
    assert clock.calls == [turns[0]] * 3 + [turns[1]] * 3 + turns * 3


def test_the_loop_runs_the_fastest_for_all_photos(
    common: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    steps = {"torch bf16": clock.step("torch bf16", 4), "torch fp32": clock.step("torch fp32", 2)}
    monkeypatch.setattr(common, "_bare_steps", lambda batch: steps)
    monkeypatch.setattr(
        common, "fastest", lambda steps: min(steps, key=lambda n: n != "torch fp32")
    )
    monkeypatch.setattr(common.time, "perf_counter", clock)
    assert common.bare_loop(100, batch=32) == common.BareLoop("torch fp32", 8.0)
    assert clock.calls == ["torch fp32"] * 4


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("installed", [True, False])
def test_what_the_machine_does_not_have_is_not_tried(
    common: ModuleType, monkeypatch: pytest.MonkeyPatch, precision: str, installed: bool
) -> None:
    if installed:
        pytest.importorskip("openvino")
    else:
        monkeypatch.setitem(sys.modules, "openvino", None)  # as Python marks what is not there
    monkeypatch.setattr(common, "choose_precision", lambda wanted: precision)
    steps: Mapping[str, Callable[[], object]] = common._bare_steps(1)
    ways = {"openvino": ["", ", a photo a core"], "torch": [""]}
    engines = list(ways)[not installed :]
    precisions = ["fp32"] + ["bf16"] * (precision == "bf16")
    assert list(steps) == [
        f"{engine} {name}{way}" for engine in engines for name in precisions for way in ways[engine]
    ]
    if precision == "fp32":
        for step in steps.values():
            step()


def test_the_row_says_which_it_was(
    common: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
) -> None:
    speed = importlib.import_module("benchmarks.speed")
    monkeypatch.setattr(speed, "photograft", lambda *_, cache: common.Finished(3.0, 100.0, 5.0))
    monkeypatch.setattr(speed, "metrics", lambda run: {})
    monkeypatch.setattr(speed, "bare_loop", lambda n: common.BareLoop("openvino fp32", n / 4))
    monkeypatch.setattr("sys.argv", ["speed", str(make_photos(tmp_path / "photos", n=2, size=8))])
    speed.main()
    row = json.loads(capsys.readouterr().out)
    assert (row["bare_loop"], row["bare_loop_seconds"]) == ("openvino fp32", 1.0)
    assert row["cold_over_bare"] == 3.0
