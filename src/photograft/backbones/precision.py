"""Which arithmetic runs a frozen backbone fastest on this machine.

Decided without importing torch: the answer is part of the feature store's key, and a run whose
features are all stored never needs torch.
"""

from __future__ import annotations

from pathlib import Path

#: Processor flags that say bfloat16 is done in hardware.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def choose_precision(wanted: str, *, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return ``"bf16"`` or ``"fp32"``, or what else is wanted.

    Args:
        wanted: ``"auto"``, or the answer itself.
        cpuinfo: Where Linux tells the processor's flags. Where there is no such file, ``"auto"``
            is ``"fp32"``.
    """
    if wanted != "auto":
        return wanted
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "fp32"
    for line in text.splitlines():
        if line.startswith("flags"):
            return "bf16" if _BF16_FLAGS & set(line.split()) else "fp32"
    return "fp32"
