"""The request of a batch transform job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import names

KEYS_TYPE = "application/x-pigeonhole-keys"
MAX_PAYLOAD_MB = 6  # a shard of 1,000 keys of S3's longest has less than 2 MB
INVOCATION_SECONDS = 1800  # a shard: 1,000 images fetched, decoded and classified


def transform_request(
    *,
    job: str,
    batch: str,
    run: str,
    bucket: str,
    instance_type: str,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """CreateTransformJob: an object of the shards is a request, and the model has the job's name.

    The container reads S3 itself, and nothing but the folder that the environment names.
    """
    return {
        "TransformJobName": job,
        "ModelName": job,
        "MaxPayloadInMB": MAX_PAYLOAD_MB,
        "ModelClientConfig": {
            "InvocationsTimeoutInSeconds": INVOCATION_SECONDS,
            "InvocationsMaxRetries": 2,
        },
        "Environment": {
            "PIGEONHOLE_BUCKET": bucket,
            "PIGEONHOLE_PREFIX": names.inbox_prefix(batch),
        },
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{bucket}/{names.shards_prefix(batch, run)}",
                }
            },
            "ContentType": KEYS_TYPE,
            "CompressionType": "None",
            "SplitType": "None",
        },
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/{names.outputs_prefix(batch, run)}"},
        "TransformResources": {"InstanceType": instance_type, "InstanceCount": 1},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
