"""What one training job is asked to do. Nothing here reads the environment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pigeonhole_training.errors import BadRequest
from pigeonhole_training.recipe import Asked

QUANTIZE = ("none", "fp16", "int8", "auto")


MIXED_PRECISION = ("auto", "on", "off")


@dataclass(frozen=True)
class Hyperparameters:
    """`None` means: the preset's recipe chooses. `quantize`: a smaller precision of the exported
    model, which is taken where it answers as well."""

    preset: str = "default"
    epochs: int | None = None
    fine_tune_epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    mixed_precision: str = "auto"
    quantize: str = "none"

    def __post_init__(self) -> None:
        if self.mixed_precision not in MIXED_PRECISION:
            raise BadRequest(
                f"mixed_precision must be one of {', '.join(MIXED_PRECISION)}, "
                f"not {self.mixed_precision}"
            )
        if self.quantize not in QUANTIZE:
            raise BadRequest(f"quantize must be one of {', '.join(QUANTIZE)}, not {self.quantize}")
        if self.epochs is not None and not 1 <= self.epochs <= 1000:
            raise BadRequest(f"epochs must be from 1 to 1000, not {self.epochs}")
        if self.batch_size is not None and not 1 <= self.batch_size <= 65_536:
            raise BadRequest(f"batch_size must be from 1 to 65536, not {self.batch_size}")
        if self.fine_tune_epochs is not None and not 0 <= self.fine_tune_epochs <= 1000:
            raise BadRequest(
                f"fine_tune_epochs must be from 0 to 1000, not {self.fine_tune_epochs}"
            )
        rate = self.learning_rate
        if rate is not None and not (math.isfinite(rate) and 0 < rate <= 10):
            raise BadRequest(f"learning_rate must be above 0, at most 10, not {rate}")
        if not 0 <= self.seed < 2**32:
            raise BadRequest(f"seed must be from 0 to 4294967295, not {self.seed}")

    @property
    def asked(self) -> Asked:
        """What the preset's recipe is told."""
        return Asked(
            epochs=self.epochs,
            fine_tune_epochs=self.fine_tune_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )


@dataclass(frozen=True)
class JobConfig:
    """One training job: where its channels and outputs are, who it is, how to train.

    `host` (from 0) is which of the job's `hosts` this is; the first one judges and writes.
    `tensorboard_dir` is for event files; None writes none. Judging jobs have a `challenger_dir`.
    """

    train_dir: Path
    version_dir: Path
    champion_dir: Path | None
    model_dir: Path
    output_data_dir: Path
    checkpoint_dir: Path
    weights_dir: Path | None
    training_job: str
    hyperparameters: Hyperparameters = Hyperparameters()
    dataset_version: str | None = None
    code_version: str = ""
    hosts: int = 1
    host: int = 0
    tensorboard_dir: Path | None = None
    instance_type: str = ""
    challenger_dir: Path | None = None
