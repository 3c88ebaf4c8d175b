"""The AWS CLI as a shell has it after `. .local/env`, each call a process of its own.

Its `wait` looks at once, then every 30 to 120 s: the tests wait themselves first.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import REPO, Cloud, wait_for

from .conftest import SERVER, TRAINER, Tripwire

AWS = REPO / ".venv" / "bin" / "aws"
LOSS = {"Name": "loss", "Regex": "loss=([0-9.]+);"}
INSTANCE = "InstanceType=ml.m5.large,InstanceCount=1"


class Cli:
    """`aws`, with the bucket and the role that the tests may use."""

    def __init__(self, cloud: Cloud, env: dict[str, str], bucket: str, role: str) -> None:
        self.cloud = cloud
        self.env = env
        self.bucket = bucket
        self.role = role

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(AWS), *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=self.env, timeout=120
        )

    def text(self, *words: str) -> str:
        """What it prints; fails when it fails."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __call__(self, *words: str, **members: Any) -> Any:
        """A call of `aws sagemaker`, `members` as JSON; returns the parsed answer."""
        options = [
            part
            for name, value in members.items()
            for part in (
                f"--{name.replace('_', '-')}",
                value if isinstance(value, str) else json.dumps(value),
            )
        ]
        answer = self.text("sagemaker", *words, *options)
        return json.loads(answer) if answer.strip() else None

    def until(self, wanted: str, kind: str, **name: str) -> None:
        """Wait for a status. By boto3: each look of the CLI's would cost its start."""
        describe = getattr(self.cloud.client("sagemaker"), f"describe_{kind}")

        def status() -> bool:
            members = describe(**name).items()
            return wanted in [value for member, value in members if member.endswith("Status")]

        wait_for(status, f"{name} to be {wanted}")

    def training_job(self, name: str, mode: str = "good") -> Any:
        algorithm = {
            "TrainingImage": TRAINER,
            "TrainingInputMode": "File",
            "MetricDefinitions": [LOSS],
        }
        return self(
            "create-training-job",
            training_job_name=name,
            role_arn=self.role,
            algorithm_specification=algorithm,
            hyper_parameters={"mode": mode},
            output_data_config=f"S3OutputPath=s3://{self.bucket}/out",
            resource_config=f"{INSTANCE},VolumeSizeInGB=1",
            stopping_condition="MaxRuntimeInSeconds=60",
        )

    def model(self, name: str, artifact: str) -> Any:
        return self(
            "create-model",
            model_name=name,
            execution_role_arn=self.role,
            primary_container=f"Image={SERVER},ModelDataUrl={artifact}",
        )


@pytest.fixture(scope="module")
def aws(
    cloud: Cloud, env: dict[str, str], bucket: str, role: str, tripwire: Tripwire
) -> Iterator[Cli]:
    yield Cli(cloud, env, bucket, role)
    assert tripwire.calls == []


Name = Callable[[str], str]


def test_training_jobs(aws: Cli, unique: Name, tmp_path: Path) -> None:
    name = unique("cli-train")
    made = aws.training_job(name)
    assert made["TrainingJobArn"].endswith(f":training-job/{name}")
    aws.until("Completed", "training_job", TrainingJobName=name)
    aws("wait", "training-job-completed-or-stopped", "--training-job-name", name)
    found = aws("describe-training-job", training_job_name=name)
    assert found["FinalMetricDataList"][0]["Value"] == 0.25
    model = tmp_path / "model.tar.gz"
    aws.text("s3", "cp", found["ModelArtifacts"]["S3ModelArtifacts"], str(model))
    listed = subprocess.run(["tar", "-tzf", model], capture_output=True, text=True, check=True)
    assert "report.json" in listed.stdout
    log = aws.text(
        *("logs", "filter-log-events", "--log-group-name", "/aws/sagemaker/TrainingJobs"),
        *("--log-stream-name-prefix", name, "--query", "events[].message"),
    )
    assert "epoch=3; loss=0.25; accuracy=nan;" in json.loads(log)


def test_a_training_job_that_fails(aws: Cli, unique: Name) -> None:
    name = unique("cli-fails")
    aws.training_job(name, mode="failing")
    job = ("--training-job-name", name)
    aws.until("Failed", "training_job", TrainingJobName=name)
    waited = aws.run("sagemaker", "wait", "training-job-completed-or-stopped", *job)
    assert waited.returncode == 255
    assert "Waiter TrainingJobCompletedOrStopped failed" in waited.stderr
    assert "data changed: b.csv" in aws("describe-training-job", *job)["FailureReason"]


