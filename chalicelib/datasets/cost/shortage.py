"""Why instances cannot be had, as SageMaker says it: quotas, capacity, faults of its own.

CreateTrainingJob's ResourceLimitExceeded reads "The account-level service limit 'ml.g5.xlarge for
training job usage' is 0 Instances, with current utilization of 0 Instances and a request delta of
1 Instances. …", or that the type "is not available in this region". A job that was made and found
no instances fails with "CapacityError: Unable to provision requested ML compute capacity. …"; one
on spot instances waits, and is stopped with MaxWaitTimeExceeded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chalicelib.aws.training import TrainingJob

_LIMIT = re.compile(
    r"limit '?(?P<what>[^']*?)'? is (?P<limit>\d+) Instances?, with current utilization of \d+ "
    r"Instances? and a request delta of (?P<asked>\d+)",
    re.IGNORECASE,
)
_NOT_HERE = re.compile(r"not available in this region", re.IGNORECASE)
_CAPACITY = re.compile(
    r"(?!AlgorithmError|ClientError)(CapacityError|.{0,40}insufficient\s?(instance\s?)?capacity)",
    re.IGNORECASE,
)
LONGEST_WAIT = 3600  # s, for a limit that is not understood
LONGEST_SAID = 200  # characters
WHAT_TO_DO = (
    "Ask for more in AWS Service Quotas (Amazon SageMaker, “… for training job usage”), or name "
    'other instances (`"instances"` in dataset.json, PIGEONHOLE_TRAINING_INSTANCE_TYPE, '
    "PIGEONHOLE_TRAINING_CPU_INSTANCE_TYPE); then `pigeonhole retrain`"
)


def too_small(said: str) -> str | None:
    """Why no waiting helps, in a few words; None where the limit would do, but is used up."""
    if _NOT_HERE.search(said):
        return "not offered in this region"
    match = _LIMIT.search(said)
    if match is None or int(match["limit"]) >= int(match["asked"]):
        return None
    what = match["what"].removeprefix("for ").removeprefix("training-job/")
    named = "" if what.startswith("ml.") else f" of {what}"
    return f"the account's limit{named} is {match['limit']}"


def too_long(said: str, seconds: float) -> str | None:
    """Why there is no more waiting after so long: nobody knows what limit it is, or how high."""
    if _LIMIT.search(said) is not None or seconds < LONGEST_WAIT:
        return None
    return f"SageMaker has refused it for {seconds / 60:.0f} minutes ({said[:LONGEST_SAID]})"


def of_capacity(job: TrainingJob) -> str | None:
    """Why there were no instances for a job that has ended; None where that was not its trouble."""
    if job.secondary == "MaxWaitTimeExceeded":
        return "no spot capacity came in time"
    return "AWS had no capacity" if _CAPACITY.match(job.reason) else None


def of_the_service(job: TrainingJob) -> bool:
    """Was it the service that failed, not the data or the script?"""
    return job.reason.startswith("InternalServerError") or _CAPACITY.match(job.reason) is not None


def note(refused: Mapping[str, str]) -> str:
    """What could not be had and why, in brackets; empty where nothing was refused."""
    said = "; ".join(f"{instances} cannot be had: {why}" for instances, why in refused.items())
    return f" ({said})" if said else ""


def short_note(refused: Mapping[str, str]) -> str:
    """As `note`, for a property of the model registry."""
    return " / ".join(f"{instances}: {why}" for instances, why in refused.items())


def nothing_left(job: str, refused: Mapping[str, str]) -> str:
    """For a job that none of the listed instances can be had for."""
    said = "; ".join(f"{instances}: {why}" for instances, why in refused.items())
    return f"{job} cannot be started, as no instances can be had. {said}. {WHAT_TO_DO}"
