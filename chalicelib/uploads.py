"""Uploads that are not finished yet: which is worth waiting for?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.aws.storage import OpenUpload, Storage

# Clients send parts of some megabytes, one after the other: an hour without one is an upload that
# somebody gave up. S3 keeps its parts until the bucket's lifecycle rule aborts it.
ABANDONED = timedelta(hours=1)
MOST_ASKED = 20  # uploads begun longer ago whose parts are looked at


@dataclass(frozen=True)
class Unfinished:
    """An upload that something came of `last` (its beginning, or its newest part)."""

    key: str
    last: datetime

    @property
    def until(self) -> datetime:
        """When it is given up, if nothing more comes."""
        return self.last + ABANDONED


def unfinished(storage: Storage, prefix: str, now: datetime) -> Unfinished | None:
    """The upload below the prefix that is to be waited for the longest, or None.

    One request; one more each for those that were begun over an hour ago, the newest 20.
    """
    begun = sorted(storage.open_uploads(prefix), key=lambda upload: upload.begun)
    fresh = [upload for upload in begun if now - upload.begun < ABANDONED]
    if fresh:
        return Unfinished(fresh[-1].key, fresh[-1].begun)
    heard = [_last(storage, upload) for upload in begun[-MOST_ASKED:]]
    newest = max(heard, key=lambda upload: upload.last, default=None)
    return newest if newest and now < newest.until else None


def _last(storage: Storage, upload: OpenUpload) -> Unfinished:
    return Unfinished(upload.key, storage.last_part(upload) or upload.begun)
