"""Whether this installation carries what pages run by: it is built, and takes Node."""

from __future__ import annotations

import pytest

from photograft.classifier.export.web.runtime import read_runtime
from photograft.core.errors import InputError


def has_runtime() -> bool:
    try:
        read_runtime()
    except InputError:
        return False
    return True


NEEDS_RUNTIME = pytest.mark.skipif(not has_runtime(), reason="scripts/build_web.py was not run")
