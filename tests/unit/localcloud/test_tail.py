"""The last lines of containers in memory: what is kept, what goes, which containers live."""

from __future__ import annotations

from localcloud.tail import Tail, TailedLogs

JOBS = "/aws/sagemaker/TrainingJobs"
ENDPOINT = "/aws/sagemaker/Endpoints/e"


class Stream:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.closed = False

    def write(self, line: str) -> None:
        self.lines.append(line)

    def close(self) -> None:
        self.closed = True


class Logs:
    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}

    def stream(self, group: str, name: str) -> Stream:
        return self.streams.setdefault(f"{group} {name}", Stream([]))


def texts(tail: Tail, group: str, name: str, after: int = 0) -> list[str]:
    return [line.text for line in tail.lines(group, name, after)]


def test_every_line_reaches_cloudwatch_logs_and_the_tail() -> None:
    logs, tail = Logs(), Tail(now=lambda: 7.0)
    stream = TailedLogs(logs, tail).stream(JOBS, "a/algo-1-5")
    stream.write("one")
    stream.write("")
    assert logs.streams[f"{JOBS} a/algo-1-5"].lines == ["one", ""]
    (line,) = tail.lines(JOBS, "a")
    assert (line.text, line.stream, line.at) == ("one", "algo-1-5", 7.0)
    stream.close()
    assert logs.streams[f"{JOBS} a/algo-1-5"].closed
    assert texts(tail, JOBS, "a") == ["one"]


def test_a_reader_gets_what_came_since_it_last_asked() -> None:
    tail = Tail()
    tail.add(JOBS, "a/algo-1", "one")
    (line,) = tail.lines(JOBS, "a")
    tail.add(JOBS, "b/algo-1", "of another job")
    tail.add(JOBS, "a/algo-2", "two")
    assert texts(tail, JOBS, "a", line.number) == ["two"]
    assert texts(tail, JOBS, "a", tail.number) == []
    assert texts(tail, JOBS, "c") == []


def test_names_that_begin_alike_are_kept_apart_and_an_endpoint_is_one_source() -> None:
    tail = Tail()
    tail.add(JOBS, "a/algo-1", "a")
    tail.add(JOBS, "a-b/algo-1", "a-b")
    tail.add(ENDPOINT, "Blue/1", "blue")
    tail.add(ENDPOINT, "Green/2", "green")
    assert texts(tail, JOBS, "a") == ["a"]
    assert texts(tail, ENDPOINT, "e") == ["blue", "green"]
    assert [line.stream for line in tail.lines(ENDPOINT, "e")] == ["Blue/1", "Green/2"]


def test_a_container_lives_while_its_stream_is_open() -> None:
    tail = Tail(now=lambda: 3.0)
    logs = TailedLogs(Logs(), tail)
    first, second = logs.stream(ENDPOINT, "Blue/1"), logs.stream(ENDPOINT, "Blue/2")
    logs.stream(ENDPOINT, "Blue/1/data-log")  # SageMaker's, not a container's
    assert [(s.name, s.since) for s in tail.open_streams(ENDPOINT, "e")] == [
        ("Blue/1", 3.0),
        ("Blue/2", 3.0),
    ]
    before = tail.version
    first.close()
    first.close()
    assert tail.version == before + 1
    assert [s.name for s in tail.open_streams(ENDPOINT, "e")] == ["Blue/2"]
    second.close()
    assert tail.open_streams(ENDPOINT, "e") == []


def test_memory_is_bounded_and_the_quietest_goes_first() -> None:
    tail = Tail(most=800)
    running = tail.opened(JOBS, "running/algo-1")
    tail.add(JOBS, "running/algo-1", "r" * 40)
    tail.add(JOBS, "old/algo-1", "o" * 40)
    tail.add(JOBS, "new/algo-1", "n" * 40)
    tail.add(JOBS, "new/algo-1", "n" * 40)
    assert [len(texts(tail, JOBS, job)) for job in ("running", "old", "new")] == [0, 0, 2]
    assert len(tail.open_streams(JOBS, "running")) == 1
    tail.closed(JOBS, "running/algo-1", running)
    tail.add(JOBS, "new/algo-1", "x" * 9_999)
    assert [len(text) for text in texts(tail, JOBS, "new")] in ([], [4_096])


def test_many_short_lines_are_bounded_too() -> None:
    tail = Tail(most=100_000)
    for number in range(1_000):
        tail.add(JOBS, f"job-{number}/algo-1", "x")
    assert sum(len(texts(tail, JOBS, f"job-{n}")) for n in range(1_000)) <= 400


def test_numbers_rise_from_one_run_to_the_next() -> None:
    before = Tail(now=lambda: 1_795_000_000.0)
    for _ in range(1_000):
        before.add(JOBS, "a/algo-1", "before")
    after = Tail(now=lambda: 1_795_000_001.0)
    after.add(JOBS, "a/algo-1", "after")
    assert texts(after, JOBS, "a", before.number) == ["after"]
    assert after.number < 2**53  # exact in JavaScript


def test_a_job_that_never_stops_printing_keeps_its_newest_lines() -> None:
    tail = Tail()
    for number in range(5_000):
        tail.add(JOBS, "a/algo-1", str(number))
    assert texts(tail, JOBS, "a")[-1] == "4999"
    assert len(tail.lines(JOBS, "a", limit=10_000)) == 2_000
    assert len(tail.lines(JOBS, "a")) == 500
