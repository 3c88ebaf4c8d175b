"""CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import models
from localcloud.sagemaker.operations._unsupported import refuse, unsupported
from localcloud.sagemaker.store import Kind, Resource

_MEMORY_STEP = 1024  # MB


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
    refuse(
        request,
        (
            "DataCaptureConfig",
            "AsyncInferenceConfig",
            "ExplainerConfig",
            "ShadowProductionVariants",
            "MetricsConfig",
            "CrossRegionTrafficConfig",
        ),
    )
    variants = request["ProductionVariants"]
    serverless = [variant for variant in variants if "ServerlessConfig" in variant]
    if serverless and len(variants) > 1:
        raise ValidationException(
            "Multiple production variants are not supported for serverless endpoints."
        )
    if len(variants) > 1:
        raise unsupported("More than one production variant")
    for variant in variants:
        if "ModelName" not in variant:
            raise unsupported("A production variant without ModelName")
        refuse(
            variant,
            (
                "InstancePools",
                "AcceleratorType",
                "CoreDumpConfig",
                "ManagedInstanceScaling",
                "RoutingConfig",
                "CapacityReservationConfig",
            ),
            "ProductionVariants.",
        )
        if "ServerlessConfig" in variant:
            _check_serverless(variant)
        elif "InstanceType" not in variant or "InitialInstanceCount" not in variant:
            raise ValidationException(
                f"Production variant {variant['VariantName']} needs ServerlessConfig, or "
                "InstanceType and InitialInstanceCount."
            )
        elif variant["InitialInstanceCount"] > 1:
            raise unsupported("InitialInstanceCount greater than 1")
        models.get(cloud, variant["ModelName"])


def _check_serverless(variant: dict[str, Any]) -> None:
    size = variant["ServerlessConfig"]
    for name in ("InstanceType", "InitialInstanceCount", "VolumeSizeInGB"):
        if name in variant:
            raise ValidationException(f"{name} cannot be given together with ServerlessConfig.")
    if size["MemorySizeInMB"] % _MEMORY_STEP:
        raise ValidationException(
            f"Value '{size['MemorySizeInMB']}' for MemorySizeInMB must be one of "
            "1024, 2048, 3072, 4096, 5120, 6144."
        )
    if size.get("ProvisionedConcurrency", 0) > size["MaxConcurrency"]:
        raise ValidationException(
            "ProvisionedConcurrency must be less than or equal to MaxConcurrency."
        )
    if "ProvisionedConcurrency" in size:
        raise unsupported("ServerlessConfig.ProvisionedConcurrency")


def _full(variant: dict[str, Any]) -> dict[str, Any]:
    return {"InitialVariantWeight": 1.0, **variant}


def _summary(config: Resource) -> dict[str, Any]:
    return {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
    }


_LISTING = Listing("EndpointConfigs", _summary)
