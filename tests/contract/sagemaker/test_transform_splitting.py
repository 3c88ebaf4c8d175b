"""Objects that are cut into records: what reaches the container, and how it is put together."""

from __future__ import annotations

import gzip
import struct

import pytest

from localcloud.sagemaker.transform.splitting import masked_crc32c

from .conftest import Running
from .transforms import GROUP, completed, outputs, run

LINES = {"SplitType": "Line"}


def recordio(data: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(data)) + data + b"\0" * (-len(data) % 4)


def tfrecord(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + checksums[0] + data + checksums[1]


def test_single_record_sends_a_line_a_request_in_order(sagemaker: Running) -> None:
    text = "".join(f"{number}\n" for number in range(20))
    job = run(
        sagemaker,
        "single",
        {"a": text, "none": ""},
        mode="frame",
        input_=LINES,
        output={"AssembleWith": "Line"},
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=4,
    )
    wanted = "".join(f"[{number}]\n" for number in range(20))
    assert completed(sagemaker, job) == {"a.out": wanted, "none.out": ""}


def test_multi_record_fills_the_payload_with_whole_lines(sagemaker: Running) -> None:
    line = "x" * (300 * 1024 - 1) + "\n"
    job = run(
        sagemaker,
        "multi",
        {"a": line * 7},
        mode="frame",
        input_=LINES,
        BatchStrategy="MultiRecord",
        MaxPayloadInMB=1,
        MaxConcurrentTransforms=2,
    )
    batches = completed(sagemaker, job)["a.out"][1:-1].split("][")
    assert [batch.count("\n") for batch in batches] == [3, 3, 1]


def test_line_over_the_payload_limit_fails_its_object_alone(sagemaker: Running) -> None:
    files = {"a": "1\n" + "x" * (1024 * 1024 + 1) + "\n2\n", "b": "1\n2\n"}
    job = run(sagemaker, "wide", files, mode="frame", input_=LINES, MaxPayloadInMB=1)
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert outputs(sagemaker, job) == {"b.out": "[1\n2\n]"}


def test_record_that_fails_leaves_its_object_without_output(sagemaker: Running) -> None:
    job = run(
        sagemaker,
        "bad-line",
        {"a": "1\nstatus 400\n3\n", "b": "1\n"},
        input_=LINES,
        BatchStrategy="SingleRecord",
    )
    assert job["TransformJobStatus"] == "Failed"
    assert outputs(sagemaker, job) == {"b.out": "m:1"}


@pytest.mark.parametrize(("split", "frame"), [("RecordIO", recordio), ("TFRecord", tfrecord)])
def test_framing_is_removed_from_a_single_record_alone(
    sagemaker: Running, split: str, frame: object
) -> None:
    assert callable(frame)
    body = b"".join(frame(data) for data in (b"one", b"", b"three"))
    framed: dict[str, str | bytes] = {"a": body}
    source = {"SplitType": split}
    single = run(
        sagemaker, "one", framed, mode="frame", input_=source, BatchStrategy="SingleRecord"
    )
    assert completed(sagemaker, single)["a.out"] == "[one][][three]"
    multi = run(sagemaker, "all", framed, mode="frame", input_=source)
    assert multi["TransformJobStatus"] == "Completed"
    key = f"s3://{sagemaker.bucket}/out/{multi['TransformJobName']}/a.out"
    assert sagemaker.read(key) == b"[" + body + b"]"


def test_object_that_is_not_of_its_split_type_fails(sagemaker: Running) -> None:
    job = run(sagemaker, "no-records", {"a": "just text"}, input_={"SplitType": "RecordIO"})
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    log = sagemaker.logs.text(GROUP, f"{job['TransformJobName']}/")
    assert "/a: RecordIO: the magic number is not there" in log


def test_gzip_input_is_unpacked(sagemaker: Running) -> None:
    packed: dict[str, str | bytes] = {
        "a.gz": gzip.compress(b"1\n2\n") + gzip.compress(b"3\n"),
        "b.gz": b"not gzip",
    }
    job = run(
        sagemaker,
        "packed",
        packed,
        mode="frame",
        input_={**LINES, "CompressionType": "Gzip"},
        BatchStrategy="SingleRecord",
    )
    assert job["TransformJobStatus"] == "Failed"
    assert outputs(sagemaker, job) == {"a.gz.out": "[1][2][3]"}


def test_payload_of_any_size_is_sent_in_chunks(sagemaker: Running) -> None:
    text = "x" * (8 * 1024 * 1024)
    job = run(sagemaker, "chunked", {"a": text}, mode="frame", MaxPayloadInMB=0)
    assert completed(sagemaker, job)["a.out"] == f"chunked[{text}]"


def test_assemble_with_line_ends_each_answer_with_one_newline(sagemaker: Running) -> None:
    files = {"a": "1", "b": "1\n"}
    job = run(sagemaker, "lines", files, output={"AssembleWith": "Line"})
    assert completed(sagemaker, job) == {"a.out": "m:1\n", "b.out": "m:1\n"}


@pytest.mark.parametrize("split", ["None", "Line"])
def test_max_concurrent_transforms_are_under_way_at_once(sagemaker: Running, split: str) -> None:
    one = {"a": "1\n2\n3\n"}
    several = {"a": "1", "b": "2", "c": "3"}
    job = run(
        sagemaker,
        f"at-once-{split.lower()}",
        dict(one if split == "Line" else several),
        mode="together",
        artifact={"together": "3"},
        input_={"SplitType": split},
        MaxConcurrentTransforms=3,
        **({"BatchStrategy": "SingleRecord"} if split == "Line" else {}),
    )
    assert "".join(completed(sagemaker, job).values()) == "together" * 3


def test_instances_share_the_objects_each_with_a_container(sagemaker: Running) -> None:
    files = {f"{number}": "pid" for number in range(6)}
    job = run(sagemaker, "shared", dict(files), resources={"InstanceCount": 2})
    pids = completed(sagemaker, job)
    assert len(pids) == 6
    assert len(set(pids.values())) == 2
    log = sagemaker.logs.text(GROUP, f"{job['TransformJobName']}/")
    assert log.count("invoked with 3 bytes") == 6, "each object goes to one instance"


def test_more_instances_than_objects_do_no_harm(sagemaker: Running) -> None:
    job = run(sagemaker, "idle", {"a": "1"}, resources={"InstanceCount": 3})
    assert completed(sagemaker, job) == {"a.out": "m:1"}
