"""Following a drop: its phases, its log, its end, and nobody else's."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from cli.api import Api, ApiError
from cli.console import Waiting
from cli.errors import CliError
from cli.follow import Asked, Ready, follow_batch, follow_dataset
from cli.training_log import TrainingLog
from cli.uploads import newest_ready

Answer = httpx.Response | dict[str, Any]
JOB = "pigeonhole-local-letters-0123456789ab-1"


class NoStream(Exception):
    """The log group does not exist."""


class Logs:
    """CloudWatch Logs with one stream, of which each look shows `growth` more lines."""

    class exceptions:  # boto3 spells it so
        ResourceNotFoundException = NoStream

    def __init__(self, lines: Sequence[str], growth: int = 2) -> None:
        self._lines = list(lines)
        self._growth = growth
        self._written = 0

    def describe_log_streams(self, **request: str) -> dict[str, Any]:
        assert request["logStreamNamePrefix"] == f"{JOB}/"
        if not self._written:
            self._written = self._growth
            raise NoStream
        return {"logStreams": [{"logStreamName": f"{JOB}/algo-1-1"}]}

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        start = int(request.get("nextToken", "f/0").removeprefix("f/"))
        events = [{"message": line} for line in self._lines[start : self._written]]
        if not events:
            self._written += self._growth
        return {"events": events, "nextForwardToken": f"f/{start + len(events)}"}


def dataset(phase: str, **fields: Any) -> dict[str, Any]:
    status = {
        "dataset": "letters",
        "phase": phase,
        "message": "",
        "version": None,
        "attempt": 1,
        "training_job": None,
        "ready": "mine",
        "settled": False,
        "outcome": None,
        "report": None,
        "champion": None,
        "endpoint": None,
        "updated": "2026-03-04T05:06:07Z",
    }
    return {**status, **fields}


def api(answers: Sequence[Answer]) -> Api:
    """An API that gives these answers, one a call."""
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        given = left.pop(0)
        return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://api.test")
    return Api(client)


def refusal(status: int) -> httpx.Response:
    return httpx.Response(status, json={"error": "code", "message": "what to do"})


def screen() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=200), out


def ready(newest: Sequence[str | None] = ("mine",)) -> Ready:
    """Ours; looks at `_READY` find these VersionIds, and the last one from then on."""
    left = list(newest)
    ticks = itertools.count()
    return Ready(
        "mine",
        lambda: left.pop(0) if len(left) > 1 else left[0],
        "drop",
        clock=lambda: float(next(ticks)),
    )


def follow(
    answers: Sequence[Answer], logs: Logs, newest: Sequence[str | None] = ("mine",)
) -> tuple[Any, str]:
    console, out = screen()
    with Waiting(console) as waiting:
        status = follow_dataset(
            api(answers),
            logs,
            "letters",
            ready=ready(newest),
            waiting=waiting,
            sleep=lambda: None,
        )
    return status, out.getvalue()


def test_phases_and_every_log_line_are_shown_in_order() -> None:
    lines = [f"epoch={n}; train_loss=0.{n};" for n in range(1, 6)] + ["heldout_accuracy=0.9;"]
    training = dataset("Training", training_job=JOB)
    live = dataset("Live", training_job=JOB, settled=True, outcome="Live")
    answers = [dataset("Checking"), *[training] * 4, dataset("Judging", training_job=JOB), live]
    status, shown = follow(answers, Logs(lines))
    assert status.outcome == "Live"
    assert [line.strip() for line in shown.splitlines() if "=" in line] == lines
    phases = ["taken up", "Checking", f"({JOB})", "Judging"]
    assert [shown.index(phase) for phase in phases] == sorted(map(shown.index, phases))


def test_lines_that_came_last_are_shown_though_the_phase_has_moved_on() -> None:
    training = dataset("Training", training_job=JOB)
    live = dataset("Live", training_job=JOB, settled=True, outcome="Live")
    _, shown = follow([training, live], Logs(["first", "last"], growth=9))
    assert "last" in shown


def test_an_earlier_drops_end_is_not_taken_for_ours() -> None:
    earlier = dataset("Live", ready="earlier", settled=True, outcome="Live")
    mine = dataset("Refused", settled=True, outcome="Refused")
    status, _ = follow([refusal(404), earlier, earlier, mine], Logs([]))
    assert status.outcome == "Refused"


def test_a_drop_that_another_replaces_before_it_is_taken_up_ends_as_that_one() -> None:
    training = dataset("Training", ready="theirs", training_job=JOB)
    live = dataset("Live", ready="theirs", settled=True, outcome="Live")
    status, shown = follow([refusal(404), training, live], Logs([]), ["mine", "theirs"])
    assert (status.ready, status.outcome) == ("theirs", "Live")
    assert shown.count("A later drop has replaced this one") == 1


def test_a_drop_that_another_replaces_while_it_trains_ends_as_that_one() -> None:
    mine = dataset("Training", training_job=JOB)
    theirs = [dataset(phase, ready="theirs") for phase in ("Checking", "Training")]
    refused = dataset("Refused", ready="theirs", settled=True, outcome="Refused")
    status, shown = follow([mine, mine, *theirs, refused], Logs([]), ["theirs"])
    assert (status.ready, status.outcome) == ("theirs", "Refused")
    assert shown.count("A later drop has replaced this one") == 1


def test_a_replacement_that_is_itself_replaced_is_followed_further() -> None:
    second = dataset("Training", ready="second")
    third = dataset("Live", ready="third", settled=True, outcome="Live")
    status, _ = follow([second, third], Logs([]), ["second", "third"])
    assert status.ready == "third"


def test_a_ready_that_was_deleted_ends_the_wait_with_a_sentence() -> None:
    earlier = dataset("Live", ready="earlier", settled=True, outcome="Live")
    with pytest.raises(CliError, match="was deleted"):
        follow([earlier] * 100, Logs([]), [None])


def test_a_batch_that_another_replaces_ends_as_that_one() -> None:
    def batch(phase: str) -> dict[str, Any]:
        status = {"batch": "b", "phase": phase, "message": "", "run": "r", "ready": "theirs"}
        return {**status, "settled": phase == "Done", "dataset": "letters"}

    console, out = screen()
    with Waiting(console) as waiting:
        status = follow_batch(
            api([batch("Classifying"), batch("Done")]),
            "b",
            ready=ready(["theirs"]),
            waiting=waiting,
            sleep=lambda: None,
        )
    assert (status.ready, status.phase) == ("theirs", "Done")
    assert "has replaced this one" in out.getvalue()


def test_the_ready_that_is_there_is_known_by_its_version() -> None:
    class Objects:
        def head_object(self, **request: str) -> dict[str, str]:
            if request == {"Bucket": "bucket", "Key": "datasets/letters/_READY"}:
                return {"VersionId": "v2"}
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")

    assert newest_ready(Objects(), "bucket", "datasets/letters/") == "v2"
    assert newest_ready(Objects(), "bucket", "datasets/other/") is None


def test_a_moment_without_an_answer_is_waited_through() -> None:
    live = dataset("Live", settled=True, outcome="AlreadyTrained")
    status, _ = follow([refusal(502), refusal(503), live], Logs([]))
    assert status.outcome == "AlreadyTrained"


def test_an_api_that_stays_broken_ends_the_wait() -> None:
    with pytest.raises(ApiError, match="502"):
        follow([refusal(502)] * 10, Logs([]))


def test_batch_is_followed_to_its_end() -> None:
    def batch(phase: str, ready: str = "mine", **fields: Any) -> dict[str, Any]:
        status = {"batch": "b", "phase": phase, "message": "", "run": "r", "ready": ready}
        return {**status, "settled": phase == "Done", "dataset": "letters", **fields}

    counts = {"files": 3, "classified": 2, "rejected": 1}
    done = batch("Done", results="s3://b/results/b/r/", counts=counts)
    earlier = batch("Done", "earlier")
    answers: list[Answer] = [refusal(404), earlier, batch("Classifying"), done]
    console, out = screen()
    with Waiting(console) as waiting:
        status = follow_batch(api(answers), "b", ready=ready(), waiting=waiting, sleep=lambda: None)
    assert status.counts is not None
    assert (status.counts.classified, status.results) == (2, "s3://b/results/b/r/")
    assert "Classifying" in out.getvalue()


def test_a_job_that_has_not_logged_yet_has_no_lines() -> None:
    log = TrainingLog(Logs(["one"]), JOB)
    assert list(log.new_lines()) == []
    assert list(log.new_lines()) == ["one"]
    assert list(log.new_lines()) == []


def test_training_once_more_is_followed_from_the_call_to_its_end() -> None:
    before = dataset("Live", settled=False)  # asked for, and not taken up yet
    live = dataset("Live", training_job=JOB, settled=True, outcome="Live", ready="long ago")
    calls = api([before, before, dataset("Training", training_job=JOB), live])
    assert calls.retrain("letters", by="anna").settled is False
    console, _ = screen()
    with Waiting(console) as waiting:
        status = follow_dataset(
            calls, Logs([]), "letters", ready=Asked(), waiting=waiting, sleep=lambda: None
        )
    assert (status.outcome, status.training_job) == ("Live", JOB)
