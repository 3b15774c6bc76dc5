"""Are our networks Keras's? Both run on the same photos with the same weights, and are compared.

    python -m benchmarks.keras_parity [--weights-dir DIR] [--python PYTHON] [NETWORK ...]

Keras runs in an environment of its own: that of --python, or one made for the occasion (some
hundred MB). Weights are taken from the ``*_notop.h5`` files in DIR; where there is none, Keras
writes random ones. Each network prints a JSON line: the largest difference between the last feature
maps, relative to the largest value in them. Ends with an error where it is above 1e-4.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-4

#: Our names, Keras's, and what the files of its weights begin with.
NETWORKS = {
    "vgg16": ("vgg16", "VGG16", "vgg16_weights"),
    "mobilenet": ("mobilenet", "MobileNet", "mobilenet_1_0_224"),
    "mobilenet_v2": ("mobilenet_v2", "MobileNetV2", "mobilenet_v2_weights"),
    "resnet50": ("resnet50", "ResNet50", "resnet50_weights"),
    "inception_v3": ("inception_v3", "InceptionV3", "inception_v3_weights"),
    "xception": ("xception", "Xception", "xception_weights"),
}
#: Even and odd at various depths of the networks, 299 at the very first.
SIZES = (150, 180, 224, 299)
NUM_PHOTOS = 3

Array = npt.NDArray[np.float32]


def main() -> None:
    """Compare the networks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--weights-dir", type=Path)
    parser.add_argument("--python", help="an interpreter that has keras and tensorflow")
    parser.add_argument("--as-keras", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_keras:
        run_keras(options.as_keras[0], *map(Path, options.as_keras[1:]))
        return
    with tempfile.TemporaryDirectory() as folder:
        python = options.python or make_environment(Path(folder, "environment"))
        shares = [
            compare(name, python, weights_file(name, options.weights_dir), Path(folder, name))
            for name in options.networks or NETWORKS
        ]
    if max(shares) > TOLERANCE:
        sys.exit(f"a difference of {max(shares):.2g} is above {TOLERANCE:g}")


def compare(name: str, python: str, weights: Path | None, folder: Path) -> float:
    """Run a network in Keras and here; print the line, return the largest difference."""
    import torch

    from benchmarks.common import report
    from photograft.backbones.pytorch.keras_networks import KERAS, build, load

    folder.mkdir()
    for size in SIZES:
        np.save(folder / f"photos-{size}.npy", draw_photos(size))
    file = weights or folder / "random.h5"
    command = [python, __file__, "--as-keras", name, str(file), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    network: Any = build(name)
    load(network, name, file)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (KERAS[name].mean, KERAS[name].std))
    differences = {}
    for size in SIZES:
        photos = torch.from_numpy(np.load(folder / f"photos-{size}.npy")).permute(0, 3, 1, 2)
        with torch.inference_mode():
            ours = network.forward_features((photos / 255 - mean) / std).permute(0, 2, 3, 1)
        theirs = np.load(folder / f"features-{size}.npy")
        if ours.shape != theirs.shape:
            raise AssertionError(f"{name}, {size}: {tuple(ours.shape)}, not {theirs.shape}")
        differences[size] = float(np.abs(ours.numpy() - theirs).max() / np.abs(theirs).max())
    report(
        "keras_parity",
        network=name,
        weights=weights.name if weights else "random, written by Keras",
        **{f"difference_{size}": f"{value:.1e}" for size, value in differences.items()},
        keras=json.loads(done.stdout.splitlines()[-1]),
    )
    return max(differences.values())


def draw_photos(size: int) -> Array:
    """Return pictures with a photo's mix of coarse and fine, ``(n, size, size, 3)``, 0 to 255."""
    rng = np.random.default_rng(size)
    spectrum = np.fft.rfft2(rng.standard_normal((NUM_PHOTOS, size, size, 3)), axes=(1, 2))
    distance = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    spectrum /= np.maximum(distance, 1 / size)[None, :, :, None]
    pictures = np.fft.irfft2(spectrum, s=(size, size), axes=(1, 2))
    pictures *= 60 / pictures.std(axis=(1, 2), keepdims=True)
    return np.clip(np.round(pictures + 120), 0, 255).astype(np.float32)


def weights_file(name: str, folder: Path | None) -> Path | None:
    """Return the network's file without classification layers in a folder, if there is one."""
    files = sorted(folder.glob(f"{NETWORKS[name][2]}*no*top.h5")) if folder else []
    return files[0] if files else None


def make_environment(folder: Path) -> str:
    """Make a virtual environment with Keras; return its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    tensorflow = "tensorflow-cpu" if sys.platform == "linux" else "tensorflow"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "keras>=3", tensorflow], check=True
    )
    return str(python)


def run_keras(name: str, file: Path, folder: Path) -> None:
    """Save what Keras makes of the photos in a folder. Runs in Keras's environment.

    Args:
        name: Our name of the network.
        file: Its weights; made up and written there where there is no such file.
        folder: Holds ``photos-SIZE.npy`` and gets ``features-SIZE.npy``.
    """
    keras = importlib.import_module("keras")
    module, network_name, _ = NETWORKS[name]
    applications = getattr(keras.applications, module)
    make = getattr(applications, network_name)
    for size in sorted(SIZES, reverse=True):  # weights are made up on the largest photos
        network = make(include_top=False, weights=None, input_shape=(size, size, 3))
        if not file.exists():
            make_up_weights(network, applications.preprocess_input(draw_photos(size)))
            network.save(file)
        network.load_weights(file)
        photos = np.load(folder / f"photos-{size}.npy")
        features = network.predict(applications.preprocess_input(photos), verbose=0)
        np.save(folder / f"features-{size}.npy", features)
        keras.backend.clear_session()
    tensorflow = importlib.import_module("tensorflow")
    print(json.dumps({"keras": keras.__version__, "tensorflow": tensorflow.__version__}))


def make_up_weights(network: Any, photos: Array) -> None:
    """Give every tensor random values, and batch normalisation the statistics of some photos.

    With statistics that don't fit, the output of a deep network hardly depends on its input.
    """
    rng = np.random.default_rng(0)
    values = []
    for tensor in network.weights:
        shape, role = tuple(tensor.shape), tensor.name
        if "kernel" in role:
            fan_in = shape[0] * shape[1] * (1 if "depthwise" in tensor.path else shape[2])
            values.append(rng.normal(0, (2 / fan_in) ** 0.5, shape))
        elif "gamma" in role:
            values.append(rng.uniform(0.5, 1.5, shape))
        else:
            # Above zero, lest the many cut-offs of a random network make rounding grow.
            values.append(rng.normal(0.5, 0.2, shape))
    network.set_weights(values)
    for layer in network.layers:
        layer.momentum = 0.0  # what is learned below is kept whole
    network(photos, training=True)


if __name__ == "__main__":
    main()
