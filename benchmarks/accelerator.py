"""Extraction and fine-tuning on an accelerator, beside the bare network on data in its memory.

``python -m benchmarks.accelerator [--device cuda]``. Photos are drawn, 500 x 375, and weights are
random: nothing is fetched. ``--compile`` also times fine-tuning, and the bare network, after
`torch.compile`; ``--workers 2`` fine-tunes on two accelerators as well, by Ray.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

import photograft
from benchmarks.common import report
from photograft.backbones.get import get_backbone
from photograft.backbones.pytorch.device import find_device
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.features.opening import open_extractor
from photograft.features.settings import ExtractionSettings

NETWORKS = ("efficientnet_lite0", "resnet50", "vit_base_patch16_224")
#: timm's names, where they are others.
_TIMM = {"efficientnet_lite0": "tf_efficientnet_lite0"}


def main() -> None:
    """Measure each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--photos", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    device = options.device or find_device()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PHOTOGRAFT_CACHE"] = os.path.join(folder, "cache")
        photos = Path(folder, "photos")
        draw(photos, options.photos)
        for name in options.networks.split(","):
            figures = {
                **extraction(name, photos, device),
                **fine_tuning(name, photos, Path(folder, name), device, options),
                **more_fine_tuning(name, photos, Path(folder), device, options),
                **bare(name, device, options),
            }
            report("accelerator", network=name, device=device, **figures)


def draw(folder: Path, count: int) -> None:
    """Write photos of two classes, brighter above or below."""
    generator = np.random.default_rng(0)
    for i in range(count):
        coarse = generator.integers(0, 128, (12, 16, 3), np.uint8)
        coarse[6 * (i % 2) :][:6] += 100
        place = folder / ("above", "below")[i % 2] / f"{i:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC).save(place, quality=90)


def extraction(name: str, photos: Path, device: str) -> dict[str, float]:
    """Return photos a second from files to features that are kept."""
    dataset = Dataset.load(photos, progress=False)
    settings = ExtractionSettings(backbone=name, weights="random", engine="torch", device=device)
    with tempfile.TemporaryDirectory() as cache:
        extractor = open_extractor(settings, store=FeatureStore(cache), progress=Silent())
        first = len(dataset.photos) // 20 + 1
        extractor.extract(dataset.photos[:first])
        start = time.perf_counter()
        extractor.extract(dataset.photos[first:])
        seconds = time.perf_counter() - start
    return {"extraction": (len(dataset.photos) - first) / seconds}


def more_fine_tuning(
    name: str, photos: Path, folder: Path, device: str, options: argparse.Namespace
) -> dict[str, float]:
    """Return the same compiled, and by several workers, where that is asked for."""
    found: dict[str, float] = {}
    for kind, is_wanted, how in (
        ("compiled", options.compile, {"compile": "on"}),
        ("together", options.workers > 1, {"ray": "local", "workers": options.workers}),
    ):
        if is_wanted:
            own = fine_tuning(name, photos, folder / f"{name}-{kind}", device, options, **how)
            found[f"fine_tuning_{kind}"] = own["fine_tuning"]
    return found


def fine_tuning(
    name: str, photos: Path, out: Path, device: str, options: argparse.Namespace, **how: Any
) -> dict[str, float]:
    """Return photos a second in the last epoch, all of the network trained on new views."""
    run = photograft.train(
        photos,
        out=out,
        progress=False,
        strategy="finetune",
        backbone=name,
        weights="random",
        device=device,
        unfreeze="all",
        views=-1,
        augment="horizontal_flip",
        keep="always",
        epochs=options.epochs,
        batch_size=options.batch,
        near_duplicates="ignore",
        **{"compile": "off", **how},
    )
    for note in run.info["notes"]:
        print(note)
    if run.history is None:
        raise RuntimeError("nothing was trained")
    trained = sum(run.info["data"]["class_counts"]["train"])
    return {"fine_tuning": trained / run.history.epochs[-1].seconds}


def bare(name: str, device: str, options: argparse.Namespace) -> dict[str, float]:
    """Return photos a second of the network alone, forwards, and in a step of training."""
    import timm

    network: nn.Module = timm.create_model(_TIMM.get(name, name), num_classes=2).to(device)
    network = network.to(memory_format=torch.channels_last)
    size = get_backbone(name, "random").input_size
    x = torch.randn(options.batch, 3, *size, device=device)
    x = x.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(options.batch, device=device) % 2
    optimizer = torch.optim.AdamW(network.parameters())
    kind = torch.device(device).type

    def forward(model: Callable[[Any], Any]) -> None:
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16):
            model(x)

    def step() -> None:
        with torch.autocast(kind, torch.bfloat16):
            loss = nn.functional.cross_entropy(network(x), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    found = {"bare_training": _rate(step, device, options)}
    network.eval()
    found["bare"] = _rate(lambda: forward(network), device, options)
    if options.compile:
        try:
            compiled = torch.compile(network)
            found["bare_compiled"] = _rate(lambda: forward(compiled), device, options)
        except Exception as error:  # whatever the compiler raises
            print(f"{name} can't be compiled: {error}")
    return found


def _rate(step: Callable[[], None], device: str, options: argparse.Namespace) -> float:
    for _ in range(3):
        step()
    count = max(3, options.photos // options.batch)
    _wait(device)
    start = time.perf_counter()
    for _ in range(count):
        step()
    _wait(device)
    return float(count * options.batch / (time.perf_counter() - start))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


if __name__ == "__main__":
    main()
