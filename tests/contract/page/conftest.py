"""One local cloud for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.page.world import World


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Runs; its state is that of the tests before as well. It ends with them, and so do its
    containers: the tests of SageMaker look for their own among all below this process."""
    made = World(tmp_path_factory.mktemp("page") / "home")
    try:
        yield made.start()
    finally:
        made.cloud.close()
