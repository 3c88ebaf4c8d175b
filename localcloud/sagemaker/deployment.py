"""What an endpoint config asks for, resolved once into what its containers need.

A deployment is kept in the endpoint's state, so that an endpoint goes on serving, after a restart
too, when its config, its model or the artifact in S3 has been removed meanwhile, as on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from localcloud.sagemaker import packages
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ValidationException
from localcloud.sagemaker.s3data import DataError
from localcloud.sagemaker.store import Kind


@dataclass(frozen=True)
class Container:
    """A model's container: `artifact` is the unpacked folder, None for a model without data."""

    image: str
    role_arn: str
    environment: dict[str, str] = field(default_factory=dict)
    artifact: str | None = None


@dataclass(frozen=True)
class Variant:
    """A production variant; `config` is as in the endpoint config, but for weight and capacity,
    which are as they are now.
    """

    name: str
    container: Container
    config: dict[str, Any]
    resolved: float

    @property
    def serverless(self) -> bool:
        return "ServerlessConfig" in self.config

    @property
    def weight(self) -> float:
        """InitialVariantWeight, or what it was changed to."""
        return float(self.config.get("InitialVariantWeight", 1.0))

    @property
    def instances(self) -> int:
        """InitialInstanceCount, or what it was changed to; 0 of a serverless variant."""
        return 0 if self.serverless else int(self.config.get("InitialInstanceCount", 1))

    def scaled(self, wanted: Mapping[str, Any]) -> Variant:
        """With the DesiredWeight, DesiredInstanceCount and ServerlessUpdateConfig of `wanted` (a
        DesiredWeightAndCapacity), where they are given.
        """
        config = dict(self.config)
        if "DesiredWeight" in wanted:
            config["InitialVariantWeight"] = wanted["DesiredWeight"]
        if "DesiredInstanceCount" in wanted:
            config["InitialInstanceCount"] = wanted["DesiredInstanceCount"]
        if "ServerlessUpdateConfig" in wanted:
            size = {**config["ServerlessConfig"], **wanted["ServerlessUpdateConfig"]}
            config["ServerlessConfig"] = size
        return replace(self, config=config)

    @property
    def summary(self) -> dict[str, Any]:
        """ProductionVariantSummary, as DescribeEndpoint shows it."""
        image = self.container.image
        deployed = {
            "SpecifiedImage": image,
            "ResolvedImage": image,
            "ResolutionTime": self.resolved,
        }
        weight = self.weight
        shown: dict[str, Any] = {
            "VariantName": self.name,
            "DeployedImages": [deployed],
            "CurrentWeight": weight,
            "DesiredWeight": weight,
        }
        if self.serverless:
            size = self.config["ServerlessConfig"]
            return {
                **shown,
                "CurrentInstanceCount": 0,
                "CurrentServerlessConfig": size,
                "DesiredServerlessConfig": size,
            }
        count = self.instances
        shown = {**shown, "CurrentInstanceCount": count, "DesiredInstanceCount": count}
        if "RoutingConfig" in self.config:
            shown["RoutingConfig"] = self.config["RoutingConfig"]
        return shown

    def summary_of_change(self, wanted: Variant) -> dict[str, Any]:
        """The summary while it becomes `wanted`: Current… as it is, Desired… as it will be."""
        later = {k: v for k, v in wanted.summary.items() if k.startswith("Desired")}
        return {**self.summary, **later}


@dataclass(frozen=True)
class Deployment:
    """An endpoint config as deployed; `asynchronous` is its AsyncInferenceConfig."""

    config_name: str
    variants: tuple[Variant, ...]
    asynchronous: dict[str, Any] | None = None

    def scaled(self, wanted: Sequence[Mapping[str, Any]]) -> Deployment:
        """With other weights and capacities (DesiredWeightsAndCapacities)."""
        by_name = {item["VariantName"]: item for item in wanted}
        return replace(
            self, variants=tuple(v.scaled(by_name.get(v.name, {})) for v in self.variants)
        )

    def retaining(self, present: Deployment, properties: Sequence[str]) -> Deployment:
        """With these properties (VariantPropertyType) of the present variants of the same names."""
        kept = []
        for variant in present.variants:
            item: dict[str, Any] = {"VariantName": variant.name}
            if "DesiredWeight" in properties:
                item["DesiredWeight"] = variant.weight
            if "DesiredInstanceCount" in properties and not variant.serverless:
                item["DesiredInstanceCount"] = variant.instances
            kept.append(item)
        return self.scaled(kept)

    @property
    def artifacts(self) -> set[Path]:
        """The folders it serves from."""
        found = {variant.container.artifact for variant in self.variants}
        return {Path(folder) for folder in found if folder}

    def to_state(self) -> dict[str, Any]:
        """As JSON, for the endpoint's state."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Deployment:
        """The reverse of `to_state`."""
        variants = tuple(
            Variant(
                name=item["name"],
                container=Container(**item["container"]),
                config=item["config"],
                resolved=item["resolved"],
            )
            for item in state["variants"]
        )
        return cls(state["config_name"], variants, state.get("asynchronous"))


def resolve(cloud: Cloud, config_name: str) -> Deployment:
    """Resolve an endpoint config, fetching the artifacts. Raises DataError, UnknownImage,
    AccessDenied.
    """
    config = cloud.store.get(Kind.ENDPOINT_CONFIG, config_name)
    if config is None:
        arn = cloud.arn(Kind.ENDPOINT_CONFIG, config_name)
        raise DataError(f'Could not find endpoint configuration "{arn}".')
    variants = tuple(
        Variant(
            item["VariantName"], resolve_model(cloud, item["ModelName"]), item, cloud.clock.now()
        )
        for item in config.request["ProductionVariants"]
    )
    return Deployment(config_name, variants, config.request.get("AsyncInferenceConfig"))


def resolve_model(cloud: Cloud, name: str) -> Container:
    """What a model's container needs. Raises DataError, UnknownImage, AccessDenied."""
    model = cloud.store.get(Kind.MODEL, name)
    if model is None:
        raise DataError(f'Could not find model "{cloud.arn(Kind.MODEL, name)}".')
    role = model.request["ExecutionRoleArn"]
    definition = container_definition(cloud, model.request)
    image = definition["Image"]
    cloud.containers.check(image)
    artifact = None
    if url := definition.get("ModelDataUrl"):
        s3 = cloud.roles.s3(role, f"SageMaker-{name}"[:64])
        artifact = str(cloud.artifacts.fetch(s3, url))
    return Container(image, role, dict(definition.get("Environment") or {}), artifact)


def container_definition(cloud: Cloud, model: dict[str, Any]) -> dict[str, Any]:
    """Image, ModelDataUrl and Environment of a CreateModel request, from its model package if it
    names one.

    Raises DataError when the package is gone, or has no such container.
    """
    definition: dict[str, Any] = model.get("PrimaryContainer") or model["Containers"][0]
    if "ModelPackageName" not in definition:
        return definition
    try:
        package = packages.get(cloud, definition["ModelPackageName"])
        packaged = packages.container(package, definition.get("InferenceSpecificationName"))
    except ValidationException as error:
        raise DataError(error.message) from error
    environment = {**packaged.get("Environment", {}), **definition.get("Environment", {})}
    return {**packaged, "Environment": environment}
