"""How a network is trained: what a preset decides and hyperparameters can change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pigeonhole_training.data.version import Shape

Optimizer = Literal["sgd", "adam", "adamw"]
Schedule = Literal["constant", "cosine", "one-cycle"]


@dataclass(frozen=True)
class Situation:
    """What a preset's recipe may depend on."""

    rows: int
    shape: Shape
    classes: int
    accelerator: bool = False


@dataclass(frozen=True)
class Asked:
    """What hyperparameters ask for; None leaves it to the preset.

    `fine_tune_epochs` counts the epochs of a second phase, where the preset has one.
    """

    epochs: int | None = None
    fine_tune_epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Phase:
    """A stretch of the training. Most recipes have one; transfer learning has two.

    `trainable` is "all", "head" (only what is not in the network's layer named "base") or "base:N"
    (the head and the last N layers of the base). `learning_rate` and `epochs` are this phase's.
    """

    epochs: int
    learning_rate: float
    trainable: str = "all"


@dataclass(frozen=True)
class Recipe:
    """Everything about a run that is not the data or the network.

    `augment` names what `augment.py` does to training images, in order ("flip", "crop:2" for a
    shift by up to two pixels, "erase:0.5" for a random rectangle in half of the images, …).
    `ema` is the decay of the weights' moving average, which is what is kept (0: none).
    `patience` epochs without a lower validation loss end the training (0: never); the weights of
    the best epoch are kept either way. `warmup` is the share of the steps in which the learning
    rate rises.
    """

    preset: str
    phases: tuple[Phase, ...]
    batch_size: int
    seed: int = 0
    optimizer: Optimizer = "adam"
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    label_smoothing: float = 0.0
    ema: float = 0.0
    augment: tuple[str, ...] = ()
    patience: int = 4

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)
