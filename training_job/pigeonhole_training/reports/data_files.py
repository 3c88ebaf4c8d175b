"""The data report's machine-readable files."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from pigeonhole_training.reports.data_look import DataLook
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.html import clean
from pigeonhole_training.reports.part import write_csv

LISTED = 10_000  # rows of a file


def document(findings: Findings, seen: DataLook) -> dict[str, Any]:
    """data.json."""
    sides, same = seen.sides, seen.same
    height, width, channels = sides.rows[0].image_shape
    return {
        "format": 1,
        "dataset": findings.version.dataset,
        "dataset_version": findings.version.version,
        "notes": [clean(note) for note in findings.notes],
        "shape": {"height": height, "width": width, "channels": channels},
        "classes": [clean(name) for name in findings.classes],
        "held_out_by": findings.split.source,
        "rows": {
            name: {
                "rows": len(rows),
                "by_class": seen.balance.counts[name].tolist(),
            }
            for name, rows in zip(sides.names, sides.rows, strict=True)
        },
        "set_aside": {
            clean(file.name): len(file.set_aside) + len(file.left_out)
            for file in findings.version.files
            if file.set_aside or file.left_out
        },
        "pixels": {
            name: {
                "images_looked_at": p.looked_at,
                "mean": round(p.mean, 3),
                "standard_deviation_of_means": round(p.deviation, 3),
                "blank": p.blank,
                "blank_rows": [
                    clean(sides.rows[sides.names.index(name)].origin(i)) or i + 1
                    for i in p.blank_rows
                ],
                "histogram": p.histogram.tolist(),
            }
            for name, p in seen.pixels.items()
        },
        "duplicates": {
            "groups": len(same.groups),
            "rows_that_repeat": same.extra,
            "under_several_labels": same.contradicting,
            "training_rows_left_out": findings.split.duplicates,
        },
        "outliers": {
            "method": "distance to the 10th nearest neighbour over its class' median, by pixels",
            "images_looked_at": seen.near.looked_at,
            "found": len(seen.near.outliers),
        },
        "label_errors": {
            "method": "confident learning on validation and held-out rows; "
            "unanimous nearest neighbours on a sample of training rows",
            "found": len(seen.suspects),
            "by_model": sum(s.margin is not None for s in seen.suspects),
            "neighbours_agree_with_labels": round(seen.near.agreement, 4),
        },
    }


def write_lists(target: Path, findings: Findings, seen: DataLook) -> None:
    """The CSV files, each of at most `LISTED` rows."""
    sides, same, near = seen.sides, seen.same, seen.near
    classes, labels = findings.classes, sides.labels
    write_csv(
        target / "balance.csv",
        ("class", *sides.names),
        (
            (name, *(int(seen.balance.counts[side][i]) for side in sides.names))
            for i, name in enumerate(classes)
        ),
    )
    numbered = ((g, n) for g, group in enumerate(same.groups, 1) for n in group)
    write_csv(
        target / "duplicates.csv",
        ("group", "row", "used_for", "label"),
        (
            (g, sides.origin(n), sides.side(n), classes[labels[n]])
            for g, n in islice(numbered, LISTED)
        ),
    )
    twins = findings.split.both_sides
    ours, theirs = twins.rows.labels, twins.others.labels
    write_csv(
        target / "both_sides.csv",
        ("left_out", "label", "held_out", "its_label"),
        (
            (
                twins.rows.origin(i) or i + 1,
                classes[ours[i]],
                twins.others.origin(i) or i + 1,
                classes[theirs[i]],
            )
            for i in range(min(len(twins), LISTED))
        ),
    )
    write_csv(
        target / "outliers.csv",
        ("row", "used_for", "label", "times_the_class_median"),
        (
            (sides.origin(n), sides.side(n), classes[labels[n]], round(float(f), 3))
            for n, f in zip(near.outliers[:LISTED], near.factor, strict=False)
        ),
    )
    write_csv(
        target / "label_errors.csv",
        ("row", "used_for", "label", "suggested", "margin", "found_by"),
        (
            (
                sides.origin(s.number),
                sides.side(s.number),
                classes[labels[s.number]],
                classes[s.suggested],
                "" if s.margin is None else round(s.margin, 4),
                "neighbours" if s.margin is None else "model",
            )
            for s in seen.suspects[:LISTED]
        ),
    )
