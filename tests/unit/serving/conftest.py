from __future__ import annotations

from pathlib import Path

import pytest

from serving.model import Model, Signature
from tests.unit.serving import artifact


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Tells wide bars from tall ones; 28 x 28, grey, light figure."""
    return Model(artifact.write(tmp_path_factory.mktemp("bars")), workers=2)


@pytest.fixture
def signature(model: Model) -> Signature:
    return model.signature


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return artifact.write(tmp_path / "model")
