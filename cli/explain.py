"""Errors that libraries and the system raise, in one sentence for the person at the keyboard."""

from __future__ import annotations

import httpx
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from cli.cloud import CloudNotStarted, OtherCloud
from cli.fashion_mnist import DatasetUnavailable
from cli.stack.errors import StackError

SEE_STATUS = "`pigeonhole status` says what runs."


def explain(error: BaseException) -> str | None:  # noqa: PLR0911 - one line a kind of error
    """The sentence; None for an error that nobody foresaw, which is a bug of ours."""
    if isinstance(error, StackError | CloudNotStarted | OtherCloud | DatasetUnavailable):
        return str(error)
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        return f"AWS refused {error.operation_name}: {detail.get('Code')}: {detail.get('Message')}"
    if isinstance(error, NoCredentialsError | NoRegionError):
        return (
            f"{str(error).rstrip('.')}. For AWS, run `aws configure`; for the local cloud, "
            "run `pigeonhole up`, or `. .local/env` where it runs already."
        )
    if isinstance(error, BotoCoreError | S3UploadFailedError):
        return f"{str(error).rstrip('.')}. {SEE_STATUS}"
    if isinstance(error, httpx.HTTPError):
        return f"The HTTP API does not answer ({error}). {SEE_STATUS}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return None
