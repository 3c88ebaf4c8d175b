"""Real local clouds on free ports and folders of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.home import Home, venv_python
from localcloud.trouble import Rules

from .clouds import Factory, LocalCloud, free_port


@pytest.fixture(scope="session", autouse=True)
def _ministack_is_there() -> None:
    if not venv_python("ministack").exists():
        pytest.fail("MiniStack's environment is missing: run `make setup`")


@pytest.fixture
def new_cloud(tmp_path: Path) -> Iterator[Factory]:
    """Makes clouds, not started yet: `new_cloud("name")`."""
    made: list[LocalCloud] = []

    def make(name: str = "home") -> LocalCloud:
        made.append(LocalCloud(Home.at(tmp_path / name), free_port()))
        return made[-1]

    yield make
    for cloud in made:
        cloud.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One running cloud for the tests of a module."""
    started = LocalCloud(Home.at(tmp_path_factory.mktemp("cloud")), free_port())
    try:
        yield started.start()
    finally:
        started.close()


@pytest.fixture
def rules(cloud: LocalCloud) -> Iterator[Rules]:
    """The cloud's own, from another process, as the `pigeonhole` command would change them."""
    found = Rules(cloud.home.trouble_db)
    yield found
    found.clear()
    found.close()
