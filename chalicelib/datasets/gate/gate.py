"""The gate: does the challenger go live? A pure function of what the jobs measured.

1.  Always: clearly better than always saying the commonest class. The lower bound of the
    accuracy's 95 % interval, accuracy - 1.96 * sqrt(accuracy * (1 - accuracy) / n), must lie above
    that class's share. (Normal approximation to the binomial, the "Wald interval": Agresti & Coull,
    The American Statistician 52, 1998.)
2.  Fewer than 200 held-out rows: a person decides.
3.  Against a champion, on the rows that neither was trained on: the difference of the accuracies is
    not below minus one standard error of the paired difference (the job computes both; the
    discordant pairs are those of McNemar, Psychometrika 12, 1947). Other classes, another shape or
    fewer than 200 such rows: a person decides. A champion that is no longer the one that was
    compared: the comparison is made again; where it cannot be, a person decides.
4.  No class got much worse: on those rows, no class's recall has dropped by more than 0.10 unless
    that may be chance. Of the rows of the class that one of the two alone got right, the champion's
    are not more than a fair coin would give it in one of twenty tries (the exact form of McNemar's
    test, one-sided).
5.  A model that was live before and whose data is back goes live: whoever put the data back has
    taken away what the champion learnt from. The comparison is told, where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ENOUGH_ROWS = 200
CONFIDENCE = 1.96
RECALL_DROP = 0.10
CHANCE = 0.05
EXACT_PAIRS = 1000  # beyond, the binomial is as good as normal


class Verdict(StrEnum):
    """What is to happen. COMPARE: first a comparison with the present champion."""

    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask a person"
    COMPARE = "compare"


@dataclass(frozen=True)
class Decision:
    """`reason` is a sentence with its numbers, for people; `numbers` the same for programs.

    `compared_with` is the champion's training job, `judged_by` the judging job that compared them,
    where it was not the challenger's own training job.
    """

    verdict: Verdict
    reason: str
    numbers: Mapping[str, float]
    compared_with: str | None = None
    judged_by: str | None = None


@dataclass(frozen=True)
class PairedClass:
    """Rows of one class that neither model was trained on."""

    rows: int
    only_challenger: int  # only the challenger got these right
    only_champion: int

    @property
    def drop(self) -> float:
        """How much lower the challenger's recall is."""
        return (self.only_champion - self.only_challenger) / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Comparison:
    """`difference` is challenger's minus champion's accuracy on `rows` paired rows."""

    champion_job: str
    comparable: bool
    rows: int
    difference: float
    standard_error: float
    classes: Mapping[str, PairedClass] = field(default_factory=dict)
    judged_by: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json as far as the gate reads it."""

    training_job: str
    rows: int
    majority_share: float
    accuracy: float
    comparison: Comparison | None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Evaluation:
        """Raises KeyError, TypeError, ValueError or AttributeError for another format."""
        return cls(
            training_job=str(raw["training_job"]),
            rows=int(raw["heldout"]["rows"]),
            majority_share=float(raw["heldout"]["majority_share"]),
            accuracy=float(raw["challenger"]["accuracy"]),
            comparison=None if raw.get("champion") is None else _comparison(raw),
        )

    def reversed(self) -> Comparison | None:
        """The comparison as the former champion sees it, when this challenger is champion."""
        if self.comparison is None:
            return None
        return Comparison(
            self.training_job,
            self.comparison.comparable,
            self.comparison.rows,
            -self.comparison.difference,
            self.comparison.standard_error,
            {
                name: PairedClass(each.rows, each.only_champion, each.only_challenger)
                for name, each in self.comparison.classes.items()
            },
            self.comparison.judged_by,
        )


def _comparison(raw: Mapping[str, Any]) -> Comparison | None:
    champion, paired = raw["champion"], raw.get("paired")
    same = bool(champion["same_classes"]) and bool(champion["same_shape"])
    judged_by = raw.get("judging_job")
    if paired is None:
        return Comparison(str(champion["training_job"]), False, 0, 0.0, 0.0, judged_by=judged_by)
    if "classes" not in paired:  # by a job of an older release
        return None
    return Comparison(
        champion_job=str(champion["training_job"]),
        comparable=same,
        rows=int(paired["rows"]),
        difference=float(paired["difference"]),
        standard_error=float(paired["standard_error"]),
        classes={
            str(name): PairedClass(
                int(each["rows"]),
                int(each["only_challenger_right"]),
                int(each["only_champion_right"]),
            )
            for name, each in paired["classes"].items()
        },
        judged_by=judged_by,
    )


def judge(
    evaluation: Evaluation,
    champion_job: str | None,
    *,
    returns: bool = False,
    cannot_compare: str | None = None,
) -> Decision:
    """Decide on the challenger. `champion_job` is the training job of the live model.

    returns: the challenger was live before, and its data is back.
    cannot_compare: why the comparison with the present champion could not be made.
    """
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
    compared = evaluation.comparison
    if returns:
        return _returned(compared, champion_job, measured, numbers)
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
    if compared is None or compared.champion_job != champion_job:
        with_whom = "nobody" if compared is None else compared.champion_job
        reason = f"{measured}; it was compared with {with_whom}, but {champion_job} is live now"
        verdict = Verdict.COMPARE if cannot_compare is None else Verdict.ASK
        reason += "" if cannot_compare is None else f"; {cannot_compare}"
        return Decision(verdict, reason, numbers)
    return _against_champion(compared, measured, numbers)


def _returned(
    compared: Comparison | None,
    champion_job: str | None,
    measured: str,
    numbers: Mapping[str, float],
) -> Decision:
    reason = f"its data is back, and it was live before; {measured}"
    if compared is None or compared.champion_job != champion_job or not compared.comparable:
        return Decision(Verdict.APPROVE, reason, numbers)
    return Decision(
        Verdict.APPROVE,
        f"{reason}; {_told(compared)}",
        {**numbers, **_numbers(compared)},
        compared.champion_job,
        compared.judged_by,
    )


def _against_champion(
    compared: Comparison, measured: str, numbers: Mapping[str, float]
) -> Decision:
    champion = compared.champion_job
    if not compared.comparable:
        reason = f"{measured}; {champion} has other classes or another image shape"
        return Decision(Verdict.ASK, reason, numbers, champion, compared.judged_by)
    against = f"{measured}; {_told(compared)}"
    collapsed = _collapsed(compared)
    if compared.rows < ENOUGH_ROWS:
        verdict, reason = Verdict.ASK, f"{against}: fewer than {ENOUGH_ROWS} cannot decide"
    elif compared.difference < -compared.standard_error:
        verdict, reason = Verdict.REJECT, f"worse than the champion: {against}"
    elif collapsed is not None:
        verdict, reason = Verdict.REJECT, f"{collapsed}; {against}"
    else:
        verdict, reason = Verdict.APPROVE, f"not worse than the champion: {against}"
    return Decision(
        verdict, reason, {**numbers, **_numbers(compared)}, champion, compared.judged_by
    )


def _told(compared: Comparison) -> str:
    return (
        f"difference to {compared.champion_job} {compared.difference:+.4f} "
        f"on {compared.rows} paired rows, standard error {compared.standard_error:.4f}"
    )


def _numbers(compared: Comparison) -> dict[str, float]:
    return {
        "paired_rows": compared.rows,
        "difference": compared.difference,
        "standard_error": compared.standard_error,
    }


def _collapsed(compared: Comparison) -> str | None:
    """The class whose recall dropped the most beyond chance, as a sentence."""
    worse = [
        (each.drop, name, each)
        for name, each in compared.classes.items()
        if each.drop > RECALL_DROP and by_chance(each.only_champion, each.only_challenger) < CHANCE
    ]
    if not worse:
        return None
    drop, name, each = max(worse, key=lambda found: found[0])
    return (
        f"the class {name} got much worse: its recall fell by {drop:.4f} on {each.rows} paired "
        f"rows ({each.only_champion} that the champion alone gets right, "
        f"{each.only_challenger} that the new model alone does)"
    )


def by_chance(lost: int, won: int) -> float:
    """How likely a fair coin gives `lost` heads or more in `lost + won` throws."""
    n = lost + won
    if n > EXACT_PAIRS:
        distance = (lost - won - 1) / math.sqrt(n)
        return 0.5 * math.erfc(distance / math.sqrt(2))
    return float(sum(math.comb(n, k) for k in range(lost, n + 1)) / 2**n)
