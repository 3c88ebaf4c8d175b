"""The environment, read once and complained about by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from chalicelib.errors import SettingsMissing
from chalicelib.settings import Settings
from tests.unit.datasets.world import SETTINGS

ENVIRONMENT = {
    f"PIGEONHOLE_{f.name.upper()}": str(getattr(SETTINGS, f.name)) for f in fields(Settings)
}


def test_every_variable_is_read() -> None:
    assert Settings.from_environment(ENVIRONMENT) == SETTINGS


def test_all_missing_ones_are_named() -> None:
    environment = dict(ENVIRONMENT) | {"PIGEONHOLE_BUCKET": "", "PIGEONHOLE_QUIET_SECONDS": "soon"}
    del environment["PIGEONHOLE_TABLE"]
    with pytest.raises(SettingsMissing) as error:
        Settings.from_environment(environment)
    for name in ("PIGEONHOLE_BUCKET", "PIGEONHOLE_TABLE", "PIGEONHOLE_QUIET_SECONDS"):
        assert name in str(error.value)
    assert "PIGEONHOLE_STAGE" not in str(error.value)


def test_no_default_dataset_is_fine() -> None:
    environment = dict(ENVIRONMENT)
    del environment["PIGEONHOLE_DEFAULT_DATASET"]
    assert Settings.from_environment(environment).default_dataset == ""