def test_lists_are_paged_by_the_cli_s_tokens(aws: Cli, unique: Name, artifact: str) -> None:
    part = unique("cli-page")
    for number in range(3):
        aws.model(f"{part}-{number}", artifact)
    order = ("--name-contains", part, "--sort-by", "Name", "--sort-order", "Ascending")
    names = ("list-models", *order)
    first = aws(*names, max_items="2")
    assert [m["ModelName"][-1] for m in first["Models"]] == ["0", "1"]
    rest = aws(*names, starting_token=first["NextToken"])
    assert [m["ModelName"][-1] for m in rest["Models"]] == ["2"]
    assert "NextToken" not in rest
    every = aws(*names, page_size="1")
    assert len(every["Models"]) == 3


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (
            ("describe-endpoint", "--endpoint-name", "absent"),
            (254, 255),
            "An error occurred (ValidationException) when calling the DescribeEndpoint operation: "
            "Could not find endpoint",
        ),
        (
            ("describe-training-job", "--training-job-name", "a_b"),
            (254, 255),
            "failed to satisfy constraint: Member must satisfy regular expression pattern",
        ),
        (
            ("list-notebook-instances",),
            (254, 255),
            "when calling the ListNotebookInstances operation",
        ),
        (("describe-endpoint",), (2, 252), "the following arguments are required"),
    ],
)
def test_errors(aws: Cli, words: tuple[str, ...], status: tuple[int, int], message: str) -> None:
    """AWS CLI 1 and 2 end with different statuses."""
    done = aws.run("sagemaker", *words)
    assert done.returncode in status
    assert message in done.stderr


def test_endpoints(aws: Cli, unique: Name, artifact: str, tmp_path: Path) -> None:
    name = unique("cli-endpoint")
    aws.model(name, artifact)
    size = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    variant = {"VariantName": "AllTraffic", "ModelName": name, "ServerlessConfig": size}
    aws("create-endpoint-config", endpoint_config_name=name, production_variants=[variant])
    aws("create-endpoint", endpoint_name=name, endpoint_config_name=name)
    aws.until("InService", "endpoint", EndpointName=name)
    aws("wait", "endpoint-in-service", "--endpoint-name", name)
    body, answer = tmp_path / "body", tmp_path / "answer"
    body.write_bytes(b"hello")
    told = aws.text(
        *("sagemaker-runtime", "invoke-endpoint", "--endpoint-name", name),
        *("--content-type", "text/plain", "--body", f"fileb://{body}", str(answer)),
    )
    assert answer.read_bytes() == b"client:hello"
    assert json.loads(told)["InvokedProductionVariant"] == "AllTraffic"
    aws("delete-endpoint", endpoint_name=name)
    listed = aws.cloud.client("sagemaker").list_endpoints
    wait_for(lambda: not listed(NameContains=name)["Endpoints"], f"endpoint {name} to be gone")
    aws("wait", "endpoint-deleted", "--endpoint-name", name)


def test_transform_jobs(aws: Cli, unique: Name, artifact: str, tmp_path: Path) -> None:
    name = unique("cli-transform")
    for key in ("a.txt", "b.txt"):
        (tmp_path / key).write_text(key)
    place = f"s3://{aws.bucket}/{name}"
    aws.text("s3", "sync", str(tmp_path), f"{place}/in")
    aws.model(name, artifact)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{place}/in/"}}
    aws(
        "create-transform-job",
        transform_job_name=name,
        model_name=name,
        transform_input={"DataSource": source, "ContentType": "text/plain"},
        transform_output={"S3OutputPath": f"{place}/out"},
        transform_resources=INSTANCE,
    )
    aws.until("Completed", "transform_job", TransformJobName=name)
    aws("wait", "transform-job-completed-or-stopped", "--transform-job-name", name)
    assert aws.text("s3", "cp", f"{place}/out/a.txt.out", "-") == "client:a.txt"
    assert "b.txt.out" in aws.text("s3", "ls", f"{place}/out/")


def test_tuning_jobs(aws: Cli, unique: Name) -> None:
    name = unique("cli-tune")
    aws(
        "create-hyper-parameter-tuning-job",
        hyper_parameter_tuning_job_name=name,
        hyper_parameter_tuning_job_config={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "color", "Values": ["red", "blue"]}]
            },
        },
        training_job_definition={
            "AlgorithmSpecification": {
                "TrainingImage": TRAINER,
                "TrainingInputMode": "File",
                "MetricDefinitions": [LOSS],
            },
            "StaticHyperParameters": {"mode": "good"},
            "RoleArn": aws.role,
            "OutputDataConfig": {"S3OutputPath": f"s3://{aws.bucket}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    )
    aws.until("Completed", "hyper_parameter_tuning_job", HyperParameterTuningJobName=name)
    trials = aws(
        "list-training-jobs-for-hyper-parameter-tuning-job",
        hyper_parameter_tuning_job_name=name,
    )
    colors = {t["TunedHyperParameters"]["color"] for t in trials["TrainingJobSummaries"]}
    assert colors == {"red", "blue"}


def test_the_registry(aws: Cli, unique: Name, artifact: str) -> None:
    name = unique("cli-registry")
    aws("create-model-package-group", model_package_group_name=name)
    container = {"Image": SERVER, "ModelDataUrl": artifact}
    arn = aws(
        "create-model-package",
        model_package_group_name=name,
        model_approval_status="PendingManualApproval",
        inference_specification={"Containers": [container]},
    )["ModelPackageArn"]
    aws("update-model-package", model_package_arn=arn, model_approval_status="Approved")
    group = ("--model-package-group-name", name)
    listed = aws("list-model-packages", *group, model_approval_status="Approved")
    assert [p["ModelPackageArn"] for p in listed["ModelPackageSummaryList"]] == [arn]
    group_arn = arn.rsplit("/", 1)[0].replace("model-package/", "model-package-group/")
    aws("add-tags", resource_arn=group_arn, tags=[{"Key": "team", "Value": "cats"}])
    assert aws("list-tags", resource_arn=group_arn)["Tags"] == [{"Key": "team", "Value": "cats"}]
