"""ClientError → our errors, for the codes that we know; everything else escapes as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from urllib3.exceptions import HTTPError

from chalicelib.errors import (
    AccessDenied,
    LimitReached,
    PigeonholeError,
    RequestRefused,
    ResourceNotFound,
    Throttled,
    Unavailable,
)

# Trouble with AWS or the way to it, while a request is made or its body is read: may pass.
AWS_TROUBLE = (ClientError, BotoCoreError, HTTPError, ConnectionError, TimeoutError)

SERVICE_FAILED = 500  # HTTP statuses from here on: the service's own fault

# SageMaker has no code for what is missing or already there: a ValidationException's message
# says so.
_MISSING = re.compile(r"could not find|not found|does not exist|RecordNotFound", re.IGNORECASE)
_EXISTS = re.compile(r"already exist", re.IGNORECASE)


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def already_exists(error: ClientError) -> bool:
    """The name is in use. For a name of our own, which says what it holds, that is success."""
    code = error_code(error)
    return code == "ResourceInUse" or (
        code in ("ValidationException", "ConflictException")
        and _EXISTS.search(error_message(error)) is not None
    )


def known_error(error: ClientError) -> PigeonholeError | None:
    """Our error for SageMaker's; None when the code is unknown."""
    code, message = error_code(error), error_message(error)
    if code in ("ResourceNotFound", "ResourceNotFoundException") or (
        code == "ValidationException" and _MISSING.search(message)
    ):
        return ResourceNotFound(message)
    if code in ("ThrottlingException", "Throttling", "TooManyRequestsException"):
        return Throttled(message or code)
    if code in ("ResourceLimitExceeded", "LimitExceededException"):
        return LimitReached(message)
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= SERVICE_FAILED:
        return Unavailable(message or code)
    return None


@contextmanager
def sagemaker_errors() -> Iterator[None]:
    """Translate what the block raises."""
    try:
        yield
    except ClientError as error:
        known = known_error(error)
        if known is None:
            raise
        raise known from error
    except (AwsConnectionError, HTTPClientError) as error:
        raise Unavailable(str(error)) from error


@contextmanager
def ours_if_exists() -> Iterator[None]:
    """A create whose name follows from its content: already there is success."""
    try:
        yield
    except ClientError as error:
        if not already_exists(error):
            raise


@contextmanager
def refusals(*, missing_is_final: bool = False) -> Iterator[None]:
    """A create that is refused for good: raises RequestRefused, or AccessDenied.

    Goes inside `sagemaker_errors`, which takes what is missing for worth another try: a model
    made a moment ago may not be seen yet. `missing_is_final` where nothing was.
    """
    try:
        yield
    except ParamValidationError as error:
        raise RequestRefused(str(error)) from error
    except ClientError as error:
        code, message = error_code(error), error_message(error)
        if code in ("AccessDeniedException", "AccessDenied"):
            raise AccessDenied(message) from error
        if code == "ValidationException" and (missing_is_final or not _MISSING.search(message)):
            raise RequestRefused(message) from error
        raise
