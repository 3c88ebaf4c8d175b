"""What a job found out: everything that its reports are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pigeonhole_training.data.rows import Probabilities
from pigeonhole_training.data.split import Split
from pigeonhole_training.data.version import DatasetVersion
from pigeonhole_training.judging.champion import ChampionResult
from pigeonhole_training.watching.observer import Epoch, Run

if TYPE_CHECKING:
    from pigeonhole_training.watching.profile import Profile


@dataclass(frozen=True)
class Findings:
    """The job's data, run and results.

    `heldout` and `validation` are the calibrated probabilities of `split.heldout` and
    `split.validation`, float32 `(N, classes)`, classes in the order of `version.classes`.
    `evaluation` is evaluation.json's document. `champion` holds the champion's answers for
    `split.heldout`. `best_epoch` is the one whose weights are kept. `notes` are sentences for
    people about what was read. `seconds` are the job's steps so far, by name.
    """

    training_job: str
    code_version: str
    version: DatasetVersion
    split: Split
    run: Run
    epochs: tuple[Epoch, ...]
    best_epoch: int
    heldout: Probabilities
    validation: Probabilities
    evaluation: dict[str, Any]
    champion: ChampionResult | None = None
    profile: Profile | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names in order."""
        return self.version.classes
