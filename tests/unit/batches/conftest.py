"""What every test of the batches starts from."""

from __future__ import annotations

import pytest

from tests.unit.batches.fakes import World


@pytest.fixture
def world() -> World:
    return World()
