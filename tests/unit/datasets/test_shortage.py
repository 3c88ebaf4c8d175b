"""What SageMaker says where instances cannot be had, as people have posted it."""

from __future__ import annotations

import pytest

from chalicelib.aws.training import TrainingJob
from chalicelib.datasets.cost.shortage import of_capacity, of_the_service, too_small

HELP = "Please contact AWS support to request an increase for this limit."


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "The account-level service limit 'ml.p3.2xlarge for training job usage' is 0 "
            "Instances, with current utilization of 0 Instances and a request delta of 1 "
            f"Instances. {HELP}",
            "the account's limit is 0",
        ),
        (
            "The account-level service limit 'ml.g5.xlarge for spot training job usage' is 1 "
            "Instances, with current utilization of 0 Instances and a request delta of 2 "
            f"Instances. {HELP}",
            "the account's limit is 1",
        ),
        (  # of 2017
            "The account-level service limit for training-job/ml.p2.xlarge is 0 Instances, with "
            f"current utilization of 0 Instances and a request delta of 2 Instances. {HELP}",
            "the account's limit is 0",
        ),
        (
            "The account-level service limit 'Number of instances across all training jobs' is 4 "
            "Instances, with current utilization of 0 Instances and a request delta of 11 "
            f"Instances. {HELP}",
            "the account's limit of Number of instances across all training jobs is 4",
        ),
        (
            "The requested resource training-job/ml.p2.xlarge is not available in this region",
            "not offered in this region",
        ),
        (  # it would do, but is in use
            "The account-level service limit 'ml.p3.8xlarge for training job usage' is 2 "
            "Instances, with current utilization of 3 Instances and a request delta of 1 "
            f"Instances. {HELP}",
            None,
        ),
        ("Too many of something that nobody has heard of", None),
    ],
)
def test_limits_that_no_waiting_helps_against_are_told_apart(said: str, why: str | None) -> None:
    assert too_small(said) == why


def ended(reason: str, secondary: str = "Failed") -> TrainingJob:
    return TrainingJob("j", "Failed", secondary, reason)


@pytest.mark.parametrize(
    ("job", "capacity", "service"),
    [
        (ended("CapacityError: Unable to provision requested ML compute capacity."), True, True),
        (ended("Insufficient capacity error from EC2 while launching instances"), True, True),
        (ended("InternalServerError: We encountered an internal error."), False, True),
        (ended("", "MaxWaitTimeExceeded"), True, False),
        (ended("AlgorithmError: insufficient capacity of the hash, exit code: 1"), False, False),
        (ended("AlgorithmError: InternalServerError said S3, exit code: 1"), False, False),
        (ended("ClientError: Data download failed"), False, False),
    ],
)
def test_the_services_faults_are_not_the_scripts(
    job: TrainingJob, capacity: bool, service: bool
) -> None:
    assert (of_capacity(job) is not None, of_the_service(job)) == (capacity, service)
