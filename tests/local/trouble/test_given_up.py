"""What cannot be done is given up with its cause, blocks nobody, and can be sent back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.trouble import Rule, Rules
from tests.local.conftest import Cloud, wait_for
from tests.local.trouble.subject import ALL

KILLED, UNKNOWN, FAILING = "up-kid", "up-lark", "up-mole"


@pytest.fixture
def rules(cloud: Cloud) -> Iterator[Rules]:
    rules = Rules(cloud.home / "trouble.db")
    forget(cloud)
    yield rules
    rules.clear()
    forget(cloud)


def forget(cloud: Cloud) -> None:
    """What other tests had given up."""
    cloud.client("sqs").purge_queue(QueueUrl=cloud.output("EventsDeadLetterQueueUrl"))
    cloud.client("sqs").purge_queue(QueueUrl=cloud.output("WorkDeadLetterQueueUrl"))


def letters(cloud: Cloud) -> dict[str, dict[str, Any]]:
    found = json.loads(cloud.command("dead-letters", "--json").stdout)
    return {letter["about"]: letter for letter in found}


def given_up(cloud: Cloud) -> int:
    return cloud.queue_depth("EventsDeadLetterQueueUrl")


def send(cloud: Cloud, **body: str) -> None:
    url = cloud.output("EventsQueueUrl")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))


def test_what_cannot_be_done_is_parked_with_its_cause_and_can_be_replayed(
    cloud: Cloud, rules: Rules
) -> None:
    """One message kills the function each time, one asks for what is not there."""
    rules.add(Rule("kill-caller", "dynamodb:GetItem", about=f"dataset/{KILLED}", times=None))
    send(cloud, reconcile=f"dataset/{KILLED}")
    send(cloud, retrain=f"dataset/{UNKNOWN}")
    wait_for(lambda: given_up(cloud) == 2, "both to be given up", 300, cloud.logs_tail)
    found = letters(cloud)
    killed, unknown = found[f"reconcile dataset/{KILLED}"], found[f"retrain dataset/{UNKNOWN}"]
    assert "killed" in killed["cause"]
    assert killed["log_group"].startswith("/aws/lambda/pigeonhole-local-Reconcile")
    assert unknown["cause"].startswith("DatasetNotFound: ")
    assert unknown["request_id"]
    assert "2 messages were given up" in cloud.command("status").stdout

    rules.clear()
    assert KILLED in cloud.command("replay", killed["id"][:8]).stdout
    wait_for(lambda: cloud.queue_depth("EventsQueueUrl") == 0, "it to be handled", 60)
    assert [*letters(cloud)] == [f"retrain dataset/{UNKNOWN}"]
    cloud.command("replay", "--all")  # its cause is not gone: it comes back
    wait_for(lambda: given_up(cloud) == 1, "it to be parked once more", 60)
    assert [*letters(cloud)] == [f"retrain dataset/{UNKNOWN}"]


@pytest.mark.skipif(not ALL, reason="make test-trouble")
def test_what_fails_five_times_is_parked_with_its_cause(cloud: Cloud, rules: Rules) -> None:
    rules.add(Rule("error-500", "dynamodb:GetItem", about=f"dataset/{FAILING}", times=None))
    send(cloud, reconcile=f"dataset/{FAILING}")
    wait_for(lambda: given_up(cloud) == 1, "it to be given up", 400, cloud.logs_tail)
    [letter] = letters(cloud).values()
    assert "GetItem" in letter["cause"]
    assert letter["request_id"]
    rules.clear()
    cloud.command("replay", "--all")
    wait_for(lambda: cloud.queue_depth("EventsQueueUrl") == 0, "it to be handled", 60)
    assert letters(cloud) == {}
