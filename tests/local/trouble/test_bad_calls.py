"""SageMaker throttles, fails and goes silent, for longer than botocore tries: it ends the same.

`make test-trouble` alone: `tests/local/test_trouble.py` has CI's part of it.
"""

from __future__ import annotations

from itertools import cycle

import pytest

from localcloud.trouble import Rule
from tests.local.conftest import Cloud
from tests.local.trouble.conftest import Flow
from tests.local.trouble.steps import FUNCTIONS, Step
from tests.local.trouble.subject import ALL, PATIENCE, Subject, nothing_given_up

pytestmark = pytest.mark.skipif(not ALL, reason="make test-trouble")
AFTERMATH = 60  # s, for the tidying behind a run, which is throttled as well
LONGER_THAN_BOTOCORE = 5  # it tries four times
KINDS = ("throttle", "error-500", "lose-reply")
# What is kept of an earlier model: asked for again it is refused as there already, and the reply
# that `lose-reply` loses is that of a call that took effect.
KEPT = ("sagemaker:CreateModel", "sagemaker:CreateEndpointConfig")


def troubles(steps: list[Step], dataset: str, shift: int, kept: tuple[str, ...] = ()) -> list[Rule]:
    """Each operation of SageMaker goes wrong for a while; by another kind with another shift."""
    operations = sorted({s.operation for s in steps if s.operation.startswith("sagemaker:")})
    kinds = cycle(KINDS[shift:] + KINDS[:shift])
    return [
        Rule(
            kind,
            operation,
            by=FUNCTIONS["reconcile"],
            about=dataset,
            # After a reply that was lost there may be nothing more to ask for.
            times=1 if kind == "lose-reply" else LONGER_THAN_BOTOCORE,
        )
        for operation, kind in zip(operations, kinds, strict=False)
        if kind != "lose-reply" or operation not in kept
    ]


@pytest.mark.parametrize("shift", range(len(KINDS)))
def test_calls_of_sagemaker_that_go_wrong_change_nothing(
    cloud: Cloud, flow: Flow, shift: int
) -> None:
    subject = Subject(cloud, f"bad-dog-{shift}")
    _, missed = subject.drop(1, troubles(flow.to_train, subject.name, shift), AFTERMATH)
    assert [rule.pattern for rule in missed] == []
    calm = flow.subject
    for data in (2, 1):
        _, missed = calm.drop(data, troubles(flow.to_switch, calm.name, shift, KEPT), AFTERMATH)
        assert [rule.pattern for rule in missed] == []
    nothing_given_up(cloud, subject.name, calm.name)


def test_an_update_that_is_rolled_back_silently_leaves_the_champion(
    cloud: Cloud, flow: Flow
) -> None:
    subject = flow.subject
    live = f"pigeonhole-local-{subject.name}"
    champion = cloud.dataset(subject.name)["champion"]
    other = 1 if subject.data == 2 else 2
    subject.rules.add(Rule("rollback", live))
    subject.put(other)
    status = cloud.settled(subject.name, cloud.ready(subject.name), PATIENCE)
    assert (status["outcome"], status["champion"]) == ("Failed", champion), status
    assert "went back" in status["message"]
    endpoint = cloud.client("sagemaker").describe_endpoint(EndpointName=live)
    assert endpoint["EndpointConfigName"] == champion["training_job"]
    subject.drop(other)  # put once more it goes live, without a second training
    nothing_given_up(cloud, subject.name)
