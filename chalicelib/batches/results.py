"""What the results of a run consist of, and whether they are there.

    results/<batch>/<run>/predictions.csv    file, label, probability, a column a class
    results/<batch>/<run>/predictions.jsonl  the same, a JSON object a line
    results/<batch>/<run>/rejected.csv       file, error, message
    results/<batch>/<run>/index.html         for people
    results/<batch>/<run>/summary.json       counts, model, times; written when all others are
    results/<batch>/latest.json              the batch's status; written last, by the reconciler

Every uploaded file is in predictions or in rejected, exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.batches.state import BatchState
from chalicelib.errors import ObjectNotFound

PREDICTIONS_CSV = "predictions.csv"
PREDICTIONS_JSONL = "predictions.jsonl"
REJECTED_CSV = "rejected.csv"
PAGE = "index.html"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class Written:
    """The results of `run` are complete."""

    run: str
    message: str
    counts: Mapping[str, int]


def summary_key(batch: str, run: str) -> str:
    return names.results_prefix(batch, run) + SUMMARY


def written(storage: Storage, state: BatchState) -> Written | None:
    """The results of the state's run and attempt, or None while they are not complete."""
    if state.run is None:
        return None
    try:
        summary: Mapping[str, Any] = storage.get_json(summary_key(state.batch, state.run))
    except ObjectNotFound:
        return None
    if summary["attempt"] != state.attempt:
        return None
    return Written(state.run, summary["message"], summary["counts"])
