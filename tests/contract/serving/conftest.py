from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.serving import container as containers
from tests.unit.serving import artifact


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact that tells wide bars from tall ones."""
    return artifact.write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def container(
    model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[containers.Container]:
    """One endpoint's container for all tests that leave it running."""
    log = tmp_path_factory.mktemp("log") / "stderr.txt"
    with containers.running(model_dir, log) as started:
        yield started
        assert started.process.poll() is None, "a request killed the server"
        # What was wrong went to the callers; only what is no HTTP at all is remarked on.
        assert set(log.read_text().splitlines()) <= {
            "WARNING uvicorn.error: Invalid HTTP request received."
        }
