"""The evaluation report: how good the model is, where it fails, and whether it is an improvement.

    evaluation/per_class.csv    precision, recall and F1 of each class, the champion's recall
    evaluation/confusion.csv    held-out rows by class (lines) and answer (columns), to 200 classes
    evaluation/mistakes.csv     the same as pairs, the commonest first
    evaluation/calibration.csv  confidence and accuracy by bin, before and after calibration
    evaluation/epochs.csv       loss, accuracy and learning rate by epoch
    evaluation/predictions.csv  held-out rows with answer and probabilities, the most wrong first

The numbers are those of evaluation.json, which the judging computes; here they are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.judging.evaluate import (
    Confusion,
    commonest_confusions,
    confusion_matrix,
    most_wrong,
)
from pigeonhole_training.reports import champion_figures, html
from pigeonhole_training.reports import evaluation_figures as drawn
from pigeonhole_training.reports.data_numbers import FEW_ROWS
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.part import Part, Remark, attempt, write_csv
from pigeonhole_training.reports.words import count, listed, percent, points, span

LISTED = 100_000  # rows of predictions.csv
FEW_HELDOUT = 200  # below, a person must approve the model
WEAK = 0.15  # a class' recall this far below the accuracy is worth a word
MISCALIBRATED = 0.05
BY_HEART = 0.05  # this much better on rows that it was fitted on


def render(folder: Path, findings: Findings) -> Part:
    """Draws the part and writes its files below `folder`/evaluation."""
    target = folder / "evaluation"
    target.mkdir(parents=True, exist_ok=True)
    labels = findings.split.heldout.labels
    order = most_wrong(findings.heldout, labels, len(labels))
    write_files(target, findings, order)
    remarks = _remarks(findings)
    content = [
        attempt("Classes", lambda: drawn.classes(findings)),
        attempt("Confusion matrix", lambda: drawn.confusion(findings)),
        attempt("Most wrong predictions", lambda: drawn.wrong(findings, order)),
        attempt("Learning curves", lambda: drawn.curves(findings)),
        attempt("Calibration", lambda: drawn.calibration(findings)),
        attempt("Champion", lambda: champion_figures.comparison(findings)),
        attempt("Export", lambda: drawn.export(findings)),
    ]
    return Part(html.join(content), html.tiles(_facts(findings)), tuple(remarks))


def _facts(findings: Findings) -> list[tuple[str, str]]:
    own = findings.evaluation["challenger"]
    low, high = own["interval"]
    facts = [
        ("accuracy", percent(own["accuracy"])),
        ("95% interval", span(low, high)),
        ("held-out rows", f"{findings.evaluation['heldout']['rows']:,}"),
        ("mean F1", f"{own['macro_f1']:.3f}"),
    ]
    if own.get("top_5_accuracy") is not None:
        facts.append(("top-5 accuracy", percent(own["top_5_accuracy"])))
    facts.append(("calibration error", percent(own["ece"])))
    champion = findings.evaluation["champion"]
    if champion is not None and champion["accuracy"] is not None:
        facts.append(("champion's accuracy", percent(champion["accuracy"])))
    return facts


def _remarks(findings: Findings) -> list[Remark]:
    document = findings.evaluation
    own, heldout = document["challenger"], document["heldout"]
    out = []
    low, high = own["interval"]
    if low <= heldout["majority_share"]:
        text = (
            f"Not clearly better than always naming the commonest class, which would be right for "
            f"{percent(heldout['majority_share'])}."
        )
        out.append(Remark("bad", text, "Look at the samples and the learning curves first."))
    if heldout["rows"] < FEW_HELDOUT:
        text = (
            f"Only {count(heldout['rows'], 'row')} held out: the true accuracy may lie anywhere "
            f"from {100 * low:.0f} to {100 * high:.0f}%."
        )
        out.append(
            Remark("warning", text, f"Add test rows; from {FEW_HELDOUT} on they are weighty.")
        )
    weak = [name for name in weakest(findings) if own["recall"][name] < own["accuracy"] - WEAK]
    if weak:
        worst = weak[0]
        taken = next((p for p in mistakes(findings) if p.truth == worst), None)
        text = f"Weak classes: {listed(weak)}. {html.short(worst)} is found in "
        text += f"{percent(own['recall'][worst], 0)} of its rows"
        text += f", most often taken for {html.short(taken.answer)}." if taken else "."
        do = "Look at its samples and at the most wrong predictions; more of its rows may help."
        out.append(Remark("warning", text, do))
    if own["ece"] > MISCALIBRATED:
        text = f"Probabilities are off by {points(own['ece'])} on average."
        out.append(Remark("warning", text, "Do not act on them as they are; more rows may help."))
    if _still_learning(findings):
        text = "The last epoch was the best: the model may not have learnt all it could."
        out.append(Remark("info", text, "Try more epochs."))
    out += champion_figures.remarks(findings)
    return out


def _still_learning(findings: Findings) -> bool:
    epochs = findings.epochs
    if len(epochs) < 3 or findings.best_epoch != epochs[-1].epoch:
        return False
    # what is known by heart already is not learnt better by more epochs
    return epochs[-1].train_accuracy - epochs[-1].validation_accuracy < BY_HEART


def weakest(findings: Findings) -> list[str]:
    """The classes by how many of their held-out rows are found, the fewest first; only those of
    which enough are held out to tell."""
    rows = np.bincount(findings.split.heldout.labels, minlength=len(findings.classes))
    recall: dict[str, float] = findings.evaluation["challenger"]["recall"]
    told = [n for n, held in zip(findings.classes, rows, strict=True) if held >= FEW_ROWS]
    return sorted(told, key=lambda name: recall[name])


def mistakes(findings: Findings) -> list[Confusion]:
    """All pairs of classes that were confused, the commonest first."""
    size = len(findings.classes)
    answers = findings.heldout.argmax(axis=1)
    counts = confusion_matrix(answers, findings.split.heldout.labels, size)
    return commonest_confusions(counts, findings.classes, size * size)


def write_files(target: Path, findings: Findings, wrong: NDArray[np.int64]) -> None:
    """The part's CSV files."""
    document, classes = findings.evaluation, findings.classes
    own, champion = document["challenger"], document["champion"] or {"recall": {}}
    labels = findings.split.heldout.labels
    held = np.bincount(labels, minlength=len(classes))
    write_csv(
        target / "per_class.csv",
        ("class", "heldout_rows", "precision", "recall", "f1", "champion_recall"),
        (
            (
                name,
                int(held[i]),
                *(own[what].get(name, "") for what in ("precision", "recall", "f1")),
                champion["recall"].get(name, ""),
            )
            for i, name in enumerate(classes)
        ),
    )
    counts = document["confusion"]["counts"]
    if counts is not None:
        write_csv(
            target / "confusion.csv",
            ("truth \\ answer", *classes),
            ((name, *row) for name, row in zip(classes, counts, strict=True)),
        )
    write_csv(
        target / "mistakes.csv", ("truth", "answer", "rows"), map(astuple, mistakes(findings))
    )
    write_csv(
        target / "calibration.csv",
        ("calibrated", "from", "to", "rows", "confidence", "accuracy"),
        _bins(document["calibration"]),
    )
    write_csv(
        target / "epochs.csv",
        tuple(asdict(findings.epochs[0])) if findings.epochs else ("epoch",),
        (tuple(asdict(epoch).values()) for epoch in findings.epochs),
    )
    right = np.setdiff1d(np.arange(len(labels)), wrong, assume_unique=True)
    write_csv(
        target / "predictions.csv",
        ("row", "truth", "answer", "probability", "probability_of_truth", "right"),
        _predictions(findings, np.concatenate([wrong, right])[:LISTED]),
    )


def _bins(calibration: dict[str, Any] | None) -> Iterable[tuple[object, ...]]:
    for when in ("before", "after"):
        for one in ((calibration or {}).get(when) or {}).get("bins", ()):
            yield (
                "yes" if when == "after" else "no",
                *(one[key] for key in ("from", "to", "rows", "confidence", "accuracy")),
            )


def _predictions(findings: Findings, order: NDArray[np.int64]) -> Iterable[tuple[object, ...]]:
    held, classes = findings.split.heldout, findings.classes
    labels, answers = held.labels, findings.heldout.argmax(axis=1)
    for row in order:
        yield (
            held.origin(int(row)) or int(row) + 1,
            classes[labels[row]],
            classes[answers[row]],
            round(float(findings.heldout[row, answers[row]]), 5),
            round(float(findings.heldout[row, labels[row]]), 5),
            "yes" if answers[row] == labels[row] else "no",
        )
