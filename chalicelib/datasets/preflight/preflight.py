"""Preflight: look at every file of a dataset version before a cent is spent on training.

Writes, under reports/<dataset>/preflight/<version>/:

    version.json     what was read, file by file (docs/architecture.md); only when all is well
    train.manifest   the channel `train`; only when all is well
    set_aside.csv    all that was set aside, when it is more than the report for people lists
    report.txt       for people
    report.json      for the reconciler, written last: its presence says that the check is through;
                     `failed` is true when the check itself broke down

What one function reads in less than a minute is checked in one go. More is cut into pieces
(`pieces`): the first call plans them, the reconciler asks for each, and whoever finds the last one
done puts all together. What is planned and done follows from S3 alone, so a call that is killed,
or made twice, does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.clock import Clock, iso
from chalicelib.datasets.content import Content, look
from chalicelib.datasets.preflight.champions_data import ChampionsData, compare
from chalicelib.datasets.preflight.inspection import Inspection, Results, assemble, shape_json
from chalicelib.datasets.preflight.pieces import Pieces, cut
from chalicelib.datasets.preflight.preflight_report import report_of, report_text, set_aside_csv
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.preflight.survey import Survey, survey
from chalicelib.datasets.preflight.units import Reader, units_of
from chalicelib.errors import ObjectChanged, ObjectNotFound, Unavailable

LONGEST_REASON = 500  # characters of an error that nobody foresaw


@dataclass(frozen=True)
class Asked:
    """Check number `check` of the version, or one piece of it; `champion` is the live model's
    version, if there is one."""

    dataset: str
    version: str
    check: int
    champion: str | None = None
    piece: int | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Asked:
        """From the fields of a work message."""
        champion, piece = fields.get("champion"), fields.get("piece")
        return cls(
            str(fields["dataset"]),
            str(fields["version"]),
            int(fields.get("check", 0)),
            None if champion is None else str(champion),
            None if piece is None else int(piece),
        )


class Preflight:
    """Stateless; `run` is the whole of it. `piece` is the size of one, in bytes."""

    def __init__(self, storage: Storage, clock: Clock, logger: Logger, piece: int) -> None:
        self._storage = storage
        self._clock = clock
        self._log = logger
        self._piece = piece

    def run(self, asked: Asked) -> None:
        """Check what is asked for, and report once all is checked. Data that has changed meanwhile
        gets no report.

        Trouble with AWS escapes, for SQS to try again; any other error ends in a report too.
        """
        dataset, version = asked.dataset, asked.version
        content = look(self._storage, dataset)
        if content.version != version:
            self._log.info("the data changed before it was checked", dataset=dataset)
            return
        if self._is_done(asked):
            return
        try:
            self._check(asked, content)
        except (ObjectChanged, ObjectNotFound) as error:
            self._log.info("the data changed while it was checked", reason=str(error))
        except (*AWS_TROUBLE, Unavailable):
            raise
        except Exception as error:
            self._log.exception("the check broke down", dataset=dataset, version=version)
            self._broke_down(asked, content, error)

    def _is_done(self, asked: Asked) -> bool:
        """Has this check been asked for twice, as by reconcilers that ran side by side?"""
        key = names.preflight_prefix(asked.dataset, asked.version) + "report.json"
        try:
            return int(self._storage.get_json(key)["check"]) >= asked.check
        except ObjectNotFound:
            return False

    def _broke_down(self, asked: Asked, content: Content, error: Exception) -> None:
        """Report an error that nobody foresaw, so that the uploader does not wait in vain."""
        text = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
        broken = Problem("", f"the check broke down: {text[:LONGEST_REASON]}")
        report = report_of(asked.dataset, asked.version, content, Inspection(problems=[broken]))
        report |= {
            "summary": str(broken),
            "failed": True,
            "check": asked.check,
            "finished": iso(self._clock()),
        }
        self._put_report(names.preflight_prefix(asked.dataset, asked.version), report)

    def _check(self, asked: Asked, content: Content) -> None:
        seen = survey(self._storage, asked.dataset, content)
        results = self._read(asked, seen)
        if results is not None and not self._is_done(asked):
            inspection = assemble(asked.dataset, seen, results)
            self._hold_against_champion(asked, inspection)
            self._report(asked, content, inspection)

    def _hold_against_champion(self, asked: Asked, inspection: Inspection) -> None:
        """What somebody who asks the live model would notice of a model of this data."""
        if asked.champion in (None, asked.version) or inspection.problems:
            return
        key = names.preflight_prefix(asked.dataset, asked.champion or "") + "version.json"
        try:
            champion = ChampionsData.of(self._storage.get_json(key))
        except ObjectNotFound:
            self._log.warning("the live model's data is not known any more", key=key)
            return
        things, settings = inspection.found.things, inspection.settings
        problems, notes = compare(champion, inspection.shape, inspection.classes, things, settings)
        inspection.problems += problems
        inspection.notes += notes

    def _read(self, asked: Asked, seen: Survey) -> Results | None:
        """Do what is asked; all that was read, once it is all."""
        pieces = Pieces(self._storage, asked.dataset, asked.version, asked.check)
        reader = Reader(self._storage, asked.dataset, seen)
        progress = pieces.progress()
        if progress is None:
            units = units_of(self._storage, seen, self._piece)
            plan = cut(units, self._piece)
            if len(plan) < 2:
                return [(unit, reader.read(unit)) for unit in units]
            pieces.plan(plan)
            return None
        plan = pieces.planned()
        if asked.piece is not None and asked.piece in progress.missing:
            pieces.put(asked.piece, [reader.read(unit) for unit in plan[asked.piece]])
            progress = pieces.progress()
        if progress is None or progress.missing:
            return None
        return list(pieces.results(plan))

    def _report(self, asked: Asked, content: Content, inspection: Inspection) -> None:
        dataset, version = asked.dataset, asked.version
        report = report_of(dataset, version, content, inspection)
        report |= {"check": asked.check, "finished": iso(self._clock())}
        folder = names.preflight_prefix(dataset, version)
        if report["ok"]:
            self._put_channels(dataset, version, folder, inspection)
        if (listed := set_aside_csv(inspection)) is not None:
            self._storage.put_text(folder + "set_aside.csv", listed, "text/csv; charset=utf-8")
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
