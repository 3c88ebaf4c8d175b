"""Links that let a browser read one object of the data bucket for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from botocore.config import Config

# Signature 4, and the bucket in the region's own host name: new buckets take nothing else. An
# address by number, as the local cloud's, gets the bucket in its path all the same.
SIGNING = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
SECONDS = 900


class Links(Protocol):
    """What the API needs to send somebody to an object."""

    def to(self, key: str) -> str:
        """A URL that works for SECONDS without credentials."""


class S3Links:
    """`client` gives boto3's `s3` client, made with SIGNING; it is asked for with the first link,
    as most callers want none. Nothing is asked of S3: who signs must be allowed to read the object,
    or the link's reader is refused."""

    def __init__(self, client: Callable[[], Any], bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def to(self, key: str) -> str:
        url: str = self._client().generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=SECONDS
        )
        return url
