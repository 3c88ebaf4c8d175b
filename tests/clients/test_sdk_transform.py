"""`sagemaker.core.resources.TransformJob`."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from sagemaker.core.resources import TransformJob
from sagemaker.core.shapes import (
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)

from tests.local.conftest import Cloud

from .sdk import model

pytestmark = pytest.mark.usefixtures("sdk")


def test_a_transform_is_waited_for_with_its_logs(
    unique: Callable[[str], str],
    role: str,
    artifact: str,
    cloud: Cloud,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = unique("sdk-transform")
    s3 = cloud.client("s3")
    bucket = artifact.split("/")[2]
    for key in ("a.txt", "b.txt"):
        s3.put_object(Bucket=bucket, Key=f"{name}/in/{key}", Body=key.encode())
    model(name, role, artifact)
    source = TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/{name}/in/")
    with caplog.at_level(logging.INFO):
        job = TransformJob.create(
            transform_job_name=name,
            model_name=name,
            transform_input=TransformInput(
                data_source=TransformDataSource(s3_data_source=source), content_type="text/plain"
            ),
            transform_output=TransformOutput(s3_output_path=f"s3://{bucket}/{name}/out"),
            transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
        )
        job.wait(poll=1, logs=True)
    assert "invoked with 5 bytes" in caplog.text
    assert job.transform_job_status == "Completed"
    assert job.transform_end_time >= job.transform_start_time
    for key in ("a.txt", "b.txt"):
        got = s3.get_object(Bucket=bucket, Key=f"{name}/out/{key}.out")["Body"].read()
        assert got == f"client:{key}".encode()
    found = TransformJob.get_all(name_contains=name, status_equals="Completed")
    assert [each.transform_job_name for each in found] == [name]
