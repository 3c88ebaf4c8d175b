"""The container's answers joined with what was asked: an outcome for every file, exactly once.

Outputs are found by listing, because SageMaker's documents leave open in which sub-folder they
land, and because a failed job leaves those of the shards that went well. Answers are matched by
key, not by position, so that a line too many or too few spoils nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.batches.inbox import left_out, shard_keys

OUT = ".out"
UNUSABLE = "Its name has line breaks or other control characters: rename the file, put it again."


@dataclass(frozen=True)
class Classified:
    """`file` is the path below the batch's folder; probabilities are in the model's class order."""

    file: str
    label: str
    probability: float
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Rejected:
    """`error` is a code, `message` a sentence."""

    file: str
    error: str
    message: str


Outcome = Classified | Rejected


def outcomes(storage: Storage, batch: str, run: str, unanswered: str) -> Iterator[Outcome]:
    """One outcome a file: those with unusable names, then in key order.

    `unanswered` is the message for shards without an output. Holds one shard (1,000 files) at once.
    """
    for key in left_out(storage, batch, run):
        yield Rejected(key.removeprefix(names.inbox_prefix(batch)), "unusable_name", UNUSABLE)
    outputs: dict[str, list[str]] = {}
    for stored in storage.list(names.outputs_prefix(batch, run)):
        shard = stored.key.rpartition("/")[2]
        if shard.endswith(OUT):
            outputs.setdefault(shard.removesuffix(OUT), []).append(stored.key)
    for shard, keys in shard_keys(storage, batch, run):
        wanted = frozenset(keys)
        answers: dict[str, Mapping[str, Any]] = {}
        for output in outputs.get(shard, ()):
            _collect(storage.get_bytes(output), wanted, answers)
        for key in keys:
            file = key.removeprefix(names.inbox_prefix(batch))
            if key in answers:
                yield _outcome(file, answers[key])
            elif shard in outputs:
                yield Rejected(file, "no_answer", f"The model gave no answer. {unanswered}")
            else:
                yield Rejected(file, "not_classified", unanswered)


def _collect(output: bytes, wanted: frozenset[str], answers: dict[str, Mapping[str, Any]]) -> None:
    """Add the output's answers: one a key, a label before an error."""
    for line in output.split(b"\n"):
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            continue  # cut off, or nothing: its key stays without an answer
        if not isinstance(answer, dict) or answer.get("key") not in wanted:
            continue
        first = answer["key"] not in answers
        if _has_label(answer) or (first and isinstance(answer.get("error"), str)):
            answers[answer["key"]] = answer


def _has_label(answer: Mapping[str, Any]) -> bool:
    return (
        isinstance(answer.get("label"), str)
        and isinstance(answer.get("probability"), int | float)
        and isinstance(answer.get("probabilities"), dict)
    )


def _outcome(file: str, answer: Mapping[str, Any]) -> Outcome:
    if _has_label(answer):
        return Classified(
            file, answer["label"], float(answer["probability"]), answer["probabilities"]
        )
    return Rejected(file, answer["error"], str(answer.get("message", "")))
