"""`sagemaker.core.resources`: Model, EndpointConfig, Endpoint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    AsyncInferenceConfig,
    AsyncInferenceOutputConfig,
    DesiredWeightAndCapacity,
)

from tests.local.conftest import Cloud, wait_for

from .sdk import model, on_instance, serverless

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
    config = EndpointConfig.create(
        endpoint_config_name=name, production_variants=[on_instance("AllTraffic", name)]
    )
    assert config.production_variants[0].instance_type == "ml.m5.large"
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    assert endpoint.production_variants[0].current_instance_count == 1
    with pytest.raises(ClientError) as refused:
        endpoint.invoke(body=b"status 418")
    assert refused.value.response["Error"]["Code"] == "ModelError"
    assert refused.value.response["OriginalStatusCode"] == 418
    endpoint.delete()


def test_two_variants_change_their_weights(unique: Name, role: str, artifact: str) -> None:
    name = unique("sdk-variants")
    model(name, role, artifact)
    variants = [on_instance("blue", name), on_instance("green", name)]
    EndpointConfig.create(endpoint_config_name=name, production_variants=variants)
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    answer = endpoint.invoke(body=b"x", target_variant="green")
    assert answer.invoked_production_variant == "green"
    endpoint.update_weights_and_capacities(
        desired_weights_and_capacities=[
            DesiredWeightAndCapacity(variant_name="blue", desired_weight=1.0),
            DesiredWeightAndCapacity(variant_name="green", desired_weight=3.0),
        ]
    )
    endpoint.wait_for_status("InService", poll=1)
    weights = {v.variant_name: v.current_weight for v in endpoint.production_variants}
    assert weights == {"blue": 1.0, "green": 3.0}
    endpoint.delete()


def test_an_asynchronous_endpoint_puts_its_answer_in_s3(
    unique: Name, role: str, artifact: str, cloud: Cloud
) -> None:
    name = unique("sdk-async")
    s3, bucket = cloud.client("s3"), artifact.split("/")[2]
    s3.put_object(Bucket=bucket, Key=f"{name}/in", Body=b"later")
    model(name, role, artifact)
    output = AsyncInferenceOutputConfig(s3_output_path=f"s3://{bucket}/{name}/out")
    EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[on_instance("AllTraffic", name)],
        async_inference_config=AsyncInferenceConfig(output_config=output),
    )
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    told = endpoint.invoke_async(input_location=f"s3://{bucket}/{name}/in", inference_id="i1")
    assert told.inference_id == "i1"
    key = told.output_location.removeprefix(f"s3://{bucket}/")

    def answered() -> bool:
        return bool(s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"))

    wait_for(answered, "the answer")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"client:later"
    endpoint.delete()
