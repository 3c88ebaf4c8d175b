"""What SageMaker answers when it does not do what was asked.

SageMakerError
├── ValidationException              the request is wrong, or names what is not there
│   └── MissingResource              … a resource that most operations report as ValidationException
├── ResourceInUse                    the name is taken
├── ResourceNotFound
├── ResourceLimitExceeded            a quota of the account
├── ConflictException                another request is in the way
├── AccessDeniedException            IAM says no
├── SerializationException           the body is no JSON, or of the wrong types
├── UnknownOperationException        AWS has no such operation
│   └── UnknownPath                  … as the runtime API says it, which knows operations by paths
├── NotImplementedException          AWS has it, the local cloud does not
├── ThrottlingException
│   └── ConcurrencyExceeded          … of a serverless endpoint: without a message, as on AWS
├── InternalFailure                  a fault of the local cloud
└── RuntimeFailure                   of the runtime API (REST)
    ├── ValidationError
    ├── ModelError                   the container answered 4xx or 5xx, or too late
    ├── ModelNotReadyException       the serverless container did not come up in time
    └── ServiceUnavailable
"""

from __future__ import annotations

from typing import Any


class SageMakerError(Exception):
    """An error of the API; the class's name is the code on the wire."""

    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        """The error code that clients see."""
        return type(self).__name__

    @property
    def body(self) -> dict[str, Any]:
        """Further members of the error's shape."""
        return {}


class ValidationException(SageMakerError):
    pass


class MissingResource(ValidationException):
    @property
    def code(self) -> str:
        return "ValidationException"


class ResourceInUse(SageMakerError):
    pass


class ResourceNotFound(SageMakerError):
    pass


class ResourceLimitExceeded(SageMakerError):
    pass


class ConflictException(SageMakerError):
    pass


class AccessDeniedException(SageMakerError):
    pass


class SerializationException(SageMakerError):
    pass


class UnknownOperationException(SageMakerError):
    pass


class UnknownPath(UnknownOperationException):
    status = 404

    @property
    def code(self) -> str:
        return "UnknownOperationException"


class NotImplementedException(SageMakerError):
    status = 501


class ThrottlingException(SageMakerError):
    pass


class ConcurrencyExceeded(ThrottlingException):
    def __init__(self) -> None:
        super().__init__("Rate exceeded")

    @property
    def code(self) -> str:
        return "ThrottlingException"

    @property
    def body(self) -> dict[str, Any]:
        return {"Message": None}


class InternalFailure(SageMakerError):
    status = 500


class RuntimeFailure(SageMakerError):
    pass


class ValidationError(RuntimeFailure):
    pass


class ModelNotReadyException(RuntimeFailure):
    status = 429


class ServiceUnavailable(RuntimeFailure):
    status = 503


class ModelError(RuntimeFailure):
    """`original_status` and `original_message` are the container's."""

    status = 424

    def __init__(
        self, message: str, original_status: int, original_message: str, log_stream_arn: str
    ) -> None:
        super().__init__(message)
        self.original_status = original_status
        self.original_message = original_message
        self.log_stream_arn = log_stream_arn

    @property
    def body(self) -> dict[str, Any]:
        return {
            "OriginalStatusCode": self.original_status,
            "OriginalMessage": self.original_message,
            "LogStreamArn": self.log_stream_arn,
        }
