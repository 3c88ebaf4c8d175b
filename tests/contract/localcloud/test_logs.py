"""Containers' output on its way to CloudWatch Logs, on a real MiniStack."""

from __future__ import annotations

from localcloud.logs import CloudWatchLogs

from .clouds import LocalCloud, wait_for

GROUP = "/aws/sagemaker/TrainingJobs"


def lines(cloud: LocalCloud, stream: str) -> list[str]:
    logs = cloud.client("logs")
    try:
        events = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events["events"]]


def test_lines_arrive_in_order_while_the_stream_is_open(cloud: LocalCloud) -> None:
    logs = CloudWatchLogs(cloud.client)
    stream = logs.stream(GROUP, "job-1/algo-1")
    written = [f"epoch={n}; train_loss=0.5;" for n in range(50)]
    for line in written:
        stream.write(line)
    wait_for(lambda: len(lines(cloud, "job-1/algo-1")) == 50, "the lines", 10)
    assert lines(cloud, "job-1/algo-1") == written
    logs.close()


def test_close_sends_what_is_left_and_a_second_stream_appends(cloud: LocalCloud) -> None:
    logs = CloudWatchLogs(cloud.client)
    for text in ("first", "second"):
        stream = logs.stream(GROUP, "job-2/algo-1")
        stream.write(text)
        stream.write("")
        stream.close()
    assert lines(cloud, "job-2/algo-1") == ["first", "second"]
    logs.close()


def test_more_than_a_call_takes_and_a_line_too_long(cloud: LocalCloud) -> None:
    logs = CloudWatchLogs(cloud.client)
    stream = logs.stream(GROUP, "job-3/algo-1")
    stream.write("é" * 400_000)
    for _ in range(30):
        stream.write("x" * 100_000)
    logs.close()
    long, *rest = lines(cloud, "job-3/algo-1")
    assert 100_000 < len(long.encode()) <= 262_144
    assert set(long) == {"é"}
    assert [len(line) for line in rest] == [100_000] * 30
