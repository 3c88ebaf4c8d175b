"""DataProcessing: filters and joins, and the combinations that CreateTransformJob refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Running
from .transforms import CSV, GROUP, JSON, JSON_LINES, completed, outputs, request, run

BY_LINE = {
    CSV: {"input_": {"ContentType": CSV, "SplitType": "Line"}, "output": {"Accept": CSV}},
    JSON_LINES: {
        "input_": {"ContentType": JSON_LINES, "SplitType": "Line"},
        "output": {"Accept": JSON_LINES},
    },
}
for changes in BY_LINE.values():
    changes["output"]["AssembleWith"] = "Line"
WHOLE_JSON: dict[str, Any] = {"input_": {"ContentType": JSON}, "output": {"Accept": JSON}}


def process(sagemaker: Running, files: dict[str, str], kind: str, **processing: str) -> Any:
    return run(
        sagemaker,
        "process",
        dict(files),
        mode="fields",
        DataProcessing=processing,
        **({**WHOLE_JSON} if kind == JSON else {**BY_LINE[kind]}),
    )


def test_csv_without_its_id_is_joined_with_the_answer(sagemaker: Running) -> None:
    job = process(
        sagemaker,
        {"a.csv": '7,"a,b",c\n8,d,e\n'},
        CSV,
        InputFilter="$[1:]",
        JoinSource="Input",
        OutputFilter="$[0,-1]",
    )
    # The answers of the container: how many commas and one the rows have that it saw.
    assert completed(sagemaker, job) == {"a.csv.out": "7,3\n8,2\n"}


def test_csv_is_joined_whole_by_default(sagemaker: Running) -> None:
    job = process(sagemaker, {"a": "1,2,3\n4,5,6\n"}, CSV, JoinSource="Input")
    assert completed(sagemaker, job) == {"a.out": "1,2,3,3\n4,5,6,3\n"}


def test_json_lines_are_filtered_and_joined(sagemaker: Running) -> None:
    records = [{"id": 1, "features": [1, 2]}, {"id": 2, "features": [3]}]
    job = process(
        sagemaker,
        {"a": "".join(json.dumps(record) + "\n" for record in records)},
        JSON_LINES,
        InputFilter="$.features",
        JoinSource="Input",
        OutputFilter="$['id','SageMakerOutput']",
    )
    lines = completed(sagemaker, job)["a.out"].splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": 1, "SageMakerOutput": {"saw": [1, 2]}},
        {"id": 2, "SageMakerOutput": {"saw": [3]}},
    ]


def test_json_document_that_is_no_object_becomes_one(sagemaker: Running) -> None:
    files = {"a": "[1, 2]", "b": '{"key": 1}'}
    found = completed(sagemaker, process(sagemaker, files, JSON, JoinSource="Input"))
    assert json.loads(found["a.out"]) == {
        "SageMakerInput": [1, 2],
        "SageMakerOutput": {"saw": [1, 2]},
    }
    assert json.loads(found["b.out"]) == {"key": 1, "SageMakerOutput": {"saw": {"key": 1}}}


@pytest.mark.parametrize(
    ("kind", "body", "processing", "said"),
    [
        (CSV, "1,2\n", {"JoinSource": "Input", "OutputFilter": "$[3]"}, "index 3 is not within"),
        (CSV, 'a"b\n', {"JoinSource": "Input"}, "Failed to parse input as CSV"),
        (JSON, "no json", {"JoinSource": "Input"}, "Failed to parse input as JSON"),
        (JSON, '{"a": 1}', {"InputFilter": "$.b"}, "no member 'b'"),
    ],
)
def test_record_that_a_filter_does_not_fit_fails_its_object(
    sagemaker: Running, kind: str, body: str, processing: dict[str, str], said: str
) -> None:
    good = "1,2,3\n" if kind == CSV else '{"b": 1}'
    job = process(sagemaker, {"bad": body, "good": good}, kind, **processing)
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert list(outputs(sagemaker, job)) == ["good.out"]
    assert said in sagemaker.logs.text(GROUP, f"{job['TransformJobName']}/")


JOIN: dict[str, Any] = {"DataProcessing": {"JoinSource": "Input"}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (JOIN, "must be the same, and one of"),
        ({**JOIN, "input_": {"ContentType": CSV}}, "must be the same, and one of"),
        ({**JOIN, "input_": {"ContentType": CSV}, "output": {"Accept": CSV}}, "to be Line"),
        (
            {**JOIN, **WHOLE_JSON, "output": {"Accept": JSON, "AssembleWith": "Line"}},
            "SplitType and AssembleWith must be the same",
        ),
        ({**BY_LINE[CSV], "DataProcessing": {"InputFilter": "$.a"}}, "names a member"),
        ({**WHOLE_JSON, "DataProcessing": {"InputFilter": "$..a"}}, "JSONPath"),
        ({**WHOLE_JSON, "DataProcessing": {"OutputFilter": "$[?(@.a)]"}}, "JSONPath"),
        ({**JOIN, **WHOLE_JSON, "MaxPayloadInMB": 0}, "not supported by the local cloud"),
        ({"BatchStrategy": "SingleRecord"}, "needs a SplitType"),
        ({"MaxPayloadInMB": 101}, "must not exceed 100"),
        ({"MaxPayloadInMB": 51, "MaxConcurrentTransforms": 2}, "must not exceed 100"),
        ({"resources": {"InstanceCount": 101}}, "must not exceed 100"),
        ({"resources": {"VolumeKmsKeyId": "k"}}, "not supported by the local cloud"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c"}}, "not supported"),
        ({"ExperimentConfig": {"ExperimentName": "e"}}, "not supported"),
        ({"output": {"S3OutputPath": "https://s3.amazonaws.com/b"}}, "not supported"),
    ],
)
def test_create_transform_job_refuses(
    sagemaker: Running, changes: dict[str, Any], said: str
) -> None:
    model = sagemaker.model(name="m")
    with pytest.raises(ClientError, match=said) as caught:
        sagemaker.api.create_transform_job(**request(sagemaker, "refused", model, **{**changes}))
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("kind", ["AugmentedManifestFile", "Converse"])
def test_create_transform_job_refuses_other_inputs(sagemaker: Running, kind: str) -> None:
    source = {"S3DataSource": {"S3DataType": kind, "S3Uri": "s3://b/k"}}
    model = sagemaker.model(name="m")
    with pytest.raises(ClientError, match=kind):
        sagemaker.api.create_transform_job(
            **request(sagemaker, "refused", model, input_={"DataSource": source})
        )
