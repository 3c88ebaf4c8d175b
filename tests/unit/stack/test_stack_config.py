"""The settings in .chalice, as they lie in the repository."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.delivery import MOST_RECEIVES
from chalicelib.settings import PREFIX, Settings
from cli.stack.errors import PackageFailed
from cli.stack.package import stage_settings

REPO = Path(__file__).resolve().parents[3]
CONFIG = json.loads((REPO / ".chalice" / "config.json").read_text())
FUNCTIONS = ("api_handler", "reconcile", "work")


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as (tag, value)."""


def _tag(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return (suffix, node.value)
    if isinstance(node, yaml.SequenceNode):
        return (suffix, loader.construct_sequence(node, deep=True))
    assert isinstance(node, yaml.MappingNode)
    return (suffix, loader.construct_mapping(node, deep=True))


Loader.add_multi_constructor("!", _tag)
RESOURCES = yaml.load((REPO / ".chalice" / "resources.yaml").read_text(), Loader)


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_every_setting_of_the_functions_has_a_source(stage: str) -> None:
    shared = RESOURCES["Globals"]["Function"]["Environment"]["Variables"]
    given = set(shared) | set(stage_settings(REPO, stage))
    wanted = {PREFIX + field.name.upper() for field in fields(Settings)}
    assert {name for name in given if name.startswith(PREFIX)} == wanted


def test_an_unknown_stage_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PackageFailed, match="local, dev, prod"):
        stage_settings(REPO, "staging")


@pytest.mark.parametrize(
    ("function", "queue"), [("reconcile", "EventsQueue"), ("work", "WorkQueue")]
)
def test_on_aws_a_message_stays_hidden_for_as_long_as_its_function_may_run(
    function: str, queue: str
) -> None:
    """Lambda takes no queue that hides messages for less."""
    timeout = CONFIG["lambda_functions"][function]["lambda_timeout"]
    visibility = RESOURCES["Resources"][queue]["Properties"]["VisibilityTimeout"]
    tag, (condition, on_aws, _) = visibility
    assert (tag, condition) == ("If", "OnAws")
    assert on_aws >= timeout


@pytest.mark.parametrize("queue", ["EventsQueue", "WorkQueue"])
def test_a_function_knows_which_delivery_is_the_last(queue: str) -> None:
    redrive = RESOURCES["Resources"][queue]["Properties"]["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == MOST_RECEIVES
