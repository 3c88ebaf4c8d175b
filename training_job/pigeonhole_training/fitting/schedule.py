"""The learning rate of every step of a phase."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from pigeonhole_training.recipe import Schedule


@keras.saving.register_keras_serializable("pigeonhole")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Rises over the first `warmup` of `steps` steps in a straight line to `peak`, then:

    - `constant`: stays;
    - `cosine`: falls along half a cosine to zero (Loshchilov and Hutter 2016, arXiv:1608.03983);
    - `one-cycle`: falls in a straight line to zero (Smith and Topin 2017, arXiv:1708.07120).

    `steps` are all steps of the phase, not of an epoch: a rate is a step's, however many rows an
    epoch has.
    """

    def __init__(self, peak: float, schedule: Schedule, warmup: float, steps: int) -> None:
        super().__init__()
        self.peak, self.schedule, self.warmup, self.steps = peak, schedule, warmup, steps

    def __call__(self, step: Any) -> Any:
        """The rate of step `step`, from 0."""
        done = ops.cast(step, "float32")
        rising = round(self.steps * self.warmup)
        rise = ops.minimum((done + 1.0) / max(rising, 1), 1.0)
        gone = ops.clip((done - rising) / max(self.steps - rising, 1), 0.0, 1.0)
        if self.schedule == "cosine":
            left = 0.5 * (1.0 + ops.cos(math.pi * gone))
        elif self.schedule == "one-cycle":
            left = 1.0 - gone
        else:
            left = ops.ones_like(gone)
        return self.peak * rise * left

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "schedule": self.schedule,
            "warmup": self.warmup,
            "steps": self.steps,
        }
