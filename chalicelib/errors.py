"""Every error of our own.

PigeonholeError
├── SettingsMissing          a variable of the environment is not there
├── InputRefused             what was given cannot be used; the message says what to do
│   ├── NameRefused          a dataset or batch name that SageMaker could not carry
│   ├── BodyRefused          a request's body that nothing can be made of
│   ├── BodyTooLarge         more bytes than a serverless endpoint takes
│   └── TypeRefused          a Content-Type that is none of ours
├── NotFound
│   ├── DatasetNotFound
│   ├── BatchNotFound
│   ├── VersionNotFound      the dataset never had this version
│   ├── ReportNotFound       nothing has been reported of the dataset yet
│   ├── ObjectNotFound       an S3 object
│   └── ResourceNotFound     a SageMaker resource
├── Conflict
│   ├── RevisionConflict     somebody else changed the item first: load it again
│   ├── ObjectChanged        the object is no longer the one that was listed
│   ├── NoModel              the dataset has no champion yet
│   └── DatasetNotChosen     several datasets have one, and nobody said which
├── RequestRefused           SageMaker will never take this request
├── AccessDenied             a role lacks a permission: for the operator to put right
├── ModelError               the container answered an invocation with an error
└── Unavailable              worth another try later
    ├── ModelNotReady        a serverless endpoint is still getting its resources
    ├── Throttled
    └── LimitReached         the account's limit for this kind of resource

`code` is what a caller of the HTTP API reads as `error`; which HTTP status it becomes is said once,
where the routes are.
"""

from __future__ import annotations


class PigeonholeError(Exception):
    """Root of the tree. `str(error)` is a sentence for people."""

    code = "internal_error"


class SettingsMissing(PigeonholeError):
    code = "settings_missing"


class InputRefused(PigeonholeError):
    code = "input_refused"


class NameRefused(InputRefused):
    code = "name_refused"


class BodyRefused(InputRefused):
    code = "body_refused"


class BodyTooLarge(InputRefused):
    code = "too_large"


class TypeRefused(InputRefused):
    code = "unsupported_media_type"


class NotFound(PigeonholeError):
    code = "not_found"


class DatasetNotFound(NotFound):
    code = "dataset_not_found"


class BatchNotFound(NotFound):
    code = "batch_not_found"


class VersionNotFound(NotFound):
    code = "version_not_found"


class ReportNotFound(NotFound):
    code = "report_not_found"


class ObjectNotFound(NotFound):
    code = "object_not_found"


class ResourceNotFound(NotFound):
    code = "resource_not_found"


class Conflict(PigeonholeError):
    code = "conflict"


class RevisionConflict(Conflict):
    code = "revision_conflict"


class ObjectChanged(Conflict):
    code = "object_changed"


class NoModel(Conflict):
    code = "no_model"


class DatasetNotChosen(Conflict):
    """`choices` are the datasets that have a champion."""

    code = "dataset_not_chosen"

    def __init__(self, message: str, choices: tuple[str, ...]) -> None:
        super().__init__(message)
        self.choices = choices


class RequestRefused(PigeonholeError):
    """`str(error)` is what SageMaker says is wrong with it."""

    code = "request_refused"


class AccessDenied(PigeonholeError):
    code = "access_denied"


class ModelError(PigeonholeError):
    """`status` is the container's own HTTP status, `body` what it answered."""

    code = "model_error"

    def __init__(self, message: str, status: int, body: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class Unavailable(PigeonholeError):
    code = "unavailable"


class ModelNotReady(Unavailable):
    code = "model_not_ready"


class Throttled(Unavailable):
    code = "throttled"


class LimitReached(Unavailable):
    code = "limit_reached"
