"""A browser, where one is installed, and a local cloud with jobs for it to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import NAMES, Browser, find
from tests.contract.page.world import World


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(NAMES)} is on the PATH")
    made = Browser(program)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("browser") / "home")
    try:
        yield made.start()
    finally:
        made.cloud.close()
