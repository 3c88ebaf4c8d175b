"""`sagemaker.core.resources.TrainingJob`."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from sagemaker.core.resources import Tag, TrainingJob
from sagemaker.core.utils.exceptions import FailedStatusError

from .sdk import train

pytestmark = pytest.mark.usefixtures("sdk")
Name = Callable[[str], str]


def test_a_job_is_made_waited_for_with_its_logs_and_found_again(
    unique: Name, role: str, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = unique("sdk-train")
    with caplog.at_level(logging.INFO):
        job = train(name, role, bucket, hyper_parameters={"mode": "good"})
        assert job.training_job_status == "InProgress"
        job.wait(poll=1, logs=True)
    assert "epoch=3; loss=0.25" in caplog.text
    assert job.training_job_status == "Completed"
    assert job.secondary_status_transitions[-1].status == "Completed"
    assert job.model_artifacts.s3_model_artifacts == f"s3://{bucket}/out/{name}/output/model.tar.gz"
    assert [(m.metric_name, m.value) for m in job.final_metric_data_list] == [("loss", 0.25)]
    assert job.billable_time_in_seconds >= 1
    again = TrainingJob.get(name)
    assert again.hyper_parameters == {"mode": "good"}
    assert again.resource_config.instance_type == "ml.m5.large"


def test_a_failed_job_s_reason_is_in_the_waiter_s_error(
    unique: Name, role: str, bucket: str
) -> None:
    job = train(unique("sdk-fails"), role, bucket, hyper_parameters={"mode": "failing"})
    with pytest.raises(FailedStatusError, match=r"data changed: b\.csv"):
        job.wait(poll=1)
    assert job.secondary_status == "Failed"


def test_a_running_job_is_stopped_tagged_and_listed(unique: Name, role: str, bucket: str) -> None:
    name = unique("sdk-stop")
    job = train(
        name,
        role,
        bucket,
        hyper_parameters={"mode": "polite"},
        tags=[{"key": "team", "value": "cats"}],
    )
    Tag.add_tags(resource_arn=job.training_job_arn, tags=[{"key": "size", "value": "s"}])
    tags = {tag.key: tag.value for tag in Tag.get_all(resource_arn=job.training_job_arn)}
    assert tags == {"team": "cats", "size": "s"}
    job.stop()
    job.wait(poll=1)
    assert job.training_job_status == "Stopped"
    found = TrainingJob.get_all(name_contains=name, status_equals="Stopped")
    assert [each.training_job_name for each in found] == [name]
