"""What can go wrong, as one tree.

ServingError
├── ArtifactError            the model directory holds no usable artifact: the process ends
├── SettingsError            an environment variable is missing or wrong: named in the message
├── RequestError             the caller's mistake: answered 4xx with `code` and `message`
│   ├── BadRequest           400
│   ├── TooLarge             413
│   └── UnsupportedType      415
├── ObjectRejected           one object of a batch cannot be had: a rejected line, never a failure
│   └── ObjectDenied         S3 denies it: a failure after all when it denies all of the request
└── StorageError             S3 fails or denies: the request fails with 500, SageMaker retries
"""

from __future__ import annotations


class ServingError(Exception):
    """Root of the tree."""


class ArtifactError(ServingError):
    """The model directory does not hold the artifact that this container serves."""


class SettingsError(ServingError):
    """The environment lacks a variable or holds one that cannot be read."""


class RequestError(ServingError):
    """The caller's mistake. `code` is for programs, `message` says what to do about it."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadRequest(RequestError):
    """The body cannot be read as what its Content-Type says."""


class TooLarge(RequestError):
    """More bytes, pixels or rows than this container takes in one request."""

    status = 413


class UnsupportedType(RequestError):
    """A Content-Type that this container does not read."""

    status = 415


class ObjectRejected(ServingError):
    """One object of a batch cannot be classified; `code` and `message` as in RequestError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ObjectDenied(ObjectRejected):
    """S3 denies access to one object: `message` is for who uploaded it, `policy` says what the
    role would need."""

    def __init__(self, message: str, policy: str) -> None:
        super().__init__("access_denied", message)
        self.policy = policy


class StorageError(ServingError):
    """S3 could not be read, for a reason that says nothing about the object itself."""
