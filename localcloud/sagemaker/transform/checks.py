"""What CreateTransformJob refuses, beyond what the service model says.

The rules are the API reference's; the words are ours where no public document quotes AWS's.
"""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker import support
from localcloud.sagemaker.errors import ValidationException
from localcloud.sagemaker.transform.jsonpath import BadPath
from localcloud.sagemaker.transform.plan import CONCURRENT, PAYLOAD_MB
from localcloud.sagemaker.transform.processing import CSV, FORMATS, Processing, media_type

_MOST_MB = 100  # of one payload, and of all that are under way on an instance
_MOST_INSTANCES = 100


def check(request: dict[str, Any]) -> None:
    """Raises ValidationException."""
    _check_places(request)
    _check_resources(request["TransformResources"])
    _check_sizes(request)
    split = request["TransformInput"].get("SplitType", "None")
    if request.get("BatchStrategy") == "SingleRecord" and split == "None":
        raise ValidationException("BatchStrategy SingleRecord needs a SplitType other than None.")
    _check_processing(request)


def with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """The request as DescribeTransformJob shows it: with what its members are by default.

    Source: the answer in "Deploy Autopilot models for batch inference" (developer guide).
    """
    source, output = request["TransformInput"], request["TransformOutput"]
    processing = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    return {
        **request,
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **source},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **output},
        "DataProcessing": {**processing, **request.get("DataProcessing", {})},
    }


def _check_places(request: dict[str, Any]) -> None:
    source = request["TransformInput"]["DataSource"].get("S3DataSource")
    if source is None:
        raise ValidationException("TransformInput.DataSource needs S3DataSource.")
    if source["S3DataType"] == "AugmentedManifestFile":
        raise ValidationException(
            "S3DataType AugmentedManifestFile is not compatible with transform jobs."
        )
    for uri in (source["S3Uri"], request["TransformOutput"]["S3OutputPath"]):
        if not uri.startswith("s3://"):
            raise support.unsupported("CreateTransformJob", support.OTHER_URI)


def _check_resources(resources: dict[str, Any]) -> None:
    if resources["InstanceCount"] > _MOST_INSTANCES:
        raise ValidationException(
            f"TransformResources.InstanceCount must not exceed {_MOST_INSTANCES}."
        )


def _check_sizes(request: dict[str, Any]) -> None:
    payload = request.get("MaxPayloadInMB", PAYLOAD_MB)
    concurrent = request.get("MaxConcurrentTransforms") or CONCURRENT
    if payload > _MOST_MB:
        raise ValidationException(f"MaxPayloadInMB must not exceed {_MOST_MB}.")
    if payload * concurrent > _MOST_MB:
        raise ValidationException(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {_MOST_MB} MB."
        )


def _check_processing(request: dict[str, Any]) -> None:
    """DataProcessing: "you must set both ContentType and Accept to one of" three formats, and the
    record delimiters "must also be consistent" (developer guide).
    """
    source, output = request["TransformInput"], request["TransformOutput"]
    try:
        wanted = Processing.of(request)
    except BadPath as error:
        raise ValidationException(f"DataProcessing: JSONPath {error}") from error
    if wanted is None:
        return
    if wanted.format not in FORMATS or media_type(output.get("Accept")) != wanted.format:
        raise ValidationException(
            "With DataProcessing, TransformInput.ContentType and TransformOutput.Accept must be "
            f"the same, and one of {', '.join(FORMATS)}."
        )
    split, assemble = source.get("SplitType", "None"), output.get("AssembleWith", "None")
    if split not in ("None", "Line") or split != assemble:
        raise ValidationException(
            "With DataProcessing, SplitType and AssembleWith must be the same: None or Line."
        )
    if wanted.format == CSV:
        if split != "Line":
            raise ValidationException(
                f"DataProcessing of {CSV} needs SplitType and AssembleWith to be Line."
            )
        for path in (wanted.input_filter, wanted.output_filter):
            if path.names_members:
                raise ValidationException(
                    f"DataProcessing: {path.text} names a member; rows of {CSV} have only indexes."
                )
    if request.get("MaxPayloadInMB") == 0:
        raise support.unsupported("CreateTransformJob", support.STREAMED)
