"""`sagemaker.core.resources`: ModelPackageGroup, ModelPackage; and a model made of a package."""

from __future__ import annotations

from collections.abc import Callable

import boto3
import pytest
from sagemaker.core.resources import Endpoint, Model, ModelPackage, ModelPackageGroup, Tag
from sagemaker.core.shapes import ContainerDefinition

from .conftest import SERVER
from .sdk import serverless

pytestmark = pytest.mark.usefixtures("sdk")


def test_a_version_is_registered_approved_and_serves(
    unique: Callable[[str], str], role: str, artifact: str
) -> None:
    name = unique("sdk-registry")
    group = ModelPackageGroup.create(
        model_package_group_name=name,
        model_package_group_description="cats",
        tags=[{"key": "team", "value": "cats"}],
    )
    group.wait_for_status("Completed", poll=1)
    tags = Tag.get_all(resource_arn=group.model_package_group_arn)
    assert [(tag.key, tag.value) for tag in tags] == [("team", "cats")]

    # By boto3: the SDK's ModelPackage.create looks for a ModelPackageName in the answer, where
    # SageMaker gives the ARN alone.
    sagemaker = boto3.client("sagemaker")
    made = sagemaker.create_model_package(
        ModelPackageGroupName=name,
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties={"accuracy": "0.9"},
        InferenceSpecification={"Containers": [{"Image": SERVER, "ModelDataUrl": artifact}]},
    )
    package = ModelPackage.get(made["ModelPackageArn"])
    package.wait_for_status("Completed", poll=1)
    assert package.model_package_version == 1
    assert package.customer_metadata_properties == {"accuracy": "0.9"}
    package.update(model_approval_status="Approved", approval_description="better than the last")
    assert package.model_approval_status == "Approved"
    listed = ModelPackage.get_all(model_package_group_name=name, model_approval_status="Approved")
    assert [each.model_package_arn for each in listed] == [package.model_package_arn]

    Model.create(
        model_name=name,
        execution_role_arn=role,
        primary_container=ContainerDefinition(model_package_name=package.model_package_arn),
    )
    serverless(name, name)
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    assert endpoint.invoke(body=b"x").body.read() == b"client:x"
    endpoint.delete()

    # The SDK's delete, too, goes by a name.
    sagemaker.delete_model_package(ModelPackageName=package.model_package_arn)
    group.delete()
    assert [g.model_package_group_name for g in ModelPackageGroup.get_all(name_contains=name)] == []
