"""Functions are killed at every step of the flow, before and after the step took effect.

CI kills at the first call of each operation that changes something; `make test-trouble` at each
call of each operation (PIGEONHOLE_TROUBLE=all).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.local.conftest import Cloud
from tests.local.trouble.conftest import Flow
from tests.local.trouble.steps import Death, Step, dealt, operations
from tests.local.trouble.subject import ALL, Subject, nothing_lost, sweeping

DATASETS = ("kill-ape", "kill-bee", "kill-cat")
MANY = 4  # deaths a drop: with more, one message might be given up

# Where the functions die in CI: in a first drop, in a second one, and when the first data return.
DEATHS = (
    (
        ("work", "s3:PutObject"),
        ("reconcile", "sagemaker:CreateTrainingJob"),
        ("reconcile", "sagemaker:CreateModelPackageGroup"),
        ("reconcile", "sagemaker:CreateModelPackage"),
        ("reconcile", "sagemaker:CreateEndpoint"),
    ),
    (
        ("reconcile", "s3:PutObject"),
        ("reconcile", "sqs:SendMessage"),
        ("work", "sqs:SendMessage"),
        ("reconcile", "sagemaker:CreateModel"),
        ("reconcile", "sagemaker:UpdateEndpoint"),
    ),
    (
        ("reconcile", "dynamodb:PutItem"),
        ("reconcile", "sagemaker:UpdateModelPackage"),
        ("reconcile", "sagemaker:CreateEndpointConfig"),
        ("reconcile", "sagemaker:DeleteEndpoint"),
    ),
)
# What changes something, and has no place in these drops.
ELSEWHERE = {
    "sqs:ChangeMessageVisibilityBatch",  # holds a message: a death there costs a minute
    "sqs:DeleteMessageBatch",  # where several datasets share a batch
    "sns:Publish",  # where there is a topic
    "sagemaker:CreateTransformJob",  # of batches
    "sagemaker:DeleteModel",  # of what is older than `keep_versions`
    "sagemaker:DeleteEndpointConfig",
    "s3:AbortMultipartUpload",  # of large results
}
READS = ("Get", "Head", "List", "Describe", "Scan", "Invoke")


class Plan:
    """Which deaths are still to be died, and which never came. For several threads."""

    def __init__(self, flow: Flow) -> None:
        self._lock = threading.Lock()
        self._for_new, self._for_known = self._dealt(flow.to_train), self._dealt(flow.to_switch)
        self.died: set[Death] = set()
        self.missed: set[Death] = set()

    def _dealt(self, steps: list[Step]) -> Iterator[list[Death]]:
        return dealt(steps, MANY)

    def for_new(self) -> list[Death]:
        """What to die while new data is trained; empty when all is done."""
        with self._lock:
            return next(self._for_new, [])

    def for_known(self) -> list[Death]:
        """The same, while data is dropped that has been trained."""
        with self._lock:
            return next(self._for_known, [])

    def live(self, subject: Subject, data: int, deaths: list[Death]) -> None:
        """A drop with these deaths."""
        _, left = subject.drop(data, [death.rule(subject.name) for death in deaths])
        asked = {(rule.pattern, rule.when) for rule in left}
        missed = {d for d in deaths if (d.step.operation, d.when) in asked}
        with self._lock:
            self.missed |= missed
            self.died |= set(deaths) - missed


def test_a_function_dies_wherever_it_changes_something() -> None:
    """Or the lists above lack a permission that the functions were given since."""
    die = {death for deaths in DEATHS for death in deaths}
    allowed = {(f, o) for f in ("reconcile", "work") for o in operations(f)}
    changing = {(f, o) for f, o in allowed if not o.partition(":")[2].startswith(READS)}
    assert {(f, o) for f, o in changing if o not in ELSEWHERE} == die


@pytest.mark.skipif(ALL, reason="every step is killed")
def test_functions_killed_where_they_change_something_change_nothing_else(cloud: Cloud) -> None:
    def live(name: str, when: str) -> None:
        subject = Subject(cloud, name)
        for data, deaths in zip((1, 2, 1), DEATHS, strict=True):
            rules = [Death(Step(*death, 0), when).rule(name) for death in deaths]
            _, left = subject.drop(data, rules)
            assert [rule.pattern for rule in left] == []

    with ThreadPoolExecutor(2) as lanes:
        lanes_done = [
            lanes.submit(live, name, when)
            for name, when in (("kill-ape", "before"), ("kill-bee", "after"))
        ]
    for done in lanes_done:
        done.result()
    nothing_lost(cloud, "kill-ape", "kill-bee")


@pytest.mark.skipif(not ALL, reason="make test-trouble")
def test_functions_killed_at_any_step_change_nothing(cloud: Cloud, flow: Flow) -> None:
    plan = Plan(flow)

    def live(name: str) -> None:
        subject = Subject(cloud, name)
        plan.live(subject, 1, plan.for_new())
        plan.live(subject, 2, plan.for_new())
        data = 2
        while deaths := plan.for_new():
            data += 1
            plan.live(subject, data, deaths)
        while deaths := plan.for_known():
            data = 1 if data != 1 else 2
            plan.live(subject, data, deaths)

    # What is given up because of the others' deaths is taken up by the next sweep.
    with sweeping(cloud, 20), ThreadPoolExecutor(len(DATASETS)) as lanes:
        for done in [lanes.submit(live, name) for name in DATASETS]:
            done.result()
    nothing_lost(cloud, *DATASETS)
    print(f"{len(plan.died)} deaths; never came: {sorted(map(str, plan.missed))}")
    alike = {(death.step.function, death.step.operation, death.when) for death in plan.missed}
    died = {(death.step.function, death.step.operation, death.when) for death in plan.died}
    assert alike <= died  # the last of many calls alike may not come again
    assert len(plan.missed) <= len(plan.died) // 3
