"""The choice of arithmetic, from the processor's flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from photograft.backbones.precision import choose_precision

PLAIN = "fpu vme sse4_2 avx2 avx512f avx512_vnni"


def cpuinfo(folder: Path, *lines: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (PLAIN, "fp32"),
        (f"{PLAIN} avx512_bf16 clzero", "bf16"),
        (f"{PLAIN} amx_tile amx_bf16", "bf16"),
        (f"{PLAIN} not_avx512_bf16x", "fp32"),
        ("", "fp32"),
    ],
)
def test_automatic_choice_follows_the_flags(tmp_path: Path, flags: str, expected: str) -> None:
    path = cpuinfo(
        tmp_path, "processor\t: 0", "model name\t: Some CPU avx512_bf16", f"flags\t\t: {flags}"
    )
    assert choose_precision("auto", cpuinfo=path) == expected


def test_what_is_wanted_is_taken(tmp_path: Path) -> None:
    path = cpuinfo(tmp_path, f"flags : {PLAIN} avx512_bf16")
    assert choose_precision("fp32", cpuinfo=path) == "fp32"
    assert choose_precision("bf16", cpuinfo=tmp_path / "none") == "bf16"


def test_no_such_file_as_on_other_systems(tmp_path: Path) -> None:
    assert choose_precision("auto", cpuinfo=tmp_path / "none") == "fp32"
    assert choose_precision("auto", cpuinfo=tmp_path) == "fp32"


def test_no_flags_as_on_arm(tmp_path: Path) -> None:
    path = cpuinfo(tmp_path, "processor : 0", "Features : fp asimd bf16")
    assert choose_precision("auto", cpuinfo=path) == "fp32"


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_bytes(b"model name : \xff\xfe\nflags : avx2 avx512_bf16\n")
    assert choose_precision("auto", cpuinfo=path) == "bf16"
