"""What the preflight tells: report.json for programs, report.txt for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chalicelib import names
from chalicelib.datasets.content import Content
from chalicelib.datasets.preflight.inspection import Inspection, shape_json
from chalicelib.datasets.preflight.problem import Problem

LONGEST_SUMMARY = 2000  # characters: it becomes the dataset's message, and zips have endless names
SHOWN = 50  # problems, classes, ignored files and rows set aside in a report
LISTED = 1000  # of what was set aside, in report.json
_FORMULA = ("=", "+", "-", "@")
ROLES = {"train": "to train with", "validation": "to choose by", "test": "held out"}


def report_of(
    dataset: str, version: str, content: Content, inspection: Inspection
) -> dict[str, Any]:
    """report.json, but for who asked for it and when it was finished."""
    found, settings, problems = inspection.found, inspection.settings, inspection.problems
    ok = not problems
    prefix = names.dataset_prefix(dataset)
    rows = {role: found.total(role) for role in ROLES}
    if ok:
        counts = [
            f"{rows[role]:,} {found.things + 's ' if role == 'train' else ''}{words}"
            for role, words in ROLES.items()
            if rows[role]
        ]
        if not rows["test"]:
            counts[0] += " (of which a fifth is held out)"
        if inspection.set_aside:
            counts.append(f"{len(inspection.set_aside):,} set aside")
        summary = f"{', '.join(counts)}, {'all well' if not inspection.notes else 'with notes'}"
    else:
        more = len(problems) - 1
        summary = f"refused: {problems[0]}" + (f" (and {more} more)" if more else "")
    instances = settings.instances
    aside = inspection.set_aside if ok else []
    return {
        "format": 2,
        "dataset": dataset,
        "version": version,
        "ok": ok,
        "summary": summary[:LONGEST_SUMMARY],
        "problems": [asdict(problem) for problem in problems[:SHOWN]],
        "problem_count": len(problems),
        "notes": inspection.notes,
        "set_aside": [asdict(problem) for problem in aside[:LISTED]],
        "set_aside_count": len(aside),
        "not_read_to_the_end": inspection.unfinished,
        "kind": inspection.kind,
        "bytes": sum(stored.size for stored in content.used),
        "files": [
            {k: len(v) if k in ("set_aside", "left_out") else v for k, v in file.items()}
            for file in inspection.listed
        ],
        "loose_images": inspection.loose_images,
        "ignored": [other.key.removeprefix(prefix) for other in content.others[:SHOWN]],
        "ignored_count": len(content.others),
        "rows": rows,
        "class_rows": {
            name: {role: found.of(role).get(label, 0) for role in ROLES}
            for label, name in zip(inspection.labels, inspection.classes, strict=False)
        },
        "shape": shape_json(inspection.shape),
        "range": inspection.range,
        "classes": list(inspection.classes),
        "preset": settings.preset,
        "hyperparameters": settings.hyperparameters,
        "instances": None if instances is None else asdict(instances),
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
    if report["notes"]:
        lines += ["Notes:", *(f"  {note}" for note in report["notes"]), ""]
    lines += _set_aside(report)
    lines += _about_images(report)
    lines.append("Files:")
    lines += map(_file_line, report["files"])
    if report["loose_images"]:
        lines.append(f"  {report['loose_images']:,} images in folders")
    if report["ignored_count"]:
        reason = "they are neither CSVs nor images in folders"
        lines.append(f"Ignored, because {reason} ({report['ignored_count']}):")
        lines += [f"  {path}" for path in report["ignored"]]
    if report["ok"]:
        lines += ["", *_class_table(report["class_rows"])]
    return "\n".join(lines) + "\n"


def set_aside_csv(inspection: Inspection) -> str | None:
    """set_aside.csv: all that was set aside, where the report for people has no room for it."""
    if inspection.problems or len(inspection.set_aside) <= SHOWN:
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "line", "column", "reason"))
    for problem in inspection.set_aside:
        # Not to be taken for a formula by who opens it in a spreadsheet.
        file = f"'{problem.file}" if problem.file[:1] in _FORMULA else problem.file
        writer.writerow((file, problem.line or "", problem.column or "", problem.reason))
    return text.getvalue().encode("utf-8", "replace").decode()


def _set_aside(report: Mapping[str, Any]) -> list[str]:
    if not report["set_aside"]:
        return []
    things = "rows" if report["kind"] == "rows" else "images"
    count = report["set_aside_count"]
    lines = [f"Set aside, neither trained nor judged on ({count:,} {things}):"]
    lines += [f"  {Problem(**raw)}" for raw in report["set_aside"][:SHOWN]]
    if count > SHOWN:
        lines.append("  … and more: set_aside.csv lists all")
    return [*lines, ""]


def _about_images(report: Mapping[str, Any]) -> list[str]:
    shape = report["shape"]
    if not report["ok"]:
        return []
    if shape is None:
        size = "of any size: the training job brings them into one frame"
    else:
        colour = "grey" if shape["channels"] == 1 else "RGB"
        size = f"{shape['width']} x {shape['height']}, {colour}"
    written = "" if report["range"] is None else f", values written 0 to {report['range'][1]}"
    return [f"Images: {size}{written}", ""]


def _file_line(file: Mapping[str, Any]) -> str:
    name = "/".join(filter(None, (file["path"], file.get("member"))))
    if "members" in file:
        left_out = f", {file['left_out']:,} set aside" if "left_out" in file else ""
        return f"  {name}: {file['members']:,} images{left_out}"
    header = "with a header" if file["header"] else "no header"
    label = f", the label in column {file['label_column'] + 1}" if file["label_column"] else ""
    aside = f", {file['set_aside']:,} set aside" if "set_aside" in file else ""
    return f"  {name}: {file['role']}, {file['rows']:,} rows{aside}, {header}{label}"


def _class_table(class_rows: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A line a class: how many there are to train with, and how many are held out."""
    used = [role for role in ROLES if any(counts[role] for counts in class_rows.values())]
    shown = list(class_rows.items())[:SHOWN]
    width = max([len("Class"), *(len(name) for name, _ in shown)])
    lines = [f"{'Class':{width}}" + "".join(f"{role:>12}" for role in used)]
    lines += [
        f"{name:{width}}" + "".join(f"{counts[role]:>12,}" for role in used)
        for name, counts in shown
    ]
    hidden = len(class_rows) - len(shown)
    return [*lines, f"… and {hidden} more classes"] if hidden else lines
