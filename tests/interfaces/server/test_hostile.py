"""Hostile requests, some hundreds: refused in good order, and the server is as it was."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

from server_helpers import serving

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_hostile_requests(
    warm_cache: Path, run_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    fuzz = importlib.import_module("benchmarks.serving_fuzz")
    hostile = importlib.import_module("benchmarks.hostile")
    with serving(warm_cache, f"m={run_path}", *fuzz.OPTIONS) as server:
        tally = fuzz.attack(server, 500, seed=3)
        assert tally.faults == []
        assert len({kind for kind, _ in tally.by_kind}) == len(hostile.MAKERS)
        assert {200, 400, 404, 408, 413, 415, 422, 431} <= set(tally.statuses)
        assert fuzz.still_answers(server)
        code, _, err = server.stop()
    assert (code, err) == (0, "")


def test_what_must_not_be_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that fails, hangs or sends away without a word would be told from a good one."""
    monkeypatch.syspath_prepend(str(ROOT))
    fuzz = importlib.import_module("benchmarks.serving_fuzz")
    judged = [
        (b"HTTP/1.1 500 ", 0.1),
        (b"HTTP/1.1 503 \r\n\r\n", 0.1),
        (b"HTTP/1.1 503 \r\nRetry-After: 1\r\n\r\n", 0.1),
        (b"HTTP/1.1 200 \r\n\r\nHTTP/1.1 502 ", 0.1),
        (b"HTTP/1.1 200 ", 60.0),
        (b"", 0.1),
    ]
    faults = []
    for found, seconds in judged:
        tally = fuzz.Tally()
        fuzz.judge(tally, "name", "kind", found, seconds)
        faults.append(len(tally.faults))
    assert faults == [1, 1, 0, 1, 1, 0]


@pytest.mark.slow
def test_well_meant_requests_of_all_kinds_are_answered(
    warm_cache: Path, run_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    soak = importlib.import_module("benchmarks.serving_soak")
    with serving(warm_cache, f"m={run_path}") as server:
        found = soak.soak(server, 201, 0, 2, 200.0)
    assert found.statuses == {200: 201}
    assert found.kinds.keys() == {"raw", "form", "json", "binary"}
    assert found.curve[-1][0] == 201


def test_attacks_are_told_by_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    hostile = importlib.import_module("benchmarks.hostile")
    drawn = [hostile.draw(random.Random("0 7")) for _ in range(2)]
    assert drawn[0] == drawn[1]
