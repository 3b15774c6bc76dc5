"""What a studio does not do now, and does when it is asked again."""

from __future__ import annotations

from photograft.core.errors import InputError, PhotograftError


class BusyError(PhotograftError):
    """More photos wait than are taken on."""


class ChangedError(InputError):
    """Something was changed that whoever asks has not seen."""
