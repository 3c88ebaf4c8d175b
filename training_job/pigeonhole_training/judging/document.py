"""evaluation.json: what was measured, for the gate, the reports and people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Labels, Probabilities
from pigeonhole_training.data.split import Split
from pigeonhole_training.export.precision import Choice
from pigeonhole_training.judging.calibrate import Calibration, reliability, tempered
from pigeonhole_training.judging.champion import ChampionResult
from pigeonhole_training.judging.evaluate import (
    COUNTED_CLASSES,
    commonest_confusions,
    confusion_matrix,
    majority_share,
    score,
    top_accuracy,
)

FORMAT = 1


def evaluation_document(
    *,
    training_job: str,
    dataset_version: str,
    classes: tuple[str, ...],
    split: Split,
    heldout: Probabilities,
    calibration: Calibration,
    choice: Choice,
    champion: ChampionResult | None,
) -> dict[str, Any]:
    """The document of docs/architecture.md. `heldout` are the served model's probabilities of the
    held-out rows, float32 `(N, classes)`."""
    labels = split.heldout.labels
    answers = heldout.argmax(axis=1)
    counts = confusion_matrix(answers, labels, len(classes))
    return {
        "format": FORMAT,
        "dataset_version": dataset_version,
        "training_job": training_job,
        "heldout": {
            "rows": len(labels),
            "source": split.source,
            "majority_share": majority_share(labels),
            "excluded_duplicates_of_training_rows": split.duplicates,
        },
        "challenger": _measured(heldout, answers, labels, classes),
        "champion": None if champion is None else _champion(champion, labels, classes),
        "paired": asdict(champion.paired) if champion and champion.paired else None,
        "confusion": {
            "counts": counts.tolist() if len(classes) <= COUNTED_CLASSES else None,
            "commonest": [asdict(pair) for pair in commonest_confusions(counts, classes)],
        },
        "calibration": {
            "temperature": calibration.temperature,
            "rows": calibration.rows,
            "reason": calibration.reason,
            "before": _reliability(tempered(heldout, 1 / calibration.temperature), labels),
            "after": _reliability(heldout, labels),
        },
        "export": {
            "asked": choice.asked,
            "precision": choice.precision,
            "reason": choice.reason,
            "candidates": [asdict(candidate) for candidate in choice.candidates],
        },
    }


def judged_document(
    *,
    training_job: str,
    judging_job: str,
    dataset_version: str,
    classes: tuple[str, ...],
    split: Split,
    heldout: Probabilities,
    champion: ChampionResult,
) -> dict[str, Any]:
    """What a judging job says of the model of `training_job`: the members of the same name."""
    labels = split.heldout.labels
    answers = heldout.argmax(axis=1)
    return {
        "format": FORMAT,
        "dataset_version": dataset_version,
        "training_job": training_job,
        "judging_job": judging_job,
        "heldout": {
            "rows": len(labels),
            "source": split.source,
            "majority_share": majority_share(labels),
            "excluded_duplicates_of_training_rows": split.duplicates,
        },
        "challenger": _measured(heldout, answers, labels, classes),
        "champion": _champion(champion, labels, classes),
        "paired": asdict(champion.paired) if champion.paired else None,
    }


def _measured(
    probabilities: Probabilities,
    answers: NDArray[np.integer],
    labels: Labels,
    classes: tuple[str, ...],
) -> dict[str, Any]:
    found = score(answers, labels, classes)
    believed = reliability(probabilities, labels)
    return {
        **asdict(found),
        "interval": list(found.interval),
        "top_5_accuracy": top_accuracy(probabilities, labels),
        "log_loss": believed.log_loss,
        "ece": believed.ece,
    }


def _champion(champion: ChampionResult, labels: Labels, classes: tuple[str, ...]) -> dict[str, Any]:
    if champion.probabilities is not None and champion.answers is not None:
        measured = _measured(champion.probabilities, champion.answers, labels, classes)
    else:
        numbers = ("accuracy", "interval", "macro_f1", "top_5_accuracy", "log_loss", "ece")
        measured = dict.fromkeys(numbers) | {"recall": {}, "precision": {}, "f1": {}}
    if not champion.same_classes:
        # what it does not know it cannot give a probability
        measured |= {"log_loss": None, "ece": None, "top_5_accuracy": None}
    return {
        "training_job": champion.training_job,
        "dataset_version": champion.dataset_version,
        "same_classes": champion.same_classes,
        "same_shape": champion.same_shape,
        **measured,
    }


def _reliability(probabilities: Probabilities, labels: Labels) -> dict[str, Any]:
    found = reliability(probabilities, labels)
    bins = [
        {
            "from": each.low,
            "to": each.high,
            "rows": each.rows,
            "confidence": each.confidence,
            "accuracy": each.accuracy,
        }
        for each in found.bins
    ]
    return {"log_loss": found.log_loss, "ece": found.ece, "bins": bins}
