"""What people are told, how often, and what a topic that does not answer stops: nothing."""

from __future__ import annotations

import json
from itertools import count

import pytest

from chalicelib.datasets.history.notices import message
from chalicelib.datasets.history.outbox import Notice, NoticeKind
from chalicelib.errors import AccessDenied, RequestRefused
from tests.fakes.ticks import die
from tests.unit.datasets.world import DATASET, Broken, Trained, World, csv, good, row


def test_how_a_run_ended_is_one_message() -> None:
    world = World()
    world.results = [Trained(), Trained(accuracy=0.7, difference=-0.1), Broken("bad luck")]
    world.drop(good(1))
    assert world.notifications.kinds == ["Live"]
    world.drop(good(2))
    assert world.notifications.kinds[1:] == ["Rejected"]
    world.drop(good(3))
    assert world.notifications.kinds[2:] == ["Failed"]
    world.drop(csv("x,1", "2"))
    assert world.notifications.kinds[3:] == ["Refused"]


def test_a_refusal_says_what_is_wrong_where_the_report_is_and_what_stays_live() -> None:
    world = World()
    world.drop(good(1))
    world.drop(csv(row(0), row(1, "x"), row(1, 999)))
    told = world.notifications.sent[-1]
    assert told.subject == f"pigeonhole local: {DATASET}: the data was refused"
    assert "a.csv, line 2" in told.text
    assert str(world.status()["report"]) in told.text
    assert f"Live as before: {world.jobs[0]}" in told.text
    assert told.document["problems"]
    assert told.attributes == {
        "stage": "local",
        "dataset": DATASET,
        "kind": "Refused",
        "outcome": "Refused",
    }


def test_a_model_that_waits_comes_with_the_command_to_approve_it() -> None:
    world = World()
    world.results = [Trained(rows=199)]
    world.drop(good(1))
    [told] = world.notifications.sent
    assert told.attributes["kind"] == "ModelPendingApproval"
    assert told.attributes["outcome"] == "PendingApproval"
    assert f"pigeonhole approve {DATASET}" in told.text


def test_rows_that_were_set_aside_are_told_once_and_the_training_goes_on() -> None:
    world = World()
    world.put("dataset.json", b'{"bad_rows": 0.1}')
    world.drop(good(1) * 10 + csv("0,1,2"))
    aside, live = world.notifications.sent
    assert [aside.attributes["kind"], live.attributes["kind"]] == ["RowsSetAside", "Live"]
    assert "1 bad row set aside" in aside.text
    assert "preflight" in aside.document["report"]
    [version] = world.datasets.history(DATASET, 20, None)["versions"]
    assert version["data"]["set_aside"] == 1


def test_a_permission_that_is_missing_keeps_no_notice_back() -> None:
    world = World()
    world.put("dataset.json", b'{"bad_rows": 0.1}')
    world.put("a.csv", csv(*(row(i % 2, i) for i in range(30)), row(0, "x")))
    world.ready()
    world.training.refusals = [AccessDenied("not authorized to perform CreateTrainingJob")]
    with pytest.raises(AccessDenied):
        world.settle()
    assert world.notifications.kinds == ["RowsSetAside"]


def test_data_that_is_dropped_again_tells_nobody() -> None:
    world = World()
    world.drop(good(1))
    for _ in range(3):
        world.ready()
        world.settle()
        world.reconcile()
    assert world.notifications.kinds == ["Live"]


def test_a_topic_that_does_not_answer_stops_no_model_and_hears_of_it_later() -> None:
    world = World()
    world.notifications.down = True
    status = world.drop(good(1))
    assert status["outcome"] == "Live"
    assert world.state().unsettled  # the sweep comes by
    asked = world.notifications.asked
    world.reconcile()
    assert world.notifications.asked == asked  # not at every step
    world.notifications.down = False
    world.later(61)
    world.reconcile()
    assert world.notifications.kinds == ["Live"]
    assert not world.state().unsettled


def test_a_notice_that_nobody_takes_is_given_up_in_the_end() -> None:
    world = World()
    world.notifications.down = True
    world.drop(good(1))
    world.later(5 * 86400)
    world.reconcile()
    assert world.state().outbox == ()
    assert "given up" in world.log.getvalue()


def test_a_notice_that_the_topic_refuses_holds_up_no_other_one() -> None:
    world = World()
    world.notifications.refusals = [RequestRefused("Invalid parameter: Message too long")]
    world.drop(csv("x,1", "2"))
    world.drop(good(1))
    assert world.notifications.kinds == ["Live"]
    assert not world.state().owes_something


def test_killed_anywhere_each_notice_is_sent_and_twice_under_the_same_number() -> None:
    twice = 0
    for n in count(1):
        world = World()
        world.put("a.csv", csv("x,1", "2"))
        world.ready()
        start = world.tick.count
        world.tick.at, world.tick.then = start + n, die
        world.settle()
        numbers = [told.document["id"] for told in world.notifications.sent]
        assert len(set(numbers)) == 1, f"killed after effect {n}"
        twice += len(numbers) - 1
        if world.tick.then is not None:
            break
    assert twice == 1  # killed between the topic and the item, and nowhere else


def test_of_two_at_once_one_tells() -> None:
    for n in count(1):
        world = World()
        world.put("a.csv", csv("x,1", "2"))
        world.ready()
        world.tick.at, world.tick.then = world.tick.count + n, world.reconcile
        world.settle()
        assert world.notifications.kinds == ["Refused"], f"another one cut in after effect {n}"
        if world.tick.then is not None:
            return


@pytest.mark.parametrize("kind", [*NoticeKind, "OfANewerRelease"])
def test_every_kind_has_words_that_every_subscriber_takes(kind: str) -> None:
    notice = Notice(
        "0123456789abcdef",
        kind,
        "2026-11-21T10:00:00+00:00",
        "ab" * 32,
        "很" * 300,
        job=f"pigeonhole-prod-{DATASET}-{'ab' * 6}-1",
        by="Zoë",
    )
    told = message(notice, "prod", "a-dataset-of-the-longest", ["a.csv, line 2: 很"])
    assert len(told.subject) < 100
    assert told.subject.isascii()
    assert told.subject.isprintable()
    assert "pigeonhole history a-dataset-of-the-longest --stage prod" in told.text
    assert json.loads(json.dumps(told.document))["id"] == notice.id
    assert told.chat["version"] == "1.0"
    assert told.chat["source"] == "custom"
    assert told.chat["content"]["textType"] == "client-markdown"
    assert all(told.attributes.values())


def test_long_names_and_reasons_fit_what_a_topic_and_a_chat_room_take() -> None:
    long = "很" * 3000
    notice = Notice("1", NoticeKind.REJECTED, "2026", "ab" * 32, long[:300], by="a" * 400)
    told = message(notice, "prod", DATASET, [long] * 5)
    assert len(told.chat["content"]["title"]) <= 250
    assert len(told.chat["content"]["description"]) <= 8000
    forms = [told.text, *[json.dumps(told.document, ensure_ascii=False)] * 5]
    forms.append(json.dumps(told.chat, ensure_ascii=False))
    assert len("".join(forms).encode()) < 256 * 1024
