"""The calls that the functions make in the flow: all the places where they can be killed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.trouble import Rule, Rules

REPO = Path(__file__).parents[3]
FUNCTIONS = {"reconcile": "*Reconcile*", "work": "*-Work-*"}  # who calls, as rules name them
MANY = 12  # of so many calls of one operation each is killed, of more a sample
# What a permission is called where it is not called as its operations are.
_OPERATIONS = {
    "s3:GetObject": ("s3:GetObject", "s3:HeadObject"),
    "s3:GetObjectVersion": (),
    "s3:ListBucket": ("s3:ListObjectsV2",),
    "s3:ListBucketVersions": ("s3:ListObjectVersions",),
    "s3:ListBucketMultipartUploads": ("s3:ListMultipartUploads",),
    "sqs:ChangeMessageVisibility": ("sqs:ChangeMessageVisibilityBatch",),
    "sqs:DeleteMessage": ("sqs:DeleteMessageBatch",),
    "sagemaker:AddTags": (),
    "iam:PassRole": (),
}
_OF_LAMBDA = ("logs:", "xray:", "sqs:ReceiveMessage", "sqs:GetQueueAttributes")
# Calls that name no dataset.
_OF_NOBODY = ("sqs:ChangeMessageVisibilityBatch", "sqs:DeleteMessageBatch")


@dataclass(frozen=True)
class Step:
    """The `number`-th call of an operation by a function, in one drop of one dataset."""

    function: str
    operation: str
    number: int


@dataclass(frozen=True)
class Death:
    """A function is killed at a step, before or after it took effect."""

    step: Step
    when: str

    def rule(self, dataset: str) -> Rule:
        """Have it happen, in a drop of this dataset."""
        return Rule(
            "kill-caller",
            self.step.operation,
            by=FUNCTIONS[self.step.function],
            about="" if self.step.operation in _OF_NOBODY else dataset,
            when=self.when,
            skip=self.step.number,
        )


def operations(function: str) -> list[str]:
    """All that a function may call, by its policy."""
    policy = json.loads((REPO / ".chalice" / f"policy-{function}.json").read_text())
    found: dict[str, None] = {}
    for statement in policy["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            if not action.startswith(_OF_LAMBDA):
                found |= dict.fromkeys(_OPERATIONS.get(action, (action,)))
    return list(found)


def recorded(rules: Rules, dataset: str, drop: Callable[[], object]) -> dict[tuple[str, str], int]:
    """How often each function calls each operation during a drop."""
    watching = {
        rules.add(Rule("slow", operation, times=None, seconds=0, by=who, about=dataset)).number: (
            function,
            operation,
        )
        for function, who in FUNCTIONS.items()
        for operation in operations(function)
        if operation not in _OF_NOBODY
    }
    drop()
    counts = {}
    for rule in rules.all():
        if rule.number in watching:
            rules.clear(rule.number)
            if rule.used:
                counts[watching[rule.number]] = rule.used
    for operation in _OF_NOBODY:
        counts["reconcile", operation] = 2
    return counts


def every(counts: dict[tuple[str, str], int]) -> list[Step]:
    """Every step of a recorded drop; of very many alike, some from the first to the last."""
    return [
        Step(function, operation, number)
        for (function, operation), count in counts.items()
        for number in sorted({round(i * (count - 1) / (MANY - 1)) for i in range(MANY)})
        if number < count
    ]


def dealt(steps: Sequence[Step], many: int, seed: int = 7) -> Iterator[list[Death]]:
    """All steps with both moments of death, `many` at a time: in a drop no operation twice."""
    deaths = [Death(step, when) for step in steps for when in ("before", "after")]
    random.Random(seed).shuffle(deaths)
    while deaths:
        hand: dict[tuple[str, str], Death] = {}
        left = []
        for death in deaths:
            key = (death.step.function, death.step.operation)
            if len(hand) < many and key not in hand:
                hand[key] = death
            else:
                left.append(death)
        deaths = left
        yield list(hand.values())
