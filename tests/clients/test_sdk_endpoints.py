"""`sagemaker.core.resources`: Model, EndpointConfig, Endpoint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model

from .sdk import instances, model, serverless

pytestmark = pytest.mark.usefixtures("sdk")
Name = Callable[[str], str]


def test_a_serverless_endpoint_answers_is_updated_and_deleted(
    unique: Name, role: str, artifact: str
) -> None:
    name = unique("sdk-serverless")
    model(name, role, artifact)
    serverless(name, name)
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    answer = endpoint.invoke(body=b"hello", content_type="text/x-test", accept="text/x-test")
    assert answer.body.read() == b"client:hello"
    assert answer.content_type == "text/x-test"
    assert answer.invoked_production_variant == "AllTraffic"

    other = unique("sdk-other")
    model(other, role, artifact, IMAGE_SETS="that")
    serverless(other, other)
    endpoint.endpoint_config_name = other
    endpoint.update()
    assert endpoint.endpoint_status == "Updating"
    endpoint.wait_for_status("InService", poll=1)
    assert endpoint.endpoint_config_name == other
    assert b'"IMAGE_SETS": "that"' in endpoint.invoke(body=b"environment").body.read()

    assert [e.endpoint_name for e in Endpoint.get_all(name_contains=name)] == [name]
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)
    EndpointConfig.get(name).delete()
    Model.get(name).delete()
    with pytest.raises(ClientError, match="Could not find"):
        Model.get(name)


def test_an_endpoint_on_an_instance_tells_what_its_model_refuses(
    unique: Name, role: str, artifact: str
) -> None:
    name = unique("sdk-instance")
    made = model(name, role, artifact)
    assert made.primary_container.model_data_url == artifact
    config = instances(name, name)
    assert config.production_variants[0].instance_type == "ml.m5.large"
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    assert endpoint.production_variants[0].current_instance_count == 1
    with pytest.raises(ClientError) as refused:
        endpoint.invoke(body=b"status 418")
    assert refused.value.response["Error"]["Code"] == "ModelError"
    assert refused.value.response["OriginalStatusCode"] == 418
    endpoint.delete()
