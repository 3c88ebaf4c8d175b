"""Preflight: look at every file of a dataset version before a cent is spent on training.

Writes, under reports/<dataset>/preflight/<version>/:

    version.json     what was read, file by file (docs/architecture.md); only when all is well
    train.manifest   the channel `train`; only when all is well
    report.txt       for people
    report.json      for the reconciler, written last: its presence says that the check is through;
                     `failed` is true when the check itself broke down
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.clock import Clock, iso
from chalicelib.datasets.content import Content, look
from chalicelib.datasets.inspection import Inspection, inspect, shape_json
from chalicelib.datasets.preflight_report import report_of, report_text
from chalicelib.datasets.problem import Problem
from chalicelib.errors import ObjectChanged, ObjectNotFound, Unavailable

LONGEST_REASON = 500  # characters of an error that nobody foresaw


class Preflight:
    """Stateless; `run` is the whole of it."""

    def __init__(self, storage: Storage, clock: Clock, logger: Logger) -> None:
        self._storage = storage
        self._clock = clock
        self._log = logger

    def run(self, dataset: str, version: str, check: int) -> None:
        """Check the version and report. Data that has changed meanwhile gets no report.

        Trouble with AWS escapes, for SQS to try again; any other error ends in a report too.
        """
        content = look(self._storage, dataset)
        if content.version != version:
            self._log.info("the data changed before it was checked", dataset=dataset)
            return
        if self._is_done(dataset, version, check):
            return
        try:
            self._check(dataset, version, check, content)
        except (ObjectChanged, ObjectNotFound) as error:
            self._log.info("the data changed while it was checked", reason=str(error))
        except (*AWS_TROUBLE, Unavailable):
            raise
        except Exception as error:
            self._log.exception("the check broke down", dataset=dataset, version=version)
            self._broke_down(dataset, version, check, content, error)

    def _is_done(self, dataset: str, version: str, check: int) -> bool:
        """Has this check been asked for twice, as by reconcilers that ran side by side?"""
        key = names.preflight_prefix(dataset, version) + "report.json"
        try:
            return int(self._storage.get_json(key)["check"]) >= check
        except ObjectNotFound:
            return False

    def _broke_down(
        self, dataset: str, version: str, check: int, content: Content, error: Exception
    ) -> None:
        """Report an error that nobody foresaw, so that the uploader does not wait in vain."""
        text = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
        broken = Problem("", f"the check broke down: {text[:LONGEST_REASON]}")
        report = report_of(dataset, version, content, Inspection(problems=[broken]))
        report |= {
            "summary": str(broken),
            "failed": True,
            "check": check,
            "finished": iso(self._clock()),
        }
        self._put_report(names.preflight_prefix(dataset, version), report)

    def _check(self, dataset: str, version: str, check: int, content: Content) -> None:
        inspection = inspect(self._storage, dataset, content)
        report = report_of(dataset, version, content, inspection)
        report |= {"check": check, "finished": iso(self._clock())}
        folder = names.preflight_prefix(dataset, version)
        if report["ok"]:
            self._put_channels(dataset, version, folder, inspection)
        self._put_report(folder, report)
        self._log.info(
            report["summary"],
            dataset=dataset,
            version=version,
            ok=report["ok"],
            problems=report["problems"][:5],
        )

    def _put_channels(
        self, dataset: str, version: str, folder: str, inspection: Inspection
    ) -> None:
        prefix = names.dataset_prefix(dataset)
        document = {
            "format": 2,
            "dataset": dataset,
            "version": version,
            "bucket": self._storage.bucket,
            "prefix": prefix,
            "kind": inspection.kind,
            "range": inspection.range,
            "shape": shape_json(inspection.shape),
            "classes": inspection.classes,
            "labels": inspection.labels,
            "notes": inspection.notes,
            "settings": inspection.settings_file,
        }
        self._put_lines(folder + "version.json", document, "files", inspection.files)
        # CSVs of one zip are several files of one object.
        paths = dict.fromkeys(file["path"] for file in inspection.files)
        self._put_lines(
            folder + "train.manifest", None, "", [{"prefix": self._storage.uri(prefix)}, *paths]
        )

    def _put_lines(
        self, key: str, document: Mapping[str, Any] | None, member: str, values: list[Any]
    ) -> None:
        """JSON with a line a value: tens of thousands of them stay small, and can be read."""
        lines = ",\n ".join(json.dumps(value, ensure_ascii=False) for value in values)
        text = f"[{lines}]"
        if document is not None:
            head = json.dumps(document, ensure_ascii=False)
            text = f'{head[:-1]},\n "{member}": {text}}}'
        self._storage.put_text(key, text + "\n", "application/json")

    def _put_report(self, folder: str, report: Mapping[str, Any]) -> None:
        self._storage.put_text(folder + "report.txt", report_text(report))
        self._storage.put_json(folder + "report.json", report)
