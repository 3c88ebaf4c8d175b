"""What `.local/env` says to the SageMaker Python SDK."""

from __future__ import annotations

from pathlib import Path

import yaml

from localcloud.home import Home


def test_the_sdk_is_told_its_bucket_and_to_send_no_telemetry(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    variables = home.write_sdk_config("eu-west-1")
    assert variables == {"SAGEMAKER_USER_CONFIG_OVERRIDE": str(home.sdk_config_file)}
    told = yaml.safe_load(home.sdk_config_file.read_text())
    assert told["SchemaVersion"] == "1.0"
    modules = told["SageMaker"]["PythonSDK"]["Modules"]
    assert modules["TelemetryOptOut"] is True
    assert modules["Session"]["DefaultS3Bucket"] == "sagemaker-eu-west-1-000000000000"
