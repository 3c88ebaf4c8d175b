"""The DynamoDB table: one item a dataset, batch or month, changed by conditional writes alone.

    id        S   partition key: dataset/<name>, batch/<name> or costs/<yyyy-mm>
    revision  N   rises by one with every write
    state     S   JSON
    unsettled BOOL  a copy of the state's `unsettled`, for the sweep
    updated   S     a copy of the state's `updated`, for the sweep
    due       S     a copy of the state's `due`, for the sweep: when it is to be looked at again

`state` is one JSON text: no query reaches into it, and so floats and nulls need no translation.
Items of older releases lack the copies until they are next written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import names
from chalicelib.aws.translate import error_code
from chalicelib.errors import RevisionConflict


@dataclass(frozen=True)
class Item:
    """What the table holds for an id; `revision` 0 means nothing yet."""

    id: str
    revision: int
    state: Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """What the sweep reads of an item. None: the item does not say."""

    id: str
    unsettled: bool | None
    updated: datetime | None
    due: datetime | None = None


class Table:
    """`client` is boto3's `dynamodb` client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, id: str) -> Item | None:
        """The item as last written (a consistent read), or None."""
        found = self._client.get_item(
            TableName=self._name, Key={"id": {"S": id}}, ConsistentRead=True
        ).get("Item")
        return None if found is None else _item(found)

    def put(self, id: str, state: Mapping[str, Any], revision: int) -> Item:
        """Write over `revision` (0: there is none yet). Raises RevisionConflict otherwise."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(id)"}
        if revision:
            condition = {
                "ConditionExpression": "revision = :revision",
                "ExpressionAttributeValues": {":revision": {"N": str(revision)}},
            }
        try:
            self._client.put_item(
                TableName=self._name,
                Item={
                    "id": {"S": id},
                    "revision": {"N": str(revision + 1)},
                    "state": {"S": json.dumps(state, separators=(",", ":"))},
                    **_copies(state),
                },
                **condition,
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise RevisionConflict(f"{id} was changed by another function") from error
            raise
        return Item(id, revision + 1, dict(state))

    def items(self, prefix: str) -> list[Item]:
        """All items whose id begins so, sorted by id."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._name,
            ConsistentRead=True,
            FilterExpression="begins_with(id, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": prefix}},
        )
        found = [_item(raw) for page in pages for raw in page["Items"]]
        return sorted(found, key=lambda item: item.id)

    def marks(self) -> list[Mark]:
        """Of every item that somebody is reconciled by, sorted by id; perhaps as of a second ago.

        DynamoDB bills all of each item, though these few members are read, and twice as much for a
        consistent read: what the sweep does not see this time it sees the next.
        """
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._name,
            FilterExpression="NOT begins_with(id, :costs)",
            ExpressionAttributeValues={":costs": {"S": names.COSTS}},
            ProjectionExpression="id, unsettled, updated, due",
        )
        found = [_mark(raw) for page in pages for raw in page["Items"]]
        return sorted(found, key=lambda mark: mark.id)


def _copies(state: Mapping[str, Any]) -> dict[str, Any]:
    copies: dict[str, Any] = {}
    if isinstance(unsettled := state.get("unsettled"), bool):
        copies["unsettled"] = {"BOOL": unsettled}
    if updated := state.get("updated"):
        copies["updated"] = {"S": str(updated)}
    if due := state.get("due"):
        copies["due"] = {"S": str(due)}
    return copies


def _mark(raw: Mapping[str, Any]) -> Mark:
    updated, due = (raw.get(name, {}).get("S") for name in ("updated", "due"))
    return Mark(
        raw["id"]["S"],
        raw.get("unsettled", {}).get("BOOL"),
        None if updated is None else datetime.fromisoformat(updated),
        None if due is None else datetime.fromisoformat(due),
    )


def _item(raw: Mapping[str, Any]) -> Item:
    return Item(raw["id"]["S"], int(raw["revision"]["N"]), json.loads(raw["state"]["S"]))
