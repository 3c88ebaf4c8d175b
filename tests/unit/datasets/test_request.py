"""What a training job is given: instances, spot, checkpoints, weights, metrics."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.datasets.cost.choices import Instances, choices
from chalicelib.datasets.jobs.request import volume
from chalicelib.datasets.settings.settings_file import CHOICES
from localcloud.sagemaker.validation import operation_model, validate
from tests.unit.datasets.world import SETTINGS, Broken, World, good, with_settings

LINE = (
    "epoch=3; train_loss=0.5000; train_accuracy=0.8100; validation_loss=0.6000; "
    "validation_accuracy=0.8000; seconds=1.5000; learning_rate=2e-05;"
)


@pytest.fixture
def world() -> World:
    return World()


def request(world: World, number: int = -1) -> Any:
    return world.training.requests[world.jobs[number]]


@pytest.mark.parametrize(
    ("type_", "gpu"),
    [("ml.m5.xlarge", False), ("ml.c7i.large", False), ("ml.trn1.2xlarge", False)]
    + [(f"ml.{t}", True) for t in ("g4dn.xlarge", "g5.xlarge", "g6e.xlarge", "p4d.24xlarge")],
)
def test_the_image_fits_the_instances(type_: str, gpu: bool) -> None:
    chosen = choices({"instances": {"type": type_}}, SETTINGS)
    assert chosen.image(SETTINGS) == ("training:gpu" if gpu else "training:cpu")


def test_the_stage_decides_what_the_dataset_leaves_open() -> None:
    stage = with_settings(training_instance_type="ml.g5.xlarge", training_spot=True)
    assert choices({}, stage).instances == Instances("ml.g5.xlarge", 1, True)
    asked = {"instances": {"type": None, "count": 2, "spot": False}}
    assert choices(asked, stage).instances == Instances("ml.g5.xlarge", 2, False)


def test_a_job_on_demand_says_nothing_of_waiting(world: World) -> None:
    world.drop(good())
    given = request(world)
    assert given["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert given["EnableManagedSpotTraining"] is False


def test_spot_waits_at_least_as_long_as_it_may_run(world: World) -> None:
    for runtime, wait in ((3600, 7200), (9000, 9000)):
        world.datasets._parts = replaced(world, runtime, wait=7200)
        world.drop(good(runtime % 251))
        assert request(world)["EnableManagedSpotTraining"] is True
        assert request(world)["StoppingCondition"] == {
            "MaxRuntimeInSeconds": runtime,
            "MaxWaitTimeInSeconds": wait,
        }


def replaced(world: World, runtime: int, wait: int) -> Any:
    from dataclasses import replace  # noqa: PLC0415

    settings = with_settings(
        training_spot=True,
        training_max_runtime_seconds=runtime,
        training_max_wait_seconds=wait,
    )
    return replace(world.datasets._parts, settings=settings)


def test_a_try_after_a_failed_one_goes_on_from_its_checkpoint(world: World) -> None:
    world.results = [Broken("out of memory"), Broken("", "Stopped", "MaxRuntimeExceeded")]
    world.drop(good())
    world.ready()
    assert "MAX_RUNTIME" in world.settle()["message"]
    world.ready()
    assert world.settle()["outcome"] == "Live"
    places = [request(world, n)["CheckpointConfig"]["S3Uri"] for n in range(3)]
    assert len(set(places)) == 1
    version = world.status()["version"]
    assert places[0].endswith(f"/checkpoints/fm/{version[:12]}-0001")


def test_training_finished_data_once_more_starts_from_nothing(world: World) -> None:
    world.drop(good())
    world.datasets.retrain("fm")
    world.results = [Broken("InternalServerError"), Broken("bad luck")]
    world.settle()
    world.datasets.retrain("fm")
    assert world.settle()["outcome"] == "Live"
    places = [request(world, n)["CheckpointConfig"]["S3Uri"][-5:] for n in range(4)]
    assert places == ["-0001", "-0002", "-0002", "-0002"]


def test_other_data_shares_no_checkpoints(world: World) -> None:
    world.drop(good(1))
    world.drop(good(2))
    places = {request(world, n)["CheckpointConfig"]["S3Uri"] for n in range(2)}
    assert len(places) == 2


def test_pretrained_weights_of_the_preset_are_a_channel(world: World) -> None:
    world.storage.put_bytes("weights/other/w.h5", b"x", "")
    world.drop(good(1))
    channels = [c["ChannelName"] for c in request(world)["InputDataConfig"]]
    assert channels == ["train", "version"]
    world.storage.put_bytes("weights/default/", b"", "")  # a console's empty folder
    world.storage.put_bytes("weights/default/w.h5", b"x", "")
    world.drop(good(2))
    [weights] = [c for c in request(world)["InputDataConfig"] if c["ChannelName"] == "weights"]
    assert weights["DataSource"]["S3DataSource"]["S3Uri"].endswith("/weights/default/")


def test_every_number_of_an_epoch_becomes_a_metric(world: World) -> None:
    world.drop(good())
    definitions = request(world)["AlgorithmSpecification"]["MetricDefinitions"]
    found = {
        d["Name"]: float(match[1]) for d in definitions if (match := re.search(d["Regex"], LINE))
    }
    assert found == {
        "train:loss": 0.5,
        "train:accuracy": 0.81,
        "train:learning_rate": 2e-5,
        "validation:loss": 0.6,
        "validation:accuracy": 0.8,
        "epoch:seconds": 1.5,
    }


def taken(operation: str, request: Any) -> None:
    """As SageMaker takes it: lengths, patterns and enums too, which botocore leaves unchecked."""
    model = operation_model(operation)
    assert model is not None
    validate(json.loads(json.dumps(dict(request))), model.input_shape)


def test_requests_with_everything_in_them_are_what_sagemaker_takes(world: World) -> None:
    world.datasets._parts = replaced(world, 3600, wait=7200)
    world.storage.put_bytes("weights/default/w.h5", b"x", "")
    world.put("dataset.json", b'{"instances": {"type": "ml.g5.xlarge", "count": 2}}')
    world.drop(good())
    taken("CreateTrainingJob", request(world))
    assert request(world)["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    [package] = world.registry.requests.values()
    taken("CreateModelPackage", package)
    properties = package["CustomerMetadataProperties"]
    assert properties["instance_type"] == "ml.g5.xlarge"
    assert (properties["instance_count"], properties["spot"]) == ("2", "true")


def test_hosts_are_told_of_each_other_where_there_are_several(world: World) -> None:
    world.drop(good(1))
    assert not any("multi_worker" in name for name in request(world)["HyperParameters"])
    world.put("dataset.json", b'{"instances": {"count": 2}}')
    world.drop(good(2))
    name = "sagemaker_multi_worker_mirrored_strategy_enabled"
    assert request(world)["HyperParameters"][name] == "true"
    assert request(world)["ResourceConfig"]["InstanceCount"] == 2


def test_much_data_gets_a_larger_disk() -> None:
    assert volume({"bytes": 0}) == volume({}) == 30
    assert volume({"bytes": 100 * 2**30}) == 530
    assert volume({"bytes": 2**50}) == 16384


def test_people_see_preset_and_instances(world: World) -> None:
    status = world.drop(good())
    assert (status["preset"], status["instances"]) == ("default", "1 x ml.m5.xlarge")


def test_data_that_was_trained_already_still_tells_on_what(world: World) -> None:
    asked = {"preset": "dense-128", "instances": {"count": 2}}
    world.put("dataset.json", json.dumps(asked).encode())
    first = world.drop(good(1))
    again = world.drop(good(1))
    assert again["outcome"] == "AlreadyTrained"
    assert (again["preset"], again["instances"]) == (first["preset"], first["instances"])
    assert again["instances"] == "2 x ml.m5.xlarge"


def test_the_words_that_hyperparameters_take_are_those_of_the_training_job() -> None:
    config = Path(__file__).parents[3] / "training_job" / "pigeonhole_training" / "config.py"
    theirs = {
        target.id.lower(): ast.literal_eval(node.value)
        for node in ast.parse(config.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert {name: theirs[name] for name in CHOICES} == CHOICES
