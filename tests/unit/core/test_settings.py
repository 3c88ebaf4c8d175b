"""The environment, read once and complained about by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from chalicelib.errors import SettingsMissing
from chalicelib.settings import Settings
from tests.unit.datasets.world import SETTINGS

ENVIRONMENT = {
    f"PIGEONHOLE_{f.name.upper()}": "" if value is None else str(value)
    for f in fields(Settings)
    for value in (getattr(SETTINGS, f.name),)
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


def test_caps_are_dollars_or_empty() -> None:
    found = Settings.from_environment(ENVIRONMENT | {"PIGEONHOLE_BUDGET_JOB_USD": "2.5"})
    assert (found.budget_job_usd, found.budget_month_usd) == (2.5, None)
    for text in ("-1", "nan", "inf", "5 USD"):
        with pytest.raises(SettingsMissing, match="PIGEONHOLE_BUDGET_MONTH_USD"):
            Settings.from_environment(ENVIRONMENT | {"PIGEONHOLE_BUDGET_MONTH_USD": text})


def test_several_instance_types_are_a_list() -> None:
    types = {"PIGEONHOLE_TRAINING_INSTANCE_TYPE": "ml.g4dn.xlarge, ml.g5.xlarge,"}
    found = Settings.from_environment(ENVIRONMENT | types)
    assert found.training_instance_types == ("ml.g4dn.xlarge", "ml.g5.xlarge")


def test_a_list_without_an_instance_type_is_none() -> None:
    for text in (",", " , ,"):
        with pytest.raises(SettingsMissing, match="PIGEONHOLE_TRAINING_INSTANCE_TYPE"):
            Settings.from_environment(ENVIRONMENT | {"PIGEONHOLE_TRAINING_INSTANCE_TYPE": text})
