"""What int8 costs and gains: ``python -m benchmarks.int8 SOURCE... [--seeds N] [--test SHARE]``.

For each precision and seed a head is fitted on the training photos, and its answers to held-out
photos (the test, or validation where there is none) are compared with those in fp32, photo by
photo. Then the networks run in turn; with ``--commands``, `photograft train` as a whole, too,
nothing kept.
"""

from __future__ import annotations

import argparse
import functools
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import photograft, report
from photograft.backbones.networks import Network, open_network
from photograft.backbones.precision import choose_precision
from photograft.backbones.registry import Backbone
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.features.extraction import feature_batches
from photograft.features.extractor import Extractor
from photograft.features.preprocessing import prepare as prepare_photo
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.features import fit

#: Photos that the rates are measured on, and how often.
_PHOTOS, _TURNS = 128, 5


def main() -> None:
    """Fit on each source in each precision; print what that changes, and the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--test", type=float, default=0.0)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--commands", action="store_true")
    options = parser.parse_args()
    has_bf16 = choose_precision("auto") == "bf16" and options.engine != "onnxruntime"
    precisions = ["fp32", *["bf16"] * has_bf16, "int8"]
    for source in options.sources:
        networks: dict[str, Extractor] = {}
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(options.seeds):
                exact = None
                for precision in precisions:
                    config = TrainConfig(
                        engine=options.engine, precision=precision, seed=seed, test=options.test
                    )
                    losses, right, networks[precision] = _tried(source, config, Path(folder))
                    exact = exact or (losses, right)
                    own = {"source": source.name, "seed": seed, "precision": precision}
                    own["engine"] = networks[precision].engine.name
                    report("int8", **own, **_compared(exact, (losses, right)))
            rates = _rates(source, networks, Path(folder))
        report("int8 rates", source=source.name, **rates)
        if options.commands:
            for precision in precisions:
                report("int8 command", source=source.name, **_command(source, precision))


#: Losses, shape ``(n,)``, and whether answers are right.
Answers = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _tried(
    source: Path, config: TrainConfig, cache: Path
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Extractor]:
    """Return the losses of the held-out photos, whether they are right, and what ran."""
    job = prepare(source, config, store=FeatureStore(cache), progress=Silent())
    part = "test" if len(job.split.test) else "validation"
    labels = job.labels(part)
    found = job.score(fit(job).classifier, part).astype(np.float64)
    own = found[np.arange(len(labels)), labels]
    losses = -np.log(np.maximum(own, 1e-7))
    return losses, (found.argmax(axis=1) == labels).astype(np.float64), job.extractor


def _compared(exact: Answers, other: Answers) -> dict[str, Any]:
    """Return the scores of answers, and what they differ from others by, with standard errors."""
    root = np.sqrt(len(exact[0]))
    more_loss, more_right = (b - a for a, b in zip(exact, other, strict=True))
    return {
        "num_photos": len(exact[0]),
        "accuracy": float(other[1].mean()),
        "log_loss": float(other[0].mean()),
        "more_right": float(more_right.mean()),
        "more_right_se": float(more_right.std() / root),
        "more_loss": float(more_loss.mean()),
        "more_loss_se": float(more_loss.std() / root),
    }


def _rates(source: Path, networks: dict[str, Extractor], folder: Path) -> dict[str, float]:
    """Return photos/s of each network: alone, beside decoding, and for a second of processor."""
    photos = Dataset.load(source).photos
    reads = [photo.read for photo in photos[:: max(1, len(photos) // _PHOTOS)][:_PHOTOS]]
    work: dict[str, Callable[[], object]] = {}
    for name, made in networks.items():
        network = open_network(made.backbone, made.path, made.engine, folder / name)
        pixels = np.stack([prepare_photo(read(), made.backbone) for read in reads])
        work[f"{name}_alone"] = functools.partial(network, pixels)
        work[f"{name}_decoding"] = functools.partial(_looked_at, reads, made.backbone, network)
    found: dict[str, float] = {}
    for _ in range(_TURNS):
        for name, run in work.items():
            spent, start = _spent(resource.RUSAGE_SELF), time.perf_counter()
            run()
            seconds = time.perf_counter() - start
            spent = _spent(resource.RUSAGE_SELF) - spent
            for key, value in ((name, seconds), (f"{name}_per_core_second", spent)):
                found[key] = max(found.get(key, 0.0), len(reads) / value)
    return found


def _looked_at(reads: list[Callable[[], bytes]], backbone: Backbone, network: Network) -> None:
    for _ in feature_batches(reads, backbone, lambda: network):
        pass


def _command(source: Path, precision: str) -> dict[str, Any]:
    """Return what `photograft train` takes in a precision, nothing kept."""
    with tempfile.TemporaryDirectory() as folder:
        options = ("--precision", precision, "--out", f"{folder}/run")
        spent = _spent(resource.RUSAGE_CHILDREN)
        ended = photograft("train", str(source), *options, cache=Path(folder, "cache"))
        spent = _spent(resource.RUSAGE_CHILDREN) - spent
    return {"precision": precision, "seconds": ended.seconds, "core_seconds": spent}


def _spent(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
