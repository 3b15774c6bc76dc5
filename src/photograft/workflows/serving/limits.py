"""What a server takes on at most: of bytes, pixels, photos, requests and time."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from photograft.core.errors import InputError
from photograft.core.parallel import num_cores


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused beyond.

    Attributes:
        max_bytes: Of a request's body.
        max_pixels: Of a photo. All photos that are decoded at once have twice this at most.
        max_files: Photos of a request.
        max_queue: Photos that are being decoded, wait or are answered, of all requests together.
        max_per_client: Requests of one address at a time.
        max_held_bytes: Of all bodies that are held at once.
        max_connections: Connections at a time.
        timeout: Seconds for a request's body to arrive, and again for its answer.
        header_seconds: Seconds for a request's head to arrive.
        decode_seconds: Seconds for a photo to be decoded.
    """

    max_bytes: int = 32_000_000
    max_pixels: int = 50_000_000
    max_files: int = 64
    max_queue: int = 256
    max_per_client: int = 64
    max_held_bytes: int = 256_000_000
    max_connections: int = 1000
    timeout: float = 30.0
    header_seconds: float = 10.0
    decode_seconds: float = 10.0

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{limit.name} must be more than 0", got=str(value))
        if self.max_queue < self.max_files:
            raise InputError(
                "a request of as many photos as are allowed would never find room",
                expected=f"max_queue at least as large as max_files, which is {self.max_files}",
                got=str(self.max_queue),
            )

    @property
    def num_decoders(self) -> int:
        """How many photos are decoded at once."""
        return min(num_cores(), 8)
