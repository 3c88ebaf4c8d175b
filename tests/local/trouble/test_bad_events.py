"""Events come twice, late, out of order or never, and people drop at the same moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from localcloud.trouble import Rule, Rules
from tests.local.conftest import Cloud, wait_for
from tests.local.trouble.subject import ALL, PATIENCE, Subject, nothing_given_up, rows, sweeping

pytestmark = pytest.mark.skipif(not ALL, reason="make test-trouble")


@pytest.fixture
def rules(cloud: Cloud) -> Iterator[Rules]:
    rules = Rules(cloud.home / "trouble.db")
    yield rules
    rules.clear()


def test_events_twice_late_and_out_of_order_train_once(cloud: Cloud, rules: Rules) -> None:
    name = "odd-hen"
    for on in (f"s3:Object* datasets/{name}/*", f"SageMaker * pigeonhole-local-{name}*"):
        rules.add(Rule("events-twice", on, times=None))
        rules.add(Rule("events-late", on, times=None, seconds=3))
        rules.add(Rule("events-reorder", on, times=None, seconds=2))
    subject = Subject(cloud, name)
    subject.drop(1)
    nothing_given_up(cloud, subject.name)


def test_without_any_event_the_sweep_carries_on(cloud: Cloud, rules: Rules) -> None:
    """Every five minutes the schedule sends a sweep; here it comes every two seconds."""
    name = "odd-ibis"
    rules.add(Rule("events-never", f"s3:Object* datasets/{name}/*", times=None))
    rules.add(Rule("events-never", f"SageMaker * pigeonhole-local-{name}*", times=None))
    subject = Subject(cloud, name)
    with sweeping(cloud, 2):
        subject.drop(1)
    nothing_given_up(cloud, subject.name)


def test_two_people_drop_at_the_same_moment(cloud: Cloud) -> None:
    """Both files are there in the end: that is the version that goes live, trained once."""
    subject = Subject(cloud, "odd-jay")
    start = threading.Barrier(2)

    def drop(person: int) -> None:
        start.wait()
        prefix = f"datasets/{subject.name}/"
        cloud.put(f"{prefix}person-{person}_train.csv", rows(200, person))
        cloud.ready(subject.name)

    people = [threading.Thread(target=drop, args=[person]) for person in (1, 2)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    newest = cloud.client("s3").head_object(
        Bucket=cloud.bucket, Key=f"datasets/{subject.name}/_READY"
    )["VersionId"]
    status = cloud.settled(subject.name, newest, PATIENCE)
    # The first _READY may have come before the second file: then there are two versions.
    jobs = cloud.training_jobs(subject.name)
    assert len({job.rsplit("-", 2)[1] for job in jobs}) == len(jobs) <= 2
    assert status["champion"]["training_job"] == status["training_job"], status
    report = f"reports/{subject.name}/preflight/{status['version']}/version.json"
    checked = json.loads(
        cloud.client("s3").get_object(Bucket=cloud.bucket, Key=report)["Body"].read()
    )
    paths = {file["path"] for file in checked["files"] if file["role"] == "train"}
    assert paths == {"person-1_train.csv", "person-2_train.csv"}
    wait_for(subject.alone, "the verification endpoint to go")
    nothing_given_up(cloud, subject.name)
