"""SageMaker refuses a request for good: the dataset settles, says why, and can start anew."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from chalicelib.aws.endpoints import SageMakerEndpoints, Serverless
from chalicelib.aws.registry import Approval, SageMakerRegistry
from chalicelib.aws.training import SageMakerTraining
from chalicelib.aws.transform import SageMakerTransform
from chalicelib.errors import AccessDenied, RequestRefused, ResourceNotFound, Unavailable
from tests.unit.datasets.world import LIVE, NEXT, World, good


def test_a_refused_training_job_fails_and_new_data_starts_anew() -> None:
    world = World()
    first = world.drop(good(1))
    world.training.refusals = [RequestRefused("hyperparameters are too many")]
    status = world.drop(good(2))
    assert (status["outcome"], status["settled"]) == ("Failed", True)
    assert "hyperparameters are too many" in status["message"]
    assert status["champion"] == first["champion"]
    assert world.drop(good(3))["outcome"] == "Live"


def test_a_refused_training_job_is_asked_for_again_by_ready_and_by_retrain() -> None:
    world = World()
    world.training.refusals = [RequestRefused("no"), RequestRefused("no")]
    world.drop(good())
    world.datasets.retrain("fm")
    assert world.settle()["outcome"] == "Failed"
    world.ready()
    assert world.settle()["outcome"] == "Live"


def test_a_refused_model_or_config_fails_and_the_champion_stays() -> None:
    world = World()
    world.drop(good(1))
    world.put("a.csv", good(2))
    world.ready()
    world.until("Training")
    world.endpoints.refusals = [RequestRefused("MemorySizeInMB is wrong")]
    status = world.settle()
    assert (status["outcome"], status["settled"]) == ("Failed", True)
    assert "MemorySizeInMB is wrong" in status["message"]
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
    assert NEXT not in world.endpoints.endpoints


def test_a_missing_permission_is_in_the_status_and_goes_on_to_the_retries() -> None:
    world = World()
    world.put("a.csv", good())
    world.ready()
    world.training.refusals = [AccessDenied("not authorized to perform CreateTrainingJob")] * 2
    with pytest.raises(AccessDenied):
        world.settle()
    assert "not authorized" in world.status()["message"]
    with pytest.raises(AccessDenied):
        world.settle()
    assert world.settle()["outcome"] == "Live"


class Answering:
    """boto3's client where every call ends in this error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def call(**_request: Any) -> None:
            raise self._error

        return call


def client_error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Create")


def each_create_raises(error: Exception, kind: type[Exception]) -> None:
    client = Answering(error)
    with pytest.raises(kind):
        SageMakerTraining(client).create({})
    with pytest.raises(kind):
        SageMakerTransform(client).create({})
    with pytest.raises(kind):
        SageMakerTransform(client).ensure_model("m", "i", "s3://b/m", "role", {})
    with pytest.raises(kind):
        SageMakerEndpoints(client).ensure_model("m", "arn", "role", {})
    with pytest.raises(kind):
        SageMakerEndpoints(client).ensure_config("m", "m", Serverless(2048, 5), {})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("ValidationException", "1 validation error detected"), RequestRefused),
        (ParamValidationError(report="Invalid type"), RequestRefused),
        (client_error("AccessDeniedException", "not authorized"), AccessDenied),
        (client_error("InternalFailure", "oops"), ClientError),
    ],
)
def test_what_sagemaker_says_to_a_create(error: Exception, kind: type[Exception]) -> None:
    each_create_raises(error, kind)


def test_a_name_that_is_there_is_success_and_a_model_not_seen_yet_may_pass() -> None:
    SageMakerTraining(Answering(client_error("ResourceInUse", "exists"))).create({})
    missing = Answering(client_error("ValidationException", 'Could not find model "m"'))
    with pytest.raises(ResourceNotFound):
        SageMakerEndpoints(missing).ensure_config("m", "m", Serverless(2048, 5), {})


def test_two_who_change_a_package_at_once_may_try_again() -> None:
    client = Answering(client_error("ConflictException", "There was a conflict"))
    with pytest.raises(Unavailable, match="try again"):
        SageMakerRegistry(client).decide("arn", Approval.APPROVED, "fine")
