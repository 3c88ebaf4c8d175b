"""The gate: does the challenger go live? A pure function of what the training job measured.

1.  Always: clearly better than always saying the commonest class. The lower bound of the
    accuracy's 95 % interval, accuracy - 1.96 * sqrt(accuracy * (1 - accuracy) / n), must lie above
    that class's share. (Normal approximation to the binomial, the "Wald interval": Agresti & Coull,
    The American Statistician 52, 1998.)
2.  Fewer than 200 held-out rows: a person decides.
3.  Against a champion, on the rows that neither was trained on: the difference of the accuracies is
    not below minus one standard error of the paired difference (the training job computes both; the
    discordant pairs are those of McNemar, Psychometrika 12, 1947). Other classes, another shape,
    fewer than 200 such rows, or a champion that is no longer the one that was compared: a person
    decides.
4.  No class collapsed: no recall has dropped by more than 0.10 and by more than its noise, 1.96
    times sqrt(r1 (1 - r1) / m + r2 (1 - r2) / m), with m the mean number of rows a class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ENOUGH_ROWS = 200
CONFIDENCE = 1.96
RECALL_DROP = 0.10


class Verdict(StrEnum):
    """What is to happen."""

    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask a person"


@dataclass(frozen=True)
class Decision:
    """`reason` is a sentence with its numbers, for people; `numbers` the same for programs."""

    verdict: Verdict
    reason: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """`difference` is challenger's minus champion's accuracy on `rows` paired rows."""

    champion_job: str
    comparable: bool
    rows: int
    difference: float
    standard_error: float
    champion_recall: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json as far as the gate reads it."""

    training_job: str
    rows: int
    majority_share: float
    accuracy: float
    recall: Mapping[str, float]
    comparison: Comparison | None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Evaluation:
        """Raises KeyError, TypeError or ValueError for another format."""
        return cls(
            training_job=str(raw["training_job"]),
            rows=int(raw["heldout"]["rows"]),
            majority_share=float(raw["heldout"]["majority_share"]),
            accuracy=float(raw["challenger"]["accuracy"]),
            recall=dict(raw["challenger"]["recall"]),
            comparison=None if raw.get("champion") is None else _comparison(raw),
        )

    def reversed(self, champion_recall: Mapping[str, float]) -> Comparison | None:
        """The comparison as the former champion sees it, when this challenger is champion."""
        if self.comparison is None:
            return None
        return Comparison(
            self.training_job,
            self.comparison.comparable,
            self.comparison.rows,
            -self.comparison.difference,
            self.comparison.standard_error,
            champion_recall,
        )


def _comparison(raw: Mapping[str, Any]) -> Comparison:
    champion, paired = raw["champion"], raw.get("paired")
    same = bool(champion["same_classes"]) and bool(champion["same_shape"])
    return Comparison(
        champion_job=str(champion["training_job"]),
        comparable=same and paired is not None,
        rows=int(paired["rows"]) if paired else 0,
        difference=float(paired["difference"]) if paired else 0.0,
        standard_error=float(paired["standard_error"]) if paired else 0.0,
        champion_recall=dict(champion.get("recall") or {}),
    )


def judge(evaluation: Evaluation, champion_job: str | None) -> Decision:
    """Decide on the challenger. `champion_job` is the training job of the live model."""
    n, accuracy = evaluation.rows, evaluation.accuracy
    error = math.sqrt(accuracy * (1 - accuracy) / n) if n else 1.0
    bound = accuracy - CONFIDENCE * error
    numbers = {
        "heldout_rows": n,
        "accuracy": accuracy,
        "lower_bound": bound,
        "majority_share": evaluation.majority_share,
    }
    measured = f"accuracy {accuracy:.4f} on {n} held-out rows"
    if bound <= evaluation.majority_share:
        reason = (
            f"{measured} is not clearly better than always saying the commonest class "
            f"(share {evaluation.majority_share:.4f}, lower bound {bound:.4f})"
        )
        return Decision(Verdict.REJECT, reason, numbers)
    if n < ENOUGH_ROWS:
        return Decision(Verdict.ASK, f"{measured}: fewer than {ENOUGH_ROWS} cannot decide", numbers)
    if champion_job is None:
        reason = (
            f"{measured}, clearly better than the commonest class "
            f"(share {evaluation.majority_share:.4f}); there is no champion to compare with"
        )
        return Decision(Verdict.APPROVE, reason, numbers)
    return _against_champion(evaluation, champion_job, measured, numbers)


def _against_champion(
    evaluation: Evaluation, champion_job: str, measured: str, numbers: dict[str, float]
) -> Decision:
    compared = evaluation.comparison
    if compared is None or compared.champion_job != champion_job:
        with_whom = "nobody" if compared is None else compared.champion_job
        reason = f"{measured}; it was compared with {with_whom}, but {champion_job} is live now"
        return Decision(Verdict.ASK, reason, numbers)
    if not compared.comparable:
        reason = f"{measured}; {champion_job} has other classes or another image shape"
        return Decision(Verdict.ASK, reason, numbers)
    numbers |= {
        "paired_rows": compared.rows,
        "difference": compared.difference,
        "standard_error": compared.standard_error,
    }
    against = (
        f"{measured}; difference to {champion_job} {compared.difference:+.4f} "
        f"on {compared.rows} paired rows, standard error {compared.standard_error:.4f}"
    )
    if compared.rows < ENOUGH_ROWS:
        return Decision(Verdict.ASK, f"{against}: fewer than {ENOUGH_ROWS} cannot decide", numbers)
    if compared.difference < -compared.standard_error:
        return Decision(Verdict.REJECT, f"worse than the champion: {against}", numbers)
    collapsed = _collapsed(evaluation, compared)
    if collapsed is not None:
        return Decision(Verdict.REJECT, f"{collapsed}; {against}", numbers)
    return Decision(Verdict.APPROVE, f"not worse than the champion: {against}", numbers)


def _collapsed(evaluation: Evaluation, compared: Comparison) -> str | None:
    """The class whose recall dropped the most beyond noise, as a sentence."""
    rows = evaluation.rows / max(1, len(evaluation.recall))
    drops: list[tuple[float, str, float, float]] = []
    for name, before in compared.champion_recall.items():
        now = evaluation.recall.get(name, 0.0)
        noise = CONFIDENCE * math.sqrt((before * (1 - before) + now * (1 - now)) / rows)
        if before - now > max(RECALL_DROP, noise):
            drops.append((before - now, name, before, now))
    if not drops:
        return None
    _, name, before, now = max(drops)
    return f"recall of {name} fell from {before:.4f} to {now:.4f}"
