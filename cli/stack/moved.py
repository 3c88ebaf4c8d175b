"""A local cloud that was started on another port than the stack was made on.

MiniStack keeps its queues under their URLs, port included: after such a start they can be named,
but no function reads them any more, and nothing that CloudFormation could update changes that. The
stack is made anew then; what its table holds goes along, and the data bucket stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

Items = list[dict[str, Any]]


def has_moved(session: boto3.Session, outputs: Mapping[str, str]) -> bool:
    """Does the stack name an events queue that is not there, or is there under another address?"""
    name = outputs.get("EventsQueueUrl", "").rpartition("/")[2]
    if not name:
        return False
    sqs = session.client("sqs")
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        if error.response["Error"]["Code"].endswith(("NonExistentQueue", "QueueDoesNotExist")):
            return True
        raise
    return urlsplit(url).port != urlsplit(sqs.meta.endpoint_url).port


def read_items(session: boto3.Session, table: str) -> Items:
    """Everything in the table, in DynamoDB's own form."""
    pages = session.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


def write_items(session: boto3.Session, table: str, items: Items) -> None:
    """Put the items where the functions have not written a newer one yet."""
    client = session.client("dynamodb")
    for item in items:
        try:
            client.put_item(
                TableName=table, Item=item, ConditionExpression="attribute_not_exists(id)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
