"""CreateEndpoint, UpdateEndpoint, DescribeEndpoint, ListEndpoints, DeleteEndpoint."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import endpoint_configs
from localcloud.sagemaker.operations._unsupported import refuse
from localcloud.sagemaker.state_changes import publish_endpoint
from localcloud.sagemaker.store import Kind, Resource


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    refuse(request, ("DeploymentConfig",))
    config = endpoint_configs.get(cloud, request["EndpointConfigName"])
    endpoint = cloud.create(
        Kind.ENDPOINT,
        request["EndpointName"],
        {"EndpointName": request["EndpointName"], "Tags": request.get("Tags", [])},
        lambda existing: ValidationException(
            f'Cannot create already existing endpoint "{existing.arn}".'
        ),
        status="Creating",
        state={"EndpointConfigName": config.name},
    )
    publish_endpoint(cloud, endpoint)
    cloud.hosting.create(endpoint.name)
    return {"EndpointArn": endpoint.arn}


def update(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    refuse(
        request,
        (
            "DeploymentConfig",
            "RetainAllVariantProperties",
            "ExcludeRetainedVariantProperties",
            "RetainDeploymentConfig",
        ),
    )
    endpoint = _get(cloud, request)
    config = endpoint_configs.get(cloud, request["EndpointConfigName"])
    if endpoint.status == "InService" and endpoint.state["EndpointConfigName"] == config.name:
        raise ValidationException(
            f'Cannot update endpoint "{endpoint.arn}": it has the endpoint configuration '
            f'"{config.arn}" already.'
        )
    moved = cloud.advance(
        Kind.ENDPOINT,
        endpoint.name,
        "Updating",
        only_from=("InService",),
        FailureReason=None,
        PendingDeploymentSummary={
            "EndpointConfigName": config.name,
            "StartTime": cloud.clock.now(),
        },
        _pending=config.name,
    )
    if moved is None:
        raise _wrong_status(_get(cloud, request), "update")
    publish_endpoint(cloud, moved)
    cloud.hosting.update(endpoint.name)
    return {"EndpointArn": endpoint.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    endpoint = _get(cloud, request)
    return {
        **endpoint.view,
        "EndpointArn": endpoint.arn,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    return _LISTING.answer(request, cloud.store.all(Kind.ENDPOINT))


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    endpoint = _get(cloud, request)
    moved = cloud.advance(
        Kind.ENDPOINT, endpoint.name, "Deleting", only_from=("InService", "Failed")
    )
    if moved is None:
        raise _wrong_status(_get(cloud, request), "delete")
    publish_endpoint(cloud, moved)
    cloud.hosting.delete(endpoint.name)
    return {}


def _get(cloud: Cloud, request: dict[str, Any]) -> Resource:
    name = request["EndpointName"]
    endpoint = cloud.store.get(Kind.ENDPOINT, name)
    if endpoint is None:
        raise MissingResource(f'Could not find endpoint "{cloud.arn(Kind.ENDPOINT, name)}".')
    return endpoint


def _wrong_status(endpoint: Resource, verb: str) -> ValidationException:
    if endpoint.status == "Failed":
        return ValidationException(f'Cannot {verb} failed endpoint "{endpoint.arn}".')
    return ValidationException(f'Cannot {verb} in-progress endpoint "{endpoint.arn}".')


def _summary(endpoint: Resource) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
        "EndpointStatus": endpoint.status,
    }


_LISTING = Listing("Endpoints", _summary)
