"""Preflight: read every file of a dataset version before a cent is spent on training.

Writes, under reports/<dataset>/preflight/<version>/:

    version.json     what was read, file by file (docs/architecture.md); only when all is well
    train.manifest   the channel `train`; only when all is well
    report.txt       for people
    report.json      for the reconciler, written last: its presence says that the check is through;
                     `failed` is true when the check itself broke down
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.storage import Storage, StoredObject
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.clock import Clock, iso
from chalicelib.datasets.checks import (
    SETTINGS_FILE,
    DatasetSettings,
    check_dataset,
    image_shape,
    read_settings,
    sorted_labels,
)
from chalicelib.datasets.content import Content, look
from chalicelib.datasets.csvfile import CsvFile, Problem, read_csv
from chalicelib.errors import ObjectChanged, ObjectNotFound, Unavailable

LARGEST_SETTINGS = 1 << 20
LONGEST_REASON = 500  # characters of an error that nobody foresaw
SHOWN = 50  # problems and ignored files in a report
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".zip")


@dataclass(frozen=True)
class ReadFile:
    """A CSV that was read: the listing, the version that GetObject really gave, what was found."""

    stored: StoredObject
    version_id: str | None
    role: str
    found: CsvFile


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
        try:
            self._check(dataset, version, check, content)
        except (ObjectChanged, ObjectNotFound) as error:
            self._log.info("the data changed while it was checked", reason=str(error))
        except (*AWS_TROUBLE, Unavailable):
            raise
        except Exception as error:
            self._log.exception("the check broke down", dataset=dataset, version=version)
            self._broke_down(dataset, version, check, content, error)

    def _broke_down(
        self, dataset: str, version: str, check: int, content: Content, error: Exception
    ) -> None:
        """Report an error that nobody foresaw, so that the uploader does not wait in vain."""
        text = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
        broken = Problem("", f"the check broke down: {text[:LONGEST_REASON]}")
        report = _report(
            dataset=dataset,
            version=version,
            content=content,
            files=(),
            settings=DatasetSettings(),
            problems=[broken],
        )
        report |= {
            "summary": str(broken),
            "failed": True,
            "check": check,
            "finished": iso(self._clock()),
        }
        self._put_report(names.preflight_prefix(dataset, version), report)

    def _check(self, dataset: str, version: str, check: int, content: Content) -> None:
        prefix = names.dataset_prefix(dataset)
        files = [self._read(stored, prefix) for stored in content.data]
        settings, settings_file = self._settings(content)
        problems = _problems(content, files, settings, prefix)
        report = _report(
            dataset=dataset,
            version=version,
            content=content,
            files=files,
            settings=settings,
            problems=problems,
        )
        report |= {"check": check, "finished": iso(self._clock())}
        folder = names.preflight_prefix(dataset, version)
        if report["ok"]:
            described = [_described(file) for file in files]
            if settings_file is not None:
                described.append(settings_file)
            labels = _labels(files)
            self._storage.put_json(
                folder + "version.json",
                {
                    "format": 1,
                    "dataset": dataset,
                    "version": version,
                    "bucket": self._storage.bucket,
                    "prefix": prefix,
                    "files": described,
                    "shape": report["shape"],
                    "classes": list(settings.classes or labels),
                    "labels": labels,
                },
            )
            paths = [file["path"] for file in described]
            manifest: list[Any] = [{"prefix": self._storage.uri(prefix)}, *paths]
            self._storage.put_json(folder + "train.manifest", manifest)
        self._put_report(folder, report)
        self._log.info(
            report["summary"],
            dataset=dataset,
            version=version,
            ok=report["ok"],
            problems=report["problems"][:5],
        )

    def _put_report(self, folder: str, report: Mapping[str, Any]) -> None:
        self._storage.put_text(folder + "report.txt", report_text(report))
        self._storage.put_json(folder + "report.json", report)

    def _read(self, stored: StoredObject, prefix: str) -> ReadFile:
        opened = self._storage.open(stored.key, if_etag=stored.etag)
        path = stored.key.removeprefix(prefix)
        try:
            found = read_csv(path, opened.body)
        finally:
            opened.body.close()
        role = "test" if names.is_test(path) else "train"
        return ReadFile(stored, opened.stored.version_id, role, found)

    def _settings(self, content: Content) -> tuple[DatasetSettings, dict[str, Any] | None]:
        stored = content.settings
        if stored is None:
            return DatasetSettings(), None
        if stored.size > LARGEST_SETTINGS:
            too_big = Problem(SETTINGS_FILE, f"larger than {LARGEST_SETTINGS:,} bytes")
            return DatasetSettings(problems=(too_big,)), None
        opened = self._storage.open(stored.key, if_etag=stored.etag)
        try:
            text = opened.body.read()
        finally:
            opened.body.close()
        described = {
            "key": stored.key,
            "path": SETTINGS_FILE,
            "version_id": opened.stored.version_id,
            "etag": stored.etag,
            "size": len(text),
            "sha256": hashlib.sha256(text).hexdigest(),
            "role": "settings",
        }
        return read_settings(text), described


def _problems(
    content: Content, files: Sequence[ReadFile], settings: DatasetSettings, prefix: str
) -> list[Problem]:
    problems = [problem for file in files for problem in file.found.problems]
    problems += settings.problems
    if not files:
        images = [o.key for o in content.others if o.key.lower().endswith(IMAGES)]
        if images:
            example = images[0].removeprefix(prefix)
            reason = (
                f"images such as {example} are not trained: this version trains CSV files "
                "with a label and the pixel values in each row"
            )
        else:
            reason = "there is no CSV file (.csv, .csv.gz or .csv.zip) in the dataset"
        problems.append(Problem("", reason))
    elif not problems:
        train = [file.found for file in files if file.role == "train"]
        test = [file.found for file in files if file.role == "test"]
        problems += check_dataset(train, test, settings)
    return problems


def _labels(files: Sequence[ReadFile]) -> list[str]:
    return sorted_labels(
        {label for file in files if file.role == "train" for label in file.found.labels}
    )


def _described(file: ReadFile) -> dict[str, Any]:
    found = file.found
    return {
        "key": file.stored.key,
        "path": found.name,
        "version_id": file.version_id,
        "etag": file.stored.etag,
        "size": found.size,
        "sha256": found.sha256,
        "role": file.role,
        "header": found.header,
        "rows": found.rows,
    }


def _report(
    *,
    dataset: str,
    version: str,
    content: Content,
    files: Sequence[ReadFile],
    settings: DatasetSettings,
    problems: Sequence[Problem],
) -> dict[str, Any]:
    ok = not problems
    prefix = names.dataset_prefix(dataset)
    rows = {
        role: sum(file.found.rows for file in files if file.role == role)
        for role in ("train", "test")
    }
    labels = _labels(files)
    shape = image_shape(files[0].found.pixels or 0) if ok else None
    if ok:
        summary = f"{rows['train']:,} rows to train with, {rows['test']:,} held out, all well"
    else:
        more = len(problems) - 1
        summary = f"refused: {problems[0]}" + (f" (and {more} more)" if more else "")
    return {
        "format": 1,
        "dataset": dataset,
        "version": version,
        "ok": ok,
        "summary": summary,
        "problems": [asdict(problem) for problem in problems[:SHOWN]],
        "problem_count": len(problems),
        "not_read_to_the_end": [file.found.name for file in files if file.found.more_problems],
        "files": [_described(file) for file in files],
        "ignored": [other.key.removeprefix(prefix) for other in content.others[:SHOWN]],
        "ignored_count": len(content.others),
        "rows": rows,
        "shape": None if shape is None else asdict(shape),
        "classes": list(settings.classes or labels),
        "hyperparameters": settings.hyperparameters,
    }


def report_text(report: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"Dataset {report['dataset']}, version {report['version']}",
        f"Checked {report['finished']}: {report['summary']}",
        "",
    ]
    for raw in report["problems"]:
        lines.append(f"  {Problem(**raw)}")
    hidden = report["problem_count"] - len(report["problems"])
    if hidden:
        lines.append(f"  … and {hidden} more")
    for name in report["not_read_to_the_end"]:
        lines.append(f"  {name}: not read further after so many problems")
    if report["problems"]:
        lines += [
            "",
            "Nothing was trained, and the files stay where they were put. Put the",
            "files right and drop them again.",
            "",
        ]
    lines.append("Files:")
    for file in report["files"]:
        header = "with a header" if file["header"] else "no header"
        lines.append(f"  {file['path']}: {file['role']}, {file['rows']:,} rows, {header}")
    if report["ignored_count"]:
        lines.append(f"Ignored, because they are no CSV ({report['ignored_count']}):")
        lines += [f"  {path}" for path in report["ignored"]]
    return "\n".join(lines) + "\n"
