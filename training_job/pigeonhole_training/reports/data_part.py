"""The data report: what the model was given, and what may be wrong with it.

data/data.json            the numbers of this part
data/balance.csv          rows by class and side
data/duplicates.csv       rows with the same pixels, by group
data/both_sides.csv       rows that were taken out of training, as their image is held out
data/outliers.csv         the farthest from their neighbours, the farthest first
data/label_errors.csv     labels that are likely wrong, the likeliest first
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pigeonhole_training.export.artifact import write_json
from pigeonhole_training.reports import data_figures as drawn
from pigeonhole_training.reports import data_files as files
from pigeonhole_training.reports import data_numbers as numbers
from pigeonhole_training.reports import html
from pigeonhole_training.reports.data_look import DataLook, look
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.part import Part, Remark, attempt
from pigeonhole_training.reports.words import count, listed

SURE = 0.9  # the other class' probability less the label's: the model is all but sure


def render(folder: Path, findings: Findings) -> Part:
    """Draws the part and writes its files below `folder`/data."""
    target = folder / "data"
    target.mkdir(parents=True, exist_ok=True)
    seen = look(findings)
    write_json(target / "data.json", files.document(findings, seen))
    files.write_lists(target, findings, seen)
    remarks = (*_on_classes(findings, seen), *_on_images(findings, seen))
    classes = findings.classes
    content = [
        attempt("Class balance", lambda: drawn.balance(seen.balance, classes)),
        attempt("Samples", lambda: drawn.samples(findings)),
        attempt("Pixels", lambda: drawn.pixels(seen.pixels)),
        attempt("Likely label errors", lambda: drawn.suspects(findings, seen)),
        attempt("Outliers", lambda: drawn.outliers(findings, seen)),
        attempt("Duplicates", lambda: drawn.duplicates(findings, seen)),
    ]
    return Part(html.join(content), html.tiles(_facts(findings, seen)), remarks)


def _facts(findings: Findings, seen: DataLook) -> list[tuple[str, str]]:
    sides = seen.sides
    height, width, channels = sides.rows[0].image_shape
    colour = {1: "grey", 2: "grey + alpha", 3: "RGB", 4: "RGB + alpha"}[channels]
    return [
        *(
            (f"{name} rows", f"{len(rows):,}")
            for name, rows in zip(sides.names, sides.rows, strict=True)
        ),
        ("classes", f"{len(findings.classes):,}"),
        ("images", f"{height} by {width}, {colour}"),
    ]


def _on_classes(findings: Findings, seen: DataLook) -> list[Remark]:
    classes, balance = findings.classes, seen.balance
    out = [Remark("info", note) for note in findings.notes]
    training, heldout = balance.counts["training"], balance.counts["held-out"]
    if len(seen.sides.names) == 2:
        text = "There are so few rows that the best epoch was chosen by the training rows."
        out.append(Remark("warning", text, "Add rows: a hundred a class is a start."))
    if absent := [classes[i] for i in np.flatnonzero(training == 0)]:
        text = f"No training row for {listed(absent)}: the model cannot know it."
        out.append(Remark("bad", text, "Add rows, or take the class out of dataset.json."))
    if unjudged := [classes[i] for i in np.flatnonzero((heldout == 0) & (training > 0))]:
        text = f"No held-out row for {listed(unjudged)}: nothing here says how well it is known."
        out.append(Remark("warning", text, "Add test rows of it."))
    scarce = (heldout > 0) & (heldout < numbers.FEW_ROWS)
    if few := [classes[i] for i in np.flatnonzero(scarce)]:
        text = f"Fewer than {numbers.FEW_ROWS} held-out rows for {listed(few)}: "
        out.append(Remark("info", text + "figures of a class so small are rough."))
    total = balance.total
    most, least = int(total.argmax()), int(np.where(total > 0, total, total.max() + 1).argmin())
    if total[most] > numbers.IMBALANCE * total[least]:
        text = (
            f"Unbalanced: {html.short(classes[most])} has {total[most]:,} rows, "
            f"{html.short(classes[least])} {total[least]:,}."
        )
        do = "Add rows of the small classes, and read their recall rather than the accuracy."
        out.append(Remark("warning", text, do))
    return out


def _on_images(findings: Findings, seen: DataLook) -> list[Remark]:
    out = []
    training, heldout = seen.pixels["training"], seen.pixels["held-out"]
    same, split = seen.same, findings.split
    contradicting = same.contradicting + len(split.both_sides.contradicting)
    if contradicting:
        stand = "image stands" if contradicting == 1 else "images stand"
        text = f"{contradicting:,} {stand} in the data under several labels: one is wrong."
        out.append(Remark("bad", text, "See Duplicates; correct them in the source."))
    if numbers.shifted(training, heldout):
        text = (
            "Held-out images are much lighter or darker than training images (mean "
            f"{heldout.mean:.0f} against {training.mean:.0f} of 255)."
        )
        out.append(Remark("warning", text, "Check that both were made in the same way."))
    if blank := sum(p.blank for p in seen.pixels.values()):
        text = f"{count(blank, 'image')} of one colour alone."
        out.append(Remark("warning", text, "data/data.json says where; take them out."))
    if seen.suspects:
        text = f"{count(len(seen.suspects), 'label')} worth a check"
        sure = sum(s.margin is not None and s.margin < -SURE for s in seen.suspects)
        text += f"; the model is all but sure that {sure:,} are wrong." if sure else "."
        do = "Look at the pictures under Likely label errors."
        out.append(Remark("warning" if sure else "info", text, do))
    if same.extra > len(seen.sides) / 100:
        text = f"{count(same.extra, 'row')} repeating an image that is there already."
        out.append(Remark("info", text, "They add weight, not knowledge."))
    if split.duplicates:
        text = (
            f"{count(split.duplicates, 'training row')} left out, as the same image is held out: "
            "otherwise the accuracy would be too good to be true."
        )
        out.append(Remark("info", text))
    for twins, why in (
        (split.validated_too, "training row"),
        (split.judged_too, "validation row"),
    ):
        if len(twins):
            other = "a validation file" if twins is split.validated_too else "a held-out row"
            text = f"{count(len(twins), why)} left out, as the same image is in {other}."
            out.append(Remark("info", text))
    return out
