"""The rules: each looks at a profile and says what it found, or nothing.

They stand in for Amazon SageMaker Debugger's built-in rules, which are closed to new customers.
Where a threshold is Debugger's documented default, its comment names the rule; docs/profiling.md
says what each means and where ours differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pigeonhole_training.watching.profile import Finding, Profile
from pigeonhole_training.watching.rules_instance import instance_too_large, instance_too_small
from pigeonhole_training.watching.rules_learning import (
    class_imbalance,
    dead_units,
    exploding_gradients,
    loss_not_falling,
    overfitting,
    vanishing_gradients,
)
from pigeonhole_training.watching.rules_speed import (
    INPUT_STEPS,
    PATIENCE,
    batch_too_small,
    gpu_idle,
    input_bound,
    steady,
)

Rule: TypeAlias = Callable[[Profile], Finding | None]

RULES: tuple[Rule, ...] = (
    exploding_gradients,
    vanishing_gradients,
    loss_not_falling,
    dead_units,
    overfitting,
    class_imbalance,
    input_bound,
    gpu_idle,
    batch_too_small,
    instance_too_small,
    instance_too_large,
)
# Those that can be told while the run goes on; the others need the whole of it.
EARLY: tuple[Rule, ...] = (
    exploding_gradients,
    vanishing_gradients,
    dead_units,
    class_imbalance,
    input_bound,
    gpu_idle,
    instance_too_small,
)


# What rules need to see first, and what is said where they do not.
_NEEDS: tuple[tuple[tuple[Rule, ...], Callable[[Profile], bool], str], ...] = (
    ((gpu_idle,), lambda p: bool(p.machine.gpus), "there is no GPU"),
    (
        (gpu_idle, batch_too_small, instance_too_small, instance_too_large),
        lambda p: len(steady(p)) >= PATIENCE,
        f"there are less than {PATIENCE} samples of the machine",
    ),
    (
        (input_bound, batch_too_small),
        lambda p: len(p.steady_steps) >= INPUT_STEPS,
        f"less than {INPUT_STEPS} steps were measured",
    ),
    (
        (exploding_gradients, vanishing_gradients),
        lambda p: bool(p.gradients),
        "no gradients were seen",
    ),
    ((loss_not_falling, overfitting), lambda p: bool(p.epochs), "no epoch was finished"),
    ((dead_units,), lambda p: bool(p.dead_units), "no ReLU layer was watched"),
)


def waits_for(rule: Rule, profile: Profile) -> str | None:
    """What the rule lacks to judge, as the end of a sentence; None when it can."""
    lacking = (text for rules, met, text in _NEEDS if rule in rules and not met(profile))
    return next(lacking, None)


def judge(profile: Profile, rules: tuple[Rule, ...] = RULES) -> tuple[Finding, ...]:
    """What the rules find, the worst first."""
    found = [finding for rule in rules if (finding := rule(profile)) is not None]
    order = ("bad", "warning", "info")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))
