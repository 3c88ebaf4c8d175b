"""`pigeonhole status`: what is under way, by SageMaker's List and Describe calls."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from cli.api import DatasetStatus
from cli.commands.status import datasets, endpoints, for_a_person, jobs, trained, watched
from cli.errors import NotRunning
from cli.target import Target
from cli.under_way import UnderWay, since

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
KEYS = {
    "list_training_jobs": ("TrainingJobSummaries", "TrainingJobName", "TrainingJobStatus"),
    "list_transform_jobs": ("TransformJobSummaries", "TransformJobName", "TransformJobStatus"),
    "list_endpoints": ("Endpoints", "EndpointName", "EndpointStatus"),
    "list_hyper_parameter_tuning_jobs": (
        "HyperParameterTuningJobSummaries",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
    ),
}


class SageMaker:
    """Lists what it was given, a page an item; refuses every call that is no List or Describe."""

    def __init__(self, **listed: list[dict[str, Any]]) -> None:
        self.listed = listed
        self.described: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, str]] = []

    def get_paginator(self, call: str) -> Pages:
        return Pages(self, call)

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        return {"SecondaryStatus": "Downloading"}

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        return _found(self.described, EndpointName)

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        return _found(self.configs, EndpointConfigName)


class Pages:
    def __init__(self, sagemaker: SageMaker, call: str) -> None:
        self._sagemaker = sagemaker
        self._call = call

    def paginate(self, **wanted: str) -> Iterator[dict[str, Any]]:
        self._sagemaker.asked.append(wanted)
        key, name, status = KEYS[self._call]
        for item in self._sagemaker.listed.get(self._call, []):
            if wanted.get("StatusEquals") in (None, item[status]) and (
                wanted.get("NameContains", "") in item[name]
            ):
                yield {key: [item]}
        yield {key: []}


def _found(things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in things:
        raise ClientError({"Error": {"Code": "ValidationException", "Message": name}}, "Describe")
    return things[name]


def training(name: str, status: str, age: float = 0.0, **more: Any) -> dict[str, Any]:
    created = NOW - timedelta(seconds=age)
    return {"TrainingJobName": name, "TrainingJobStatus": status, "CreationTime": created, **more}


def shown(parts: Iterator[Any]) -> str:
    out = io.StringIO()
    console = Console(file=out, width=200, markup=False, highlight=False)
    for part in parts:
        console.print(part)
    return out.getvalue()


def test_jobs_that_are_not_over_are_told_with_where_they_are() -> None:
    sagemaker = SageMaker(
        list_training_jobs=[
            training("b", "InProgress", 5, SecondaryStatus="Training"),
            training("a", "Stopping", 9),
            training("over", "Completed"),
        ],
        list_transform_jobs=[
            {"TransformJobName": "t", "TransformJobStatus": "InProgress", "CreationTime": NOW}
        ],
        list_hyper_parameter_tuning_jobs=[
            {
                "HyperParameterTuningJobName": "h",
                "HyperParameterTuningJobStatus": "InProgress",
                "CreationTime": NOW,
                "TrainingJobStatusCounters": {"Completed": 3, "InProgress": 2},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 10},
            }
        ],
    )
    found = UnderWay(sagemaker).jobs()
    assert [(j.kind, j.name, j.status, j.detail) for j in found] == [
        ("training", "a", "Downloading", ""),
        ("training", "b", "Training", ""),
        ("tuning", "h", "InProgress", "3 of 10 trials over, 2 running"),
        ("transform", "t", "InProgress", ""),
    ]
    text = shown(jobs(UnderWay(sagemaker)))
    assert "Downloading" in text
    assert "3 of 10 trials over, 2 running" in text


def test_on_aws_only_the_stages_own_are_asked_for_and_told() -> None:
    prefix = "pigeonhole-dev-"
    sagemaker = SageMaker(
        list_training_jobs=[
            training(f"{prefix}x", "InProgress", SecondaryStatus="Training"),
            training(f"not-{prefix}x", "InProgress", SecondaryStatus="Training"),
            training("somebody-elses", "InProgress", SecondaryStatus="Training"),
        ]
    )
    assert [job.name for job in UnderWay(sagemaker, prefix).jobs()] == [f"{prefix}x"]
    assert all(wanted["NameContains"] == prefix for wanted in sagemaker.asked)


def test_endpoints_are_told_with_what_serves_them() -> None:
    names = ("cold", "big", "gone")
    sagemaker = SageMaker(
        list_endpoints=[
            {"EndpointName": name, "EndpointStatus": "InService", "LastModifiedTime": NOW}
            for name in names
        ]
    )
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5, "ProvisionedConcurrency": 1}
    sagemaker.described["cold"] = {
        "EndpointConfigName": "c",
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "CurrentWeight": 1.0,
                "CurrentServerlessConfig": serverless,
            }
        ],
    }
    sagemaker.described["big"] = {
        "EndpointConfigName": "b",
        "ProductionVariants": [
            {"VariantName": "Blue", "CurrentWeight": 0.5, "CurrentInstanceCount": 2},
            {"VariantName": "Green", "CurrentWeight": 1.0, "CurrentInstanceCount": 1},
        ],
    }
    sagemaker.configs["b"] = {
        "ProductionVariants": [{"VariantName": "Blue", "InstanceType": "ml.m5.large"}]
    }
    told = {e.name: e.variants for e in UnderWay(sagemaker).endpoints()}
    assert told == {
        "cold": ("AllTraffic: serverless 2048 MB, 5 at once, 1 provisioned",),
        "big": ("Blue: 2 x ml.m5.large, weight 0.5", "Green: 1 x instance"),
    }
    assert "Blue: 2 x ml.m5.large, weight 0.5" in shown(endpoints(UnderWay(sagemaker)))
    del sagemaker.configs["b"]  # an endpoint outlives its config
    assert UnderWay(sagemaker).endpoints()[0].variants[0] == "Blue: 2 x instance, weight 0.5"


def test_where_nothing_is_nothing_is_told() -> None:
    assert shown(jobs(UnderWay(SageMaker()))) == ""
    assert shown(endpoints(UnderWay(SageMaker()))) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (7500, "2 h 5 min"),
        (1e6, "11 d"),
    ],
)
def test_times_are_told_as_a_person_says_them(seconds: float, text: str) -> None:
    assert since(NOW - timedelta(seconds=seconds), NOW) == text


def test_watching_goes_on_without_a_cloud_and_ends_clean() -> None:
    looks: list[int] = []

    def find() -> Target:
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt
        raise NotRunning("No local cloud in .local. Start one: pigeonhole up")

    out = io.StringIO()
    console = Console(file=out, width=100, height=30, force_terminal=True)
    assert watched(find, console, sleep=lambda _: None) == 0
    assert "Start one: pigeonhole up" in out.getvalue()
    assert "\x1b[?25h" in out.getvalue().rsplit("\x1b[?25l", 1)[-1]  # the cursor is shown again


def test_what_waits_for_a_person_is_told_with_the_command() -> None:
    body = {
        "dataset": "bags",
        "phase": "Live",
        "waiting": [
            {
                "version": "0123456789abcdef",
                "what": "model",
                "message": "a person must decide: 12 rows. `pigeonhole approve bags …`",
            }
        ],
    }
    text = shown(for_a_person([DatasetStatus.parse(body)], " --stage dev"))
    assert "bags 0123456789ab, its model" in text
    assert "a person must decide: 12 rows" in text
    assert "…`" not in text
    assert "pigeonhole approve bags 0123456789ab --stage dev" in text
    assert shown(for_a_person([DatasetStatus.parse(body | {"waiting": []})], "")) == ""


def test_a_narrow_terminal_cuts_no_command_and_no_name() -> None:
    job = "pigeonhole-local-bags-0123456789ab-1"
    body = {
        "dataset": "bags",
        "phase": "PendingApproval",
        "message": "a person must decide: 12 rows. `pigeonhole approve bags 0123456789ab`",
        "champion": {"version": "01" * 32, "training_job": job, "accuracy": 0.875},
        "former": [{"training_job": "pigeonhole-local-bags-ba9876543210-2"}],
        "preset": "default",
        "instances": "1 x ml.m5.xlarge",
        "waiting": [{"version": "ab" * 32, "what": "model", "message": "a person must decide"}],
    }
    other = {"dataset": "shoes", "phase": "Refused", "message": "refused: a.csv, line 7: " * 9}
    found = [DatasetStatus.parse(one) for one in (body, other)]
    out = io.StringIO()
    console = Console(file=out, width=80, markup=False, highlight=False)
    for part in datasets(found, " --stage dev"):
        console.print(part)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for whole in ("PendingApproval", "0123456789ab-1", "ba9876543210-2", "87.5%", "refused:"):
        assert whole in text
    assert "  pigeonhole approve bags abababababab --stage dev  (or reject)\n" in text
    assert text.count("a person must decide") == 1


def test_a_dataset_with_a_schedule_says_when_it_is_trained_next() -> None:
    body = {"dataset": "bags", "phase": "Live", "preset": "default", "instances": "1 x ml.m5.large"}
    assert trained(DatasetStatus.parse(body)) == "default on 1 x ml.m5.large"
    due = datetime.now(UTC) + timedelta(days=3, hours=1)
    scheduled = DatasetStatus.parse(body | {"next_training": due.isoformat()})
    assert trained(scheduled) == "default on 1 x ml.m5.large; again in 3 d"
