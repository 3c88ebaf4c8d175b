"""One dataset whose undisturbed drops tell which calls the flow makes."""

from __future__ import annotations

import pytest

from tests.local.conftest import Cloud
from tests.local.trouble.steps import Step, every, recorded
from tests.local.trouble.subject import Subject


class Flow:
    """What the functions call in the drop of new data, and in one of data that was trained.

    `subject` has been trained on data 1 and 2 then; 1 is live.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.subject = subject = Subject(cloud, "calm-ant")
        subject.drop(1)
        trained = recorded(subject.rules, subject.name, lambda: subject.drop(2))
        switched = recorded(subject.rules, subject.name, lambda: subject.drop(1))
        only_new = {key: count for key, count in trained.items() if key not in switched}
        self.to_train: list[Step] = every(only_new)
        self.to_switch: list[Step] = every(switched)


@pytest.fixture(scope="session")
def flow(cloud: Cloud) -> Flow:
    return Flow(cloud)
