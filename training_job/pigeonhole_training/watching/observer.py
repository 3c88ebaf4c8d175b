"""What the training loop tells whoever watches it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import keras

    from pigeonhole_training.data.rows import Rows
    from pigeonhole_training.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """A training run that is about to start. `devices` as Keras names them; `precision` is Keras'
    dtype policy; `rows_on_device`: all training pixels lie there, and no step copies them."""

    model: keras.Model
    recipe: Recipe
    training: Rows
    validation: Rows
    classes: tuple[str, ...]
    steps_per_epoch: int
    backend: str
    devices: tuple[str, ...]
    hosts: int
    precision: str
    rows_on_device: bool


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step that was measured (most are not: measuring waits for the device).

    `reading` the loop waited for rows, `copying` moved them to the device, `computing` from there
    until the step's result was there. `rows` are those of this host. `loss` is this step's, NaN
    where nobody looked; `gradients` what `gradients.norms` says after it, empty likewise.
    """

    step: int
    rows: int
    reading: float
    copying: float
    computing: float
    loss: float = math.nan
    gradients: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training rows came to; its line is the contract with the log."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float

    def line(self) -> str:
        """`epoch=1; train_loss=0.5; …;`, caught by the job's MetricDefinitions."""
        parts = asdict(self)
        parts.pop("epoch")
        rate = parts.pop("learning_rate")
        named = " ".join(f"{k}={v:.4f};" for k, v in parts.items())
        return f"epoch={self.epoch}; {named} learning_rate={rate:.3g};"


class Observer(Protocol):
    """Hears of a run in this order; what it raises ends the run."""

    def started(self, run: Run) -> None:
        """Before the first step (of a resumed run too)."""

    def stepped(self, times: StepTimes) -> None:
        """After a measured step."""

    def epoch_ended(self, epoch: Epoch) -> None:
        """After validation."""

    def ended(self) -> None:
        """The weights are the ones that are kept."""
