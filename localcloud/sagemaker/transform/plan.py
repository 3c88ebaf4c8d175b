"""How a job goes about its objects: what the request says, else the container, else AWS.

The container says it in its answer to GET /execution-parameters, with BatchStrategy in upper case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.transform.processing import Processing

MEGABYTE = 1024 * 1024
PAYLOAD_MB, CONCURRENT, STRATEGY = 6, 1, "MULTI_RECORD"
_SNAKE = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}


@dataclass(frozen=True)
class Plan:
    """concurrent: requests under way at once, on each instance
    payload_mb: the largest payload; 0 for any size, sent in chunks
    strategy: MULTI_RECORD or SINGLE_RECORD
    attempts, timeout: how often a payload is sent, and the seconds the container has each time
    """

    concurrent: int
    payload_mb: int
    strategy: str
    split: str
    gzip: bool
    end_lines: bool
    content_type: str | None
    accept: str | None
    attempts: int
    timeout: float
    processing: Processing | None

    @classmethod
    def of(cls, request: dict[str, Any], own: Mapping[str, Any]) -> Plan:
        """own: what the container answered; members of another type than they should be have no
        say.
        """
        source, output = request["TransformInput"], request["TransformOutput"]
        client = request.get("ModelClientConfig", {})
        return cls(
            concurrent=request.get("MaxConcurrentTransforms")
            or _number(own, "MaxConcurrentTransforms")
            or CONCURRENT,
            payload_mb=request.get("MaxPayloadInMB", _number(own, "MaxPayloadInMB", PAYLOAD_MB)),
            strategy=_strategy(request, own),
            split=source.get("SplitType", "None"),
            gzip=source.get("CompressionType") == "Gzip",
            end_lines=output.get("AssembleWith") == "Line",
            content_type=source.get("ContentType"),
            accept=output.get("Accept"),
            attempts=client.get("InvocationsMaxRetries", 3) + 1,
            timeout=float(client.get("InvocationsTimeoutInSeconds", 600)),
            processing=Processing.of(request),
        )

    @property
    def single(self) -> bool:
        """Whether a payload holds one record."""
        return self.strategy == "SINGLE_RECORD"

    @property
    def limit(self) -> int | None:
        """The largest payload in bytes, or None."""
        return self.payload_mb * MEGABYTE or None

    @property
    def streamed(self) -> bool:
        """Whether an object is one payload of any size, which need not fit into memory."""
        whole = self.split == "None" or not self.single
        return self.limit is None and whole and self.processing is None

    def __str__(self) -> str:
        return (
            f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload_mb}, "
            f"BatchStrategy={self.strategy}"
        )


def environment(request: dict[str, Any]) -> dict[str, str]:
    """What the container finds in its environment because it works in batch."""
    given = {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": request.get("MaxPayloadInMB"),
        "SAGEMAKER_BATCH_STRATEGY": _SNAKE.get(request.get("BatchStrategy", "")),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms") or None,
    }
    said = {name: str(value) for name, value in given.items() if value is not None}
    return {**request.get("Environment", {}), "SAGEMAKER_BATCH": "true", **said}


def _strategy(request: dict[str, Any], own: Mapping[str, Any]) -> str:
    if "BatchStrategy" in request:
        return _SNAKE[request["BatchStrategy"]]
    wish = own.get("BatchStrategy")
    return str(wish) if wish in _SNAKE.values() else STRATEGY


def _number(own: Mapping[str, Any], name: str, otherwise: int = 0) -> int:
    value = own.get(name)
    usable = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if usable and value is not None else otherwise
