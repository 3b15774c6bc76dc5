"""What the benchmarks share: commands in processes of their own, a bare loop, one JSON line."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.core.parallel import num_cores
from photograft.runs.run import environment


@dataclass(frozen=True)
class Finished:
    """A command that has ended: wall-clock seconds, peak resident memory in MB."""

    seconds: float
    peak_mb: float


def photograft(*arguments: str, cache: Path) -> Finished:
    """Run the command line in a process of its own, with a cache folder of its own."""
    command = [sys.executable, "-m", "photograft", *arguments]
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, "PHOTOGRAFT_CACHE": str(cache)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(output.read().decode())
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Finished(seconds, kilobytes / 1024)


def metrics(run: Path) -> dict[str, Any]:
    """Return the scores of a run."""
    return dict(json.loads((run / "metrics.json").read_text()))


def bare_loop_seconds(num_photos: int, *, batch: int = 32) -> float:
    """Time the network alone, as one would write it with timm: tensors already in memory.

    The default backbone, in bfloat16 with channels last, no decoding, nothing kept.
    """
    import timm
    import torch

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    network = network.to(torch.bfloat16).to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    x = x.to(torch.bfloat16).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(3):
            network(x)
        start = time.perf_counter()
        for _ in range(-(-num_photos // batch)):
            network(x)
        return time.perf_counter() - start


def report(benchmark: str, **figures: Any) -> None:
    """Print a benchmark's figures, with the machine and the versions, as one JSON line."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    machine = {"processor": _processor(), "num_cores": num_cores()}
    versions = environment()["versions"]
    print(json.dumps({"benchmark": benchmark, **rounded, **machine, "versions": versions}))


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
