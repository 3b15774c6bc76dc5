"""What tests of the core share: an empty feature store."""

from __future__ import annotations

from pathlib import Path

import pytest

from photograft.core.segments import Space
from photograft.core.store import FeatureStore
from store_helpers import KEY, WIDTH


@pytest.fixture
def store(cache: Path) -> FeatureStore:
    return FeatureStore(cache)


@pytest.fixture
def space(store: FeatureStore) -> Space:
    return store.space(KEY, WIDTH)
