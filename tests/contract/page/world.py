"""A real local cloud with the images of these tests, and jobs and endpoints on it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import boto3
import urllib3

from localcloud.home import ROOT_KEY, ROOT_SECRET, Home
from tests.contract.localcloud.clouds import REGION, REPOSITORY, LocalCloud, free_port, wait_for
from tests.contract.sagemaker.account import pack

BUCKET = "page"
JOBS = "/aws/sagemaker/TrainingJobs"
TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}
ALL = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class World:
    """The cloud and its page; names that are made up are new ones each."""

    def __init__(self, folder: Path) -> None:
        images = Path(__file__).with_name("images.toml").read_text()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "images.toml").write_text(images.replace("{repo}", str(REPOSITORY)))
        self.cloud = LocalCloud(Home.at(folder), free_port())
        self.url = self.cloud.ports.sagemaker_url

    def start(self, **environment: str) -> World:
        self.cloud.start(**environment)
        iam = self.cloud.client("iam")
        self.role: str = iam.create_role(
            RoleName="execution", AssumeRolePolicyDocument=json.dumps(TRUST)
        )["Role"]["Arn"]
        iam.put_role_policy(RoleName="execution", PolicyName="p", PolicyDocument=json.dumps(ALL))
        self.s3 = self.cloud.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.api = self.client("sagemaker")
        self.runtime = self.client("sagemaker-runtime")
        return self

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=ROOT_SECRET,
        )

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        """What the page's server answers."""
        return urllib3.request("GET", f"{self.url}{path}", headers=headers, retries=False)

    def state(self) -> Any:
        return self.get("/_pigeonhole/state").json()

    def logs(self, group: str, name: str, after: int = 0) -> Any:
        return self.get(f"/_pigeonhole/logs?group={group}&name={name}&after={after}").json()

    def train(self, *say: str, name: str = "", wait: bool = False, fail: str = "") -> str:
        """Start a training job; returns its name."""
        name = name or f"job-{uuid.uuid4().hex[:8]}"
        settings = {"say": json.dumps(say), "wait": "x" if wait else "", "fail": fail}
        self.api.create_training_job(
            TrainingJobName=name,
            RoleArn=self.role,
            HyperParameters={key: value for key, value in settings.items() if value},
            AlgorithmSpecification={
                "TrainingImage": "page/trainer:1",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
            },
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/models/"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 300},
        )
        return name

    def end(self, name: str) -> None:
        """Stop a training job and wait for its end."""
        self.api.stop_training_job(TrainingJobName=name)
        self.has_ended(name)

    def has_ended(self, name: str) -> None:
        wait_for(
            lambda: (
                self.api.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
                in ("Completed", "Failed", "Stopped")
            ),
            f"{name} ends",
        )

    def endpoint(self, name: str) -> None:
        """A serverless endpoint in service, whose model is of the group `shoes`."""
        self.s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=pack({"name": "m"}))
        container = {"Image": "page/server:1", "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
        types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
        self.api.create_model_package_group(ModelPackageGroupName="shoes")
        self.api.create_model_package(
            ModelPackageGroupName="shoes",
            ModelApprovalStatus="Approved",
            InferenceSpecification={"Containers": [container], **types},
        )
        self.api.create_model(
            ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
        }
        self.api.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self.api.create_endpoint(EndpointName=name, EndpointConfigName=name)
        wait_for(
            lambda: self.api.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService",
            f"{name} is in service",
        )
