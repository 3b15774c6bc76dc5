"""What the benchmarks share: commands in processes of their own, a bare loop, one JSON line."""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.backbones.openvino.hiding import hidden
from photograft.backbones.precision import choose_precision
from photograft.core.parallel import num_cores
from photograft.runs.run import environment


@dataclass(frozen=True)
class Finished:
    """A command that has ended: seconds by the clock and of all cores, peak memory in MB."""

    seconds: float
    peak_mb: float
    processor_seconds: float


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
    return Finished(seconds, kilobytes / 1024, usage.ru_utime + usage.ru_stime)


@dataclass(frozen=True)
class BareLoop:
    """A bare loop that has ended: its engine and arithmetic, such as ``"torch bf16"``; seconds."""

    name: str
    seconds: float


def metrics(run: Path) -> dict[str, Any]:
    """Return the scores of a run."""
    return dict(json.loads((run / "metrics.json").read_text()))


def bare_loop(num_photos: int, *, batch: int = 32) -> BareLoop:
    """Time the network alone, as one would write it: tensors already in memory.

    The default backbone, no decoding, nothing kept; by the engine and in the arithmetic that a
    short sample shows to be the fastest on this machine.
    """
    steps = _bare_steps(batch)
    name = fastest(steps)
    step = steps[name]
    start = time.perf_counter()
    for _ in range(-(-num_photos // batch)):
        step()
    return BareLoop(name, time.perf_counter() - start)


def fastest(
    steps: Mapping[str, Callable[[], object]],
    *,
    timer: Callable[[], float] = time.perf_counter,
    warm_up: int = 2,
    repeats: int = 3,
) -> str:
    """Return the name of the step that took the shortest time once it was warm.

    Args:
        steps: At least one, by name. They take turns, so that a busy minute is bad for all.
        timer: Tells the time in seconds.
        warm_up: How often each is done before it counts.
        repeats: How often each is timed.
    """
    for step in steps.values():
        for _ in range(warm_up):
            step()
    seconds = dict.fromkeys(steps, float("inf"))
    for _ in range(repeats):
        for name, step in steps.items():
            start = timer()
            step()
            seconds[name] = min(seconds[name], timer() - start)
    return min(seconds, key=lambda name: seconds[name])


def _bare_steps(batch: int) -> dict[str, Callable[[], object]]:
    """Return what passes a batch through the default backbone, in each way that may be fastest.

    bfloat16 is left out where the processor has none: it takes ten times as long there.
    """
    import timm
    import torch

    precisions = ["fp32"] + ["bf16"] * (choose_precision("auto") == "bf16")
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    x = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    steps: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("openvino"):
        models = _converted(network, x), _converted(network, x[:1])
        for precision in precisions:
            steps |= _openvino_steps(models, x, precision)
    for precision in precisions:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        own = copy.deepcopy(network).to(dtype).to(memory_format=torch.channels_last)
        photos = x.to(dtype).to(memory_format=torch.channels_last)
        steps[f"torch {precision}"] = torch.inference_mode()(functools.partial(own, photos))
    return steps


def _openvino_steps(
    models: tuple[Any, Any], x: Any, precision: str
) -> dict[str, Callable[[], object]]:
    """Return OpenVINO's two ways: all cores on the whole batch, and a photo on each core.

    Args:
        models: The network, converted for a batch and for a photo.
        x: A batch.
        precision: Of what is computed.
    """
    with hidden("openvino_telemetry"):
        import openvino

    hints = {"INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[precision]}
    whole = openvino.Core().compile_model(
        models[0], "CPU", {**hints, "PERFORMANCE_HINT": "LATENCY"}
    )
    cores = str(num_cores())
    streams = {"NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores}
    single = openvino.Core().compile_model(models[1], "CPU", {**hints, **streams})
    queue = openvino.AsyncInferQueue(single, num_cores() + 1)
    photos = x.numpy()

    def one_by_one() -> None:
        for i in range(len(photos)):
            queue.start_async({0: photos[i : i + 1]})
        queue.wait_all()

    return {
        f"openvino {precision}": functools.partial(whole, photos),
        f"openvino {precision}, a photo a core": one_by_one,
    }


def _converted(network: Any, x: Any) -> Any:
    """Return a network of torch's as OpenVINO has it, for inputs of this shape."""
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # talk of its own insides
    decoder = TorchFXPythonDecoder.from_exported_program(torch.export.export(network, (x,)))
    logging.disable(before)
    front_end = FrontEndManager().load_by_framework("pytorch")
    model = front_end.convert(front_end.load(decoder))
    model.reshape(tuple(x.shape))
    return model


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
