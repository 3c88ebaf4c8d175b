"""The SageMaker SDK's shapes as the tests need them, with the tests' images in them."""

from __future__ import annotations

from typing import Any

import boto3
from sagemaker.core.resources import Model, TrainingJob
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    ContainerDefinition,
    MetricDefinition,
    OutputDataConfig,
    ProductionVariant,
    ResourceConfig,
    StoppingCondition,
)

from .conftest import SERVER, TRAINER

LOSS = MetricDefinition(name="loss", regex=r"loss=([0-9.]+);")


def train(name: str, role: str, bucket: str, **changes: Any) -> TrainingJob:
    """Start a training job of the tests' trainer."""
    return TrainingJob.create(
        **{
            "training_job_name": name,
            "role_arn": role,
            "algorithm_specification": AlgorithmSpecification(
                training_image=TRAINER, training_input_mode="File", metric_definitions=[LOSS]
            ),
            "output_data_config": OutputDataConfig(s3_output_path=f"s3://{bucket}/out"),
            "resource_config": ResourceConfig(
                instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1
            ),
            "stopping_condition": StoppingCondition(max_runtime_in_seconds=60),
            **changes,
        }
    )


def model(name: str, role: str, artifact: str, **environment: str) -> Model:
    """A model over the tests' server."""
    return Model.create(
        model_name=name,
        execution_role_arn=role,
        primary_container=ContainerDefinition(
            image=SERVER, model_data_url=artifact, environment=environment or None
        ),
    )


def serverless(name: str, model_name: str) -> None:
    """A serverless endpoint config.

    By boto3: the SDK writes `MemorySizeInMb`, which no SageMaker takes (aws/sagemaker-core#225).
    """
    size = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    variant = {"VariantName": "AllTraffic", "ModelName": model_name, "ServerlessConfig": size}
    boto3.client("sagemaker").create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant]
    )


def on_instance(name: str, model_name: str) -> ProductionVariant:
    """A production variant with one instance."""
    return ProductionVariant(
        variant_name=name,
        model_name=model_name,
        instance_type="ml.m5.large",
        initial_instance_count=1,
        initial_variant_weight=1.0,
    )
