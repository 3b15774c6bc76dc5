"""Builds the package; all but one step of it is in ``pyproject.toml``.

The program that runs networks in browsers is fetched by Node (``scripts/build_web.py``), once,
before the package's files are gathered: for a wheel as for an editable installation. Where there
is no Node, the package is built without it, and ``photograft export --to web`` says so.
"""

import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_SCRIPT = Path(__file__).parent / "scripts" / "build_web.py"


class BuildWithRuntime(build_py):
    """Fetches the runtime before the package's files are gathered."""

    def run(self) -> None:
        """Build."""
        if _SCRIPT.is_file():
            subprocess.run([sys.executable, str(_SCRIPT)], check=False)  # noqa: S603
        super().run()


setup(cmdclass={"build_py": BuildWithRuntime})
