"""CreateEndpoint, UpdateEndpoint, UpdateEndpointWeightsAndCapacities, DescribeEndpoint,
ListEndpoints, DeleteEndpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localcloud.sagemaker import support
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.deployment import Deployment
from localcloud.sagemaker.errors import MissingResource, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import endpoint_configs
from localcloud.sagemaker.state_changes import publish_endpoint
from localcloud.sagemaker.store import Kind, Resource


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
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
    endpoint = _get(cloud, request)
    config = endpoint_configs.get(cloud, request["EndpointConfigName"])
    if endpoint.status == "InService":
        _check_new_config(endpoint, config)
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
        _retained=_retained(request),
    )
    if moved is None:
        raise _wrong_status(_get(cloud, request), "update")
    publish_endpoint(cloud, moved)
    cloud.hosting.update(endpoint.name)
    return {"EndpointArn": endpoint.arn}


def update_weights_and_capacities(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    endpoint = _get(cloud, request)
    wanted = request["DesiredWeightsAndCapacities"]
    if endpoint.status != "InService":
        raise _wrong_status(endpoint, "update")
    present = Deployment.from_state(endpoint.state["_deployed"])
    for item in wanted:
        _check_capacity(endpoint, present, item)

    def change(current: Resource) -> Resource | None:
        if (
            current.status != "InService"
            or current.state["_deployed"] != endpoint.state["_deployed"]
        ):
            return None
        shown = [
            variant.summary_of_change(scaled)
            for variant, scaled in zip(
                present.variants, present.scaled(wanted).variants, strict=True
            )
        ]
        moved = replace(current, status="Updating", modified=cloud.clock.now())
        return moved.with_state(FailureReason=None, ProductionVariants=shown, _wanted=wanted)

    moved = cloud.store.change(Kind.ENDPOINT, endpoint.name, change)
    if moved is None:
        raise _wrong_status(_get(cloud, request), "update")
    publish_endpoint(cloud, moved)
    cloud.hosting.rescale(endpoint.name)
    return {"EndpointArn": endpoint.arn}


def _check_new_config(endpoint: Resource, config: Resource) -> None:
    """What an endpoint cannot become. The messages are not documented."""
    if endpoint.state["EndpointConfigName"] == config.name:
        raise ValidationException(
            f'Cannot update endpoint "{endpoint.arn}": it has the endpoint configuration '
            f'"{config.arn}" already.'
        )
    present = Deployment.from_state(endpoint.state["_deployed"])
    variants = config.request["ProductionVariants"]
    serverless = any("ServerlessConfig" in variant for variant in variants)
    if serverless and not all(variant.serverless for variant in present.variants):
        raise ValidationException(
            f'Cannot update endpoint "{endpoint.arn}": a real-time endpoint cannot be updated to '
            "a serverless endpoint."
        )
    if ("AsyncInferenceConfig" in config.request) != (present.asynchronous is not None):
        raise support.unsupported("UpdateEndpoint", support.TO_ASYNCHRONOUS)


def _check_capacity(endpoint: Resource, present: Deployment, item: dict[str, Any]) -> None:
    variant = next((v for v in present.variants if v.name == item["VariantName"]), None)
    if variant is None:
        raise ValidationException(
            f'Could not find variant "{item["VariantName"]}" of endpoint "{endpoint.arn}".'
        )
    if variant.serverless and "DesiredInstanceCount" in item:
        raise ValidationException("DesiredInstanceCount is not supported for serverless endpoints.")
    if not variant.serverless and "ServerlessUpdateConfig" in item:
        raise ValidationException("ServerlessUpdateConfig needs a serverless variant.")
    if "ServerlessUpdateConfig" in item:
        endpoint_configs.check_concurrency(variant.scaled(item).config["ServerlessConfig"])
    # Not documented for real-time endpoints; asynchronous ones may scale to zero.
    if item.get("DesiredInstanceCount") == 0 and present.asynchronous is None:
        raise support.unsupported("UpdateEndpointWeightsAndCapacities", support.NO_INSTANCES)


def _retained(request: dict[str, Any]) -> list[str] | None:
    if not request.get("RetainAllVariantProperties"):
        return None
    excluded = request.get("ExcludeRetainedVariantProperties", [])
    replaced = {item["VariantPropertyType"] for item in excluded}
    return [name for name in ("DesiredInstanceCount", "DesiredWeight") if name not in replaced]


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
