#!/usr/bin/env python3
"""Fetch the program that runs networks in browsers, and put it where the package finds it.

It is `onnxruntime-web` from the npm registry, of the version and the checksum in
``web/package-lock.json``: its smallest build, for WebAssembly alone. Node is needed to build the
package, not to use it. Does nothing where it is there already. Beside tests it fetches `axe-core`,
too, by which they check pages; the package does not carry it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"
RUNTIME = ROOT / "src/photograft/classifier/export/web/runtime"
#: What is taken, and how it is called here.
FILES = {"ort.wasm.bundle.min.mjs": "ort.mjs.gz", "ort-wasm-simd-threaded.wasm": "ort.wasm.gz"}
#: What checks pages, where there are tests.
AXE = WEB / "built" / "axe.min.js"
HAS_TESTS = (ROOT / "tests").is_dir()


def main() -> int:
    """Build it; return the exit status."""
    lock = (WEB / "package-lock.json").read_bytes()
    stamp = hashlib.sha256(lock + Path(__file__).read_bytes()).hexdigest()
    version = json.loads(lock)["packages"]["node_modules/onnxruntime-web"]["version"]
    if _built() == stamp:
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print(
            "Node's npm is not on this machine: `photograft export --to web` will not work.\n"
            "Install Node and run scripts/build_web.py; the rest of Photograft needs neither.",
            file=sys.stderr,
        )
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(WEB / file, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        command += [] if HAS_TESTS else ["--omit=dev"]
        done = subprocess.run(command, cwd=folder, check=False)  # noqa: S603
        if done.returncode:
            print("npm could not fetch what web/package.json names; see above.", file=sys.stderr)
            return 1
        RUNTIME.mkdir(parents=True, exist_ok=True)
        for source, target in FILES.items():
            data = (folder / "node_modules/onnxruntime-web/dist" / source).read_bytes()
            (RUNTIME / target).write_bytes(gzip.compress(data, 9, mtime=0))
        if HAS_TESTS:
            AXE.parent.mkdir(exist_ok=True)
            shutil.copy(folder / "node_modules/axe-core/axe.min.js", AXE)
    shutil.copy(WEB / "LICENSE.onnxruntime", RUNTIME / "LICENSE")
    (RUNTIME / "runtime.json").write_text(json.dumps({"version": version, "stamp": stamp}))
    return 0


def _built() -> str:
    """Return the stamp of what is there; empty where nothing is."""
    try:
        found: str = json.loads((RUNTIME / "runtime.json").read_text())["stamp"]
    except (OSError, ValueError, KeyError):
        return ""
    needed = [RUNTIME / name for name in FILES.values()] + ([AXE] if HAS_TESTS else [])
    return found if all(file.is_file() for file in needed) else ""


if __name__ == "__main__":
    sys.exit(main())
