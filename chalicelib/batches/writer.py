"""Writes the results of a run: one pass over the answers, on disk rather than in memory."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.queues import Queues
from chalicelib.aws.storage import Storage
from chalicelib.aws.table import Table
from chalicelib.aws.training import JobStatus
from chalicelib.batches import page
from chalicelib.batches.join import Classified, Rejected, outcomes
from chalicelib.batches.results import (
    PAGE,
    PREDICTIONS_CSV,
    PREDICTIONS_JSONL,
    REJECTED_CSV,
    SUMMARY,
    summary_key,
)
from chalicelib.batches.state import BatchState, Phase
from chalicelib.clock import Clock, iso
from chalicelib.datasets.preflight.csvlabels import is_integer

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")  # and the mark itself
CSV = "text/csv; charset=utf-8"
TYPES = {PREDICTIONS_CSV: CSV, PREDICTIONS_JSONL: "application/jsonlines", REJECTED_CSV: CSV}


@dataclass
class Tally:
    """What is counted on the way, and the rows that the page shows."""

    labels: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    classes: Sequence[str] = ()
    shown: list[Classified] = field(default_factory=list)
    shown_rejected: list[Rejected] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        classified, rejected = self.labels.total(), self.errors.total()
        return {"files": classified + rejected, "classified": classified, "rejected": rejected}


class ResultsWriter:
    """The worker of `{"results": {"batch": …, "run": …}}`; called twice it writes the same."""

    def __init__(
        self, table: Table, storage: Storage, queues: Queues, clock: Clock, logger: Logger
    ) -> None:
        self._table = table
        self._storage = storage
        self._queues = queues
        self._clock = clock
        self._log = logger

    def write(self, fields: Mapping[str, Any]) -> None:
        """Write everything but latest.json, and wake the reconciler."""
        batch, run = str(fields["batch"]), str(fields["run"])
        item = self._table.get(names.batch_id(batch))
        state = BatchState.load(item.state) if item else None
        if state is None or state.run != run or state.phase is not Phase.WRITING:
            self._log.warning("results that nobody waits for", batch=batch, run=run)
            return
        with TemporaryDirectory() as folder:
            tally = self._write_rows(state, run, Path(folder))
            prefix = names.results_prefix(batch, run)
            for name, content_type in TYPES.items():
                with (Path(folder) / name).open("rb") as file:
                    self._storage.upload(prefix + name, file, content_type)
        summary = self._summary(state, run, tally)
        html = page.render(summary, self._classes(tally), tally.shown, tally.shown_rejected)
        self._storage.put_text(prefix + PAGE, html, "text/html; charset=utf-8")
        self._storage.put_json(summary_key(batch, run), summary)
        self._queues.wake(names.batch_id(batch))
        self._log.info("results written", batch=batch, run=run, counts=tally.counts)

    def _write_rows(self, state: BatchState, run: str, folder: Path) -> Tally:
        tally = Tally()
        with ExitStack() as stack:

            def create(name: str) -> Any:
                return stack.enter_context((folder / name).open("w", encoding="utf-8", newline=""))

            predictions, lines, rejected = map(create, TYPES)
            table = csv.writer(predictions, lineterminator="\n")
            rejections = csv.writer(rejected, lineterminator="\n")
            rejections.writerow(["file", "error", "message"])
            for outcome in outcomes(self._storage, state.batch, run, _unanswered(state)):
                if isinstance(outcome, Rejected):
                    tally.errors[outcome.error] += 1
                    rejections.writerow(_cells(outcome.file, outcome.error, outcome.message))
                    if len(tally.shown_rejected) < page.MOST_REJECTED:
                        tally.shown_rejected.append(outcome)
                    continue
                if not tally.classes:
                    tally.classes = list(outcome.probabilities)
                    table.writerow(_cells("file", "label", "probability", *tally.classes))
                tally.labels[outcome.label] += 1
                table.writerow(
                    [
                        *_cells(outcome.file, outcome.label),
                        outcome.probability,
                        *(outcome.probabilities.get(name, "") for name in tally.classes),
                    ]
                )
                lines.write(_json_line(outcome))
                if len(tally.shown) < page.MOST_ROWS:
                    tally.shown.append(outcome)
            if not tally.classes:
                table.writerow(["file", "label", "probability"])
        return tally

    def _classes(self, tally: Tally) -> dict[str, int]:
        """Every class of the model, those that no file has as well."""
        return {name: tally.labels[name] for name in (*tally.classes, *tally.labels)}

    def _summary(self, state: BatchState, run: str, tally: Tally) -> dict[str, Any]:
        now = self._clock()
        counts = tally.counts
        message = (
            f"{counts['classified']:,} of {counts['files']:,} files are classified, "
            f"{counts['rejected']:,} rejected."
        )
        if state.job_status != JobStatus.COMPLETED:
            message = f"{_unanswered(state)} {message}"
        prefix = names.results_prefix(state.batch, run)
        seconds = (now - datetime.fromisoformat(state.started)).total_seconds()
        return {
            "batch": state.batch,
            "run": run,
            "attempt": state.attempt,
            "message": message,
            "counts": counts,
            "classes": self._classes(tally),
            "errors": dict(tally.errors.most_common()),
            "dataset": state.dataset,
            "training_job": state.training_job,
            "job_status": state.job_status,
            "job_reason": state.job_reason,
            "started": state.started,
            "written": iso(now),
            "seconds": round(seconds, 1),
            "files": {
                name: self._storage.uri(prefix + name)
                for name in (PREDICTIONS_CSV, PREDICTIONS_JSONL, REJECTED_CSV, PAGE, SUMMARY)
            },
        }


def _unanswered(state: BatchState) -> str:
    """What became of files that the job did not answer, and what to do."""
    ready = names.inbox_prefix(state.batch) + names.READY
    if state.job_status == JobStatus.COMPLETED:
        return f"The transform job left these out. Put {ready} to see the same answer sooner."
    reason = f": {state.job_reason}" if state.job_reason else ""
    ended = "was stopped" if state.job_status == JobStatus.STOPPED else "failed"
    return f"The transform job {ended}{reason.rstrip('.')}. Put {ready} to try once more."


def _cells(*texts: str) -> list[str]:
    """No text that a spreadsheet takes for a formula. Undone by taking one apostrophe away."""
    return [
        f"'{text}" if text.startswith(FORMULA) and not is_integer(text) else text for text in texts
    ]


def _json_line(outcome: Classified) -> str:
    row = {
        "file": outcome.file,
        "label": outcome.label,
        "probability": outcome.probability,
        "probabilities": dict(outcome.probabilities),
    }
    return json.dumps(row, ensure_ascii=False) + "\n"
