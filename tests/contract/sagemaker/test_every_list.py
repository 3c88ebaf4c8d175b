"""What all List calls have in common, and their defaults, as the API reference gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from .account import ROLE, TARGET, Account

COUNT = 12  # more than a default page


@dataclass(frozen=True)
class Kind:
    """A kind of resource: its List operation, the answer's key, and where names stand in it."""

    operation: str
    key: str
    name: str
    make: Callable[[Account, str], None]
    default_order: str
    default_by: str = "CreationTime"

    def page(self, account: Account, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(account.api, xform_name(self.operation))(**request)
        return answer

    def names(self, account: Account, **request: Any) -> list[str]:
        """The names of all pages."""
        request = {"MaxResults": 100, **request}
        found: list[str] = []
        while True:
            answer = self.page(account, **request)
            found += [item[self.name] for item in answer[self.key]]
            if "NextToken" not in answer:
                return found
            request["NextToken"] = answer["NextToken"]


def make_model(account: Account, name: str) -> None:
    account.api.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": TARGET.server_image},
    )


def make_config(account: Account, name: str) -> None:
    size = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    variant = {"VariantName": "a", "ModelName": "for-configs", "ServerlessConfig": size}
    account.api.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


def make_group(account: Account, name: str) -> None:
    account.api.create_model_package_group(ModelPackageGroupName=name)


def make_training_job(account: Account, name: str) -> None:
    account.api.create_training_job(**account.training_request(name))


KINDS = [
    Kind("ListModels", "Models", "ModelName", make_model, "Descending"),
    Kind("ListEndpointConfigs", "EndpointConfigs", "EndpointConfigName", make_config, "Descending"),
    Kind(
        "ListModelPackageGroups",
        "ModelPackageGroupSummaryList",
        "ModelPackageGroupName",
        make_group,
        "Ascending",
    ),
    Kind(
        "ListTrainingJobs",
        "TrainingJobSummaries",
        "TrainingJobName",
        make_training_job,
        "Ascending",
    ),
]


@pytest.fixture(scope="module")
def made(sagemaker: Account) -> Iterator[dict[str, list[str]]]:
    """Names of each kind in the order of their making; the alphabet's is another one."""
    make_model(sagemaker, "for-configs")
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        found[kind.operation] = [f"every-{index * 5 % COUNT:02}" for index in range(COUNT)]
        for name in found[kind.operation]:
            kind.make(sagemaker, name)
    yield found
    for name in found["ListTrainingJobs"]:
        sagemaker.training_ends(name)


@pytest.fixture(params=KINDS, ids=[kind.operation for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_pages_hold_each_resource_once_in_order(
    sagemaker: Account, made: dict[str, list[str]], kind: Kind
) -> None:
    found = kind.names(sagemaker, NameContains="every-", MaxResults=5, SortBy="Name")
    expected = sorted(made[kind.operation], reverse=kind.default_order == "Descending")
    assert found == expected


def test_a_page_holds_ten_unless_told(
    sagemaker: Account, made: dict[str, list[str]], kind: Kind
) -> None:
    answer = kind.page(sagemaker, NameContains="every-")
    assert len(answer[kind.key]) == 10
    assert answer["NextToken"]


def test_default_order(sagemaker: Account, made: dict[str, list[str]], kind: Kind) -> None:
    expected = made[kind.operation]
    if kind.default_order == "Descending":
        expected = expected[::-1]
    assert kind.names(sagemaker, NameContains="every-") == expected


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_sorting(sagemaker: Account, made: dict[str, list[str]], kind: Kind, order: str) -> None:
    names = made[kind.operation]
    turn = -1 if order == "Descending" else 1
    by_time = kind.names(sagemaker, NameContains="every-", SortBy="CreationTime", SortOrder=order)
    by_name = kind.names(sagemaker, NameContains="every-", SortBy="Name", SortOrder=order)
    assert by_time == names[::turn]
    assert by_name == sorted(names)[::turn]


def test_filters(sagemaker: Account, made: dict[str, list[str]], kind: Kind) -> None:
    assert kind.names(sagemaker, NameContains="every-1") == [
        name for name in kind.names(sagemaker) if name.startswith("every-1")
    ]
    items = kind.page(sagemaker, NameContains="every-", MaxResults=100)[kind.key]
    times = sorted(item["CreationTime"] for item in items)
    after = kind.names(sagemaker, NameContains="every-", CreationTimeAfter=times[5])
    before = kind.names(sagemaker, NameContains="every-", CreationTimeBefore=times[5])
    assert len(after) + len(before) <= COUNT
    assert not set(after) & set(before)
    later = datetime.now(UTC) + timedelta(days=1)
    assert kind.names(sagemaker, NameContains="every-", CreationTimeAfter=later) == []


def test_times_have_a_zone_and_milliseconds(
    sagemaker: Account, made: dict[str, list[str]], kind: Kind
) -> None:
    items = kind.page(sagemaker, NameContains="every-")[kind.key]
    for item in items:
        assert item["CreationTime"].tzinfo is not None
        assert item["CreationTime"] <= datetime.now(UTC) + timedelta(seconds=5)
    assert any(item["CreationTime"].microsecond for item in items)


@pytest.mark.parametrize("size", [0, 101])
def test_size_of_a_page_has_limits(sagemaker: Account, kind: Kind, size: int) -> None:
    with pytest.raises(Exception, match=r"(?i)max_?results") as caught:
        kind.page(sagemaker, MaxResults=size)
    if isinstance(caught.value, ClientError):  # else botocore itself refused
        assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    "request_",
    [
        {"SortBy": "Colour"},
        {"SortOrder": "Sideways"},
        {"NameContains": "white space"},
        {"NextToken": "made-up"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_no_list_takes(sagemaker: Account, kind: Kind, request_: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        kind.page(sagemaker, **request_)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
