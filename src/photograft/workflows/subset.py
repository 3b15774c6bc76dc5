"""Copying a small set cut from a large one; see `photograft.data.subsets`."""

from __future__ import annotations

from photograft.data.subsets import run_subset as run_subset
