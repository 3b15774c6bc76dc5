"""What tests of networks share: one MobileNet of random weights."""

from __future__ import annotations

import pytest
from torch import nn

from keras_helpers import randomised


@pytest.fixture(scope="module")
def mobilenet() -> nn.Module:
    return randomised("mobilenet")
