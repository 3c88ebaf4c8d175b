"""What `pigeonhole approve` and `reject` say is live is what was decided on."""

from __future__ import annotations

from typing import Any

import pytest

from cli.api import DatasetStatus
from cli.commands.approve import is_live

JOB = "pigeonhole-local-bags-0123456789ab-2"


def status(**changed: Any) -> DatasetStatus:
    champion = {"version": "0123456789ab" + "0" * 52, "training_job": JOB}
    body = {"dataset": "bags", "phase": "Live", "outcome": "Live", "champion": champion}
    return DatasetStatus.parse(body | changed)


@pytest.mark.parametrize("named", [None, "0123", "0123456789AB", "0123456789ab-2", JOB])
def test_the_live_model_by_any_of_its_names(named: str | None) -> None:
    assert is_live(status(), named)


@pytest.mark.parametrize("named", ["ba98", "ba9876543210-1", "0123456789ab-1"])
def test_another_model_that_went_live_meanwhile_is_not_it(named: str) -> None:
    assert not is_live(status(), named)


def test_without_a_live_model_none_is() -> None:
    assert not is_live(status(champion=None), None)
