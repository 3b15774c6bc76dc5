"""What may be missing from an installation: said in one way wherever it is asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from photograft.core.errors import InputError

#: What the extra ``torch`` brings.
_TORCH = ("torch", "torchvision", "timm")


def is_installed(package: str) -> bool:
    """Return whether a package can be imported; it is not."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it stands among the imported modules without a specification
        return False


def has_torch() -> bool:
    """Return whether networks can be trained here, and any be run."""
    return all(is_installed(package) for package in _TORCH)


def need_torch(what: str, hint: str = "") -> None:
    """Make sure that torch is here.

    Args:
        what: Needs it, as the beginning of a sentence.
        hint: What may have been meant instead.

    Raises:
        InputError: It is not, or what comes with it is not.
    """
    if not has_torch():
        raise InputError(
            f"{what} needs torch, which is not installed",
            fix=f"{hint} Run: pip install 'photograft[torch]'.".strip(),
        )


def need_packages(what: str, packages: Sequence[str], extra: str) -> None:
    """Make sure that what an extra brings is here.

    Args:
        what: Needs it, as the beginning of a sentence.
        packages: What is imported of it.
        extra: Its name.

    Raises:
        InputError: Something of it is not.
    """
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"{what} needs {' and '.join(missing)}, which {verb} not installed",
            fix=f"Run: pip install 'photograft[{extra}]'.",
        )
