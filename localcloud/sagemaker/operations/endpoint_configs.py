"""CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker import support
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import models
from localcloud.sagemaker.store import Kind, Resource

_MEMORY_STEP = 1024  # MB
_OF_INSTANCES = ("InstanceType", "InitialInstanceCount", "VolumeSizeInGB", "RoutingConfig")


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    _check(cloud, request)
    config = cloud.create(
        Kind.ENDPOINT_CONFIG,
        request["EndpointConfigName"],
        {**request, "ProductionVariants": [_full(v) for v in request["ProductionVariants"]]},
        lambda existing: ValidationException(
            f'Cannot create already existing endpoint configuration "{existing.arn}".'
        ),
    )
    return {"EndpointConfigArn": config.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    config = get(cloud, request["EndpointConfigName"])
    return {
        "EnableNetworkIsolation": False,
        **config.view,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    return _LISTING.answer(request, cloud.store.all(Kind.ENDPOINT_CONFIG))


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    config = get(cloud, request["EndpointConfigName"])
    cloud.store.delete(Kind.ENDPOINT_CONFIG, config.name)
    return {}


def get(cloud: Cloud, name: str) -> Resource:
    """The config. Raises MissingResource in SageMaker's words."""
    config = cloud.store.get(Kind.ENDPOINT_CONFIG, name)
    if config is None:
        arn = cloud.arn(Kind.ENDPOINT_CONFIG, name)
        raise MissingResource(f'Could not find endpoint configuration "{arn}".')
    return config


def _check(cloud: Cloud, request: dict[str, Any]) -> None:
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise ValidationException("The names of production variants must be unique.")
    serverless = any("ServerlessConfig" in variant for variant in variants)
    if serverless and len(variants) > 1:
        raise ValidationException(
            "Multiple production variants are not supported for serverless endpoints."
        )
    for variant in variants:
        _check_variant(cloud, variant)
    if serverless:
        _without_network_settings(cloud, request)
    if "AsyncInferenceConfig" in request:
        if serverless:
            raise ValidationException(
                "AsyncInferenceConfig is not supported for serverless endpoints."
            )
        _check_asynchronous(request["AsyncInferenceConfig"])


def _check_variant(cloud: Cloud, variant: dict[str, Any]) -> None:
    if "ModelName" not in variant:
        raise support.unsupported("CreateEndpointConfig", support.WITHOUT_MODEL)
    if "ServerlessConfig" in variant:
        _check_serverless(variant)
    elif "InstanceType" not in variant or "InitialInstanceCount" not in variant:
        raise ValidationException(
            f"Production variant {variant['VariantName']} needs ServerlessConfig, or "
            "InstanceType and InitialInstanceCount."
        )
    models.get(cloud, variant["ModelName"])


def _check_serverless(variant: dict[str, Any]) -> None:
    size = variant["ServerlessConfig"]
    for name in _OF_INSTANCES:
        if name in variant:
            raise ValidationException(f"{name} cannot be given together with ServerlessConfig.")
    if size["MemorySizeInMB"] % _MEMORY_STEP:
        raise ValidationException(
            f"Value '{size['MemorySizeInMB']}' for MemorySizeInMB must be one of "
            "1024, 2048, 3072, 4096, 5120, 6144."
        )
    check_concurrency(size)


def check_concurrency(size: dict[str, Any]) -> None:
    """Of a ServerlessConfig. Raises ValidationException."""
    if size.get("ProvisionedConcurrency", 0) > size["MaxConcurrency"]:
        raise ValidationException(
            "ProvisionedConcurrency must be less than or equal to MaxConcurrency."
        )


def _without_network_settings(cloud: Cloud, request: dict[str, Any]) -> None:
    """What serverless endpoints do not have: VPC and network isolation (feature exclusions)."""
    places = [request, *(models.get(cloud, v["ModelName"]).request for v in _variants(request))]
    for name in ("VpcConfig", "EnableNetworkIsolation"):
        if any(place.get(name) for place in places):
            raise ValidationException(f"{name} is not supported for serverless endpoints.")


def _variants(request: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request["ProductionVariants"]
    return found


def _check_asynchronous(asynchronous: dict[str, Any]) -> None:
    output = asynchronous["OutputConfig"]
    if "S3OutputPath" not in output:
        # Not documented: what the service does without one.
        raise support.unsupported("CreateEndpointConfig", support.WITHOUT_PATH)


def _full(variant: dict[str, Any]) -> dict[str, Any]:
    return {"InitialVariantWeight": 1.0, **variant}


def _summary(config: Resource) -> dict[str, Any]:
    return {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
    }


_LISTING = Listing("EndpointConfigs", _summary)
