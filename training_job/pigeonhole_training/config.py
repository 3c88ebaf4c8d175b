"""What one training job is asked to do. Nothing here reads the environment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pigeonhole_training.errors import BadRequest

# Measured with Fashion-MNIST on 2 cores: 7 passes over 4,000 or 60,000 rows are where more stop
# paying. Fewer rows than 3,500 get more passes, so that the number of steps stays about the same.
MIN_EPOCHS = 7
MAX_EPOCHS = 60
ROWS_SEEN_AT_LEAST = 25_000


@dataclass(frozen=True)
class Hyperparameters:
    """`None` means: chosen by the number of training rows (`resolved`)."""

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None and not 1 <= self.epochs <= 1000:
            raise BadRequest(f"epochs must be from 1 to 1000, not {self.epochs}")
        if self.batch_size is not None and not 1 <= self.batch_size <= 65_536:
            raise BadRequest(f"batch_size must be from 1 to 65536, not {self.batch_size}")
        if not (math.isfinite(self.learning_rate) and 0 < self.learning_rate <= 10):
            raise BadRequest(f"learning_rate must be above 0, at most 10, not {self.learning_rate}")
        if not 0 <= self.seed < 2**32:
            raise BadRequest(f"seed must be from 0 to 4294967295, not {self.seed}")

    def resolved(self, rows: int) -> ResolvedHyperparameters:
        """The values used for `rows` training rows."""
        epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, round(ROWS_SEEN_AT_LEAST / max(rows, 1))))
        # Small batches learn more from few rows; large ones are faster.
        batch_size = 32 if rows < 10_000 else 64
        return ResolvedHyperparameters(
            epochs=self.epochs or epochs,
            batch_size=self.batch_size or batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )


@dataclass(frozen=True)
class ResolvedHyperparameters:
    """What a run used, all chosen."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class JobConfig:
    """One training job: where its channels and outputs are, who it is, how to train."""

    train_dir: Path
    version_dir: Path
    champion_dir: Path | None
    model_dir: Path
    output_data_dir: Path
    training_job: str
    hyperparameters: Hyperparameters = Hyperparameters()
    dataset_version: str | None = None
    code_version: str = ""
